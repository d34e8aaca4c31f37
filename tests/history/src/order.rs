//! Operations against the history of revisions.
//!
//! It never searches: an answer says at which revision the operation took place, so all that is left is to check that
//! the history says the same, that nobody else claims it, and that real time and revisions agree. Operations of
//! unknown outcome are found by the value they would have put: values should be unique.

mod claims;
mod place;
mod state;

use crate::{Operation, Revisions, Violation};

/// Checks all of it: acknowledged writes are in the history, once and as asked; every revision has somebody who asked
/// for it (or a lease that ended); reads and conditions saw the state at their revision; an operation that began after
/// another had ended took place after it. Serializable reads need only be of some revision of the past.
///
/// # Errors
/// The first violation found.
pub fn check(operations: &[Operation], revisions: &Revisions) -> Result<(), Violation> {
    revisions.whole()?;
    let claims = claims::check(operations, revisions)?;
    state::check(operations, revisions)?;
    place::check(operations, &claims)
}
