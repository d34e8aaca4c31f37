//! Multi-version key space: the key index, reads at a revision, writes, compaction and hashes.
//!
//! It never does replication, leases or permissions, and never reads a clock. Rows are etcd's: key = revision,
//! value = encoded `mvccpb.KeyValue`, kept as bytes and never re-encoded. Long work comes in slices: ranges
//! ([`Scan`]), compaction ([`CompactionStep`]); what needs every row runs on reader threads over a view ([`HashWork`],
//! [`history()`], [`values`]).
//!
//! Invariants: all changes of one [`Write`] share one main revision; a row, once written, only disappears by
//! compaction; the index never names a row that compaction has removed. Start at [`Mvcc`].

mod compact;
mod error;
mod hash;
mod history;
mod index;
mod key;
mod key_range;
mod restore;
mod revision;
mod row;
mod scan;
mod store;
mod versions;
pub mod watch;
mod write;

pub use compact::CompactionStep;
pub use error::{Error, Reject};
pub use hash::{COMPACTION_HASHES_MAX, CompactionHash, HashJob, HashKv, HashWork};
pub use history::history;
pub use index::KeyInfo;
pub use key_range::{KeyRange, RangeEnd};
pub use restore::Restored;
pub use revision::Revision;
pub use row::KeyValueRef;
pub use scan::{Scan, values};
pub use store::Mvcc;
pub use write::{Change, Write};
