//! One key as a register, and what an operation does to it.

use crate::operation::{Call, Kv, Operation, Outcome, Position, Seen};
use bytes::Bytes;

/// The register: what the key holds and the lowest revision the store can be at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Register {
    /// The value and, if anybody was told, the revision that put it.
    value: Option<(Bytes, Option<i64>)>,
    revision: i64,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Put(Bytes),
    /// `Some(true)`: the key is known to have been there; `Some(false)`: known not to have been.
    Delete(Option<bool>),
    Read(Option<(Bytes, i64)>),
    Swap {
        expected: i64,
        value: Bytes,
    },
    NotSwapped {
        expected: i64,
        found: Option<(Bytes, i64)>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Which operation it is part of.
    pub(super) operation: usize,
    pub(super) called: Position,
    /// `Position::MAX` when the outcome is unknown.
    pub(super) ended: Position,
    /// The answer's revision.
    pub(super) revision: Option<i64>,
    pub(super) action: Action,
}

impl Step {
    /// It was answered, so it must have taken place.
    pub(super) fn is_certain(&self) -> bool {
        self.revision.is_some()
    }

    pub(super) fn writes(&self) -> bool {
        match self.action {
            Action::Put(_) | Action::Swap { .. } => true,
            Action::Delete(existed) => existed != Some(false),
            Action::Read(_) | Action::NotSwapped { .. } => false,
        }
    }

    /// The value that was read.
    pub(super) fn saw(&self) -> Option<&Bytes> {
        match &self.action {
            Action::Read(found) | Action::NotSwapped { found, .. } => found.as_ref().map(|(value, _)| value),
            Action::Put(_) | Action::Delete(_) | Action::Swap { .. } => None,
        }
    }

    /// The register after this step; `None` if it cannot take place now.
    pub(super) fn apply(&self, before: &Register) -> Option<Register> {
        let lowest = before.revision + i64::from(self.writes() && self.certainly_changes());
        let revision = match self.revision {
            Some(revision) if revision < lowest => return None,
            Some(revision) => revision,
            None => lowest,
        };
        let value = match &self.action {
            Action::Put(value) => Some((value.clone(), self.revision)),
            Action::Delete(existed) => {
                if existed.is_some_and(|existed| existed != before.value.is_some()) {
                    return None;
                }
                None
            }
            Action::Read(found) => learn(&before.value, found.as_ref())?,
            Action::Swap { expected, value } => {
                is_of(&before.value, *expected).then_some(())?;
                Some((value.clone(), self.revision))
            }
            Action::NotSwapped { expected, found } => {
                let now = learn(&before.value, found.as_ref())?;
                (found.as_ref().map_or(0, |(_, modified)| *modified) != *expected).then_some(now)?
            }
        };
        Some(Register { value, revision })
    }

    /// A range delete that found other keys may have left this one alone.
    fn certainly_changes(&self) -> bool {
        !matches!(self.action, Action::Delete(None))
    }
}

/// The register's content if it can be what was found; the revision that put it may now be known.
fn learn(
    before: &Option<(Bytes, Option<i64>)>,
    found: Option<&(Bytes, i64)>,
) -> Option<Option<(Bytes, Option<i64>)>> {
    match (before, found) {
        (None, None) => Some(None),
        (Some((value, known)), Some((seen, modified)))
            if value == seen && known.is_none_or(|known| known == *modified) =>
        {
            Some(Some((value.clone(), Some(*modified))))
        }
        _ => None,
    }
}

fn is_of(before: &Option<(Bytes, Option<i64>)>, expected: i64) -> bool {
    match before {
        None => expected == 0,
        Some((_, known)) => expected != 0 && known.is_none_or(|known| known == expected),
    }
}

/// What the operations mean for one key.
pub(super) fn of_key(operations: &[Operation], key: &Bytes) -> Vec<Step> {
    let steps = operations.iter().enumerate().filter_map(|(at, operation)| {
        let action = action(operation, key)?;
        let revision = operation.answer().map(|answer| answer.revision);
        let ended = if revision.is_some() { operation.ended } else { Position::MAX };
        Some(Step { operation: at, called: operation.called, ended, revision, action })
    });
    steps.collect()
}

fn content(kv: &Kv) -> (Bytes, i64) {
    (kv.value.clone(), kv.mod_revision)
}

fn action(operation: &Operation, key: &Bytes) -> Option<Action> {
    let seen = match &operation.outcome {
        Outcome::Failed => return None,
        Outcome::Unknown => None,
        Outcome::Answered(answer) => Some(&answer.seen),
    };
    match (&operation.call, seen) {
        (Call::Put { key: put, value, .. }, _) => (put == key).then(|| Action::Put(value.clone())),
        (Call::Delete { keys }, seen) if keys.hold(key) => Some(Action::Delete(match seen {
            Some(Seen::Deleted(0)) => Some(false),
            Some(Seen::Deleted(_)) if matches!(keys, crate::Keys::One(_)) => Some(true),
            _ => None,
        })),
        (Call::Get { keys, revision: 0, serializable: false }, Some(Seen::Found(found)))
            if keys.hold(key) =>
        {
            Some(Action::Read(found.iter().find(|kv| kv.key == *key).map(content)))
        }
        (Call::Swap { key: swapped, expected, value }, seen) if swapped == key => Some(match seen {
            Some(Seen::NotSwapped(found)) => {
                Action::NotSwapped { expected: *expected, found: found.as_ref().map(content) }
            }
            _ => Action::Swap { expected: *expected, value: value.clone() },
        }),
        _ => None,
    }
}
