//! Operations alone: is there an order that explains every answer?
//!
//! It never looks at a history of revisions, only at what clients saw. Keys are checked one by one (linearizability
//! is local to each); an operation on many keys counts for each of them. The search is Wing and Gong's with Lowe's
//! memory of what was tried; revisions in the answers narrow it, so that only unknown outcomes cost time.

mod search;
mod shrink;
mod step;

use crate::{
    Operation, Violation,
    operation::{Call, Keys, Seen},
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// Steps a search may take for one key before it gives up.
pub const STEPS_MAX: u64 = 3_000_000;

/// What a search can say when it found no violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// Some key's search was given up.
    Undecided,
}

/// Looks for an order of the operations on each key. Serializable reads and reads of the past are left out, and so are
/// keys that were ever attached to a lease: their end is nobody's operation.
///
/// # Errors
/// A key without one, with as few operations as show it.
pub fn check(operations: &[Operation]) -> Result<Verdict, Violation> {
    check_within(operations, STEPS_MAX)
}

/// [`check`] with a bound of its own.
///
/// # Errors
/// As [`check`].
pub fn check_within(operations: &[Operation], steps_max: u64) -> Result<Verdict, Violation> {
    let mut verdict = Verdict::Linearizable;
    for key in keys(operations) {
        let steps = step::of_key(operations, &key);
        match search::run(&steps, steps_max) {
            search::Found::Order => {}
            search::Found::GaveUp => verdict = Verdict::Undecided,
            search::Found::None => {
                let few = shrink::run(steps, steps_max);
                let operations = few.iter().map(|step| operations[step.operation].clone()).collect();
                let key = crate::operation::Text(&key).to_string();
                return Err(Violation::NotLinearizable { key, operations });
            }
        }
    }
    Ok(verdict)
}

/// Every key that an operation named or saw, but for those that a lease may have ended.
fn keys(operations: &[Operation]) -> BTreeSet<Bytes> {
    let mut keys = BTreeSet::new();
    for operation in operations {
        match &operation.call {
            Call::Put { key, .. }
            | Call::Swap { key, .. }
            | Call::Delete { keys: Keys::One(key) }
            | Call::Get { keys: Keys::One(key), .. } => drop(keys.insert(key.clone())),
            Call::Delete { .. } | Call::Get { .. } => {}
        }
        if let Some(Seen::Found(found)) = operation.answer().map(|answer| &answer.seen) {
            keys.extend(found.iter().map(|kv| kv.key.clone()));
        }
    }
    for operation in operations {
        match &operation.call {
            Call::Put { key, lease, .. } if *lease != 0 => drop(keys.remove(key)),
            _ => {}
        }
    }
    keys
}
