//! Revisions against real time.

use super::claims::Claims;
use crate::{operation::Operation, violation::Violation};

/// An operation and the revision at which it took place.
#[derive(Clone, Copy)]
struct Placed<'a> {
    operation: &'a Operation,
    revision: i64,
    writes: bool,
}

/// Where an operation began after another had ended its revision must not be lower; if it writes, it must be higher.
pub(super) fn check(operations: &[Operation], claims: &Claims) -> Result<(), Violation> {
    let mut answered: Vec<Placed> = operations.iter().filter_map(place).collect();
    let unknown = claims.iter().map(|(revision, at)| (*revision, &operations[*at]));
    let unknown = unknown.filter(|(_, operation)| operation.answer().is_none());
    let mut begun: Vec<Placed> = answered.clone();
    begun.extend(unknown.map(|(revision, operation)| Placed { operation, revision, writes: true }));
    begun.sort_by_key(|placed| placed.operation.called);
    answered.sort_by_key(|placed| placed.operation.ended);

    let mut ended = answered.into_iter().peekable();
    let mut highest: Option<Placed> = None;
    for later in begun {
        while let Some(earlier) = ended.next_if(|e| e.operation.ended < later.operation.called) {
            if highest.is_none_or(|h| earlier.revision > h.revision) {
                highest = Some(earlier);
            }
        }
        let Some(highest) = highest else { continue };
        let too_low =
            later.revision < highest.revision || (later.writes && later.revision == highest.revision);
        if too_low && !later.operation.is_serializable() {
            let operations = vec![highest.operation.clone(), later.operation.clone()];
            return Err(Violation::OutOfOrder { operations });
        }
    }
    Ok(())
}

fn place(operation: &Operation) -> Option<Placed<'_>> {
    let revision = operation.answer()?.revision;
    Some(Placed { operation, revision, writes: operation.wrote_at().is_some() })
}
