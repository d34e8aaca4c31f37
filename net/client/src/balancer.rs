//! Keeps one connection per endpoint and hands them out round robin.
//!
//! It never decides whether a call is sent again. While no endpoint is connected, [`Balancer::pick`] waits.
//!
//! Each endpoint has a task that connects, publishes the channel and sleeps until somebody reports it broken; then
//! it connects anew, at once the first time and after growing pauses when that fails. The mutex guards only the
//! table of states, between those tasks and the callers, and is never held across an await.
//! Invariant: `generation` grows by one with every published channel, so a report about an older one is ignored.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::config::Config;
use crate::connect::connect;
use crate::endpoint::Endpoint;

/// gRPC's connection backoff: first pause, growth, greatest pause.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
const BACKOFF_FACTOR: f64 = 1.6;
const BACKOFF_MAX: Duration = Duration::from_secs(120);

/// A connected endpoint as [`Balancer::pick`] returns it.
#[derive(Debug, Clone)]
pub(crate) struct Picked {
    pub(crate) channel: Channel,
    slot: usize,
    generation: u64,
}

#[derive(Debug)]
pub(crate) struct Balancer {
    shared: Arc<Shared>,
    config: Config,
    /// The connecting tasks; none before the first pick. Dropping the set ends them.
    tasks: Mutex<Option<JoinSet<()>>>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    /// Some slot became ready or failed.
    changed: Notify,
    /// One per slot: the published channel is broken.
    broken: Vec<Notify>,
}

#[derive(Debug)]
struct Table {
    slots: Vec<Slot>,
    /// Where the next pick starts to look.
    next: usize,
    last_error: Option<String>,
}

#[derive(Debug, Default)]
struct Slot {
    channel: Option<Channel>,
    generation: u64,
}

impl Balancer {
    pub(crate) fn new(config: &Config) -> Balancer {
        let count = config.endpoints.len();
        let table = Table { slots: (0..count).map(|_| Slot::default()).collect(), next: 0, last_error: None };
        let broken = (0..count).map(|_| Notify::new()).collect();
        let shared = Arc::new(Shared { table: Mutex::new(table), changed: Notify::new(), broken });
        Balancer { shared, config: config.clone(), tasks: Mutex::new(None) }
    }

    /// The next connected endpoint, as soon as there is one. Needs a tokio runtime.
    pub(crate) async fn pick(&self) -> Picked {
        self.start();
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(picked) = self.shared.table().pick() {
                return picked;
            }
            changed.await;
        }
    }

    /// Reports that a call failed because its connection did.
    pub(crate) fn report_broken(&self, picked: &Picked) {
        if self.shared.table().forget(picked.slot, picked.generation) {
            self.shared.broken[picked.slot].notify_one();
        }
    }

    /// What gRPC adds to a call that ended while waiting for a connection.
    pub(crate) fn last_error(&self) -> Option<String> {
        self.shared.table().last_error.clone()
    }

    fn start(&self) {
        let mut tasks = lock(&self.tasks);
        if tasks.is_some() {
            return;
        }
        let mut set = JoinSet::new();
        for (slot, text) in self.config.endpoints.iter().enumerate() {
            set.spawn(keep_connected(
                Arc::clone(&self.shared),
                slot,
                Endpoint::parse(text),
                self.config.clone(),
            ));
        }
        *tasks = Some(set);
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }
}

impl Table {
    fn pick(&mut self) -> Option<Picked> {
        let count = self.slots.len();
        let slot =
            (0..count).map(|step| (self.next + step) % count).find(|i| self.slots[*i].channel.is_some())?;
        self.next = (slot + 1) % count;
        let Slot { channel, generation } = &self.slots[slot];
        channel.clone().map(|channel| Picked { channel, slot, generation: *generation })
    }

    fn publish(&mut self, slot: usize, channel: Channel) {
        let slot = &mut self.slots[slot];
        slot.generation += 1;
        slot.channel = Some(channel);
    }

    /// Whether the channel of that generation was still published.
    fn forget(&mut self, slot: usize, generation: u64) -> bool {
        let slot = &mut self.slots[slot];
        slot.generation == generation && slot.channel.take().is_some()
    }
}

async fn keep_connected(shared: Arc<Shared>, slot: usize, endpoint: Endpoint, config: Config) {
    let mut pause = BACKOFF_FIRST;
    loop {
        match connect(&endpoint, &config).await {
            Ok(channel) => {
                shared.table().publish(slot, channel);
                shared.changed.notify_waiters();
                shared.broken[slot].notified().await;
                pause = BACKOFF_FIRST;
            }
            Err(text) => {
                log::debug!(target: config.logger, endpoint = config.endpoints[slot].as_str(), error = text.as_str();
                    "connection attempt failed");
                shared.table().last_error = Some(text);
                tokio::time::sleep(pause).await;
                pause = pause.mul_f64(BACKOFF_FACTOR).min(BACKOFF_MAX);
            }
        }
    }
}

/// A panic elsewhere leaves the guarded tables whole, so poisoning is no reason to stop.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(count: usize) -> Table {
        Table { slots: (0..count).map(|_| Slot::default()).collect(), next: 0, last_error: None }
    }

    fn channel() -> Channel {
        tonic::transport::Endpoint::from_static("http://127.0.0.1:1").connect_lazy()
    }

    #[tokio::test]
    async fn picks_go_round_over_the_connected() {
        let mut table = table(3);
        assert!(table.pick().is_none());
        table.publish(0, channel());
        table.publish(2, channel());
        let order: Vec<usize> = (0..4).map(|_| table.pick().unwrap().slot).collect();
        assert_eq!(order, [0, 2, 0, 2]);
    }

    #[tokio::test]
    async fn a_late_report_does_not_break_the_new_connection() {
        let mut table = table(1);
        table.publish(0, channel());
        let old = table.pick().unwrap();
        assert!(table.forget(old.slot, old.generation));
        table.publish(0, channel());
        assert!(!table.forget(old.slot, old.generation));
        assert!(table.pick().is_some());
    }
}
