//! Multi-version key space: the key index, reads at a revision, writes, compaction and hashes.
//!
//! It never does replication, leases or permissions, and never reads a clock. Rows are etcd's: key = revision,
//! value = encoded `mvccpb.KeyValue`, kept as bytes and never re-encoded. Invariants: all changes of one [`Write`]
//! share one main revision; a row, once written, only disappears by compaction; the index never names a row that
//! compaction has removed. Start at [`Mvcc`].

pub mod watch;

use backend::{Buffer, View};
use bytes::Bytes;

/// `main` is the transaction's revision, `sub` the change number within it (from 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    pub main: i64,
    pub sub: i64,
}

/// Why a read or a compaction is refused. Deterministic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
}

/// Either a rejection, which becomes a reply, or a fault, which stops the process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Reject(#[from] Reject),
    #[error(transparent)]
    Fault(#[from] backend::Error),
}

/// The half-open key interval of a request: one key, `[key, end)`, or everything from `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub key: Bytes,
    pub end: RangeEnd,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeEnd {
    /// Just the one key.
    Single,
    /// Exclusive.
    Before(Bytes),
    /// Every key `>= key`.
    Open,
}

impl KeyRange {
    /// From a request's `key` and `range_end` (empty: single; one zero byte: open).
    pub fn new(key: Bytes, range_end: Bytes) -> KeyRange {
        let end = if range_end.is_empty() {
            RangeEnd::Single
        } else if range_end[..] == [0] {
            RangeEnd::Open
        } else {
            RangeEnd::Before(range_end)
        };
        KeyRange { key, end }
    }
}

/// What the index knows of one key at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    pub key: Bytes,
    /// The row that holds the value.
    pub modified: Revision,
    pub created: Revision,
    pub version: i64,
}

/// A change made by a [`Write`]: one row, and the event watchers see.
#[derive(Clone, Debug)]
pub struct Change {
    pub revision: Revision,
    pub tombstone: bool,
    /// The user's key.
    pub key: Bytes,
    /// Encoded `mvccpb.KeyValue` as stored (a tombstone's holds only the key).
    pub kv: Bytes,
    /// True for a put that created the key (create revision = mod revision).
    pub created: bool,
}

/// A range over the index that may be taken in turns, so that a long one never holds up applies.
#[derive(Debug)]
pub struct Scan {
    /// The revision read at; fixed when the scan begins, so turns see one state.
    pub revision: i64,
    /// Keys found so far, ascending; at most `limit`.
    pub found: Vec<KeyInfo>,
    /// Keys in the range so far, found or beyond the limit.
    pub count: i64,
    /// True when the range has been walked to its end.
    pub done: bool,
    // private: range, next key, limit, count_only
}

/// The key space.
#[derive(Debug)]
pub struct Mvcc {}

/// What [`Mvcc::restore`] found.
#[derive(Debug)]
pub struct Restored {
    pub mvcc: Mvcc,
    /// Lease attachments: user key and lease ID (never 0), one per key that is alive with a lease.
    pub leases: Vec<(Bytes, i64)>,
    /// A compaction that was scheduled but not finished: `compact` it again.
    pub resume_compaction: Option<i64>,
}

impl Mvcc {
    /// Rebuilds the index from the `key` bucket of the buffer's root.
    pub fn restore(_buffer: &Buffer) -> Result<Restored, Error> {
        todo!()
    }
    /// The current revision; 1 in a fresh store.
    pub fn revision(&self) -> i64 {
        todo!()
    }
    /// The last compacted revision; -1 before the first compaction.
    pub fn compact_revision(&self) -> i64 {
        todo!()
    }
    /// Keys in the index, tombstoned ones included.
    pub fn index_len(&self) -> usize {
        todo!()
    }
    /// Resolves a requested revision (`<= 0`: current) or refuses it.
    pub fn readable(&self, _revision: i64) -> Result<i64, Reject> {
        todo!()
    }
    /// Begins a scan; `limit` 0 = no limit. Walks nothing yet. While it lives (until [`Mvcc::end_scan`]) compaction
    /// keeps what its revision needs.
    pub fn begin_scan(
        &mut self,
        _range: KeyRange,
        _revision: i64,
        _limit: usize,
        _count_only: bool,
    ) -> Result<Scan, Reject> {
        todo!()
    }
    /// Walks at most `keys` index keys of the scan.
    pub fn step_scan(&self, _scan: &mut Scan, _keys: usize) {
        todo!()
    }
    pub fn end_scan(&mut self, _scan: &Scan) {
        todo!()
    }
    /// One key at a readable revision.
    pub fn find(&self, _key: &[u8], _revision: i64) -> Option<KeyInfo> {
        todo!()
    }
    /// The encoded `mvccpb.KeyValue` of a row.
    pub fn value(&self, _buffer: &Buffer, _revision: Revision) -> Result<Bytes, Error> {
        todo!()
    }
    /// Begins the one write of an entry.
    pub fn write<'a>(&'a mut self, _buffer: &'a mut Buffer) -> Write<'a> {
        todo!()
    }
    /// Compacts logically at `revision` and queues the physical work.
    pub fn compact(&mut self, _buffer: &mut Buffer, _revision: i64) -> Result<(), Reject> {
        todo!()
    }
    /// Does a slice of the queued physical work (about a millisecond at most), and says what it needs next.
    pub fn compaction_step(&mut self, _buffer: &mut Buffer) -> Result<CompactionStep, Error> {
        todo!()
    }
    /// A HashKV to be computed on any thread; 0 = current revision. A revision that one of the last ten local
    /// compactions hashed is answered at once.
    pub fn hash_kv(&mut self, _buffer: &Buffer, _revision: i64) -> Result<HashJob, Reject> {
        todo!()
    }
}

/// What a slice of compaction achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactionStep {
    /// Nothing queued.
    Idle,
    /// More to do now.
    Again,
    /// More to do after the pause between batches (10 ms by default; the caller keeps the time).
    Pause,
    /// Rows up to this revision are committed only when the buffer's open batch is: seal it, call again when
    /// [`Buffer::committed`] has been told.
    NeedsCommit,
    /// The compaction at `revision` is finished; `removed` rows were deleted.
    Finished { revision: i64, removed: u64, hash: u32 },
}

/// HashKV and its answer.
#[derive(Debug)]
pub enum HashJob {
    Done(HashKv),
    /// Run [`HashWork::run`] on a reader thread.
    Work(HashWork),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashKv {
    pub hash: u32,
    pub hash_revision: i64,
    pub compact_revision: i64,
    /// The store's revision when asked.
    pub current_revision: i64,
}

/// A hash over an immutable view.
#[derive(Debug)]
pub struct HashWork {
    pub view: View,
    // private: revisions, keep set
}

impl HashWork {
    pub fn run(self) -> Result<HashKv, Error> {
        todo!()
    }
}

/// The changes of one entry. Reads through it see them. Dropping it without [`Write::end`] is a bug (asserted):
/// check everything that can fail first.
#[derive(Debug)]
pub struct Write<'a> {
    _mvcc: &'a mut Mvcc,
    _buffer: &'a mut Buffer,
}

impl Write<'_> {
    /// Puts at the next sub-revision. The previous state of the key comes from `find` before the call.
    pub fn put(&mut self, _key: Bytes, _value: Bytes, _lease: i64) {
        todo!()
    }
    /// Deletes every live key of the range in key order; returns their last states, for `prev_kv` and leases.
    pub fn delete_range(&mut self, _range: &KeyRange) -> Vec<KeyInfo> {
        todo!()
    }
    /// The revision reads see: the base revision, or base + 1 once something changed.
    pub fn revision(&self) -> i64 {
        todo!()
    }
    pub fn changed(&self) -> bool {
        todo!()
    }
    pub fn find(&self, _key: &[u8]) -> Option<KeyInfo> {
        todo!()
    }
    /// Keys of the range as this write sees them at `revision` (`<= 0`: with its own changes), at most `limit`
    /// (0 = all), and the count of all.
    pub fn range(&self, _range: &KeyRange, _revision: i64, _limit: usize) -> (Vec<KeyInfo>, i64) {
        todo!()
    }
    pub fn value(&self, _revision: Revision) -> Result<Bytes, Error> {
        todo!()
    }
    /// Ends the write: raises the current revision if anything changed. The changes, in sub-revision order.
    pub fn end(self) -> Vec<Change> {
        todo!()
    }
}
