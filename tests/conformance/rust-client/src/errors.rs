//! Requests that the server refuses: gRPC code and etcd's message, as the client shows them.

use crate::{revision, soon};
use etcd_client::{Client, Error, GetOptions, LeaseGrantOptions, PutOptions, Txn, TxnOp};
use std::fmt::Debug;

pub async fn refusals(client: &mut Client) {
    let now = revision(client).await;
    let future = GetOptions::new().with_revision(now + 10);
    refused(
        soon(client.get("e", Some(future))).await,
        "OutOfRange",
        "etcdserver: mvcc: required revision is a future revision",
    );
    refused(soon(client.get("", None)).await, "InvalidArgument", "etcdserver: key is not provided");
    refused(soon(client.put("", "v", None)).await, "InvalidArgument", "etcdserver: key is not provided");
    refused(soon(client.delete("", None)).await, "InvalidArgument", "etcdserver: key is not provided");
    let absent = PutOptions::new().with_ignore_value();
    refused(
        soon(client.put("e/absent", "", Some(absent))).await,
        "InvalidArgument",
        "etcdserver: key not found",
    );
    let valued = PutOptions::new().with_ignore_value();
    refused(
        soon(client.put("e", "v", Some(valued))).await,
        "InvalidArgument",
        "etcdserver: value is provided",
    );
    let unknown = PutOptions::new().with_lease(12_345);
    refused(
        soon(client.put("e", "v", Some(unknown))).await,
        "NotFound",
        "etcdserver: requested lease not found",
    );
    refused(soon(client.lease_revoke(12_345)).await, "NotFound", "etcdserver: requested lease not found");
    let big = vec![b'x'; 1600 * 1024];
    refused(soon(client.put("e", big, None)).await, "InvalidArgument", "etcdserver: request is too large");
    let bigger = vec![b'x'; 2 * 1024 * 1024];
    let longer = "grpc: received message larger than max (2097160 vs. 2097152)";
    refused(soon(client.put("e", bigger, None)).await, "ResourceExhausted", longer);
    let twice = Txn::new().and_then([TxnOp::put("e", "1", None), TxnOp::put("e", "2", None)]);
    refused(
        soon(client.txn(twice)).await,
        "InvalidArgument",
        "etcdserver: duplicate key given in txn request",
    );
    let many =
        Txn::new().and_then((0..129).map(|n| TxnOp::put(format!("e/{n}"), "", None)).collect::<Vec<_>>());
    refused(
        soon(client.txn(many)).await,
        "InvalidArgument",
        "etcdserver: too many operations in txn request",
    );
    refused(
        soon(client.compact(now + 10, None)).await,
        "OutOfRange",
        "etcdserver: mvcc: required revision is a future revision",
    );
    refused(
        soon(client.hash_kv(now + 10)).await,
        "OutOfRange",
        "etcdserver: mvcc: required revision is a future revision",
    );

    soon(client.lease_grant(600, Some(LeaseGrantOptions::new().with_id(88)))).await.expect("a lease");
    let again = soon(client.lease_grant(600, Some(LeaseGrantOptions::new().with_id(88)))).await;
    refused(again, "FailedPrecondition", "etcdserver: lease already exists");
    soon(client.lease_revoke(88)).await.expect("revoked");
    let endless = soon(client.lease_grant(9_000_000_001, None)).await;
    refused(endless, "OutOfRange", "etcdserver: too large lease TTL");
    assert_eq!(revision(client).await, now, "what is refused changes nothing");
}

fn refused<T: Debug>(outcome: Result<T, Error>, code: &str, message: &str) {
    match outcome {
        Err(Error::GRpcStatus(status)) => {
            assert_eq!((format!("{:?}", status.code()).as_str(), status.message()), (code, message));
        }
        other => panic!("want {code} {message}, not {other:?}"),
    }
}
