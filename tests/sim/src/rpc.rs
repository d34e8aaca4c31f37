//! What clients ask a member and what they are told: the client API without its encoding.

use proto::{etcdserverpb as pb, mvccpb, raftpb};
use state::{Reject, Reply};
use std::fmt;

/// Names a call for its whole life.
pub type CallId = u64;

#[derive(Clone, Debug)]
pub enum Request {
    Put(pb::PutRequest),
    Delete(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compact(i64),
    Grant { id: i64, ttl_s: i64 },
    Revoke(i64),
    Range(pb::RangeRequest),
    Renew(i64),
    Change(raftpb::ConfChange),
}

#[derive(Clone, Debug)]
pub enum Response {
    Done(Reply),
    Found {
        revision: i64,
        kvs: Vec<mvccpb::KeyValue>,
    },
    /// Seconds; 0: there is no such lease.
    Renewed(i64),
    Rejected(Reject),
    /// It surely had no effect.
    NotDone(&'static str),
    /// The connection broke: nobody knows.
    Lost,
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Response::Done(reply) => write!(f, "{reply:?}"),
            Response::Found { revision, kvs } => write!(f, "{} found at {revision}", kvs.len()),
            Response::Renewed(ttl) => write!(f, "renewed for {ttl} s"),
            Response::Rejected(reject) => write!(f, "rejected: {reject:?}"),
            Response::NotDone(why) => write!(f, "not done: {why}"),
            Response::Lost => write!(f, "lost"),
        }
    }
}
