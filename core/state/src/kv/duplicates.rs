//! The rule that one list of operations may write a key once: no two puts of a key, no put of a key that a delete
//! covers. Deletes may overlap, and branches of one nested transaction exclude each other.
//!
//! etcd's exceptions are kept, because clients may rely on them: a delete whose end is one zero byte conflicts with
//! nothing, and the puts of a nested transaction are not held against the deletes of a later one.

use super::invalid::Invalid;
use bytes::Bytes;
use proto::etcdserverpb::{DeleteRangeRequest, RequestOp, request_op::Request};
use std::collections::{BTreeMap, BTreeSet};

/// Checks one list of operations, nested transactions included.
pub(super) fn check(ops: &[RequestOp]) -> Result<(), Invalid> {
    if ops.len() < 2 && !ops.iter().any(|op| matches!(op.request, Some(Request::RequestTxn(_)))) {
        return Ok(());
    }
    collect(ops).map(drop)
}

/// The keys a list may put and the intervals it may delete.
#[derive(Default)]
struct Writes<'a> {
    puts: BTreeSet<&'a [u8]>,
    deletes: Intervals,
}

impl<'a> Writes<'a> {
    fn put(&mut self, key: &'a [u8]) -> Result<(), Invalid> {
        if self.deletes.contains(key) || !self.puts.insert(key) { Err(Invalid::DuplicateKey) } else { Ok(()) }
    }
}

fn collect(ops: &[RequestOp]) -> Result<Writes<'_>, Invalid> {
    let mut writes = Writes::default();
    for op in ops {
        if let Some(Request::RequestDeleteRange(delete)) = &op.request {
            writes.deletes.add_request(delete);
        }
    }
    for op in ops {
        let Some(Request::RequestTxn(txn)) = &op.request else { continue };
        let (success, failure) = (collect(&txn.success)?, collect(&txn.failure)?);
        for key in &success.puts {
            writes.put(key)?;
        }
        for key in &failure.puts {
            // Put by the other branch of the same transaction: only one of the two runs. The deletes are checked
            // already.
            if !success.puts.contains(key) {
                writes.put(key)?;
            }
        }
        writes.deletes.merge(success.deletes);
        writes.deletes.merge(failure.deletes);
    }
    for op in ops {
        if let Some(Request::RequestPut(put)) = &op.request {
            writes.put(&put.key)?;
        }
    }
    Ok(writes)
}

/// Disjoint half-open intervals of keys: begin to end.
#[derive(Default)]
struct Intervals {
    by_begin: BTreeMap<Bytes, Bytes>,
}

impl Intervals {
    fn add_request(&mut self, delete: &DeleteRangeRequest) {
        let end = if delete.range_end.is_empty() {
            // The single key: up to its successor.
            let mut successor = Vec::with_capacity(delete.key.len() + 1);
            successor.extend_from_slice(&delete.key);
            successor.push(0);
            successor.into()
        } else {
            // An end of one zero byte makes an empty interval here, on purpose.
            delete.range_end.clone()
        };
        self.add(delete.key.clone(), end);
    }

    fn add(&mut self, mut begin: Bytes, mut end: Bytes) {
        if begin >= end {
            return;
        }
        // Swallow every interval that touches the new one; each is removed once, so this ends.
        while let Some((b, e)) = self.by_begin.range(..=end.clone()).next_back() {
            if *e < begin {
                break;
            }
            let (b, e) = (b.clone(), e.clone());
            self.by_begin.remove(&b);
            begin = begin.min(b);
            end = end.max(e);
        }
        self.by_begin.insert(begin, end);
    }

    fn merge(&mut self, other: Intervals) {
        for (begin, end) in other.by_begin {
            self.add(begin, end);
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        use std::ops::Bound::{Included, Unbounded};
        self.by_begin
            .range::<[u8], _>((Unbounded, Included(key)))
            .next_back()
            .is_some_and(|(_, end)| key < &end[..])
    }
}

#[cfg(test)]
mod tests;
