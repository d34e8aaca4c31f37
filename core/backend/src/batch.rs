//! What one bolt transaction will do.

use crate::Bucket;
use bytes::Bytes;

/// Changes after which a batch is sealed without waiting for the commit interval.
pub const BATCH_CHANGES_MAX: usize = 10_000;

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
