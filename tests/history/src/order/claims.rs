//! Who made which revision.

use crate::{
    model::Model,
    operation::{Call, Keys, Operation, Outcome},
    revisions::{Change, Revisions, list},
    violation::Violation,
};
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};

/// By revision, the operation that made it, as far as it can be told.
pub(super) type Claims = BTreeMap<i64, usize>;

pub(super) fn check(operations: &[Operation], revisions: &Revisions) -> Result<Claims, Violation> {
    let mut claims = answered(operations, revisions)?;
    let mut unclaimed = Unclaimed::new(operations, &claims);
    let mut model = Model::default();
    for (revision, changes) in revisions.iter() {
        if !claims.contains_key(&revision)
            && let Some(by) = unclaimed.explain(revision, changes, &model)?
        {
            claims.insert(revision, by);
        }
        model.apply(revision, changes);
    }
    Ok(claims)
}

/// Acknowledged writes claim their revision, which must hold exactly what they asked for.
fn answered(operations: &[Operation], revisions: &Revisions) -> Result<Claims, Violation> {
    let mut claims = Claims::new();
    for (at, operation) in operations.iter().enumerate() {
        let Some(revision) = operation.wrote_at() else { continue };
        let changes = revisions.changes(revision);
        if !is_work_of(operation, changes) {
            let actual = list(changes);
            return Err(Violation::LostWrite { operation: Box::new(operation.clone()), revision, actual });
        }
        if let Some(other) = claims.insert(revision, at) {
            let operations = vec![operations[other].clone(), operation.clone()];
            return Err(Violation::SharedRevision { operations });
        }
    }
    Ok(claims)
}

/// True if these changes are what the operation would have made. (Which keys a range delete finds is checked with
/// the state.)
fn is_work_of(operation: &Operation, changes: &[Change]) -> bool {
    match &operation.call {
        Call::Put { key, value, lease } => {
            matches!(changes, [c] if (&c.key, c.value.as_ref(), c.lease) == (key, Some(value), *lease))
        }
        Call::Swap { key, value, .. } => {
            matches!(changes, [c] if (&c.key, c.value.as_ref(), c.lease) == (key, Some(value), 0))
        }
        Call::Delete { keys } => {
            !changes.is_empty() && changes.iter().all(|c| c.value.is_none() && keys.hold(&c.key))
        }
        Call::Get { .. } => false,
    }
}

/// Operations that may have made a revision without being told.
struct Unclaimed<'a> {
    operations: &'a [Operation],
    /// Of unknown outcome, by what they put, in the order of their calls.
    puts: FxHashMap<(&'a Bytes, &'a Bytes), VecDeque<usize>>,
    deletes: Vec<usize>,
    /// Revisions already explained by a put of this key and value.
    made: FxHashMap<(&'a Bytes, &'a Bytes), (usize, i64)>,
}

impl<'a> Unclaimed<'a> {
    fn new(operations: &'a [Operation], claims: &Claims) -> Unclaimed<'a> {
        let mut unclaimed = Unclaimed {
            operations,
            puts: FxHashMap::default(),
            deletes: Vec::new(),
            made: FxHashMap::default(),
        };
        let mut order: Vec<usize> = (0..operations.len()).collect();
        order.sort_by_key(|at| operations[*at].called);
        for at in order.into_iter().filter(|at| operations[*at].outcome == Outcome::Unknown) {
            match operations[at].puts() {
                Some(put) => unclaimed.puts.entry(put).or_default().push_back(at),
                None => unclaimed.deletes.push(at),
            }
        }
        for (revision, at) in claims {
            if let Some(put) = operations[*at].puts() {
                unclaimed.made.insert(put, (*at, *revision));
            }
        }
        unclaimed
    }

    /// The operation of unknown outcome that made a revision; `None` if a lease that ended did.
    fn explain(
        &mut self,
        revision: i64,
        changes: &'a [Change],
        before: &Model,
    ) -> Result<Option<usize>, Violation> {
        let phantom = || Violation::Phantom { revision, change: list(changes) };
        match changes {
            [Change { key, value: Some(value), .. }] => self.explain_put(revision, (key, value)).map(Some),
            changes if changes.iter().all(|change| change.value.is_none()) => {
                let mut deletes = self.deletes.iter();
                let by = deletes.find(|at| is_work_of(&self.operations[**at], changes)).copied();
                if by.is_some() || one_lease(changes, before) { Ok(by) } else { Err(phantom()) }
            }
            _ => Err(phantom()),
        }
    }

    fn explain_put(&mut self, revision: i64, put: (&'a Bytes, &'a Bytes)) -> Result<usize, Violation> {
        if let Some(at) = self.puts.get_mut(&put).and_then(VecDeque::pop_front) {
            self.made.insert(put, (at, revision));
            return Ok(at);
        }
        if let Some((at, first)) = self.made.get(&put) {
            let operation = Box::new(self.operations[*at].clone());
            return Err(Violation::AppliedTwice { operation, first: *first, second: revision });
        }
        let failed = |o: &&Operation| o.outcome == Outcome::Failed && o.puts() == Some(put);
        Err(match self.operations.iter().find(failed) {
            Some(operation) => Violation::FailedYetDone { operation: Box::new(operation.clone()), revision },
            None => {
                let change = Change::put(put.0.clone(), put.1.clone(), 0).to_string();
                Violation::Phantom { revision, change }
            }
        })
    }
}

/// True if these keys were all attached to one lease: then its end deleted them.
fn one_lease(changes: &[Change], before: &Model) -> bool {
    let mut leases = changes.iter().map(|change| before.get(&change.key).map_or(0, |kv| kv.lease));
    let Some(lease) = leases.next() else { return false };
    let all_its_keys = || {
        let attached = before.find(&Keys::all()).into_iter().filter(|kv| kv.lease == lease).count();
        attached == changes.len()
    };
    lease != 0 && leases.all(|other| other == lease) && all_its_keys()
}
