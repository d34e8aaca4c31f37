//! A whole member on a simulated disk: every stage in turn on one thread, time as a number.

use backend::Committer;
use disk::{
    Disk, OpenMode,
    sim::{Crash, SimDisk},
};
use member::{
    InstallJob, Member, Notice, Outputs, Settings,
    consensus::Consensus,
    log_writer::{LogJob, LogWriter},
    proposal::Payload,
    raft::{Node, NodeConfig, Role},
    reader::{self, ReadDone, ReadJob},
    request_id::RequestIds,
    restart::{self, Beginning, InitialMember, Layout, NewCluster},
};
use mvcc::{
    KeyRange, RangeEnd,
    watch::{Create, Delivery, Filters},
};
use proto::{Message, etcdserverpb as pb, raftpb};
use state::{Reject, Reply};
use std::{path::PathBuf, sync::Arc};

/// Turns after which a test that is not through has failed.
const TURNS_MAX: usize = 10_000;

/// Turns without time that are enough to apply what a log holds and to be elected.
const QUIET_TURNS: usize = 10;

struct World {
    disk: Arc<dyn Disk>,
    member: Member,
    writer: LogWriter,
    committer: Committer,
    now_ms: u64,
    replies: Vec<(u64, Result<Reply, Reject>)>,
    deliveries: Vec<Delivery>,
    notices: Vec<Notice>,
    /// The greatest number of entries one turn proposed.
    entries_per_turn_max: usize,
}

impl World {
    fn start(disk: Arc<dyn Disk>, now_ms: u64) -> World {
        let mut world = World::new(disk, now_ms);
        world.until(|w| w.notices.contains(&Notice::Published));
        world
    }

    /// Opened; nothing has happened yet.
    fn new(disk: Arc<dyn Disk>, now_ms: u64) -> World {
        let layout = Layout {
            wal_dir: PathBuf::from("d/member/wal"),
            snap_dir: PathBuf::from("d/member/snap"),
            segment_bytes: wal::SEGMENT_BYTES,
        };
        let new = || {
            let members =
                vec![InitialMember { name: "a".into(), peer_urls: vec!["http://127.0.0.1:2380".into()] }];
            Ok(Beginning::Found(NewCluster { token: "t".into(), name: "a".into(), members }))
        };
        let opened =
            restart::open(&disk, &layout, bolt::Options::default(), state::Options::default(), new).unwrap();
        let config = NodeConfig { id: opened.member_id, election_ticks: 10, pre_vote: true, seed: 1 };
        let index = opened.log.index;
        let consensus = Consensus::new(
            Node::new(&config, opened.log).unwrap(),
            RequestIds::new(opened.member_id, now_ms),
        );
        let settings = Settings {
            member_id: opened.member_id,
            cluster_id: opened.cluster_id,
            name: "a".into(),
            client_urls: vec!["http://127.0.0.1:2379".into()],
            election_ms: 1000,
            request_timeout_ms: 7000,
            snapshot_entries: 50,
            catchup_entries: 20,
            trim_entries: 1000,
            quota_bytes: None,
            request_bytes_max: 1 << 20,
            compaction_pause_ms: 10,
            release: state::version::SERVER,
            lease_timing: state::lease::Timing::default(),
        };
        World {
            member: Member::new(settings, consensus, opened.state, None, index, now_ms),
            writer: LogWriter::new(disk.clone(), opened.wal, layout.wal_dir, layout.snap_dir),
            committer: opened.committer,
            disk,
            now_ms,
            replies: Vec::new(),
            deliveries: Vec::new(),
            notices: Vec::new(),
            entries_per_turn_max: 0,
        }
    }

    /// One turn a heartbeat later, with disks that answer at once.
    fn turn(&mut self) {
        self.now_ms += 100;
        self.member.tick();
        self.quiet_turn();
    }

    /// A turn in which no time has passed.
    fn quiet_turn(&mut self) {
        self.member.set_time(self.now_ms);
        let mut out = Outputs::default();
        self.member.turn(self.now_ms, &mut out).unwrap();
        for round in 0.. {
            assert!(round < TURNS_MAX, "the member finds no rest");
            let (log, commit, history) = (
                std::mem::take(&mut out.log),
                std::mem::take(&mut out.commit),
                std::mem::take(&mut out.history),
            );
            if log.is_empty() && commit.is_empty() && history.is_empty() {
                break;
            }
            let entries = log.iter().map(|job| match job {
                member::log_writer::LogJob::Persist(persist) => persist.entries.len(),
                _ => 0,
            });
            self.entries_per_turn_max = self.entries_per_turn_max.max(entries.sum());
            if !log.is_empty() {
                for done in self.writer.handle(log).unwrap() {
                    self.member.log_done(done, &mut out);
                }
            }
            for batch in commit {
                let root = self.committer.commit(&batch).unwrap();
                self.member.committed(root, &mut out);
            }
            for job in history {
                let ReadDone::History { pass, changes, next } = reader::run(ReadJob::History(job)).unwrap()
                else {
                    panic!("history was asked for");
                };
                self.member.history_read(pass, &changes, next).unwrap();
            }
            self.member.turn(self.now_ms, &mut out).unwrap();
        }
        self.replies.append(&mut out.replies);
        self.deliveries.append(&mut out.deliveries);
        self.notices.append(&mut out.notices);
    }

    fn until(&mut self, done: impl Fn(&World) -> bool) {
        for _ in 0..TURNS_MAX {
            if done(self) {
                return;
            }
            self.turn();
        }
        panic!("not through after {TURNS_MAX} turns");
    }

    fn call(&mut self, payload: Payload<'_>) -> Result<Reply, Reject> {
        let id = self.member.propose(payload).unwrap();
        self.until(|w| w.replies.iter().any(|(done, _)| *done == id));
        let at = self.replies.iter().position(|(done, _)| *done == id).unwrap();
        self.replies.swap_remove(at).1
    }

    fn put(&mut self, key: &str, lease: i64) {
        let key = bytes::Bytes::copy_from_slice(key.as_bytes());
        let request = pb::PutRequest { key, value: "v".into(), lease, ..Default::default() };
        self.call(Payload::Put(&request.encode_to_vec())).unwrap();
    }
}

fn from_the_first(start_revision: i64) -> Create {
    Create {
        range: KeyRange { key: "\0".into(), end: RangeEnd::Open },
        start_revision,
        watch_id: 0,
        prev_kv: true,
        fragment: false,
        progress_notify: false,
        filters: Filters::default(),
    }
}

/// Revisions of the events delivered, in order; a delivery from history has several events.
fn events(world: &World) -> usize {
    let count = |delivery: &Delivery| match delivery {
        Delivery::Events { events, .. } => events.len(),
        _ => 0,
    };
    world.deliveries.iter().map(count).sum()
}

/// Guards against a pass over history that stops short of the store's revision: the watcher would never catch up.
#[test]
fn a_watcher_from_the_past_sees_the_last_revision_and_then_what_comes() {
    let mut world = World::start(Arc::new(SimDisk::new()), 0);
    for n in 0..5 {
        world.put(&format!("k{n}"), 0);
    }
    let revision = world.member.state().revision();
    world.member.hub_mut().open(1);
    world.member.hub_mut().create(1, from_the_first(1), revision).unwrap();
    world.until(|w| events(w) >= 5);
    assert_eq!((events(&world), world.member.hub().slow_count()), (5, 0));
    world.put("later", 0);
    world.until(|w| events(w) >= 6);
    assert_eq!(events(&world), 6);
}

/// Expired leases are revoked by proposals, a bounded number at a time, each once.
#[test]
fn expired_leases_all_go_a_few_at_a_time() {
    const LEASES: i64 = 100;
    let mut world = World::start(Arc::new(SimDisk::new()), 0);
    for id in 1..=LEASES {
        world.call(Payload::LeaseGrant(&pb::LeaseGrantRequest { id, ttl: 30 })).unwrap();
        world.put(&format!("k{id:03}"), id);
    }
    let before = world.member.state().revision();
    world.entries_per_turn_max = 0;
    // All at once.
    world.now_ms += 60_000;
    world.until(|w| w.member.state().leases().is_empty());
    assert_eq!(world.member.state().revision(), before + LEASES, "every revoke deleted its key, once");
    assert!(world.entries_per_turn_max <= 16, "{} revokes at once", world.entries_per_turn_max);
}

/// What was answered is there after power was lost, whatever had been snapshotted by then.
#[test]
fn answered_writes_survive_lost_power() {
    // A handful of entries come before the first put; every 50 there is a snapshot.
    for (puts, snapshot) in [(0, false), (7, false), (40, false), (60, true), (130, true)] {
        let disk = SimDisk::new();
        let mut world = World::start(Arc::new(disk.clone()), 0);
        for n in 0..puts {
            world.put(&format!("k{n}"), 0);
        }
        let (revision, now_ms) = (world.member.state().revision(), world.now_ms);
        assert_eq!(world.notices.iter().any(|n| matches!(n, Notice::SnapshotSaved { .. })), snapshot);
        drop(world);
        disk.crash(Crash::DropUnsynced);
        let world = World::start(Arc::new(disk), now_ms);
        assert_eq!(world.member.state().revision(), revision, "after {puts} puts");
        assert!(world.member.state().root().check().unwrap().is_empty());
        assert!(world.disk.exists(&PathBuf::from("d/member/snap/db")).unwrap());
    }
}

/// A sender that restarted knows of fewer commits than its backend holds, and says the smaller index. What is older than
/// it says is refused.
#[test]
fn a_received_database_may_be_ahead_of_its_snapshot() {
    for (ahead, accepted) in [(0, true), (1, true), (-1, false)] {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let mut world = World::start(disk.clone(), 0);
        world.put("k", 0);
        let mut out = Outputs::default();
        world.member.force_commit(&mut out);
        for batch in &out.commit {
            world.committer.commit(batch).unwrap();
        }
        let index = world.member.state().consistent_index().checked_add_signed(-ahead).unwrap();
        let mut image = world.committer.reader().image();
        let mut bytes = Vec::new();
        while image.remaining() > 0 {
            bytes.extend_from_slice(&image.read(1 << 20).unwrap());
        }
        let layout = Layout {
            wal_dir: PathBuf::from("d/member/wal"),
            snap_dir: PathBuf::from("d/member/snap"),
            segment_bytes: wal::SEGMENT_BYTES,
        };
        let received = disk.open(&layout.snap_dir.join(format!("{index:016x}.snap.db")), OpenMode::Create);
        received.unwrap().write_at(&bytes, 0).unwrap();
        let job = InstallJob { index, options: state::Options::default() };
        let World { committer, member, .. } = world;
        match restart::install(&disk, &layout, committer, bolt::Options::default(), job) {
            Ok((_, state)) => {
                assert!(accepted, "{ahead}");
                assert_eq!(state.revision(), member.state().revision());
            }
            Err(error) => assert!(!accepted && error.to_string().contains("does not match"), "{error}"),
        }
    }
}

/// A snapshot of its own that waits for the backend is given up when one is received: markers are logged in the order of
/// their indexes.
#[test]
fn an_own_snapshot_is_not_logged_after_a_received_one() {
    let mut world = World::start(Arc::new(SimDisk::new()), 0);
    let (mut out, mut batches) = (Outputs::default(), Vec::new());
    for n in 0..TURNS_MAX {
        if out.notices.iter().any(|notice| matches!(notice, Notice::SnapshotTriggered { .. })) {
            break;
        }
        let put = pb::PutRequest { key: format!("k{n}").into(), ..Default::default() };
        world.member.propose(Payload::Put(&put.encode_to_vec())).unwrap();
        for _ in 0..3 {
            world.member.turn(world.now_ms, &mut out).unwrap();
            for done in world.writer.handle(std::mem::take(&mut out.log)).unwrap() {
                world.member.log_done(done, &mut out);
            }
            batches.append(&mut out.commit);
        }
    }
    assert!(!batches.is_empty(), "its own snapshot waits for these");

    let own = world.member.settings().member_id;
    let metadata = raftpb::SnapshotMetadata {
        conf_state: Some(raftpb::ConfState::simple(vec![own], vec![])),
        index: Some(world.member.applied_index() + 100),
        term: Some(99),
    };
    let received = raftpb::Message {
        r#type: Some(raftpb::MessageType::MsgSnap as i32),
        to: Some(own),
        from: Some(7),
        term: Some(99),
        snapshot: Some(raftpb::Snapshot { data: None, metadata: Some(metadata) }),
        ..Default::default()
    };
    world.member.step(&received).unwrap();
    world.member.turn(world.now_ms, &mut out).unwrap();
    let is_received = |job: &LogJob| matches!(job, LogJob::Persist(job) if job.snapshot.is_some());
    assert!(out.log.iter().any(is_received));
    for batch in &batches {
        let root = world.committer.commit(batch).unwrap();
        world.member.committed(root, &mut out);
    }
    assert!(!out.log.iter().any(|job| matches!(job, LogJob::Snapshot(_))));
}

/// A member alone leads without one tick: after its first start, and after a restart that has entries to apply first.
#[test]
fn a_member_alone_need_not_wait_for_an_election() {
    let disk = SimDisk::new();
    let mut world = World::start(Arc::new(disk.clone()), 0);
    for n in 0..20 {
        world.put(&format!("k{n}"), 0);
    }
    let now_ms = world.now_ms;
    drop(world);
    for fresh in [true, false] {
        let disk = if fresh { SimDisk::new() } else { disk.clone() };
        let mut world = World::new(Arc::new(disk), now_ms);
        world.member.stand_once_applied();
        for _ in 0..QUIET_TURNS {
            world.quiet_turn();
        }
        assert_eq!(world.member.consensus().standing().role, Role::Leader, "fresh: {fresh}");
    }
}
