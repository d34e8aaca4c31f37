//! The backend: the bolt file with etcd's ten buckets, written in batches by one committer.
//!
//! It never interprets values, never reads a clock. [`Batch`] collects the changes of applied entries in order;
//! [`Committer`] (its own thread in the shell) turns a sealed batch into one bolt transaction, together with the
//! consistent index. Formats: [`meta`] and [`row_key`]. Start at [`Buffer`].
//!
//! Invariants: everything an entry changed and the consistent index that covers it are in one batch; batches commit
//! in the order they were sealed; rows of the `key` bucket are put in ascending order, so every uncommitted row is
//! greater than every committed one.

mod batch;
mod bucket;
mod buffer;
mod committer;
mod hash;
mod rows;
mod schema;
mod view;

pub use batch::{BATCH_CHANGES_MAX, Batch, Op};
pub use bolt::{Error, ReadTx, Result};
pub use bucket::Bucket;
pub use buffer::{Buffer, Ticket};
pub use committer::Committer;
pub use hash::{HashScope, hash};
pub use schema::{meta, row_key};
pub use view::{RowCursor, View};
