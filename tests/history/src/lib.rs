//! What clients of a cluster did and saw, and whether a correct cluster could have answered so.
//!
//! It never talks to a cluster and never reads a clock: whoever runs the clients records operations with positions of
//! any one monotonic clock (nanoseconds, simulated milliseconds) and asks the checkers afterwards. Every checker gives
//! `Ok` or a [`Violation`] that names the operations that contradict each other, as few as it can.
//!
//! - [`Recorder`]: calls, and how they ended. What never ended may have happened, or may still happen.
//! - [`Revisions`]: the key space's history, revision by revision, gathered from watchers of everything; two sources
//!   that disagree are a violation.
//! - [`order::check`]: the operations against that history. Fast: etcd's answers say at which revision they took place.
//! - [`linear::check`]: the operations alone, by search over each key; needs no history.
//! - [`watch::check`], [`lease::check`], [`Hashes`]: watchers, leases, and hashes of members.

mod hashes;
pub mod lease;
pub mod linear;
mod model;
mod operation;
pub mod order;
mod recorder;
mod revisions;
mod violation;
pub mod watch;

pub use hashes::Hashes;
pub use operation::{Answer, Call, Keys, Kv, Operation, Outcome, Position, Seen};
pub use recorder::{OperationId, Recorder};
pub use revisions::{Change, Revisions};
pub use violation::Violation;
