//! Rejections, which become replies, and faults, which stop the process.

/// Why a read or a compaction is refused. Deterministic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
}

/// Either a rejection, which becomes a reply, or a fault, which stops the process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Reject(#[from] Reject),
    #[error(transparent)]
    Fault(#[from] backend::Error),
}

/// The `key` bucket does not hold what the index or the format promises.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> backend::Error {
    backend::Error::Invalid(format!("key bucket: {what}"))
}
