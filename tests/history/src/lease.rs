//! Leases: none may end before its TTL, measured from the last renewal that was acknowledged.
//!
//! It never says that a lease ended too late: a new leader starts its clock anew, and nobody promised more.

use crate::{operation::Position, violation::Violation};

/// A grant or a keep-alive that was answered with a TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// When the request left the client: the server's clock began no earlier.
    pub called: Position,
    pub answered: Position,
    /// In the unit of positions.
    pub ttl: u64,
}

/// One lease as its owner and everybody else saw it.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    pub id: i64,
    /// The grant and the keep-alives, in any order.
    pub renewals: Vec<Renewal>,
    /// When somebody asked to revoke it, whether or not that was answered.
    pub revoke_called: Option<Position>,
    /// When it was first seen gone (it, or a key attached to it).
    pub seen_gone: Option<Position>,
}

/// `fast_ppm`: by how much the server's clock may run ahead of the recorder's, in millionths.
///
/// # Errors
/// When it was gone too early.
pub fn check(lease: &Watched, fast_ppm: u64) -> Result<(), Violation> {
    let Some(gone) = lease.seen_gone else { return Ok(()) };
    if lease.revoke_called.is_some_and(|revoked| revoked <= gone) {
        return Ok(());
    }
    let until = |renewal: &Renewal| {
        let ttl = u128::from(renewal.ttl) * 1_000_000 / u128::from(1_000_000 + fast_ppm);
        renewal.called.saturating_add(ttl as u64)
    };
    let acknowledged = lease.renewals.iter().filter(|renewal| renewal.answered <= gone);
    let Some(last) = acknowledged.max_by_key(|renewal| until(renewal)) else { return Ok(()) };
    if gone >= until(last) {
        return Ok(());
    }
    let Renewal { called, answered, ttl } = last;
    let reason = format!("was gone at {gone}, though renewed for {ttl} within [{called}, {answered}]");
    Err(Violation::Lease { lease: lease.id, reason })
}
