//! Automatic compaction: when the leader should compact, and at which revision.
//!
//! It only decides; compaction itself is a proposal like any other. Time is passed in.

use std::collections::VecDeque;

/// `--auto-compaction-mode` and `--auto-compaction-retention`, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Keep this much history, in milliseconds.
    Periodic { retention_ms: u64 },
    /// Keep this many revisions.
    Revision { retention: i64 },
}

const HOUR_MS: u64 = 3_600_000;

/// The revision policy looks this often.
const REVISION_INTERVAL_MS: u64 = 5 * 60_000;

/// Samples per interval of the periodic policy.
const SAMPLES_PER_INTERVAL: u64 = 10;

/// Decides for one member; driven by [`AutoCompaction::poll`].
#[derive(Debug)]
pub struct AutoCompaction {
    policy: Policy,
    /// Revisions sampled every step, oldest first; the front is one retention old once the window is full.
    samples: VecDeque<i64>,
    next_sample_ms: u64,
    last_success_ms: u64,
    last_revision: i64,
    first_done: bool,
}

impl AutoCompaction {
    pub fn new(policy: Policy, now_ms: u64) -> Self {
        AutoCompaction {
            policy,
            samples: VecDeque::new(),
            next_sample_ms: match policy {
                Policy::Periodic { .. } => now_ms,
                Policy::Revision { .. } => now_ms + REVISION_INTERVAL_MS,
            },
            last_success_ms: now_ms,
            last_revision: 0,
            first_done: false,
        }
    }

    /// The revision to compact at now, if any. Call at least once per sample step (see [`AutoCompaction::wake_ms`]).
    pub fn poll(&mut self, now_ms: u64, current_revision: i64, leader: bool) -> Option<i64> {
        if now_ms < self.next_sample_ms {
            return None;
        }
        match self.policy {
            Policy::Revision { retention } => {
                self.next_sample_ms = now_ms + REVISION_INTERVAL_MS;
                let revision = current_revision - retention;
                (leader && revision > 0 && revision != self.last_revision).then_some(revision)
            }
            Policy::Periodic { retention_ms } => {
                let interval = retention_ms.min(HOUR_MS);
                let step = (interval / SAMPLES_PER_INTERVAL).max(1);
                self.next_sample_ms = now_ms + step;
                self.samples.push_back(current_revision);
                let window = (retention_ms / step + 1) as usize;
                while self.samples.len() > window {
                    self.samples.pop_front();
                }
                let wait = if self.first_done { interval } else { retention_ms };
                let revision = *self.samples.front()?;
                let due = now_ms.saturating_sub(self.last_success_ms) >= wait;
                (leader && due && revision != self.last_revision).then_some(revision)
            }
        }
    }

    /// The compaction at `revision` went through (or the store was compacted there already).
    pub fn done(&mut self, revision: i64, now_ms: u64) {
        self.last_revision = revision;
        self.last_success_ms = now_ms;
        self.first_done = true;
    }

    /// When to poll next.
    pub fn wake_ms(&self) -> u64 {
        self.next_sample_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls every step for `hours`, the revision growing by one per minute; what was compacted, and in which minute.
    fn run(policy: Policy, hours: u64) -> Vec<(u64, i64)> {
        let mut auto = AutoCompaction::new(policy, 0);
        let mut compacted = Vec::new();
        for minute in 0..=hours * 60 {
            let now = minute * 60_000;
            if let Some(revision) = auto.poll(now, minute as i64 + 1, true) {
                auto.done(revision, now);
                compacted.push((minute, revision));
            }
        }
        compacted
    }

    #[test]
    fn periodic_waits_one_retention_and_then_compacts_hourly() {
        let compacted = run(Policy::Periodic { retention_ms: 2 * HOUR_MS }, 5);
        assert_eq!(compacted, [(120, 1), (180, 61), (240, 121), (300, 181)]);
    }

    #[test]
    fn short_periods_compact_every_period() {
        let compacted = run(Policy::Periodic { retention_ms: HOUR_MS / 2 }, 2);
        assert_eq!(compacted, [(30, 1), (60, 31), (90, 61), (120, 91)]);
    }

    #[test]
    fn revision_mode_keeps_the_given_number() {
        let compacted = run(Policy::Revision { retention: 10 }, 1);
        assert_eq!(compacted.first(), Some(&(10, 1)));
        assert_eq!(compacted.last(), Some(&(60, 51)));
    }

    #[test]
    fn a_follower_only_samples() {
        let mut auto = AutoCompaction::new(Policy::Periodic { retention_ms: HOUR_MS }, 0);
        for minute in 0..300 {
            assert_eq!(auto.poll(minute * 60_000, 5, false), None);
        }
        assert_eq!(auto.poll(301 * 60_000, 5, true), Some(5));
    }
}
