//! The bolt-format B+tree file: what etcd keeps as `member/snap/db`.
//!
//! It never knows what a bucket holds, never waits on a timer and never maps memory: pages are read with positional
//! reads through a bounded cache, so a bad page is an `Err`, not a signal. The format is bbolt's (page, meta, inline
//! buckets; freelist not synced, as etcd runs it). One writer; any number of readers, each on the root that was
//! committed when it began. Start at [`Store`].
//!
//! Invariants: a page reachable from a root that an open [`ReadTx`] holds is never overwritten; the meta page is
//! written only after every other dirty page is durable.

mod cache;
mod check;
mod defragment;
mod file;
mod freelist;
mod meta;
mod page;
mod placement;
mod read;
mod root;
mod scan;
mod store;
mod write;

pub use check::PROBLEMS_MAX;
pub use read::{Cursor, Image, ReadTx};
pub use store::Store;
pub use write::WriteTx;

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
