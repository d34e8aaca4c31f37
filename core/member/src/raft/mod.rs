//! Consensus engine: the `raft` crate, and the only place that knows it.
//!
//! It never lets an `eraftpb` type or byte out: the wire and the log see only [`proto::raftpb`]. What differs between
//! the two (configuration change types, message fields 13 to 16, message types above 18) is translated in `convert`.
//! It never touches disk, clock or socket; the election timeout's jitter comes from a seed, not from a thread's
//! random source. Start at [`Node`].

mod convert;
mod log_window;
mod node;
mod slog_bridge;

pub use convert::Refused;
pub use node::{Node, NodeConfig, NodeLog, Output, PeerProgress, Persist, ReadIndex, Role, Standing};
