//! gRPC statuses the edge itself answers with; texts and codes are those of `contract/errors.tsv`.

use ::rpc::Status;
use member::proposal::Refused;
use state::{Reject, kv::Invalid};

pub const UNKNOWN: u8 = 2;
pub const INVALID_ARGUMENT: u8 = 3;
pub const DEADLINE_EXCEEDED: u8 = 4;
pub const NOT_FOUND: u8 = 5;
pub const RESOURCE_EXHAUSTED: u8 = 8;
pub const FAILED_PRECONDITION: u8 = 9;
pub const INTERNAL: u8 = 13;
pub const UNAVAILABLE: u8 = 14;

pub fn new(code: u8, message: &str) -> Status {
    Status { code, message: message.to_owned() }
}

pub fn of_reject(reject: &Reject) -> Status {
    let (code, message) = state::status(reject);
    new(code as u8, message)
}

pub fn of_invalid(invalid: Invalid) -> Status {
    let (code, message) = invalid.status();
    new(code, message)
}

/// etcd sends "too many requests" with code Unknown: its table points at a client-side value.
pub fn of_refused(refused: Refused) -> Status {
    match refused {
        Refused::TooManyRequests => new(UNKNOWN, "etcdserver: too many requests"),
        Refused::TooLarge => new(INVALID_ARGUMENT, "etcdserver: request is too large"),
    }
}

pub fn undecodable(error: &prost::DecodeError) -> Status {
    let reason = if error.to_string().contains("UTF-8") {
        "string field contains invalid UTF-8"
    } else {
        "proto: cannot parse invalid wire-format data"
    };
    new(INTERNAL, &format!("grpc: error unmarshalling request: {reason}"))
}

pub fn undecodable_in_stream(error: &prost::DecodeError) -> Status {
    let unary = undecodable(error);
    let reason = unary.message.rsplit("request: ").next().unwrap_or_default();
    new(INTERNAL, &format!("grpc: failed to unmarshal the received message: {reason}"))
}

pub fn proposal_dropped() -> Status {
    new(UNKNOWN, "raft proposal dropped")
}

pub fn leader_changed() -> Status {
    new(UNAVAILABLE, "etcdserver: leader changed")
}

pub fn no_leader() -> Status {
    new(UNAVAILABLE, "etcdserver: no leader")
}

pub fn timeout() -> Status {
    new(UNAVAILABLE, "etcdserver: request timed out")
}

pub fn deadline_exceeded() -> Status {
    new(DEADLINE_EXCEEDED, "context deadline exceeded")
}

pub fn no_space() -> Status {
    new(RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded")
}

pub fn timeout_leader_lost() -> Status {
    new(UNAVAILABLE, "etcdserver: request timed out, possibly due to previous leader failure")
}

pub fn timeout_connection_lost() -> Status {
    new(UNAVAILABLE, "etcdserver: request timed out, possibly due to connection lost")
}

pub fn timeout_applied() -> Status {
    new(UNAVAILABLE, "etcdserver: request timed out, waiting for the applied index took too long")
}

pub fn not_primary() -> Status {
    new(UNKNOWN, "not a primary lessor")
}

pub fn learner() -> Status {
    new(FAILED_PRECONDITION, "etcdserver: rpc not supported for learner")
}

pub fn bad_urls() -> Status {
    new(INVALID_ARGUMENT, "etcdserver: given member URLs are invalid")
}

/// etcd sends it with code Unknown: its table points at a client-side value.
pub fn not_enough_started() -> Status {
    new(UNKNOWN, "etcdserver: re-configuration failed due to not enough started members")
}

pub fn unhealthy() -> Status {
    new(UNAVAILABLE, "etcdserver: unhealthy cluster")
}

pub fn learner_not_ready() -> Status {
    new(FAILED_PRECONDITION, "etcdserver: can only promote a learner member which is in sync with leader")
}

pub fn not_leader() -> Status {
    new(FAILED_PRECONDITION, "etcdserver: not leader")
}

pub fn bad_transferee() -> Status {
    new(FAILED_PRECONDITION, "etcdserver: bad leader transferee")
}

pub fn transfer_timeout() -> Status {
    new(UNKNOWN, "etcdserver: request timed out, leader transfer took too long")
}

pub fn unknown_method() -> Status {
    new(UNKNOWN, "etcdserver: unknown method")
}
