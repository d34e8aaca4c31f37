//! One member: raft, the log, the state machine and the watchers, as a deterministic machine.
//!
//! It never opens a socket, starts a thread, reads a clock or draws a random number: the shell passes time in, gives
//! each stage a thread or a share of one, and moves jobs between them. Stages: [`consensus`] and the applier (both
//! inside [`Member`]), [`log_writer`], the backend's committer, [`reader`]. Invariants: an entry is applied only when
//! it is committed, answered only when it is applied; a snapshot marker is logged only when the backend is durable up
//! to it. Start at [`Member`]; [`restart`] makes one from a data directory.

pub mod auto_compaction;
pub mod consensus;
pub mod corruption;
pub mod log_writer;
mod member;
pub mod outputs;
pub mod proposal;
pub mod raft;
pub mod reader;
pub mod request_id;
pub mod restart;

pub use member::{Member, Settings};
pub use outputs::{InstallJob, Notice, Outputs, SnapshotJob, Totals};
