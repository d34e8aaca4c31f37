//! The bolt-format B+tree file: what etcd keeps as `member/snap/db`.
//!
//! It never knows what a bucket holds, never waits on a timer and never maps memory: pages are read with positional
//! reads through a bounded cache, so a bad page is an `Err`, not a signal. The format is bbolt's (page, meta, inline
//! buckets; freelist not synced, as etcd runs it). One writer; any number of readers, each on the root that was
//! committed when it began. Start at [`Store`].
//!
//! Invariants: a page reachable from a root that an open [`ReadTx`] holds is never overwritten; the meta page is
//! written only after every other dirty page is durable.

use bytes::Bytes;
use disk::Disk;
use std::{path::Path, sync::Arc};

/// Why a store could not be opened or used. Every variant is a fault: the process must not go on writing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("invalid database: {0}")]
    Invalid(String),
    #[error("page {page}: {reason}")]
    Corrupt { page: u64, reason: String },
    #[error("bucket not found: {0}")]
    NoBucket(String),
}

pub type Result<T> = std::result::Result<T, Error>;

/// Choices made at opening.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of pages kept in memory (clean pages; shared by all readers).
    pub cache_bytes: usize,
    /// Page size of a file that is created; an existing file keeps its own.
    pub page_size: usize,
    /// Skips both fdatasyncs of a commit (`--unsafe-no-fsync`).
    pub no_sync: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { cache_bytes: 64 << 20, page_size: 4096, no_sync: false }
    }
}

/// The writing side of an open file. One owner; readers are taken with [`Store::reader`] and may move to other threads.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// Opens or creates `path`. Takes `flock(LOCK_EX)` on it; `Err(Io(WouldBlock))` when another process holds it.
    /// Free pages are found by walking the tree (or read, if the file has a synced freelist).
    pub fn open(_disk: Arc<dyn Disk>, _path: &Path, _options: Options) -> Result<Store> {
        todo!()
    }
    /// A reader of the last committed root.
    pub fn reader(&self) -> ReadTx {
        todo!()
    }
    /// Begins the write transaction. Dropping it without `commit` discards the changes.
    pub fn begin(&mut self) -> WriteTx<'_> {
        todo!()
    }
    /// Copies every bucket into a new file at fill 0.9, renames it over `path`, and goes on with the new file.
    /// Readers taken before keep the old file.
    pub fn defragment(&mut self) -> Result<()> {
        todo!()
    }
}

/// The write transaction. Reads see its own changes.
#[derive(Debug)]
pub struct WriteTx<'a> {
    _store: &'a mut Store,
}

impl WriteTx<'_> {
    pub fn create_bucket_if_missing(&mut self, _name: &[u8]) -> Result<()> {
        todo!()
    }
    /// Inserts or replaces. `append_hint` says that keys of this bucket mostly grow: leaves are then filled to 0.9
    /// instead of 0.5 when they split.
    pub fn put(&mut self, _bucket: &[u8], _key: &[u8], _value: &[u8], _append_hint: bool) -> Result<()> {
        todo!()
    }
    /// Removes a key; no error if it is missing.
    pub fn delete(&mut self, _bucket: &[u8], _key: &[u8]) -> Result<()> {
        todo!()
    }
    pub fn get(&mut self, _bucket: &[u8], _key: &[u8]) -> Result<Option<Bytes>> {
        todo!()
    }
    /// Dirty pages, fdatasync, meta, fdatasync; then the new root is what [`Store::reader`] gives.
    pub fn commit(self) -> Result<()> {
        todo!()
    }
}

/// A consistent view of the file as of one commit. Cheap to clone; clones share the pin on its pages.
#[derive(Clone, Debug)]
pub struct ReadTx {}

impl ReadTx {
    pub fn get(&self, _bucket: &[u8], _key: &[u8]) -> Result<Option<Bytes>> {
        todo!()
    }
    /// A cursor over one bucket; an empty one if the bucket does not exist.
    pub fn cursor(&self, _bucket: &[u8]) -> Result<Cursor> {
        todo!()
    }
    /// The top-level bucket names in byte order.
    pub fn buckets(&self) -> Result<Vec<Bytes>> {
        todo!()
    }
    /// Bytes of the file as of this commit: high-water mark times page size. This is also the length of `copy_to`.
    pub fn size(&self) -> u64 {
        todo!()
    }
    /// [`ReadTx::size`] less free (and pending-free) pages.
    pub fn size_in_use(&self) -> u64 {
        todo!()
    }
    pub fn page_size(&self) -> usize {
        todo!()
    }
    /// A position for reading this commit's image in chunks: both metas rewritten as bolt's `WriteTo` does (meta 0
    /// with this txid, meta 1 with txid - 1), then pages as they are.
    pub fn image(&self) -> Image {
        todo!()
    }
    /// Reachability, order, double references, bounds. One line per problem found; empty when sound.
    pub fn check(&self) -> Result<Vec<String>> {
        todo!()
    }
}

/// Walks a bucket in key order.
#[derive(Debug)]
pub struct Cursor {}

impl Cursor {
    /// Moves to the first key `>= key`. The next call of `next` returns it.
    pub fn seek(&mut self, _key: &[u8]) -> Result<()> {
        todo!()
    }
    /// Moves to the last key. The next call of `next` returns it.
    pub fn seek_last(&mut self) -> Result<()> {
        todo!()
    }
    /// The next key and value, or `None` at the end. Slices share the cached page.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        todo!()
    }
}

/// Streams a database image: what `snapshot save` and snapshots between members carry.
#[derive(Debug)]
pub struct Image {}

impl Image {
    /// Bytes not yet returned.
    pub fn remaining(&self) -> u64 {
        todo!()
    }
    /// The next at most `max` bytes; empty at the end.
    pub fn read(&mut self, _max: usize) -> Result<Bytes> {
        todo!()
    }
}
