//! Deterministic simulation: a cluster of real members on simulated disks, network and clocks, and the checkers of
//! `history` on what its clients saw.
//!
//! It never runs a thread or reads a clock. One seed decides everything that happens, so a seed that fails can be
//! replayed and read: `cargo run --profile test -p sim -- --seed N --trace`. What is real: the member with raft, its
//! log writer, committer, readers, the way it starts. What is simulated: disk, network, time, the server's shell and
//! its clients.
//!
//! [`world`] moves everything; [`process`] is one life of a member; [`plan`] what a seed decides beforehand;
//! [`client`], [`watcher`], [`keeper`] and [`operator`] are the actors; [`plant`] holds bugs to be found.

mod client;
mod draw;
mod edge;
mod evidence;
mod keeper;
mod machine;
mod network;
mod operator;
pub mod plan;
pub mod plant;
mod process;
mod rpc;
mod scene;
mod schedule;
mod stages;
mod trace;
mod transfer;
mod unsynced;
mod watcher;
mod world;

pub use world::{Report, run};
