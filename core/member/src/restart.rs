//! From a data directory to what a member is made of.
//!
//! It never starts a stage. Order: stray files go, the backend opens, the log is found or made, a received snapshot's
//! database takes its place if the backend is older than the log's snapshot, the state is restored, the log replayed.
//! Invariants checked: the backend is never older than the snapshot the log continues from.

mod alone;

pub use alone::Forced;

use crate::{outputs::InstallJob, raft::NodeLog};
use backend::{Committer, ReadTx, meta};
use disk::Disk;
use proto::{Message, etcdserverpb, raftpb, walpb};
use state::State;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use wal::Wal;

/// Where things lie.
#[derive(Clone, Debug)]
pub struct Layout {
    pub wal_dir: PathBuf,
    pub snap_dir: PathBuf,
    /// Bytes of a segment of the log: [`wal::SEGMENT_BYTES`], less in a simulation.
    pub segment_bytes: u64,
}

impl Layout {
    pub fn backend(&self) -> PathBuf {
        self.snap_dir.join("db")
    }
}

/// A member of a new cluster, from the flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialMember {
    pub name: String,
    /// Sorted.
    pub peer_urls: Vec<String>,
}

/// How a member without a log begins.
#[derive(Clone, Debug)]
pub enum Beginning {
    /// With the other initial members, each of which writes the same log.
    Found(NewCluster),
    /// In a cluster that has added it: with an empty configuration, which its log or a snapshot will fill.
    Join { member_id: u64, cluster_id: u64 },
}

/// A cluster that does not exist yet.
#[derive(Clone, Debug)]
pub struct NewCluster {
    pub token: String,
    /// The local member's name.
    pub name: String,
    pub members: Vec<InitialMember>,
}

impl NewCluster {
    /// The ID that the local member will have.
    pub fn local_id(&self) -> Result<u64, Error> {
        let local = self.members.iter().find(|member| member.name == self.name);
        let local = local.ok_or_else(|| Error::NoLocalName(self.name.clone()))?;
        Ok(state::member::member_id(&local.peer_urls, &self.token, None))
    }
}

/// Why there is no member. The texts are etcd's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Wal(#[from] wal::Error),
    #[error(transparent)]
    Backend(#[from] backend::Error),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Raft(#[from] crate::raft::Refused),
    /// The flags do not describe a cluster.
    #[error("{0}")]
    Flags(String),
    #[error("couldn't find local name {0:?} in the initial cluster configuration")]
    NoLocalName(String),
    #[error("failed to find database snapshot file (snap: snapshot file doesn't exist)")]
    NoSnapshotDatabase,
    #[error("database file ({0}) of the backend is missing")]
    BackendMissing(String),
    #[error("database file ({path}, index {index}) does not match with snapshot (index {snapshot})")]
    BackendMismatch { path: String, index: u64, snapshot: u64 },
    #[error("membership: too many learner members in cluster")]
    TooManyLearners,
    #[error("entry {index} of the log is no configuration change: {reason}")]
    ConfChange { index: u64, reason: String },
}

/// All that a member is made of.
#[derive(Debug)]
pub struct Opened {
    pub member_id: u64,
    pub cluster_id: u64,
    /// True when there was a log already.
    pub restarted: bool,
    pub log: NodeLog,
    pub wal: Wal,
    pub committer: Committer,
    pub state: State,
    /// Torn bytes were cut off the log's end.
    pub repaired: bool,
    /// The other members were dropped ([`open_alone`]).
    pub forced: Option<Forced>,
}

/// Levels above the log and the snapshots whose entries are made durable: `member`, the data directory, its parent.
const DIRECTORIES_SYNCED: usize = 3;

/// Names in the snapshot directory that an interrupted write left behind.
fn is_stray(name: &str) -> bool {
    name.starts_with("tmp") || name.starts_with("db.tmp")
}

/// Opens what is there, or begins as `beginning` says.
pub fn open(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    bolt: bolt::Options,
    options: state::Options,
    beginning: impl FnOnce() -> Result<Beginning, Error>,
) -> Result<Opened, Error> {
    open_with(disk, layout, bolt, options, beginning, |_| Ok(()))
}

/// As [`open`], but a member that has a log goes on without the others (`--force-new-cluster`): what is not committed
/// is dropped, and their removal committed.
pub fn open_alone(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    bolt: bolt::Options,
    options: state::Options,
    beginning: impl FnOnce() -> Result<Beginning, Error>,
) -> Result<Opened, Error> {
    open_with(disk, layout, bolt, options, beginning, alone::drop_others)
}

fn open_with(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    bolt: bolt::Options,
    options: state::Options,
    beginning: impl FnOnce() -> Result<Beginning, Error>,
    change_log: impl FnOnce(&mut Opened) -> Result<(), Error>,
) -> Result<Opened, Error> {
    disk.create_dir_all(&layout.snap_dir)?;
    for name in disk.list(&layout.snap_dir)?.iter().filter(|name| is_stray(name)) {
        disk.remove_file(&layout.snap_dir.join(name))?;
    }
    let had_wal = Wal::exists(&**disk, &layout.wal_dir)?;
    // A wrong flag must not leave a database behind.
    let beginning = if had_wal { None } else { Some(beginning()?) };
    let had_backend = disk.exists(&layout.backend())?;
    let committer = Committer::open(disk.clone(), &layout.backend(), bolt.clone())?;
    match beginning {
        Some(Beginning::Found(cluster)) => found(disk, layout, committer, options, &cluster),
        Some(Beginning::Join { member_id, cluster_id }) => {
            begin(disk, layout, committer, options, First { member_id, cluster_id, ..First::default() })
        }
        None => {
            let mut opened = resume(disk, layout, committer, bolt, options, had_backend)?;
            change_log(&mut opened)?;
            Ok(opened)
        }
    }
}

/// What a first log holds.
#[derive(Debug, Default)]
struct First {
    member_id: u64,
    cluster_id: u64,
    hard_state: raftpb::HardState,
    conf_state: raftpb::ConfState,
    entries: Vec<raftpb::Entry>,
}

/// Every initial member of a new cluster writes the same log.
fn found(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    committer: Committer,
    options: state::Options,
    cluster: &NewCluster,
) -> Result<Opened, Error> {
    let mut members: Vec<state::member::Member> = cluster
        .members
        .iter()
        .map(|member| state::member::Member {
            id: state::member::member_id(&member.peer_urls, &cluster.token, None),
            peer_urls: member.peer_urls.clone(),
            is_learner: false,
            attributes: state::member::Attributes { name: member.name.clone(), client_urls: Vec::new() },
        })
        .collect();
    members.sort_by_key(|member| member.id);
    let ids: Vec<u64> = members.iter().map(|member| member.id).collect();
    let cluster_id = state::member::cluster_id(&ids);
    let member_id = cluster.local_id()?;

    let entries: Vec<_> =
        (1..).zip(&members).map(|(index, member)| change_entry(1, index, &add_change(member))).collect();
    let hard_state = raftpb::HardState::new(1, 0, entries.len() as u64);
    let conf_state = raftpb::ConfState::simple(ids, Vec::new());
    begin(disk, layout, committer, options, First { member_id, cluster_id, hard_state, conf_state, entries })
}

/// The first life: a log with what every later one starts from.
fn begin(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    committer: Committer,
    options: state::Options,
    first: First,
) -> Result<Opened, Error> {
    let First { member_id, cluster_id, hard_state, conf_state, entries } = first;
    let metadata = etcdserverpb::Metadata { node_id: Some(member_id), cluster_id: Some(cluster_id) };
    let mut wal = Wal::create_sized(disk.clone(), &layout.wal_dir, &metadata, layout.segment_bytes)?;
    entries.iter().for_each(|entry| wal.append_entry(entry));
    if !entries.is_empty() {
        wal.append_state(&hard_state);
    }
    wal.sync()?;
    sync_directories(&**disk, layout)?;
    let state = State::open(committer.reader(), options)?;
    let log = NodeLog { index: 0, term: 0, hard_state, conf_state, entries };
    Ok(Opened {
        member_id,
        cluster_id,
        restarted: false,
        log,
        wal,
        committer,
        state,
        repaired: false,
        forced: None,
    })
}

/// The log's own name, and those of the directories that hold it, must outlive a crash too; also those that a process
/// left behind which was killed in its first life.
fn sync_directories(disk: &dyn Disk, layout: &Layout) -> Result<(), Error> {
    for dir in [&layout.wal_dir, &layout.snap_dir] {
        for above in dir.ancestors().skip(1).take(DIRECTORIES_SYNCED) {
            // What lies above the first part of a relative path is the working directory.
            disk.sync_dir(if above.as_os_str().is_empty() { Path::new(".") } else { above })?;
        }
    }
    Ok(())
}

fn add_change(member: &state::member::Member) -> raftpb::ConfChange {
    raftpb::ConfChange {
        id: Some(0),
        r#type: Some(raftpb::ConfChangeType::ConfChangeAddNode as i32),
        node_id: Some(member.id),
        context: Some(state::member::add_context(member)),
    }
}

fn remove_change(id: u64) -> raftpb::ConfChange {
    raftpb::ConfChange {
        id: Some(0),
        r#type: Some(raftpb::ConfChangeType::ConfChangeRemoveNode as i32),
        node_id: Some(id),
        context: None,
    }
}

fn change_entry(term: u64, index: u64, change: &raftpb::ConfChange) -> raftpb::Entry {
    raftpb::Entry::new(raftpb::EntryType::EntryConfChange, term, index, change.encode_to_vec().into())
}

/// A later life: from the newest snapshot the log knows, and the entries after it.
fn resume(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    mut committer: Committer,
    bolt: bolt::Options,
    options: state::Options,
    had_backend: bool,
) -> Result<Opened, Error> {
    let records = Wal::valid_snapshots(&**disk, &layout.wal_dir)?;
    let (snapshot, v2_store) = choose_snapshot(disk, layout, &committer.reader(), &records)?;
    let index = consistent_index(&committer.reader())?;
    if snapshot.index() > index {
        committer = take_received(disk, layout, committer, bolt, snapshot.index())?;
        let index = consistent_index(&committer.reader())?;
        if index < snapshot.index() && index != 0 {
            let path = layout.backend().display().to_string();
            return Err(Error::BackendMismatch { path, index, snapshot: snapshot.index() });
        }
    }
    sync_directories(&**disk, layout)?;
    let (wal, replay) = Wal::open_sized(disk.clone(), &layout.wal_dir, &snapshot, layout.segment_bytes)?;
    let options = state::Options { replay_from: snapshot.index(), v2_store, ..options };
    let state = State::open(committer.reader(), options)?;
    if !had_backend && state.members().version().is_some() {
        return Err(Error::BackendMissing(layout.backend().display().to_string()));
    }
    let learners = state.members().iter().filter(|member| member.is_learner).count();
    if learners > state.options().learners_max {
        return Err(Error::TooManyLearners);
    }
    let log = NodeLog {
        index: snapshot.index(),
        term: snapshot.term(),
        hard_state: replay.hard_state,
        conf_state: state.members().conf_state(),
        entries: replay.entries,
    };
    Ok(Opened {
        member_id: replay.metadata.node_id(),
        cluster_id: replay.metadata.cluster_id(),
        restarted: true,
        log,
        wal,
        committer,
        state,
        repaired: replay.repaired,
        forced: None,
    })
}

/// The log's newest snapshot marker; in a directory of a release up to 3.5 the newest that has a readable `.snap`
/// file, whose v2 store says who the members are.
fn choose_snapshot(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    root: &ReadTx,
    records: &[walpb::Snapshot],
) -> Result<(walpb::Snapshot, Option<bytes::Bytes>), Error> {
    let newest = records.last().cloned().unwrap_or_default();
    if !state::is_legacy(root)? || newest.index() == 0 {
        return Ok((newest, None));
    }
    let Some(found) = wal::snap::load_newest(&**disk, &layout.snap_dir, records)? else {
        return Ok((walpb::Snapshot::default(), None));
    };
    let metadata = found.metadata.unwrap_or_default();
    let record =
        walpb::Snapshot { index: metadata.index, term: metadata.term, conf_state: metadata.conf_state };
    Ok((record, found.data))
}

fn consistent_index(root: &ReadTx) -> Result<u64, Error> {
    let row = root.get(backend::Bucket::Meta.name(), meta::CONSISTENT_INDEX)?;
    Ok(row.and_then(|row| row[..].try_into().ok()).map_or(0, u64::from_be_bytes))
}

/// A snapshot was received and recorded, but its database had not yet taken its place.
fn take_received(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    old: Committer,
    bolt: bolt::Options,
    index: u64,
) -> Result<Committer, Error> {
    let received: &Path = &layout.snap_dir.join(format!("{index:016x}.snap.db"));
    if !disk.exists(received)? {
        return Err(Error::NoSnapshotDatabase);
    }
    drop(old);
    disk.rename(received, &layout.backend())?;
    disk.sync_dir(&layout.snap_dir)?;
    Ok(Committer::open(disk.clone(), &layout.backend(), bolt)?)
}

/// Puts the database received with a snapshot in the backend's place and opens it as a new state. The old backend may
/// have readers still; they keep their file. The snapshot's marker must be durable: from then on a restart does the
/// same.
pub fn install(
    disk: &Arc<dyn Disk>,
    layout: &Layout,
    old: Committer,
    bolt: bolt::Options,
    job: InstallJob,
) -> Result<(Committer, State), Error> {
    let committer = take_received(disk, layout, old, bolt, job.index)?;
    // The sender's backend may be ahead of its raft: after a restart that knows of fewer commits than were applied.
    let index = consistent_index(&committer.reader())?;
    if index < job.index {
        let path = layout.backend().display().to_string();
        return Err(Error::BackendMismatch { path, index, snapshot: job.index });
    }
    let state = State::open(committer.reader(), job.options)?;
    Ok((committer, state))
}
