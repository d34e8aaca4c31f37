//! The gRPC code and etcd's text of every rejection (`contract/errors.tsv`, rows `ErrGRPC…` and `wire:…`).

use crate::Reject;

/// A gRPC status code; the number is the wire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    Unknown = 2,
    InvalidArgument = 3,
    NotFound = 5,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    OutOfRange = 11,
    Unimplemented = 12,
    DataLoss = 15,
}

/// What the client is told. Two texts are not etcd's, because etcd crashes or never refuses there.
pub fn status(reject: &Reject) -> (Code, &'static str) {
    match reject {
        Reject::Compacted => (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted"),
        Reject::FutureRevision => {
            (Code::OutOfRange, "etcdserver: mvcc: required revision is a future revision")
        }
        Reject::KeyNotFound => (Code::InvalidArgument, "etcdserver: key not found"),
        Reject::LeaseNotFound => (Code::NotFound, "etcdserver: requested lease not found"),
        Reject::LeaseExists => (Code::FailedPrecondition, "etcdserver: lease already exists"),
        Reject::LeaseTtlTooLarge => (Code::OutOfRange, "etcdserver: too large lease TTL"),
        Reject::NoSpace => (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded"),
        Reject::Corrupt => (Code::DataLoss, "etcdserver: corrupt cluster"),
        Reject::MemberExists => (Code::FailedPrecondition, "etcdserver: member ID already exist"),
        Reject::PeerUrlExists => (Code::FailedPrecondition, "etcdserver: Peer URLs already exists"),
        Reject::MemberNotFound => (Code::NotFound, "etcdserver: member not found"),
        Reject::MemberNotLearner => {
            (Code::FailedPrecondition, "etcdserver: can only promote a learner member")
        }
        Reject::TooManyLearners => {
            (Code::FailedPrecondition, "etcdserver: too many learner members in cluster")
        }
        Reject::UnknownAlarmAction => (Code::InvalidArgument, "etcdserver: unknown alarm action"),
        Reject::NotBuilt => {
            (Code::Unimplemented, "etcdserver: authentication is not supported by this server")
        }
    }
}
