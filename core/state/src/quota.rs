//! What a request costs against the space quota. Costs are etcd's estimates, in bytes.

use proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest, request_op::Request};

/// Bytes a key's metadata is taken to cost.
const KEY_OVERHEAD_BYTES: u64 = 256;
/// Bytes a lease is taken to cost.
const LEASE_BYTES: u64 = 64;

pub fn put_cost(request: &PutRequest) -> u64 {
    KEY_OVERHEAD_BYTES + request.key.len() as u64 + request.value.len() as u64
}

pub fn lease_grant_cost() -> u64 {
    LEASE_BYTES
}

/// The dearer branch; nested transactions likewise.
pub fn txn_cost(request: &TxnRequest) -> u64 {
    branch_cost(&request.success).max(branch_cost(&request.failure))
}

fn branch_cost(ops: &[RequestOp]) -> u64 {
    ops.iter()
        .map(|op| match &op.request {
            Some(Request::RequestPut(put)) => put_cost(put),
            Some(Request::RequestTxn(txn)) => txn_cost(txn),
            Some(Request::RequestRange(_) | Request::RequestDeleteRange(_)) | None => 0,
        })
        .sum()
}

/// True when a request of this cost fits: free ones always do.
pub fn available(cost: u64, backend_bytes: u64, quota_bytes: Option<u64>) -> bool {
    match quota_bytes {
        None => true,
        Some(quota) => cost == 0 || backend_bytes.saturating_add(cost) < quota,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn put(key: &'static str, value: &'static str) -> RequestOp {
        let put = PutRequest { key: Bytes::from(key), value: Bytes::from(value), ..PutRequest::default() };
        RequestOp { request: Some(Request::RequestPut(put)) }
    }

    #[test]
    fn a_txn_costs_its_dearer_branch() {
        let nested = TxnRequest { failure: vec![put("k", "12345")], ..TxnRequest::default() };
        let txn = TxnRequest {
            success: vec![put("a", "bc")],
            failure: vec![
                RequestOp { request: Some(Request::RequestTxn(nested)) },
                RequestOp { request: None },
            ],
            ..TxnRequest::default()
        };
        assert_eq!(txn_cost(&txn), 256 + 6);
        assert_eq!(txn_cost(&TxnRequest::default()), 0);
    }

    #[test]
    fn the_quota_itself_is_out_of_reach() {
        assert!(available(9, 90, Some(100)));
        assert!(!available(10, 90, Some(100)));
        assert!(available(0, 200, Some(100)));
        assert!(available(u64::MAX, u64::MAX, None));
        assert!(!available(u64::MAX, 1, Some(u64::MAX)));
    }
}
