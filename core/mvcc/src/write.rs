//! The changes of one entry.

use crate::{
    Error, KeyInfo, KeyRange, Mvcc, Revision,
    row::{self, KeyValueRef, Row},
};
use backend::{Bucket, Buffer};
use bytes::Bytes;

/// A change made by a [`Write`]: one row, and the event watchers see.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The changes of one entry. Reads through it see them. Dropping it with changes but without [`Write::end`] is a bug
/// (asserted): check everything that can fail first.
#[derive(Debug)]
pub struct Write<'a> {
    mvcc: &'a mut Mvcc,
    buffer: &'a mut Buffer,
    /// In sub-revision order.
    changes: Vec<Change>,
}

impl Mvcc {
    /// Begins the one write of an entry.
    pub fn write<'a>(&'a mut self, buffer: &'a mut Buffer) -> Write<'a> {
        Write { mvcc: self, buffer, changes: Vec::new() }
    }
}

impl Write<'_> {
    /// Puts at the next sub-revision. The previous state of the key comes from `find` before the call.
    pub fn put(&mut self, key: Bytes, value: Bytes, lease: i64) {
        let at = self.next();
        let now = self.mvcc.index.put(&key, at);
        let row = self.mvcc.rows.put(
            at,
            &KeyValueRef {
                key: &key,
                create_revision: now.created,
                mod_revision: at.main,
                version: now.version,
                value: &value,
                lease,
            },
        );
        let change = change(at, false, key.len(), &row, now.created == at.main);
        self.buffer.put(Bucket::Key, row.key, row.value);
        self.changes.push(change);
    }

    /// Deletes every live key of the range in key order; returns their last states, for `prev_kv` and leases.
    pub fn delete_range(&mut self, range: &KeyRange) -> Vec<KeyInfo> {
        let mut at = self.next();
        let Mvcc { index, rows, .. } = &mut *self.mvcc;
        let mut deleted = Vec::new();
        index.delete_range(range, |key, last| {
            let row = rows.tombstone(at, key);
            let change = change(at, true, key.len(), &row, false);
            self.buffer.put(Bucket::Key, row.key, row.value);
            deleted.push(KeyInfo::new(change.key.clone(), last));
            self.changes.push(change);
            let tombstone = at;
            at.sub += 1;
            tombstone
        });
        deleted
    }

    /// The revision reads see: the base revision, or base + 1 once something changed.
    pub fn revision(&self) -> i64 {
        self.mvcc.current + i64::from(self.changed())
    }

    pub fn changed(&self) -> bool {
        !self.changes.is_empty()
    }

    pub fn find(&self, key: &[u8]) -> Option<KeyInfo> {
        self.mvcc.find(key, self.revision())
    }

    /// Keys of the range as this write sees them at `revision` (`<= 0`: with its own changes), at most `limit`
    /// (0 = all), and the count of all.
    pub fn range(&self, range: &KeyRange, revision: i64, limit: usize) -> (Vec<KeyInfo>, i64) {
        let revision = if revision <= 0 { self.revision() } else { revision };
        self.mvcc.range(range, revision, limit)
    }

    pub fn value(&self, revision: Revision) -> Result<Bytes, Error> {
        self.mvcc.value(self.buffer, revision)
    }

    /// Ends the write: raises the current revision if anything changed. The changes, in sub-revision order.
    pub fn end(mut self) -> Vec<Change> {
        self.mvcc.current += i64::from(self.changed());
        std::mem::take(&mut self.changes)
    }

    fn next(&self) -> Revision {
        Revision { main: self.mvcc.current + 1, sub: self.changes.len() as i64 }
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        // A second panic while unwinding would hide the first.
        assert!(self.changes.is_empty() || std::thread::panicking(), "a write is ended, not dropped");
    }
}

fn change(revision: Revision, tombstone: bool, key_len: usize, row: &Row, created: bool) -> Change {
    let kv = row.value.clone();
    Change { revision, tombstone, key: row::user_key(&kv, key_len), kv, created }
}
