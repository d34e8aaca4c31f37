//! Multi-version key space: the key index, reads at a revision, writes, compaction and hashes.
//!
//! It never does replication, leases or permissions, and never reads a clock. Rows are etcd's: key = revision,
//! value = encoded `mvccpb.KeyValue`, kept as bytes and never re-encoded. Long work comes in slices: ranges
//! ([`Scan`]), compaction ([`CompactionStep`]); what needs every row runs on reader threads over a view ([`HashWork`],
//! [`history()`], [`values`]).
//!
//! Invariants: all changes of one [`Write`] share one main revision; a row, once written, only disappears by
//! compaction; the index never names a row that compaction has removed. Start at [`Mvcc`].

mod compact;
mod error;
mod hash;
mod history;
mod index;
mod key;
mod key_range;
mod restore;
mod revision;
mod row;
mod scan;
mod versions;
pub mod watch;
mod write;

pub use compact::CompactionStep;
pub use error::{Error, Reject};
pub use hash::{COMPACTION_HASHES_MAX, CompactionHash, HashJob, HashKv, HashWork};
pub use history::history;
pub use index::KeyInfo;
pub use key_range::{KeyRange, RangeEnd};
pub use restore::Restored;
pub use revision::Revision;
pub use row::KeyValueRef;
pub use scan::{Scan, values};
pub use write::{Change, Write};

use compact::Compactor;
use hash::CompactionHashes;
use index::Index;
use row::RowWriter;
use std::collections::BTreeMap;

/// The key space.
#[derive(Debug)]
pub struct Mvcc {
    pub(crate) index: Index,
    pub(crate) rows: RowWriter,
    /// Revision of the last write; 1 in a fresh store.
    pub(crate) current: i64,
    /// The last compacted revision, its rows removed or not; -1 before the first compaction.
    pub(crate) compacted: i64,
    /// Revisions of open scans, each with their number. None is below the revision of a compaction that began its
    /// physical work.
    pub(crate) pins: BTreeMap<i64, usize>,
    pub(crate) compactor: Compactor,
    pub(crate) hashes: CompactionHashes,
}

impl Mvcc {
    /// The current revision; 1 in a fresh store.
    pub fn revision(&self) -> i64 {
        self.current
    }

    /// The last compacted revision; -1 before the first compaction.
    pub fn compact_revision(&self) -> i64 {
        self.compacted
    }

    /// Keys in the index, tombstoned ones included.
    pub fn index_len(&self) -> usize {
        self.index.len()
    }

    /// Keys that exist at the current revision.
    pub fn keys_live(&self) -> usize {
        self.index.live()
    }

    /// Resolves a requested revision (`<= 0`: current) or refuses it.
    pub fn readable(&self, revision: i64) -> Result<i64, Reject> {
        if revision > self.current {
            return Err(Reject::FutureRevision);
        }
        let revision = if revision <= 0 { self.current } else { revision };
        if revision < self.compacted {
            return Err(Reject::Compacted);
        }
        Ok(revision)
    }
}
