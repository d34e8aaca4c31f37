//! Errors with the texts of Go's clientv3, which tools match on.
//!
//! A status whose message is one of etcd's own prints that message alone; any other prints as gRPC does,
//! `rpc error: code = … desc = …`. The set of known messages is `contract/errors.tsv` (column `go_client_known`).

use std::collections::HashSet;
use std::sync::LazyLock;

use tonic::{Code, Status};

/// Why a call, or the construction of a client, failed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    #[error("etcdclient: no available endpoints")]
    NoEndpoints,
    #[error("gRPC message recv limit ({recv} bytes) must be greater than send limit ({send} bytes)")]
    RecvBelowSend { recv: usize, send: usize },
    #[error("endpoint {0:?} requires TLS, which this client does not support yet")]
    TlsUnsupported(String),
    /// A rejection the server defines; the message is part of its interface.
    #[error("{message}")]
    Etcd { code: Code, message: String },
    /// Any other gRPC status, including those made on this side.
    #[error("rpc error: code = {} desc = {message}", code_name(*.code))]
    Status { code: Code, message: String },
    /// The deadline of the call passed.
    #[error("context deadline exceeded")]
    DeadlineExceeded,
    /// Words of the server without a status, as a watch that was refused carries them.
    #[error("{0}")]
    Plain(String),
    /// A stream ended in the middle of what it should carry.
    #[error("unexpected EOF")]
    UnexpectedEof,
}

/// Messages that stand alone, without gRPC's prefix.
static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let table = include_str!("../../../contract/errors.tsv");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            (columns.len() > 5 && columns[5] == "yes").then(|| columns[3])
        })
        .collect()
});

impl Error {
    /// An error of etcd's own with this message.
    #[must_use]
    pub fn etcd(code: Code, message: &str) -> Error {
        Error::Etcd { code, message: message.to_owned() }
    }

    /// The connection broke under a call; Go's transport words it so.
    pub(crate) fn connection_lost() -> Error {
        Error::Status { code: Code::Unavailable, message: "error reading from server: EOF".to_owned() }
    }

    pub(crate) fn from_status(status: &Status) -> Error {
        let (code, message) = (status.code(), status.message());
        if KNOWN.contains(message) {
            return Error::Etcd { code, message: message.to_owned() };
        }
        if let Some((found, limit)) = decode_limit(message) {
            return Error::Status {
                code: Code::ResourceExhausted,
                message: format!("grpc: received message larger than max ({found} vs. {limit})"),
            };
        }
        Error::Status { code, message: message.to_owned() }
    }

    /// A reason the server gave in words; without a code it is printed as it is.
    pub(crate) fn from_reason(code: Option<Code>, reason: &str) -> Error {
        match code {
            Some(code) => Error::from_status(&Status::new(code, reason)),
            None if KNOWN.contains(reason) => Error::etcd(Code::Unknown, reason),
            None => Error::Plain(reason.to_owned()),
        }
    }

    /// The gRPC code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Etcd { code, .. } | Error::Status { code, .. } => Some(*code),
            Error::DeadlineExceeded => Some(Code::DeadlineExceeded),
            Error::NoEndpoints
            | Error::RecvBelowSend { .. }
            | Error::TlsUnsupported(_)
            | Error::Plain(_)
            | Error::UnexpectedEof => None,
        }
    }

    /// Whether this is the server's rejection with exactly this message.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        matches!(self, Error::Etcd { message, .. } if message == text)
    }

    /// How gRPC itself prints the error, prefix included; for logs.
    #[must_use]
    pub fn rpc_text(&self) -> String {
        match self {
            Error::Etcd { code, message } => {
                format!("rpc error: code = {} desc = {message}", code_name(*code))
            }
            Error::DeadlineExceeded => {
                "rpc error: code = DeadlineExceeded desc = context deadline exceeded".into()
            }
            other => other.to_string(),
        }
    }

    /// Whether no later attempt on the same stream can succeed: anything but a passing loss of server or frame.
    pub(crate) fn is_halt(&self) -> bool {
        !matches!(self.code(), Some(Code::Unavailable | Code::Internal))
    }
}

/// Go's name of a status code; tonic differs in two of them.
fn code_name(code: Code) -> String {
    match code {
        Code::Ok => "OK".to_owned(),
        Code::Cancelled => "Canceled".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Sizes out of tonic's message about a response above the limit.
fn decode_limit(message: &str) -> Option<(u64, u64)> {
    let rest = message.strip_prefix("Error, decoded message length too large: found ")?;
    let (found, rest) = rest.split_once(" bytes, the limit is: ")?;
    Some((found.parse().ok()?, rest.strip_suffix(" bytes")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: Code, message: &str, text: &str) {
        assert_eq!(Error::from_status(&Status::new(code, message)).to_string(), text);
    }

    #[test]
    fn texts() {
        check(
            Code::NotFound,
            "etcdserver: requested lease not found",
            "etcdserver: requested lease not found",
        );
        check(Code::Cancelled, "x", "rpc error: code = Canceled desc = x");
        check(
            Code::OutOfRange,
            "Error, decoded message length too large: found 9 bytes, the limit is: 5 bytes",
            "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (9 vs. 5)",
        );
        check(
            Code::InvalidArgument,
            "etcdserver: invalid client api version",
            "rpc error: code = InvalidArgument desc = etcdserver: invalid client api version",
        );
    }

    #[test]
    fn the_table_of_known_messages_is_read() {
        assert!(KNOWN.len() > 50, "{}", KNOWN.len());
    }
}
