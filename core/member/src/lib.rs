//! One member: raft, the log, the state machine and the watchers, as a deterministic machine.
//!
//! It never opens a socket, starts a thread, reads a clock or logs to a file.

pub mod auto_compaction;
pub mod consensus;
pub mod log_writer;
pub mod raft;
pub mod request_id;
