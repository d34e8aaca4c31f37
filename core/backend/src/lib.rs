//! The backend: the bolt file with etcd's ten buckets, written in batches by one committer.
//!
//! It never interprets values, never reads a clock. [`Batch`] collects the changes of applied entries in order;
//! [`Committer`] (its own thread in the shell) turns a sealed batch into one bolt transaction, together with the
//! consistent index. Invariant: everything an entry changed and the consistent index that covers it are in one batch.

use bytes::Bytes;
use disk::Disk;
use std::{path::Path, sync::Arc};

pub use bolt::{Error, ReadTx, Result};

/// Changes after which a batch is sealed without waiting for the commit interval.
pub const BATCH_CHANGES_MAX: usize = 10_000;

/// etcd's buckets, in byte order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    Alarm,
    Auth,
    AuthRoles,
    AuthUsers,
    Cluster,
    Key,
    Lease,
    Members,
    MembersRemoved,
    Meta,
}

impl Bucket {
    pub const ALL: [Bucket; 10] = [
        Bucket::Alarm,
        Bucket::Auth,
        Bucket::AuthRoles,
        Bucket::AuthUsers,
        Bucket::Cluster,
        Bucket::Key,
        Bucket::Lease,
        Bucket::Members,
        Bucket::MembersRemoved,
        Bucket::Meta,
    ];

    pub const fn name(self) -> &'static [u8] {
        match self {
            Bucket::Alarm => b"alarm",
            Bucket::Auth => b"auth",
            Bucket::AuthRoles => b"authRoles",
            Bucket::AuthUsers => b"authUsers",
            Bucket::Cluster => b"cluster",
            Bucket::Key => b"key",
            Bucket::Lease => b"lease",
            Bucket::Members => b"members",
            Bucket::MembersRemoved => b"members_removed",
            Bucket::Meta => b"meta",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    Put { bucket: Bucket, key: Bytes, value: Bytes },
    Delete { bucket: Bucket, key: Bytes },
}

/// Changes not yet committed, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub ops: Vec<Op>,
    /// True when a delete is among the changes: such a batch is sealed at the end of the apply turn.
    pub has_delete: bool,
}

impl Batch {
    pub fn put(&mut self, bucket: Bucket, key: Bytes, value: Bytes) {
        self.ops.push(Op::Put { bucket, key, value });
    }
    pub fn delete(&mut self, bucket: Bucket, key: Bytes) {
        self.has_delete = true;
        self.ops.push(Op::Delete { bucket, key });
    }
}

/// Owns the bolt store and commits batches to it.
#[derive(Debug)]
pub struct Committer {}

impl Committer {
    /// Opens or creates the file and makes sure all buckets exist.
    pub fn open(_disk: Arc<dyn Disk>, _path: &Path, _options: bolt::Options) -> Result<Committer> {
        todo!()
    }
    /// The last committed state.
    pub fn reader(&self) -> ReadTx {
        todo!()
    }
    /// One bolt transaction; the new committed state on success. An error is fatal.
    pub fn commit(&mut self, _batch: &Batch) -> Result<ReadTx> {
        todo!()
    }
    /// Rewrites the file without free pages.
    pub fn defragment(&mut self) -> Result<ReadTx> {
        todo!()
    }
}

/// Keys of the `meta` bucket.
pub mod meta {
    pub const CONSISTENT_INDEX: &[u8] = b"consistent_index";
    pub const TERM: &[u8] = b"term";
    pub const CONF_STATE: &[u8] = b"confState";
    pub const STORAGE_VERSION: &[u8] = b"storageVersion";
    pub const SCHEDULED_COMPACT: &[u8] = b"scheduledCompactRev";
    pub const FINISHED_COMPACT: &[u8] = b"finishedCompactRev";
}

/// Uncommitted changes and the committed root beneath them: all that reads and writes of applied state go through.
/// Owned by the state machine. Rows of the `key` bucket stay readable here until the root that holds them arrives.
#[derive(Debug)]
pub struct Buffer {}

impl Buffer {
    pub fn new(_root: ReadTx) -> Buffer {
        todo!()
    }
    pub fn put(&mut self, _bucket: Bucket, _key: Bytes, _value: Bytes) {
        todo!()
    }
    pub fn delete(&mut self, _bucket: Bucket, _key: Bytes) {
        todo!()
    }
    /// A row of the `key` bucket: from memory if it is not committed yet, else from the root.
    pub fn row(&self, _key: &[u8]) -> Result<Option<Bytes>> {
        todo!()
    }
    /// Changes in the open batch.
    pub fn pending(&self) -> usize {
        todo!()
    }
    /// True when the open batch holds a delete (etcd commits such a batch at once).
    pub fn has_delete(&self) -> bool {
        todo!()
    }
    /// Closes the open batch for the committer; `None` when it is empty. Sealed batches commit in order.
    pub fn seal(&mut self) -> Option<Batch> {
        todo!()
    }
    /// The oldest sealed batch is now part of `root`.
    pub fn committed(&mut self, _root: ReadTx) {
        todo!()
    }
    pub fn root(&self) -> &ReadTx {
        todo!()
    }
    /// An immutable view for reader threads: the root, and the `key` rows not in it.
    pub fn view(&self) -> View {
        todo!()
    }
}

/// What [`Buffer::view`] gives: may be read on any thread.
#[derive(Clone, Debug)]
pub struct View {
    pub root: ReadTx,
    /// `key` rows not in `root`, ascending.
    pub rows: Vec<(Bytes, Bytes)>,
}
