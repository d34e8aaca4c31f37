//! The key space as a whole: its revisions and what its parts share.

use crate::{Reject, compact::Compactor, hash::CompactionHashes, index::Index, row::RowWriter};
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
