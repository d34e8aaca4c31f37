//! What is wrong with a request, whatever the state: decided by the member that receives it, before proposing.

use super::{duplicates, invalid::Invalid};
use proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
    range_request::{SortOrder, SortTarget},
    request_op::Request,
};

pub fn range(request: &RangeRequest) -> Result<(), Invalid> {
    if request.key.is_empty() {
        return Err(Invalid::EmptyKey);
    }
    if SortOrder::try_from(request.sort_order).is_err() || SortTarget::try_from(request.sort_target).is_err()
    {
        return Err(Invalid::SortOption);
    }
    Ok(())
}

pub fn range_stream(request: &RangeRequest) -> Result<(), Invalid> {
    range(request)?;
    if !super::select::default_ordering(request) {
        return Err(Invalid::StreamSortOrder);
    }
    if super::select::has_filters(request) {
        return Err(Invalid::StreamFilter);
    }
    Ok(())
}

pub fn put(request: &PutRequest) -> Result<(), Invalid> {
    if request.key.is_empty() {
        return Err(Invalid::EmptyKey);
    }
    if request.ignore_value && !request.value.is_empty() {
        return Err(Invalid::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Invalid::LeaseProvided);
    }
    Ok(())
}

pub fn delete_range(request: &DeleteRangeRequest) -> Result<(), Invalid> {
    if request.key.is_empty() { Err(Invalid::EmptyKey) } else { Ok(()) }
}

/// `ops_max`: `--max-txn-ops`. A nested transaction may use what its parents left.
pub fn txn(request: &TxnRequest, ops_max: usize) -> Result<(), Invalid> {
    shape(request, ops_max)?;
    duplicates::check(&request.success)?;
    duplicates::check(&request.failure)
}

fn shape(request: &TxnRequest, ops_max: usize) -> Result<(), Invalid> {
    let ops = request.compare.len().max(request.success.len()).max(request.failure.len());
    let Some(left) = ops_max.checked_sub(ops) else {
        return Err(Invalid::TooManyOps);
    };
    if request.compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(Invalid::EmptyKey);
    }
    request.success.iter().chain(&request.failure).try_for_each(|op| op_shape(op, left))
}

fn op_shape(op: &RequestOp, ops_left: usize) -> Result<(), Invalid> {
    match &op.request {
        Some(Request::RequestRange(request)) => range(request),
        Some(Request::RequestPut(request)) => put(request),
        Some(Request::RequestDeleteRange(request)) => delete_range(request),
        Some(Request::RequestTxn(request)) => shape(request, ops_left),
        None => Err(Invalid::EmptyOp),
    }
}
