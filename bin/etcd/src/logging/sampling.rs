//! Sampling of repeated lines, with the figures etcd uses: of each level and message, the first 100 of a second
//! pass, then every 100th. Messages share 4096 counters per level by hash. Lock-free; never reads a clock.

use super::Level;
use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Lines of one message let through at the start of each second.
const FIRST: u64 = 100;
/// After those, one line in this many.
const THEREAFTER: u64 = 100;
const COUNTERS_PER_LEVEL: usize = 4096;
const TICK_NANOS: u64 = 1_000_000_000;

#[derive(Debug)]
pub struct Sampler {
    /// Levels times [`COUNTERS_PER_LEVEL`].
    counters: Box<[Counter]>,
}

#[derive(Debug, Default)]
struct Counter {
    /// End of the running second, nanoseconds since the epoch.
    reset_at: AtomicU64,
    count: AtomicU64,
}

impl Default for Sampler {
    fn default() -> Sampler {
        let counters = Level::ALL.len() * COUNTERS_PER_LEVEL;
        Sampler { counters: (0..counters).map(|_| Counter::default()).collect() }
    }
}

impl Sampler {
    /// Whether a line of this level and message may go out at `now` (time since the epoch).
    pub fn admits(&self, level: Level, message: &str, now: Duration) -> bool {
        let slot = fnv32a(message.as_bytes()) as usize % COUNTERS_PER_LEVEL;
        let counter = &self.counters[level as usize * COUNTERS_PER_LEVEL + slot];
        let count = counter.increment(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX - TICK_NANOS));
        count <= FIRST || (count - FIRST).is_multiple_of(THEREAFTER)
    }
}

impl Counter {
    fn increment(&self, now_nanos: u64) -> u64 {
        let reset_at = self.reset_at.load(Relaxed);
        if reset_at > now_nanos {
            return self.count.fetch_add(1, Relaxed) + 1;
        }
        self.count.store(1, Relaxed);
        let renewed = self.reset_at.compare_exchange(reset_at, now_nanos + TICK_NANOS, Relaxed, Relaxed);
        // Another thread began the second meanwhile: count in its second.
        if renewed.is_err() { self.count.fetch_add(1, Relaxed) + 1 } else { 1 }
    }
}

fn fnv32a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(2_166_136_261, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_a_hundred_then_one_in_a_hundred_each_second() {
        let sampler = Sampler::default();
        let passed = |level, message: &str, millis: u64, lines: usize| {
            (0..lines).filter(|_| sampler.admits(level, message, Duration::from_millis(millis))).count()
        };
        assert_eq!(passed(Level::Info, "a", 10, 250), 101);
        assert_eq!(passed(Level::Info, "a", 900, 50), 1);
        assert_eq!(passed(Level::Warn, "a", 900, 100), 100);
        assert_eq!(passed(Level::Info, "b", 900, 100), 100);
        assert_eq!(passed(Level::Info, "a", 1010, 100), 100);
    }
}
