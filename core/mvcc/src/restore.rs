//! Rebuilding the index from the rows at start.

use crate::{
    Error, Mvcc, Revision, compact::Compactor, hash::CompactionHashes, history::decode_row_key, index::Index,
    key::Key, row::KeyValueRef, row::RowWriter,
};
use backend::{Bucket, Buffer, meta};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Revision of a store without rows.
const FIRST_REVISION: i64 = 1;
/// Compacted revision of a store that was never compacted.
const NEVER_COMPACTED: i64 = -1;

/// What [`Mvcc::restore`] found.
#[derive(Debug)]
pub struct Restored {
    pub mvcc: Mvcc,
    /// Lease attachments: user key and lease ID (never 0), one per key that is alive with a lease, in key order.
    pub leases: Vec<(Bytes, i64)>,
    /// A compaction that was scheduled but not finished: `compact` it again.
    pub resume_compaction: Option<i64>,
}

impl Mvcc {
    /// Rebuilds the index from the `key` bucket of the buffer's root, which must hold all rows there are.
    pub fn restore(buffer: &Buffer) -> Result<Restored, Error> {
        assert_eq!(buffer.first_uncommitted(), None, "restores from committed rows only");
        let root = buffer.root();
        let finished = meta::compaction_mark(root, meta::FINISHED_COMPACT)?;
        let scheduled = meta::compaction_mark(root, meta::SCHEDULED_COMPACT)?;
        let compacted = finished.unwrap_or(NEVER_COMPACTED);

        let mut index = Index::new();
        let mut leases = Leases::default();
        let mut current = FIRST_REVISION;
        let mut cursor = root.cursor(Bucket::Key.name())?;
        cursor.seek(&Revision { main: 1, sub: 0 }.row_key())?;
        while let Some((key, value)) = cursor.next()? {
            let row = decode_row_key(&key)?;
            let state = KeyValueRef::decode(&value)?;
            let at = Revision::from(row);
            current = at.main;
            if row.tombstone {
                index.restore_tombstone(state.key, at);
                leases.detach(state.key);
            } else {
                index.put_known(state.key, at, state.create_revision, state.version);
                leases.attach(state.key, state.lease);
            }
        }
        // The newest rows may have been tombstones that a compaction removed, finished or about to finish.
        current = current.max(compacted).max(scheduled.unwrap_or(0));

        let mvcc = Mvcc {
            index,
            rows: RowWriter::default(),
            current,
            compacted,
            pins: BTreeMap::new(),
            compactor: Compactor::new(scheduled, finished),
            hashes: CompactionHashes::default(),
        };
        let resume_compaction = scheduled.filter(|scheduled| *scheduled > compacted);
        Ok(Restored { mvcc, leases: leases.sorted(), resume_compaction })
    }
}

/// The lease of every key by its last row.
#[derive(Default)]
struct Leases {
    attached: FxHashMap<Key, i64>,
}

impl Leases {
    fn attach(&mut self, key: &[u8], lease: i64) {
        if lease == 0 {
            return self.detach(key);
        }
        match self.attached.get_mut(key) {
            Some(attached) => *attached = lease,
            None => _ = self.attached.insert(Key::new(key), lease),
        }
    }

    fn detach(&mut self, key: &[u8]) {
        if !self.attached.is_empty() {
            self.attached.remove(key);
        }
    }

    fn sorted(self) -> Vec<(Bytes, i64)> {
        let mut leases: Vec<_> = self.attached.into_iter().collect();
        leases.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        leases.into_iter().map(|(key, lease)| (Bytes::copy_from_slice(key.as_slice()), lease)).collect()
    }
}
