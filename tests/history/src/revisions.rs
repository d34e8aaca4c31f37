//! The history of the key space: what each revision changed.
//!
//! It never decides who is right: the first source of a revision sets it, and any other that differs is a violation.
//! Revision 1 is the empty key space; the first change is revision 2.

use crate::{
    Violation,
    operation::{Keys, Text},
};
use bytes::Bytes;
use std::{collections::BTreeMap, fmt};

/// One key's change in a revision.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    pub key: Bytes,
    /// `None`: deleted.
    pub value: Option<Bytes>,
    /// The lease the key is attached to from now on; 0: none.
    pub lease: i64,
}

impl Change {
    pub fn put(key: Bytes, value: Bytes, lease: i64) -> Change {
        Change { key, value: Some(value), lease }
    }

    pub fn delete(key: Bytes) -> Change {
        Change { key, value: None, lease: 0 }
    }
}

#[derive(Clone, Debug)]
struct Known {
    source: String,
    changes: Vec<Change>,
}

/// Changes by revision, in the order the revision made them.
#[derive(Clone, Debug, Default)]
pub struct Revisions {
    known: BTreeMap<i64, Known>,
}

/// The first revision that can change something.
pub(crate) const FIRST: i64 = 2;

impl Revisions {
    /// Notes what `source` (a member) says a revision changed.
    ///
    /// # Errors
    /// When another source said something else.
    pub fn note(&mut self, source: &str, revision: i64, changes: Vec<Change>) -> Result<(), Violation> {
        let Some(known) = self.known.get(&revision) else {
            self.known.insert(revision, Known { source: source.to_owned(), changes });
            return Ok(());
        };
        if known.changes == changes {
            return Ok(());
        }
        Err(Violation::Disagreement {
            revision,
            source_a: known.source.clone(),
            a: list(&known.changes),
            source_b: source.to_owned(),
            b: list(&changes),
        })
    }

    /// The last revision known; 1 when there is none.
    pub fn last(&self) -> i64 {
        self.known.last_key_value().map_or(FIRST - 1, |(revision, _)| *revision)
    }

    /// What a revision changed; nothing if it is not known.
    pub fn changes(&self, revision: i64) -> &[Change] {
        self.known.get(&revision).map_or(&[], |known| &known.changes)
    }

    /// Every revision and its changes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &[Change])> {
        self.known.iter().map(|(revision, known)| (*revision, &known.changes[..]))
    }

    /// # Errors
    /// When a revision between the first and the last is not known.
    pub fn whole(&self) -> Result<(), Violation> {
        match (FIRST..).zip(self.known.keys()).find(|(expected, known)| expected != *known) {
            Some((revision, _)) => Err(Violation::Gap { revision }),
            None => Ok(()),
        }
    }

    /// The changes to `keys` in one revision.
    pub(crate) fn of<'a>(&'a self, revision: i64, keys: &'a Keys) -> impl Iterator<Item = &'a Change> {
        self.changes(revision).iter().filter(|change| keys.hold(&change.key))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "put {}={}", Text(&self.key), Text(value))?,
            None => write!(f, "delete {}", Text(&self.key))?,
        }
        if self.lease == 0 { Ok(()) } else { write!(f, " with lease {}", self.lease) }
    }
}

pub(crate) fn list(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing".to_owned();
    }
    changes.iter().map(Change::to_string).collect::<Vec<_>>().join(", ")
}
