//! The write-ahead log: `member/wal/*.wal` segments, and the `.snap` files beside the backend.
//!
//! It never decides what to log or when to snapshot, never starts a thread and never continues after a failed sync.
//!
//! Format (etcd's): a segment `<seq>-<index>.wal` (16 hex digits each; `index` = first entry index it may hold) is a
//! run of 8-aligned frames, each a `walpb.Record`, ended by a zero length or the end of the file. Every record's CRC
//! continues the one before it, across segments, over the records' data alone. A segment begins with the running
//! CRC, the metadata and (but for the first) the hard state.
//!
//! Invariants:
//! - what [`Wal::sync`] has returned for is on the disk; what comes after it is, once reopened, a prefix of what was
//!   appended;
//! - beyond the last record of the tail segment there are only zeroes, so a later torn write cannot join old bytes;
//! - entry indexes may step back (a new leader overwrites), never leave a gap.
//!
//! Limits: segments of [`SEGMENT_BYTES`]; records bounded by the segment they were read from; at most
//! [`PENDING_MAX_BYTES`] wait in memory before they are written.
//!
//! Start at [`Wal`]; [`snap`] has the snapshot files.

mod decoder;
mod encoder;
mod purge;
mod replay;
mod segment;
pub mod snap;
mod tail;
mod writer;

pub use encoder::PENDING_MAX_BYTES;
pub use purge::purge;
pub use replay::Replay;
pub use segment::{SEGMENT_BYTES, prepare_segment, prepare_segment_sized};
pub use writer::Wal;

/// Why a log could not be made, opened or written. All of them are faults: the process must not go on with this log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("fileutil: file already locked")]
    Locked,
    #[error("walpb: crc mismatch")]
    CrcMismatch,
    #[error("wal: snapshot not found")]
    SnapshotNotFound,
    #[error("wal: snapshot mismatch")]
    SnapshotMismatch,
    #[error("wal: slice bounds out of range")]
    SliceOutOfRange,
    #[error("wal: conflicting metadata found")]
    MetadataConflict,
    #[error("wal: file not found")]
    FileNotFound,
    #[error("wal: {0}")]
    Corrupt(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;
