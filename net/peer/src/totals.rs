//! What was counted since the start, for metrics. Never reset.
//!
//! Written by the peer thread once for each read, write or failure, and by snapshot threads; read when somebody
//! asks. The lock is held for a few additions or a copy.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Senders whose broken requests are counted apart. Later ones are not counted.
const ADDRESSES_MAX: usize = 256;

/// Members by ID. Those that were removed stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// ID 0: link heartbeats received, and snapshots whose message could not be read.
    pub peers: BTreeMap<u64, PeerTotals>,
    /// Requests that could not be read or decoded, by the sender's `ip:port`.
    pub broken: BTreeMap<SocketAddr, u64>,
    /// Snapshots refused before their sender was known.
    pub snapshot_receive_failures_unknown: u64,
}

/// One member. `None` where etcd shows no series before the first use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTotals {
    /// `Some` from the first success on.
    pub active: Option<bool>,
    pub disconnects: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    pub sent_failures: u64,
    /// Messages dropped because too many waited to be taken.
    pub received_failures: u64,
    pub snapshots_sent: u64,
    pub snapshot_send_failures: u64,
    pub snapshots_sending: Option<u64>,
    pub snapshots_received: u64,
    pub snapshot_receive_failures: u64,
    pub snapshots_receiving: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<Totals>);

impl Counts {
    /// A copy.
    pub(crate) fn totals(&self) -> Totals {
        self.lock().clone()
    }

    pub(crate) fn peer(&self, id: u64, change: impl FnOnce(&mut PeerTotals)) {
        change(self.lock().peers.entry(id).or_default());
    }

    pub(crate) fn broken(&self, address: SocketAddr) {
        let broken = &mut self.lock().broken;
        if broken.len() < ADDRESSES_MAX || broken.contains_key(&address) {
            *broken.entry(address).or_default() += 1;
        }
    }

    pub(crate) fn snapshot_of_unknown_failed(&self) {
        self.lock().snapshot_receive_failures_unknown += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Totals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
