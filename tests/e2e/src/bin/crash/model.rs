//! What the server promised: every key that was ever written, and what may have become of it. It does no I/O.
//!
//! Each key is put once and deleted at most once, so a key with a version above 1, or at another revision than its
//! acknowledgement named, was applied twice or out of order.

use std::collections::{BTreeMap, BTreeSet};

/// One operation as its client saw it.
#[derive(Clone, Debug)]
pub struct Operation {
    pub key: String,
    pub kind: Kind,
    /// The revision of the answer; None: no answer came.
    pub acknowledged: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Put,
    Delete,
}

/// What the server holds of a key.
#[derive(Clone, Debug)]
pub struct Found {
    pub value: Vec<u8>,
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At this revision.
    There(i64),
    /// Put without an answer.
    MaybeThere,
    /// Put at this revision, then deleted without an answer.
    MaybeDeleted(i64),
    Gone,
}

#[derive(Debug, Default)]
pub struct Model {
    keys: BTreeMap<String, State>,
    acknowledged: u64,
}

/// The value a key is put with: long enough to fill pages, and its own.
pub fn value(key: &str) -> Vec<u8> {
    key.bytes().cycle().take(64 + key.len() * 7 % 200).collect()
}

impl Model {
    /// Takes an operation in. Those of one key must come in their order.
    pub fn record(&mut self, operation: &Operation) {
        self.acknowledged += u64::from(operation.acknowledged.is_some());
        let before = self.keys.get(&operation.key).copied();
        let after = match (operation.kind, before, operation.acknowledged) {
            (Kind::Put, None, Some(revision)) => State::There(revision),
            (Kind::Put, None, None) => State::MaybeThere,
            (Kind::Delete, Some(State::There(_)), Some(_)) => State::Gone,
            (Kind::Delete, Some(State::There(revision)), None) => State::MaybeDeleted(revision),
            (kind, before, _) => unreachable!("{kind:?} of a key that is {before:?}"),
        };
        self.keys.insert(operation.key.clone(), after);
    }

    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Compares with all the server holds, and settles what was open. The text names the first violation.
    pub fn verify(&mut self, found: &BTreeMap<String, Found>) -> Result<(), String> {
        let mut revisions = BTreeSet::new();
        for (key, held) in found {
            if !self.keys.contains_key(key) {
                return Err(format!("{key} was never written"));
            }
            if held.version != 1 || held.create_revision != held.mod_revision {
                return Err(format!("{key} was applied more than once: {held:?}"));
            }
            if held.value != value(key) {
                return Err(format!("{key} has a wrong value"));
            }
            if !revisions.insert(held.mod_revision) {
                return Err(format!("two keys at revision {}", held.mod_revision));
            }
        }
        for (key, state) in &mut self.keys {
            let held = found.get(key).map(|held| held.mod_revision);
            *state = match (*state, held) {
                (State::There(revision) | State::MaybeDeleted(revision), Some(held)) if revision == held => {
                    State::There(revision)
                }
                (State::MaybeThere, Some(held)) => State::There(held),
                (State::MaybeThere | State::MaybeDeleted(_) | State::Gone, None) => State::Gone,
                (state, held) => return Err(format!("{key} should be {state:?}, its revision is {held:?}")),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, revision: i64) -> (String, Found) {
        let held = Found { value: value(key), create_revision: revision, mod_revision: revision, version: 1 };
        (key.to_owned(), held)
    }

    fn model(operations: &[(&str, Kind, Option<i64>)]) -> Model {
        let mut model = Model::default();
        for (key, kind, acknowledged) in operations {
            model.record(&Operation { key: (*key).to_owned(), kind: *kind, acknowledged: *acknowledged });
        }
        model
    }

    #[test]
    fn violations_are_seen() {
        let written =
            || model(&[("a", Kind::Put, Some(2)), ("b", Kind::Put, None), ("c", Kind::Put, Some(3))]);
        let all = [found("a", 2), found("b", 4), found("c", 3)];
        assert!(written().verify(&all.clone().into()).is_ok());
        assert!(written().verify(&[all[0].clone(), all[2].clone()].into()).is_ok());
        // Lost, moved, invented, twice, mangled.
        assert!(written().verify(&[all[0].clone()].into()).is_err());
        assert!(written().verify(&[all[0].clone(), found("c", 5)].into()).is_err());
        assert!(written().verify(&[all[0].clone(), all[2].clone(), found("d", 9)].into()).is_err());
        let mut twice = all.clone();
        twice[0].1.version = 2;
        assert!(written().verify(&twice.into()).is_err());
        let mut mangled = all.clone();
        mangled[0].1.value.pop();
        assert!(written().verify(&mangled.into()).is_err());
    }

    #[test]
    fn what_was_open_is_settled_once() {
        let mut model = model(&[("b", Kind::Put, None)]);
        assert!(model.verify(&BTreeMap::new()).is_ok());
        assert!(model.verify(&[found("b", 4)].into()).is_err(), "it appeared later");
    }

    #[test]
    fn deletions() {
        let gone = || model(&[("a", Kind::Put, Some(2)), ("a", Kind::Delete, Some(3))]);
        assert!(gone().verify(&BTreeMap::new()).is_ok());
        assert!(gone().verify(&[found("a", 2)].into()).is_err());
        let open = || model(&[("a", Kind::Put, Some(2)), ("a", Kind::Delete, None)]);
        assert!(open().verify(&BTreeMap::new()).is_ok());
        assert!(open().verify(&[found("a", 2)].into()).is_ok());
    }
}
