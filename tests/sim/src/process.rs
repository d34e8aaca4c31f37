//! One life of a member: the machine and its stages, moved along by events, as `bin/etcd/src/server.rs` moves them.
//!
//! It never touches another process: what leaves it is an [`Effect`]. Its clock runs at a speed of its own.

use crate::{
    draw::Draw,
    edge::Edge,
    plant::Plant,
    rpc::{CallId, Request, Response},
    schedule::{MS, Micros},
    stages::{CommitStage, Committed, Fault, LogStage, ReadStage},
};
use disk::Disk;
use member::{
    Member, Notice, Outputs, Settings, SnapshotJob,
    consensus::Consensus,
    log_writer::{LogDone, LogJob, LogWriter},
    raft::{Node, NodeConfig},
    reader::{ReadDone, ReadJob},
    request_id::RequestIds,
    restart::{self, Beginning, Layout},
};
use mvcc::watch::Delivery;
use proto::raftpb;
use state::Version;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

pub const HEARTBEAT_MS: u64 = 100;
pub const ELECTION_TICKS: usize = 10;
/// As the server makes up for ticks after it was held up.
const TICKS_BEHIND_MAX: u64 = 10;
/// As long as the clock ticks this often a leader trusts its leadership when it renews a lease.
const STALLED_MS: u64 = 3 * HEARTBEAT_MS;
const SEGMENT_BYTES: u64 = 32 * 1024;
const PURGE_EVERY_TICKS: u64 = 40;

/// Something that becomes due in a process.
#[derive(Debug)]
pub enum Due {
    Turn,
    Tick,
    /// The time the member asked to be woken at.
    Wake(Micros),
    Log,
    Commit,
    Read(u64),
    Segment,
    Versions(BTreeMap<u64, Option<Version>>),
    /// The transport is through with a snapshot to this peer.
    SnapshotSent {
        peer: u64,
        delivered: bool,
    },
}

impl Due {
    /// For the trace.
    pub fn name(&self) -> &'static str {
        match self {
            Due::Turn => "turn",
            Due::Tick => "tick",
            Due::Wake(_) => "wake",
            Due::Log => "log",
            Due::Commit => "commit",
            Due::Read(_) => "read",
            Due::Segment => "segment",
            Due::Versions(_) => "versions",
            Due::SnapshotSent { .. } => "snapshot sent",
        }
    }
}

/// What leaves a process.
#[derive(Debug)]
pub enum Effect {
    After(Micros, Due),
    Send(raftpb::Message),
    SendSnapshot(SnapshotJob),
    AskVersions,
    Answer(CallId, Response),
    Deliver(Delivery),
    Notice(Notice),
}

/// What a process may use while it handles an event.
#[derive(Debug)]
pub struct Cx<'a> {
    pub now: Micros,
    pub draw: &'a mut Draw,
    pub plant: &'a mut Plant,
    pub effects: Vec<Effect>,
}

impl Cx<'_> {
    fn after(&mut self, delay: Micros, due: Due) {
        self.effects.push(Effect::After(delay, due));
    }
}

/// The process's own clock.
#[derive(Clone, Copy, Debug)]
struct Clock {
    started: Micros,
    /// How much faster than the simulation's, in millionths.
    fast_ppm: i64,
    /// What it shows at the start.
    origin_ms: u64,
}

impl Clock {
    fn ms(&self, now: Micros) -> u64 {
        let real = (now - self.started) as i64;
        self.origin_ms + ((real + real * self.fast_ppm / 1_000_000) / 1000) as u64
    }

    /// When it shows this.
    fn when(&self, ms: u64) -> Micros {
        let shown = (ms.saturating_sub(self.origin_ms) * 1000) as i64;
        self.started + (shown - shown * self.fast_ppm / 1_000_000).max(0) as u64
    }
}

/// What a process is started with.
#[derive(Clone, Debug)]
pub struct Boot {
    pub name: String,
    pub beginning: Beginning,
    pub fast_ppm: i64,
    pub snapshot_entries: u64,
    pub catchup_entries: u64,
    pub trim_entries: u64,
}

#[derive(Debug)]
pub struct Process {
    pub member: Member,
    edge: Edge,
    log: LogStage,
    commit: CommitStage,
    read: ReadStage,
    out: Outputs,
    clock: Clock,
    next_tick_ms: u64,
    last_tick_ms: u64,
    ticks: u64,
    turn_due: bool,
    wake: Option<Micros>,
}

pub fn layout() -> Layout {
    Layout {
        wal_dir: PathBuf::from("d/member/wal"),
        snap_dir: PathBuf::from("d/member/snap"),
        segment_bytes: SEGMENT_BYTES,
    }
}

fn settings(boot: &Boot, member_id: u64, cluster_id: u64) -> Settings {
    let election_ms = HEARTBEAT_MS * ELECTION_TICKS as u64;
    Settings {
        member_id,
        cluster_id,
        name: boot.name.clone(),
        client_urls: vec![format!("http://{}:2379", boot.name)],
        election_ms,
        request_timeout_ms: 5000 + 2 * election_ms,
        snapshot_entries: boot.snapshot_entries,
        catchup_entries: boot.catchup_entries,
        trim_entries: boot.trim_entries,
        quota_bytes: None,
        request_bytes_max: 1 << 20,
        compaction_pause_ms: 10,
        release: release(),
        lease_timing: state::lease::Timing::default(),
    }
}

/// What every member says it runs.
pub fn release() -> Version {
    Version::parse("3.7.0").expect("a version")
}

impl Process {
    /// Opens what is on the disk. `cx.now` becomes the process's start.
    pub fn start(disk: &Arc<dyn Disk>, boot: &Boot, cx: &mut Cx<'_>) -> Result<Process, restart::Error> {
        let layout = layout();
        let bolt = bolt::Options { cache_bytes: 1 << 20, ..bolt::Options::default() };
        let opened = restart::open(disk, &layout, bolt.clone(), state::Options::default(), || {
            Ok(boot.beginning.clone())
        })?;
        let clock = Clock { started: cx.now, fast_ppm: boot.fast_ppm, origin_ms: cx.now / MS + 1 };
        let now_ms = clock.ms(cx.now);
        let config = NodeConfig {
            id: opened.member_id,
            election_ticks: ELECTION_TICKS,
            pre_vote: true,
            seed: cx.draw.number(),
        };
        let snapshot_index = opened.log.index;
        let consensus =
            Consensus::new(Node::new(&config, opened.log)?, RequestIds::new(opened.member_id, now_ms));
        let settings = settings(boot, opened.member_id, opened.cluster_id);
        let member = Member::new(settings, consensus, opened.state, None, snapshot_index, now_ms);
        let writer =
            LogWriter::new(disk.clone(), opened.wal, layout.wal_dir.clone(), layout.snap_dir.clone());
        let mut process = Process {
            member,
            edge: Edge::default(),
            log: LogStage::new(disk.clone(), writer, layout.segment_bytes),
            commit: CommitStage::new(disk.clone(), layout, bolt, opened.committer),
            read: ReadStage::default(),
            out: Outputs::default(),
            clock,
            next_tick_ms: now_ms + HEARTBEAT_MS,
            last_tick_ms: now_ms,
            ticks: 0,
            turn_due: false,
            wake: None,
        };
        process.schedule_tick(cx);
        process.want_turn(cx);
        Ok(process)
    }

    /// Something has become due.
    pub fn due(&mut self, due: Due, cx: &mut Cx<'_>) -> Result<(), Fault> {
        self.member.set_time(self.clock.ms(cx.now));
        match due {
            Due::Turn => {
                self.turn_due = false;
                return self.turn(cx);
            }
            Due::Wake(at) if self.wake == Some(at) => {
                self.wake = None;
                return self.turn(cx);
            }
            Due::Wake(_) => return Ok(()),
            Due::Tick => self.tick(cx),
            Due::Log => {
                for done in self.log.end()? {
                    if !matches!(done, LogDone::Purged(_)) {
                        self.member.log_done(done, &mut self.out);
                    }
                }
                self.begin_stages(cx)?;
            }
            Due::Commit => {
                match self.commit.end()? {
                    Committed::Batch(root) => self.member.committed(root, &mut self.out),
                    Committed::Defragmented(root) => self.member.defragmented(root),
                    Committed::Installed(state) => self.member.installed(*state, &mut self.out),
                }
                self.begin_stages(cx)?;
            }
            Due::Read(number) => {
                let ReadDone::History { pass, changes, next } = self.read.end(number)? else {
                    unreachable!("only history is read");
                };
                self.member.history_read(pass, &changes, next).map_err(|e| format!("history: {e}"))?;
            }
            Due::Segment => self.log.prepared()?,
            Due::Versions(others) => self.member.versions_known(others),
            Due::SnapshotSent { peer, delivered } => self.member.snapshot_sent(peer, delivered),
        }
        self.want_turn(cx);
        Ok(())
    }

    /// A message from a peer.
    pub fn message(&mut self, message: &raftpb::Message, cx: &mut Cx<'_>) {
        self.member.set_time(self.clock.ms(cx.now));
        self.member.step(message).expect("peers send what a member takes");
        self.want_turn(cx);
    }

    pub fn request(&mut self, call: CallId, request: Request, cx: &mut Cx<'_>) {
        let now_ms = self.clock.ms(cx.now);
        self.member.set_time(now_ms);
        let stalled = now_ms - self.last_tick_ms > STALLED_MS;
        self.edge.request(call, request, &mut self.member, stalled);
        self.want_turn(cx);
    }

    /// The backend's file is to be rewritten.
    pub fn defragment(&mut self, cx: &mut Cx<'_>) {
        self.commit.queue_defragment();
        self.want_turn(cx);
    }

    pub fn forget(&mut self, call: CallId) {
        self.edge.forget(call, &mut self.member);
    }

    /// Something was changed in the member from outside.
    pub fn want_turn(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.turn_due, true) {
            let delay = cx.draw.between(5, 200);
            cx.after(delay, Due::Turn);
        }
    }

    fn schedule_tick(&mut self, cx: &mut Cx<'_>) {
        let at = self.clock.when(self.next_tick_ms).max(cx.now + 1);
        cx.after(at - cx.now, Due::Tick);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let now_ms = self.clock.ms(cx.now);
        let behind = now_ms.saturating_sub(self.next_tick_ms) / HEARTBEAT_MS;
        for _ in 0..=behind.min(TICKS_BEHIND_MAX) {
            self.member.tick();
        }
        self.next_tick_ms += (behind + 1) * HEARTBEAT_MS;
        self.last_tick_ms = now_ms;
        self.ticks += 1;
        if self.ticks.is_multiple_of(PURGE_EVERY_TICKS) {
            self.log.queue(LogJob::Purge { wals_max: 2, snapshots_max: 2 });
        }
        self.schedule_tick(cx);
    }

    fn turn(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        let now_ms = self.clock.ms(cx.now);
        cx.plant.before_turn(&mut self.member, now_ms);
        self.member.turn(now_ms, &mut self.out).map_err(|e| format!("member: {e}"))?;
        self.edge.settle(&mut self.member, &mut self.out);
        if let Some(fault) = self.edge.take_fault() {
            return Err(fault);
        }
        self.dispatch(cx)?;
        if let Some(wake_ms) = self.member.wake_ms() {
            let at = self.clock.when(wake_ms).max(cx.now + 50);
            if self.wake.is_none_or(|wake| at < wake || wake <= cx.now) {
                self.wake = Some(at);
                cx.after(at - cx.now, Due::Wake(at));
            }
        }
        Ok(())
    }

    /// Jobs to their stages, the rest out.
    fn dispatch(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        for job in self.out.log.drain(..) {
            self.log.queue(cx.plant.log_job(job));
        }
        for batch in self.out.commit.drain(..) {
            self.commit.queue(cx.plant.batch(batch));
        }
        for job in self.out.installs.drain(..) {
            self.commit.queue_install(job);
        }
        for job in self.out.history.drain(..) {
            let (number, takes) = self.read.begin(ReadJob::History(job), cx.draw);
            cx.after(takes, Due::Read(number));
        }
        self.begin_stages(cx)?;
        cx.effects.extend(self.out.messages.drain(..).map(Effect::Send));
        cx.effects.extend(self.out.snapshots.drain(..).map(Effect::SendSnapshot));
        cx.effects.extend(self.edge.take_answers().into_iter().map(|(call, r)| Effect::Answer(call, r)));
        cx.effects.extend(self.out.deliveries.drain(..).map(Effect::Deliver));
        cx.effects.extend(self.out.notices.drain(..).map(Effect::Notice));
        if std::mem::take(&mut self.out.ask_versions) {
            cx.effects.push(Effect::AskVersions);
        }
        Ok(())
    }

    fn begin_stages(&mut self, cx: &mut Cx<'_>) -> Result<(), Fault> {
        if let Some(takes) = self.log.begin(cx.draw)? {
            cx.after(takes, Due::Log);
        }
        if let Some(takes) = self.log.prepare(cx.draw) {
            cx.after(takes, Due::Segment);
        }
        if let Some(takes) = self.commit.begin(cx.draw)? {
            cx.after(takes, Due::Commit);
        }
        Ok(())
    }
}
