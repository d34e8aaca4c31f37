//! The write-ahead log: `member/wal/*.wal` segments, and the `.snap` files beside the backend.
//!
//! It never decides what to log or when to snapshot, never starts a thread and never continues after a failed sync.
//! The format is etcd's: framed `walpb.Record`s, CRC-32C chained over record data across segments, 64 000 000-byte
//! segments preallocated and zero-filled. An entry is encoded once, straight into the pending buffer.
//! Start at [`Wal`]; [`snap`] has the snapshot files.

pub mod snap;

use disk::Disk;
use proto::{etcdserverpb, raftpb, walpb};
use std::{path::Path, sync::Arc};

/// Bytes a segment is preallocated to; a segment is cut when the write offset has reached it.
pub const SEGMENT_BYTES: u64 = 64 * 1000 * 1000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("fileutil: file already locked")]
    Locked,
    #[error("walpb: crc mismatch")]
    CrcMismatch,
    #[error("wal: snapshot not found")]
    SnapshotNotFound,
    #[error("wal: snapshot mismatch")]
    SnapshotMismatch,
    #[error("wal: slice bounds out of range")]
    SliceOutOfRange,
    #[error("wal: conflicting metadata found")]
    MetadataConflict,
    #[error("wal: file not found")]
    FileNotFound,
    #[error("wal: {0}")]
    Corrupt(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// What a log held after the snapshot it was opened at.
#[derive(Debug, Default)]
pub struct Replay {
    pub metadata: etcdserverpb::Metadata,
    pub hard_state: raftpb::HardState,
    /// Contiguous, first index = snapshot index + 1. `data` slices share the read segment.
    pub entries: Vec<raftpb::Entry>,
    /// True when a torn tail was cut off (and kept as `*.broken`).
    pub repaired: bool,
}

/// An open log, positioned for appending.
#[derive(Debug)]
pub struct Wal {}

impl Wal {
    /// True when `dir` holds at least one segment.
    pub fn exists(_disk: &dyn Disk, _dir: &Path) -> Result<bool> {
        todo!()
    }
    /// Makes a new log: built in `<dir>.tmp`, renamed, parent synced. First records: crc(0), metadata, snapshot{0,0}.
    pub fn create(_disk: Arc<dyn Disk>, _dir: &Path, _metadata: &etcdserverpb::Metadata) -> Result<Wal> {
        todo!()
    }
    /// Opens for appending at `snapshot`: locks the segments, replays, repairs a torn tail at most once.
    pub fn open(_disk: Arc<dyn Disk>, _dir: &Path, _snapshot: &walpb::Snapshot) -> Result<(Wal, Replay)> {
        todo!()
    }
    /// Every snapshot record whose index is not above the last hard state's commit, oldest first. Read-only.
    pub fn valid_snapshots(_disk: &dyn Disk, _dir: &Path) -> Result<Vec<walpb::Snapshot>> {
        todo!()
    }
    /// Encodes an entry into the pending buffer.
    pub fn append_entry(&mut self, _entry: &raftpb::Entry) {
        todo!()
    }
    /// Encodes a hard state into the pending buffer; an empty one is ignored. The last one is repeated at each cut.
    pub fn append_state(&mut self, _state: &raftpb::HardState) {
        todo!()
    }
    /// Encodes a snapshot record into the pending buffer. Its `.snap` file must be durable already.
    pub fn append_snapshot(&mut self, _snapshot: &walpb::Snapshot) {
        todo!()
    }
    /// Writes the pending buffer in one call, and makes it durable with one fdatasync; cuts the segment if it is full.
    pub fn sync(&mut self) -> Result<()> {
        todo!()
    }
    /// The path of the next segment file that a background job should make ready with [`prepare_segment`], when none
    /// is ready yet.
    pub fn wants_segment(&self) -> Option<std::path::PathBuf> {
        todo!()
    }
    /// Tells the log that the file of `wants_segment` is ready to be renamed into place.
    pub fn segment_ready(&mut self) {
        todo!()
    }
    /// Unlocks the segments that hold no entry above `index` (all but the newest such), so that purging may take them.
    pub fn release_to(&mut self, _index: u64) -> Result<()> {
        todo!()
    }
}

/// Creates (or truncates) `path`, preallocates and zero-fills [`SEGMENT_BYTES`], and syncs it. Slow: call it from a
/// background thread.
pub fn prepare_segment(_disk: &dyn Disk, _path: &Path) -> Result<()> {
    todo!()
}

/// Deletes the oldest files in `dir` with `suffix` beyond `keep`, stopping at the first that is locked.
/// Returns the deleted names.
pub fn purge(_disk: &dyn Disk, _dir: &Path, _suffix: &str, _keep: usize) -> Result<Vec<String>> {
    todo!()
}
