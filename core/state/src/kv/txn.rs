//! Transactions: compares choose a branch on every level, checks refuse, then the operations run in order.
//!
//! The whole path is decided before any write, on the state before the transaction, nested compares included. Checks
//! look at the chosen path only. What passes them cannot be refused any more, so a transaction is done whole or not
//! at all. Nesting is bounded by protobuf's recursion limit (100) and, at the edge, by `--max-txn-ops`.

use super::{compare, decode_row, delete, put, reply, select};
use crate::{Error, Failure, Leases, Reject, Reply, State, header::header};
use mvcc::{Change, KeyRange, Write};
use proto::etcdserverpb::{
    self as pb, RequestOp, ResponseOp, TxnRequest, TxnResponse, request_op::Request, response_op::Response,
};

/// True when no operation of either branch writes: such a transaction needs no log entry. A nested transaction makes
/// it a write even if that only reads.
pub fn is_read_only(request: &TxnRequest) -> bool {
    ops(request).all(|op| matches!(op.request, Some(Request::RequestRange(_))))
}

/// True when it may run on local state without waiting for the leader: every operation of both branches is a
/// serializable range. So may one without operations, whatever it compares (as in etcd).
pub fn is_serializable(request: &TxnRequest) -> bool {
    ops(request).all(|op| matches!(&op.request, Some(Request::RequestRange(range)) if range.serializable))
}

fn ops(request: &TxnRequest) -> impl Iterator<Item = &RequestOp> {
    request.success.iter().chain(&request.failure)
}

impl State {
    pub(crate) fn txn(&mut self, request: TxnRequest) -> Result<(Reply, Vec<Change>), Failure> {
        let compacted = self.mvcc.compact_revision();
        let mut write = self.mvcc.write(&mut self.buffer);
        let done = run(&mut write, &mut self.leases, compacted, request);
        let changed = write.changed();
        let changes = write.end();
        assert!(!changed || !matches!(done, Err(Failure::Reject(_))), "a refused transaction wrote");
        Ok((Reply::Txn(done?), changes))
    }

    /// Runs a transaction that [`is_read_only`] on the current state, outside the log.
    pub fn txn_read(&mut self, request: TxnRequest) -> Result<TxnResponse, Failure> {
        assert!(is_read_only(&request), "a transaction that writes goes through the log");
        match self.txn(request)? {
            (Reply::Txn(response), changes) if changes.is_empty() => Ok(response),
            (reply, _) => Err(Error::Inconsistent(format!("a read-only transaction gave {reply:?}")).into()),
        }
    }
}

fn run(
    write: &mut Write<'_>,
    leases: &mut Leases,
    compacted: i64,
    request: TxnRequest,
) -> Result<TxnResponse, Failure> {
    let mut path = Vec::with_capacity(1);
    decide(write, &request, &mut path)?;
    let checks = Checks { write, leases, compacted };
    checks.branch(&request, &mut path.iter().copied())?;
    let mut response = execute(write, leases, request, &mut path.iter().copied())?;
    response.header = header(write.revision());
    Ok(response)
}

/// Appends the branch taken at every transaction on the way, outer before inner, in order.
fn decide(write: &Write<'_>, request: &TxnRequest, path: &mut Vec<bool>) -> Result<(), Error> {
    let succeeded = compare::all(write, &request.compare)?;
    path.push(succeeded);
    for op in branch(request, succeeded) {
        if let Some(Request::RequestTxn(nested)) = &op.request {
            decide(write, nested, path)?;
        }
    }
    Ok(())
}

fn branch(request: &TxnRequest, succeeded: bool) -> &[RequestOp] {
    if succeeded { &request.success } else { &request.failure }
}

fn next(path: &mut dyn Iterator<Item = bool>) -> bool {
    path.next().expect("the path has a step for every transaction on it")
}

/// What may refuse a transaction, seen before its first write.
struct Checks<'a, 'w> {
    write: &'a Write<'w>,
    leases: &'a Leases,
    compacted: i64,
}

impl Checks<'_, '_> {
    fn branch(&self, request: &TxnRequest, path: &mut dyn Iterator<Item = bool>) -> Result<(), Reject> {
        for op in branch(request, next(path)) {
            match &op.request {
                Some(Request::RequestRange(range)) => self.range(range)?,
                Some(Request::RequestPut(request)) => {
                    put::check(self.leases, request, |key| self.write.find(key).is_some())?;
                }
                Some(Request::RequestTxn(nested)) => self.branch(nested, path)?,
                Some(Request::RequestDeleteRange(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Unlike a plain range, a negative revision below the compacted one is refused.
    fn range(&self, request: &pb::RangeRequest) -> Result<(), Reject> {
        if request.revision == 0 {
            Ok(())
        } else if request.revision > self.write.revision() {
            Err(Reject::FutureRevision)
        } else if request.revision < self.compacted {
            Err(Reject::Compacted)
        } else {
            Ok(())
        }
    }
}

/// Runs the chosen branch. Only a fault can stop it.
fn execute(
    write: &mut Write<'_>,
    leases: &mut Leases,
    request: TxnRequest,
    path: &mut dyn Iterator<Item = bool>,
) -> Result<TxnResponse, Error> {
    let succeeded = next(path);
    let ops = if succeeded { request.success } else { request.failure };
    let mut responses = Vec::with_capacity(ops.len());
    for op in ops {
        let response = match op.request {
            Some(Request::RequestRange(request)) => Some(Response::ResponseRange(range(write, &request)?)),
            Some(Request::RequestPut(request)) => {
                let prev_kv = put::execute(write, leases, request)?;
                Some(Response::ResponsePut(pb::PutResponse { header: header(write.revision()), prev_kv }))
            }
            Some(Request::RequestDeleteRange(request)) => {
                Some(Response::ResponseDeleteRange(delete::execute(write, leases, request)?))
            }
            Some(Request::RequestTxn(request)) => {
                Some(Response::ResponseTxn(execute(write, leases, request, path)?))
            }
            None => None,
        };
        responses.push(ResponseOp { response });
    }
    // A nested response has an empty header; the outermost gets its revision from the caller.
    Ok(TxnResponse { header: Some(pb::ResponseHeader::default()), succeeded, responses })
}

/// A range inside a transaction: sees what came before it.
fn range(write: &Write<'_>, request: &pb::RangeRequest) -> Result<pb::RangeResponse, Error> {
    let keys = KeyRange::new(request.key.clone(), request.range_end.clone());
    let mut response = pb::RangeResponse { header: header(write.revision()), ..Default::default() };
    let (mut found, count) = write.range(&keys, request.revision.max(0), select::scan_limit(request));
    response.count = count;
    if request.count_only {
        return Ok(response);
    }
    response.more = select::select(request, &mut found);
    let by_value = select::sorts_by_value(request);
    for info in &found {
        response.kvs.push(if request.keys_only && !by_value && !select::keeps_lease(request) {
            reply::key_only(info)
        } else {
            decode_row(write.value(info.modified).map_err(Error::from_mvcc)?)?
        });
    }
    if by_value {
        response.more = select::sort_by_value(request, &mut response.kvs, |kv| &kv.value);
    }
    if request.keys_only {
        response.kvs.iter_mut().for_each(|kv| kv.value.clear());
    }
    Ok(response)
}
