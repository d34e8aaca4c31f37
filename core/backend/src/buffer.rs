//! What applied entries changed and the committer has not made durable yet.

use crate::{Batch, Bucket, Op, ReadTx, Result, View, rows::Rows};
use bytes::Bytes;
use std::collections::VecDeque;

/// Names a batch, to ask later whether it has been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Uncommitted changes and the committed root beneath them: all that reads and writes of applied state go through.
/// Owned by the state machine. Rows of the `key` bucket stay readable here until the root that holds them arrives;
/// other buckets are only written through it, since their owners keep them in memory.
#[derive(Debug)]
pub struct Buffer {
    root: ReadTx,
    open: Batch,
    /// Where the open batch last put each `meta` key, so that a key put with every entry is written once per batch.
    /// Bounded by the keys of that bucket.
    meta_ops: Vec<usize>,
    /// Rows not in `root`.
    rows: Rows,
    /// Segments of `rows` per sealed batch, oldest first.
    sealed: VecDeque<usize>,
    committed_batches: u64,
}

impl Buffer {
    pub fn new(root: ReadTx) -> Buffer {
        Buffer {
            root,
            open: Batch::default(),
            meta_ops: Vec::new(),
            rows: Rows::default(),
            sealed: VecDeque::new(),
            committed_batches: 0,
        }
    }

    /// Rows of the `key` bucket must ascend.
    pub fn put(&mut self, bucket: Bucket, key: Bytes, value: Bytes) {
        match bucket {
            Bucket::Key => self.rows.push(key.clone(), value.clone()),
            Bucket::Meta => return self.put_meta(key, value),
            _ => {}
        }
        self.open.put(bucket, key, value);
    }

    /// Of the `key` bucket only committed rows may be deleted.
    pub fn delete(&mut self, bucket: Bucket, key: Bytes) {
        match bucket {
            Bucket::Key => assert!(self.rows.get(&key).is_none(), "deletes a row that is not committed"),
            Bucket::Meta => self.forget_meta(&key),
            _ => {}
        }
        self.open.delete(bucket, key);
    }

    /// A row of the `key` bucket: from memory if it is not committed yet, else from the root.
    pub fn row(&self, key: &[u8]) -> Result<Option<Bytes>> {
        match self.rows.get(key) {
            Some(value) => Ok(Some(value)),
            None => self.root.get(Bucket::Key.name(), key),
        }
    }

    /// A row of the `key` bucket if it is not committed yet: a lookup that touches no page.
    pub fn uncommitted_row(&self, key: &[u8]) -> Option<Bytes> {
        self.rows.get(key)
    }

    /// Main revision of the oldest `key` row that is not in the root.
    pub fn first_uncommitted(&self) -> Option<i64> {
        self.rows.first_main()
    }

    /// Changes in the open batch.
    pub fn pending(&self) -> usize {
        self.open.ops.len()
    }

    /// True when the open batch holds a delete (etcd commits such a batch at once).
    pub fn has_delete(&self) -> bool {
        self.open.has_delete
    }

    /// Batches sealed and not yet committed.
    pub fn sealed(&self) -> usize {
        self.sealed.len()
    }

    /// The open batch.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.committed_batches + self.sealed.len() as u64)
    }

    /// Whether everything put before the ticket was taken is in the root.
    pub fn is_committed(&self, ticket: Ticket) -> bool {
        self.committed_batches > ticket.0
            || (ticket == self.ticket() && self.sealed.is_empty() && self.pending() == 0)
    }

    /// Closes the open batch for the committer; `None` when it is empty. Sealed batches commit in order.
    pub fn seal(&mut self) -> Option<Batch> {
        if self.open.ops.is_empty() {
            return None;
        }
        self.sealed.push_back(self.rows.seal());
        self.meta_ops.clear();
        Some(std::mem::take(&mut self.open))
    }

    /// The oldest sealed batch is now part of `root`.
    pub fn committed(&mut self, root: ReadTx) {
        let segments = self.sealed.pop_front().expect("a commit answers a sealed batch");
        self.rows.drop_front(segments);
        self.committed_batches += 1;
        self.root = root;
    }

    /// The file was rewritten (defragmentation): `root` holds what the present root holds.
    pub fn rewritten(&mut self, root: ReadTx) {
        self.root = root;
    }

    pub fn root(&self) -> &ReadTx {
        &self.root
    }

    /// An immutable view for reader threads: the root, and the `key` rows not in it.
    pub fn view(&mut self) -> View {
        View::new(self.root.clone(), self.rows.segments())
    }

    fn put_meta(&mut self, key: Bytes, value: Bytes) {
        for &index in &self.meta_ops {
            if let Op::Put { key: known, value: last, .. } = &mut self.open.ops[index]
                && *known == key
            {
                *last = value;
                return;
            }
        }
        self.meta_ops.push(self.open.ops.len());
        self.open.put(Bucket::Meta, key, value);
    }

    /// A put after a delete must not move before it.
    fn forget_meta(&mut self, key: &Bytes) {
        let ops = &self.open.ops;
        self.meta_ops.retain(|&index| !matches!(&ops[index], Op::Put { key: known, .. } if known == key));
    }
}
