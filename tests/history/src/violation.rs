//! What a correct cluster could not have done.

use crate::operation::Operation;
use std::fmt;

/// Each names what contradicts what. Printed, it is a few lines for a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Members disagree about what a revision changed.
    #[error("revision {revision}: {source_a} says {a}, {source_b} says {b}")]
    Disagreement { revision: i64, source_a: String, a: String, source_b: String, b: String },
    /// The history itself is not whole, so nothing can be checked against it.
    #[error("the history lacks revision {revision}")]
    Gap { revision: i64 },
    #[error("an acknowledged write is lost: {operation}\n  revision {revision}: {actual}")]
    LostWrite { operation: Box<Operation>, revision: i64, actual: String },
    #[error("one write was done twice: {operation}\n  at revisions {first} and {second}")]
    AppliedTwice { operation: Box<Operation>, first: i64, second: i64 },
    #[error("two writes made the same revision:{}", lines(.operations))]
    SharedRevision { operations: Vec<Operation> },
    #[error("a write that failed was done, at revision {revision}: {operation}")]
    FailedYetDone { operation: Box<Operation>, revision: i64 },
    #[error("nobody asked for what revision {revision} did: {change}")]
    Phantom { revision: i64, change: String },
    /// A read, or the condition of a write, does not match the state at its revision.
    #[error("not the state at its revision: {operation}\n  expected: {expected}")]
    WrongState { operation: Box<Operation>, expected: String },
    /// In real time the first ended before the second began, but it took place later.
    #[error("out of order: the first ended before the second was called, but took place after it:{}",
        lines(.operations))]
    OutOfOrder { operations: Vec<Operation> },
    /// No order of these explains them.
    #[error("no order of these operations explains what they saw of {key}:{}", lines(.operations))]
    NotLinearizable { key: String, operations: Vec<Operation> },
    /// A watcher and the history.
    #[error("watcher {watcher} of {keys} from revision {start}: {reason}")]
    Watch { watcher: String, keys: String, start: i64, reason: String },
    #[error("lease {lease} {reason}")]
    Lease { lease: i64, reason: String },
    #[error("hash at revision {revision}, compacted at {compacted}: {a} on {member_a}, {b} on {member_b}")]
    Hash { revision: i64, compacted: i64, member_a: String, a: u64, member_b: String, b: u64 },
}

fn lines(operations: &[Operation]) -> impl fmt::Display {
    operations.iter().map(|operation| format!("\n  {operation}")).collect::<String>()
}
