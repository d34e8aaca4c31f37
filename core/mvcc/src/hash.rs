//! Hashes of the key space that healthy members agree on.
//!
//! CRC-32C, seed 0, over `key` (the bucket's name) and then, for every row up to a revision that compaction may not
//! remove, the raw key and value. Which rows count depends on the compacted revision as well, so both are part of the
//! answer:
//!
//! ```text
//! skip a row if   main > revision
//!            or   main <= compacted, something is kept, and the row is not kept
//!            or   main == compacted and it is a tombstone     (releases before 3.5.16 deleted those)
//! ```
//!
//! Kept is what a compaction at the hashed revision would keep, less tombstones.

use crate::{Error, Mvcc, Reject, history::decode_row_key, key::Key, row::KeyValueRef};
use backend::{Bucket, Buffer, View, row_key::RowKey};
use crc32c::{crc32c, crc32c_append};
use std::collections::BTreeMap;

/// Hashes of compactions that are remembered.
pub const COMPACTION_HASHES_MAX: usize = 10;

/// Rows gathered before they are added to a keep set together: 48 MB at most, long keys aside.
const ROWS_GATHERED_MAX: usize = 1_000_000;

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

/// What a compaction hashed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionHash {
    pub hash: u32,
    pub revision: i64,
    /// The compaction before it.
    pub compact_revision: i64,
}

/// The last [`COMPACTION_HASHES_MAX`] of them, oldest first.
#[derive(Debug, Default)]
pub(crate) struct CompactionHashes {
    hashes: Vec<CompactionHash>,
}

impl CompactionHashes {
    pub fn store(&mut self, hash: CompactionHash) {
        if self.hashes.len() == COMPACTION_HASHES_MAX {
            self.hashes.remove(0);
        }
        self.hashes.push(hash);
    }
}

impl Mvcc {
    /// A HashKV to be computed on any thread; 0 = current revision. A revision that one of the last ten local
    /// compactions hashed is answered at once.
    pub fn hash_kv(&mut self, buffer: &mut Buffer, revision: i64) -> Result<HashJob, Reject> {
        let current_revision = self.current;
        if let Some(known) = self.hashes.hashes.iter().find(|h| h.revision == revision) {
            return Ok(HashJob::Done(HashKv {
                hash: known.hash,
                hash_revision: known.revision,
                compact_revision: known.compact_revision,
                current_revision,
            }));
        }
        if revision > 0 && revision < self.compacted {
            return Err(Reject::Compacted);
        }
        if revision > current_revision {
            return Err(Reject::FutureRevision);
        }
        let hash_revision = if revision == 0 { current_revision } else { revision };
        let compact_revision = self.compacted;
        Ok(HashJob::Work(HashWork { view: buffer.view(), hash_revision, compact_revision, current_revision }))
    }

    /// Hashes of the last compactions, oldest first; for the leader's comparison with its followers.
    pub fn compaction_hashes(&self) -> &[CompactionHash] {
        &self.hashes.hashes
    }
}

/// A hash over an immutable view.
#[derive(Debug)]
pub struct HashWork {
    pub view: View,
    hash_revision: i64,
    compact_revision: i64,
    current_revision: i64,
}

impl HashWork {
    /// Walks all rows, twice if there was a compaction.
    pub fn run(self) -> Result<HashKv, Error> {
        let HashWork { hash_revision, compact_revision, current_revision, .. } = self;
        let mut keep = KeepSet::default();
        if compact_revision >= 0 {
            keep = KeepSet::of_rows(&self.view, hash_revision, compact_revision)?;
        }
        let mut hasher = RowHasher::new(compact_revision, hash_revision, keep.nothing_kept);
        let mut kept = keep.compacted.into_iter().peekable();
        let mut rows = self.view.rows(0, 0)?;
        while let Some((key, value)) = rows.next()? {
            let row = decode_row_key(&key)?;
            if row.main > hash_revision {
                break;
            }
            while kept.peek().is_some_and(|first| *first < row) {
                kept.next();
            }
            hasher.row(row, kept.peek() == Some(&row), &key, &value);
        }
        Ok(HashKv { hash: hasher.finish(), hash_revision, compact_revision, current_revision })
    }
}

/// What a compaction at the hashed revision would keep, less tombstones. Read from the rows: the index belongs to
/// another thread, and what compaction has already dropped from it and not from the rows is never newest of its key.
#[derive(Debug, Default)]
struct KeepSet {
    nothing_kept: bool,
    /// Those up to the compacted revision, ascending. Above it every row counts.
    compacted: Vec<RowKey>,
}

/// What a key's rows up to the hashed revision end with.
#[derive(Clone, Copy, Debug)]
struct Newest {
    row: RowKey,
    /// Main revision of the key's last tombstone, -1 if none is there.
    deleted: i64,
}

impl KeepSet {
    fn of_rows(view: &View, revision: i64, compacted: i64) -> Result<KeepSet, Error> {
        let mut keys = BTreeMap::new();
        let mut gathered = Vec::new();
        let mut rows = view.rows(0, 0)?;
        while let Some((key, value)) = rows.next()? {
            let row = decode_row_key(&key)?;
            if row.main > revision {
                break;
            }
            gathered.push((Key::new(KeyValueRef::decode(&value)?.key), row));
            if gathered.len() == ROWS_GATHERED_MAX {
                add_rows(&mut keys, &mut gathered);
            }
        }
        add_rows(&mut keys, &mut gathered);
        // A key that is deleted at exactly `revision` has nothing kept, even if the same transaction put it again.
        let kept = |n: &&Newest| !n.row.tombstone && n.deleted != revision;
        let nothing_kept = !keys.values().any(|n| kept(&n));
        let kept_rows = keys.values().filter(kept).map(|n| n.row);
        let mut compacted: Vec<_> = kept_rows.filter(|row| row.main <= compacted).collect();
        compacted.sort_unstable();
        Ok(KeepSet { nothing_kept, compacted })
    }
}

/// Adds later rows, in key order: that is several times faster than in theirs.
fn add_rows(keys: &mut BTreeMap<Key, Newest>, rows: &mut Vec<(Key, RowKey)>) {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut added = Vec::new();
    for of_key in rows.chunk_by(|a, b| a.0 == b.0) {
        let (key, row) = &of_key[of_key.len() - 1];
        let tombstone = of_key.iter().rev().find(|(_, row)| row.tombstone).map(|(_, row)| row.main);
        let known = keys.get_mut(key);
        let deleted = tombstone.unwrap_or(known.as_ref().map_or(-1, |known| known.deleted));
        let newest = Newest { row: *row, deleted };
        match known {
            Some(known) => *known = newest,
            None => added.push((key.clone(), newest)),
        }
    }
    rows.clear();
    if keys.is_empty() {
        *keys = BTreeMap::from_iter(added);
    } else {
        keys.extend(added);
    }
}

/// Applies the rule at the top to rows in order.
#[derive(Debug)]
pub(crate) struct RowHasher {
    hash: u32,
    compacted: i64,
    revision: i64,
    nothing_kept: bool,
}

impl RowHasher {
    pub fn new(compacted: i64, revision: i64, nothing_kept: bool) -> RowHasher {
        RowHasher { hash: crc32c(Bucket::Key.name()), compacted, revision, nothing_kept }
    }

    /// `kept` matters only for rows up to the compacted revision.
    pub fn row(&mut self, row: RowKey, kept: bool, key: &[u8], value: &[u8]) {
        let compacted = row.main <= self.compacted && !kept && !self.nothing_kept;
        let compacted_tombstone = row.main == self.compacted && row.tombstone;
        if row.main > self.revision || compacted || compacted_tombstone {
            return;
        }
        self.hash = crc32c_append(crc32c_append(self.hash, key), value);
    }

    pub fn finish(&self) -> u32 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The newest row of a key and its last tombstone, however the rows are cut into pieces.
        #[test]
        fn rows_are_added_in_pieces(rows in prop::collection::vec((0..5u8, any::<bool>()), 0..40), piece in 1..20usize) {
            let row = |(main, (key, tombstone)): (usize, &(u8, bool))| {
                (Key::new(&[*key]), RowKey { main: main as i64, sub: 0, tombstone: *tombstone })
            };
            let rows: Vec<_> = rows.iter().enumerate().map(row).collect();
            let mut keys = BTreeMap::new();
            for piece in rows.chunks(piece) {
                add_rows(&mut keys, &mut piece.to_vec());
            }
            for key in (0..5).map(|key| Key::new(&[key])) {
                let of_key = || rows.iter().rev().filter(|row| row.0 == key).map(|row| row.1);
                prop_assert_eq!(keys.get(&key).map(|n| n.row), of_key().next());
                let deleted = of_key().find(|row| row.tombstone).map_or(-1, |row| row.main);
                prop_assert_eq!(keys.get(&key).map_or(-1, |n| n.deleted), deleted);
            }
        }
    }
}
