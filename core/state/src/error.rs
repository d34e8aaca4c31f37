//! What can go wrong: a fault stops the process, a rejection becomes a reply.

use crate::Reject;
use backend::Bucket;

/// A fault: this member cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Backend(#[from] backend::Error),
    /// An entry that no release of etcd writes, or one this server cannot apply.
    #[error("entry {index}: {reason}")]
    Entry { index: u64, reason: String },
    /// A row that no release of etcd writes.
    #[error("bucket {}: {reason}", String::from_utf8_lossy(.bucket.name()))]
    Row { bucket: Bucket, reason: String },
    /// The state refused what it had checked: a bug here or a damaged database.
    #[error("inconsistent state: {0}")]
    Inconsistent(String),
    /// The cluster is newer than this server.
    #[error(
        "invalid downgrade; server version is lower than determined cluster version ({server} < {cluster})"
    )]
    ClusterNewer { server: crate::Version, cluster: crate::Version },
}

impl Error {
    /// For calls that must not be refused: a rejection is then a fault.
    pub(crate) fn from_mvcc(error: mvcc::Error) -> Error {
        match error {
            mvcc::Error::Reject(reject) => Error::Inconsistent(reject.to_string()),
            mvcc::Error::Fault(fault) => Error::Backend(fault),
        }
    }

    pub(crate) fn row(bucket: Bucket, reason: impl Into<String>) -> Error {
        Error::Row { bucket, reason: reason.into() }
    }
}

/// Why a request gave no result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Deterministic; becomes the reply.
    #[error("{}", crate::status(.0).1)]
    Reject(Reject),
    #[error(transparent)]
    Fault(Error),
}

impl From<Reject> for Failure {
    fn from(reject: Reject) -> Failure {
        Failure::Reject(reject)
    }
}

impl From<mvcc::Reject> for Failure {
    fn from(reject: mvcc::Reject) -> Failure {
        Failure::Reject(reject.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Fault(error)
    }
}

impl From<mvcc::Error> for Failure {
    fn from(error: mvcc::Error) -> Failure {
        match error {
            mvcc::Error::Reject(reject) => reject.into(),
            mvcc::Error::Fault(fault) => Failure::Fault(Error::Backend(fault)),
        }
    }
}
