//! Clients on every member, all at once, until told to stop. What they did and saw is returned; nothing is judged here.

mod leases;
mod random;
mod registers;
pub mod watchers;

pub use leases::of_key as lease_of_key;
pub use random::Random;

use crate::Failure;
use crate::api::Fault;
use crate::cluster::{PATIENCE, POLL};
use history::{Operation, Outcome, Position, lease};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Clients of registers on each member.
const CLIENTS: u64 = 4;
/// A client's number divided by this is its member's.
const CLIENTS_PER_MEMBER_MAX: u64 = 100;
/// Every call ends within this; then it is unknown what became of it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a call, and after one that found no connection.
const PAUSE: Duration = Duration::from_millis(3);
const PAUSE_UNCONNECTED: Duration = Duration::from_millis(40);

/// Zero of all positions, which are nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

/// What the clients of a load did.
#[derive(Debug, Default)]
pub struct Done {
    pub operations: Vec<Operation>,
    pub leases: Vec<lease::Watched>,
}

#[derive(Debug)]
pub struct Load {
    clients: Arc<Clients>,
    tasks: JoinSet<Done>,
}

/// Shared by all clients of one load.
#[derive(Debug)]
struct Clients {
    /// Part of all keys: those of two loads are apart.
    round: u64,
    clock: Clock,
    stopped: AtomicBool,
    /// Operations that had an answer.
    answered: AtomicU64,
}

impl Load {
    /// On the members given.
    pub fn start(members: &[usize], round: u64, clock: Clock, random: &mut Random) -> Load {
        let (stopped, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        let clients = Arc::new(Clients { round, clock, stopped, answered });
        let mut tasks = JoinSet::new();
        for member in members {
            let base = *member as u64 * CLIENTS_PER_MEMBER_MAX;
            for client in 0..CLIENTS {
                tasks.spawn(registers::run(clients.clone(), *member, base + client, random.fork()));
            }
            tasks.spawn(leases::run(clients.clone(), *member, base + CLIENTS, random.fork()));
        }
        Load { clients, tasks }
    }

    /// Waits until so many more operations are answered.
    ///
    /// # Errors
    /// It takes longer than [`PATIENCE`].
    pub async fn more(&self, count: u64) -> Result<(), Failure> {
        let answered = || self.clients.answered.load(Ordering::Relaxed);
        let (enough, deadline) = (answered() + count, Instant::now() + PATIENCE);
        while answered() < enough {
            if Instant::now() > deadline {
                return Err("hardly any operation is answered though a majority serves".to_owned());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    pub fn member_of(client: u64) -> usize {
        usize::try_from(client / CLIENTS_PER_MEMBER_MAX).expect("few members")
    }

    /// Waits for calls under way.
    ///
    /// # Errors
    /// A client panicked.
    pub async fn stop(mut self) -> Result<Done, Failure> {
        self.clients.stopped.store(true, Ordering::Relaxed);
        let mut all = Done::default();
        while let Some(done) = self.tasks.join_next().await {
            let done = done.map_err(|e| format!("a client: {e}"))?;
            all.operations.extend(done.operations);
            all.leases.extend(done.leases);
        }
        Ok(all)
    }
}

impl Clients {
    fn are_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn count(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Clock {
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// A number that differs from run to run.
    pub fn of_day() -> u64 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        now.as_secs() << 20 | u64::from(now.subsec_micros())
    }

    pub fn now(self) -> Position {
        u64::try_from(self.0.elapsed().as_nanos()).expect("runs are short")
    }
}

/// What is known of a call that was not answered.
fn unanswered(fault: &Fault) -> Outcome {
    match fault {
        Fault::NotSent(_) | Fault::Refused(_) => Outcome::Failed,
        Fault::Unknown(_) => Outcome::Unknown,
    }
}
