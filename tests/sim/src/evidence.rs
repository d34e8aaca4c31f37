//! What is known about the cluster's behaviour: clients' operations, members' histories, and the first violation.
//!
//! It never decides what comes next. Operations' positions are simulated microseconds.

use crate::schedule::Micros;
use history::{Change, Hashes, Recorder, Revisions, Violation, lease};
use mvcc::watch::Event;
use proto::{Message, mvccpb};
use std::collections::BTreeMap;

/// How the keys that show a lease's life begin.
pub const LEASE_KEY: &str = "lease/";

#[derive(Debug, Default)]
pub struct Evidence {
    pub recorder: Recorder,
    pub revisions: Revisions,
    pub hashes: Hashes,
    pub leases: BTreeMap<i64, lease::Watched>,
    /// The first thing that could not be, in words.
    violation: Option<String>,
}

impl Evidence {
    pub fn blame(&mut self, violation: impl ToString) {
        self.violation.get_or_insert_with(|| violation.to_string());
    }

    pub fn check(&mut self, checked: Result<(), Violation>) {
        if let Err(violation) = checked {
            self.blame(violation);
        }
    }

    pub fn violation(&self) -> Option<&String> {
        self.violation.as_ref()
    }

    /// A member says that a revision changed this.
    pub fn note(&mut self, member: &str, revision: i64, changes: Vec<Change>, now: Micros) {
        if revision > self.revisions.last() {
            for change in changes.iter().filter(|change| change.value.is_none()) {
                self.note_end_of_lease(change, now);
            }
        }
        let noted = self.revisions.note(member, revision, changes);
        self.check(noted);
    }

    fn note_end_of_lease(&mut self, change: &Change, now: Micros) {
        let id = change.key.strip_prefix(LEASE_KEY.as_bytes());
        let id: Option<i64> = id.and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        if let Some(lease) = id.and_then(|id| self.leases.get_mut(&id)) {
            lease.seen_gone.get_or_insert(now);
        }
    }

    /// Changes of any revisions, in order.
    pub fn note_all(&mut self, member: &str, changes: Vec<(i64, Change)>, now: Micros) {
        for group in changes.chunk_by(|a, b| a.0 == b.0) {
            self.note(member, group[0].0, group.iter().map(|(_, change)| change.clone()).collect(), now);
        }
    }
}

/// A watch event as a change and its revision.
pub fn of_event(event: &Event) -> (i64, Change) {
    let mut bytes = bytes::BytesMut::new();
    event.encode(&mut bytes);
    let event = mvccpb::Event::decode(bytes.freeze()).expect("an event");
    let kv = event.kv.unwrap_or_default();
    let deleted = event.r#type == mvccpb::event::EventType::Delete as i32;
    let revision = kv.mod_revision;
    (revision, if deleted { Change::delete(kv.key) } else { Change::put(kv.key, kv.value, kv.lease) })
}

/// A change of the store as a change and its revision.
pub fn of_change(change: &mvcc::Change) -> (i64, Change) {
    let kv = mvccpb::KeyValue::decode(change.kv.clone()).expect("a KeyValue");
    let what = if change.tombstone {
        Change::delete(change.key.clone())
    } else {
        Change::put(kv.key, kv.value, kv.lease)
    };
    (change.revision.main, what)
}
