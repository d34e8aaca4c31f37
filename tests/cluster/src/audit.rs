//! Everything that clients and watchers saw of one cluster since its beginning, and whether it may be so. It asks members
//! and judges by the `history` crate; it injects nothing.

use crate::Failure;
use crate::cluster::{Cluster, PATIENCE, POLL, hash};
use crate::load::watchers::{Event, Watcher, history};
use crate::load::{Clock, Done, lease_of_key};
use history::watch::Received;
use history::{Change, Hashes, Keys, Operation, Position, Revisions, Violation, lease, linear, order, watch};
use std::collections::BTreeMap;
use tokio::time::Instant;

#[derive(Debug)]
pub struct Audit {
    clock: Clock,
    watchers: Vec<(Watcher, Vec<Event>)>,
    revisions: Revisions,
    operations: Vec<Operation>,
    leases: BTreeMap<i64, lease::Watched>,
    hashes: Hashes,
    /// Searches for an order that were given up.
    pub undecided: usize,
}

impl Audit {
    /// Starts a watcher on every member.
    pub fn start(members: &[usize], clock: Clock) -> Audit {
        Audit {
            clock,
            watchers: members.iter().map(|member| (Watcher::start(*member, clock), Vec::new())).collect(),
            revisions: Revisions::default(),
            operations: Vec::new(),
            leases: BTreeMap::new(),
            hashes: Hashes::default(),
            undecided: 0,
        }
    }

    /// How many operations were answered since the beginning.
    pub fn answered(&self) -> usize {
        self.operations.iter().filter(|operation| operation.answer().is_some()).count()
    }

    /// Judges all that was seen until now, with what a load that has ended added. All members must serve.
    ///
    /// # Errors
    /// What cannot be.
    pub async fn check(&mut self, cluster: &mut Cluster, done: Done) -> Result<(), Failure> {
        let text = |violation: Violation| violation.to_string();
        if linear::check(&done.operations).map_err(text)? == linear::Verdict::Undecided {
            self.undecided += 1;
        }
        self.operations.extend(done.operations);
        self.leases.extend(done.leases.into_iter().map(|lease| (lease.id, lease)));
        let first = self.revisions.last() + 1;
        let last = self.gather(cluster, first).await?;
        order::check(&self.operations, &self.revisions).map_err(text)?;
        self.check_watchers(first, last).await?;
        for lease in self.leases.values() {
            lease::check(lease, 0).map_err(text)?;
        }
        Ok(())
    }

    /// The revision up to which all was judged; watchers are beyond it.
    pub fn judged(&self) -> i64 {
        self.revisions.last()
    }

    /// Waits until every lease that was left to its end is gone, with its key.
    ///
    /// # Errors
    /// One stays.
    pub async fn check_ends(&mut self, cluster: &mut Cluster) -> Result<(), Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.check(cluster, Done::default()).await?;
            let Some(id) = self.overdue() else { return Ok(()) };
            if Instant::now() > deadline {
                return Err(format!("the key of lease {id:x}, which has ended, is still there"));
            }
            tokio::time::sleep(POLL * 10).await;
        }
    }

    /// A lease whose TTL is over and whose key is still there.
    fn overdue(&self) -> Option<i64> {
        let now = self.clock.now();
        let mut keys = BTreeMap::new();
        for (_, changes) in self.revisions.iter() {
            for change in changes {
                keys.insert(change.key.clone(), change.value.is_some());
            }
        }
        let there = keys.into_iter().filter(|(_, there)| *there).filter_map(|(key, _)| lease_of_key(&key));
        let ended = |id: &i64| {
            let lease = self.leases.get(id)?;
            lease.renewals.iter().map(|renewal| renewal.answered.saturating_add(renewal.ttl)).max()
        };
        there.into_iter().find(|id| ended(id).is_some_and(|end| end < now))
    }

    /// Reads from every member what is new, and compares hashes. Returns the revision up to which.
    async fn gather(&mut self, cluster: &mut Cluster, first: i64) -> Result<i64, Failure> {
        let mut last = first - 1;
        for number in cluster.numbers() {
            last = last.max(cluster.serves(number).await?);
        }
        for number in cluster.numbers() {
            let source = format!("member {number}");
            let events = history(number, first, last, self.clock).await?;
            for (revision, changes) in by_revision(&events) {
                self.revisions.note(&source, revision, changes).map_err(|v| v.to_string())?;
            }
            let hash = hash(number, last).await.map_err(|e| format!("HashKV of {source}: {e}"))?;
            self.hashes
                .note(&source, last, hash.compact_revision, hash.hash.into())
                .map_err(|v| v.to_string())?;
        }
        Ok(last)
    }

    async fn check_watchers(&mut self, first: i64, last: i64) -> Result<(), Failure> {
        if first > last {
            return Ok(());
        }
        for (watcher, events) in &mut self.watchers {
            watcher.through(last, events).await?;
            // What comes after is judged when its history is known.
            let new = events.iter().take_while(|event| event.revision <= last).count();
            let judged: Vec<Event> = events.drain(..new).collect();
            for event in judged.iter().filter(|event| event.change.value.is_none()) {
                if let Some(lease) = lease_of_key(&event.change.key).and_then(|id| self.leases.get_mut(&id)) {
                    note_gone(lease, event.at);
                }
            }
            let received = judged
                .into_iter()
                .map(|event| Received::Event { revision: event.revision, change: event.change })
                .collect();
            let name = format!("of member {}", watcher.member);
            let watched = watch::Watched { name, keys: Keys::all(), start: first, received, through: last };
            watch::check(&watched, &self.revisions).map_err(|violation| violation.to_string())?;
        }
        Ok(())
    }
}

fn note_gone(lease: &mut lease::Watched, at: Position) {
    lease.seen_gone = Some(lease.seen_gone.map_or(at, |before| before.min(at)));
}

/// Events of one revision together.
fn by_revision(events: &[Event]) -> impl Iterator<Item = (i64, Vec<Change>)> {
    let same = |a: &Event, b: &Event| a.revision == b.revision;
    events
        .chunk_by(same)
        .map(|of_one| (of_one[0].revision, of_one.iter().map(|event| event.change.clone()).collect()))
}
