//! Rebuilding the index from the rows at start.

use crate::{
    Error, Mvcc, Revision,
    compact::Compactor,
    hash::CompactionHashes,
    history::decode_row_key,
    index::{Index, RestoredRow},
    key::Key,
    row::{KeyValueRef, RowWriter},
};
use backend::{Bucket, Buffer, meta};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Revision of a store without rows.
const FIRST_REVISION: i64 = 1;
/// Rows gathered before they go into the index together: 72 MB at most, long keys aside.
const ROWS_GATHERED_MAX: usize = 1_000_000;
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

        let mut index = Index::default();
        let mut leases = Leases::default();
        let mut current = FIRST_REVISION;
        let mut rows = Vec::new();
        let mut cursor = root.cursor(Bucket::Key.name())?;
        cursor.seek(&Revision { main: 1, sub: 0 }.row_key())?;
        while let Some((key, value)) = cursor.next()? {
            let row = decode_row_key(&key)?;
            let state = KeyValueRef::decode(&value)?;
            current = row.main;
            if row.tombstone {
                leases.detach(state.key);
            } else {
                leases.attach(state.key, state.lease);
            }
            rows.push(RestoredRow {
                key: Key::new(state.key),
                at: Revision::from(row),
                created: state.create_revision,
                version: state.version,
                tombstone: row.tombstone,
            });
            if rows.len() == ROWS_GATHERED_MAX {
                index.restore(&mut rows);
            }
        }
        index.restore(&mut rows);
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
    attached: BTreeMap<Key, i64>,
}

impl Leases {
    fn attach(&mut self, key: &[u8], lease: i64) {
        match self.attached.get_mut(key) {
            _ if lease == 0 => self.detach(key),
            Some(attached) => *attached = lease,
            None => _ = self.attached.insert(Key::new(key), lease),
        }
    }

    fn detach(&mut self, key: &[u8]) {
        self.attached.remove(key);
    }

    fn sorted(self) -> Vec<(Bytes, i64)> {
        let owned = |(key, lease): (Key, i64)| (Bytes::copy_from_slice(key.as_slice()), lease);
        self.attached.into_iter().map(owned).collect()
    }
}
