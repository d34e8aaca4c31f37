//! What is due: deadlines of connections and lookups, streams to dial, heartbeats, probes.
//!
//! All of it is looked at together, whenever the earliest is due: there are a few dozen at most.

use super::{Lost, Node, Role};
use crate::wire::Kind;
use std::time::{Duration, Instant};

/// The clocks are looked at this often even if nothing is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl Node {
    /// Something is due then.
    pub(super) fn wake_at(&mut self, at: Instant) {
        self.due = self.due.min(at);
    }

    pub(super) fn look_at_clocks(&mut self) {
        self.due = self.now + LOOK_INTERVAL;
        self.reaccept = true;
        self.expire_connections();
        self.expire_lookups();
        let ids: Vec<u64> = self.peers.keys().copied().collect();
        for id in ids {
            for kind in Kind::ALL {
                self.dial_if_due(id, kind);
            }
            for next in [self.beat(id), self.probe(id)].into_iter().flatten() {
                self.wake_at(next);
            }
        }
    }

    fn expire_connections(&mut self) {
        let mut expired = Vec::new();
        let mut next = self.due;
        for (key, connection) in &self.connections {
            match connection.deadline {
                Some(deadline) if deadline <= self.now => expired.push(key),
                Some(deadline) => next = next.min(deadline),
                None => {}
            }
        }
        self.wake_at(next);
        for key in expired {
            // Losing one may have used another's slot again.
            let due = |deadline| deadline <= self.now;
            if self.connections.get(key).is_some_and(|connection| connection.deadline.is_some_and(due)) {
                self.lose(key, Lost::TimedOut);
            }
        }
    }

    fn dial_if_due(&mut self, id: u64, kind: Kind) {
        let Some(reader) = self.peers.get_mut(&id).and_then(|peer| peer.reader_mut(kind)) else { return };
        match reader.dial_at {
            Some(at) if at <= self.now => self.dial_reader(id, kind),
            Some(at) => self.wake_at(at),
            None => {}
        }
    }

    /// The deadline of a connection was set or moved.
    pub(super) fn watch_deadline(&mut self, key: usize) {
        if let Some(deadline) = self.connections.get(key).and_then(|connection| connection.deadline) {
            self.wake_at(deadline);
        }
    }
}

impl Role {
    /// Whether the other side made the connection.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self, Role::Serving(_) | Role::Writing { .. })
    }
}
