//! When leases end. Not replicated: only the leader keeps deadlines, and acts on them by proposing.
//!
//! It never reads a clock: every call is told the time, in milliseconds of any monotonic clock. On a member that is
//! not the leader no lease ends. Invariants: `by_time` holds exactly one item per deadline that is waited for; a
//! deadline exists for every lease the leader knows.

use super::{Event, Lease, Leases};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Leases given out by one call of [`Deadlines::expired`].
pub const EXPIRED_MAX: usize = 500;
/// Leases in one checkpoint entry.
pub const CHECKPOINTS_PER_ENTRY_MAX: usize = 1000;
/// From this many leases on, a new leader spreads deadlines.
const SPREAD_FROM_LEASES: usize = 1000;
/// Deadlines that may then fall into one second.
const SPREAD_PER_S: u64 = 750;

/// Periods, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// An expired lease is given out again after this, if it is still there.
    pub retry_ms: u64,
    /// `None`: no checkpoints (the gate `LeaseCheckpoint` is off).
    pub checkpoint_ms: Option<u64>,
}

impl Default for Timing {
    /// Request timeout with etcd's default election timeout; no checkpoints.
    fn default() -> Self {
        Timing { retry_ms: 7000, checkpoint_ms: None }
    }
}

/// Answer to a keep-alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Renewed for this many seconds.
    Renewed {
        ttl: i64,
    },
    NotFound,
    /// This member is not the leader: ask it.
    NotPrimary,
    /// It has ended, and its revoke is on its way: ask again when that is applied (or leadership is lost).
    Expired,
    /// A stored remaining TTL must be cleared through the log first (a checkpoint with 0); then ask again.
    ClearCheckpoint,
}

/// Checkpoints to propose: lease and remaining seconds.
pub type CheckpointPlan = Vec<(i64, i64)>;

#[derive(Clone, Copy, Debug)]
struct Deadline {
    /// When the lease ends.
    at_ms: u64,
    /// When it is looked at next: its end, or a retry after it.
    wake_ms: u64,
    /// When its remaining TTL is due to be noted.
    checkpoint_ms: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub struct Deadlines {
    timing: Timing,
    primary: bool,
    by_id: FxHashMap<i64, Deadline>,
    /// (wake, lease).
    by_time: BTreeSet<(u64, i64)>,
    /// (due, lease).
    checkpoints: BTreeSet<(u64, i64)>,
}

impl Deadlines {
    pub fn new(timing: Timing) -> Deadlines {
        Deadlines { timing, ..Deadlines::default() }
    }

    pub fn is_primary(&self) -> bool {
        self.primary
    }

    /// This member became leader: every lease ends after its full (or noted remaining) TTL and `extend_ms` (the
    /// election timeout) more; where very many would end together, later.
    pub fn promote(&mut self, leases: &Leases, now_ms: u64, extend_ms: u64) {
        self.demote();
        self.primary = true;
        for lease in leases.iter() {
            self.set(lease, now_ms, end_of(lease, now_ms.saturating_add(extend_ms)));
        }
        if leases.len() >= SPREAD_FROM_LEASES {
            self.spread(leases, now_ms, extend_ms);
        }
    }

    /// This member is no longer leader: no lease ends here.
    pub fn demote(&mut self) {
        self.primary = false;
        self.by_id.clear();
        self.by_time.clear();
        self.checkpoints.clear();
    }

    /// An apply granted, revoked or checkpointed; `leases` are those after it.
    pub fn observe(&mut self, event: &Event, leases: &Leases, now_ms: u64) {
        match event {
            Event::Granted { id, .. } => {
                if let Some(lease) = leases.get(*id).filter(|_| self.primary) {
                    self.set(lease, now_ms, end_of(lease, now_ms));
                }
            }
            Event::Revoked { id } => self.remove(*id),
            Event::Checkpointed { ids } => {
                for id in ids {
                    if let Some(lease) = leases.get(*id) {
                        self.plan_checkpoint(lease, now_ms);
                    }
                }
            }
        }
    }

    /// A keep-alive.
    pub fn renew(&mut self, leases: &Leases, id: i64, now_ms: u64) -> Renewal {
        if !self.primary {
            return Renewal::NotPrimary;
        }
        let (Some(lease), Some(deadline)) = (leases.get(id), self.by_id.get(&id)) else {
            return Renewal::NotFound;
        };
        if deadline.at_ms <= now_ms {
            return Renewal::Expired;
        }
        if self.timing.checkpoint_ms.is_some() && lease.remaining_ttl > 0 {
            return Renewal::ClearCheckpoint;
        }
        self.move_end(id, now_ms.saturating_add(ms(lease.ttl)));
        Renewal::Renewed { ttl: lease.ttl }
    }

    /// Seconds left, truncated toward zero, negative once it has ended. `None`: unknown, or not the leader.
    pub fn remaining(&self, id: i64, now_ms: u64) -> Option<i64> {
        self.by_id.get(&id).map(|deadline| (deadline.at_ms as i64 - now_ms as i64) / 1000)
    }

    /// All leases, those that end first in front; in the order of their IDs when this member is not the leader.
    pub fn by_remaining(&self, leases: &Leases) -> Vec<i64> {
        let mut ids: Vec<i64> = leases.iter().map(|lease| lease.id).collect();
        ids.sort_by_key(|id| self.by_id.get(id).map_or(u64::MAX, |deadline| deadline.at_ms));
        ids
    }

    /// Leases that have ended and are to be revoked: at most [`EXPIRED_MAX`]; each again after the retry period.
    pub fn expired(&mut self, now_ms: u64) -> Vec<i64> {
        let mut ids = Vec::new();
        while ids.len() < EXPIRED_MAX {
            let Some(&(wake_ms, id)) = self.by_time.first() else { break };
            if wake_ms > now_ms {
                break;
            }
            self.by_time.pop_first();
            let deadline = self.by_id.get_mut(&id).expect("only known leases are waited for");
            deadline.wake_ms = now_ms.saturating_add(self.timing.retry_ms.max(1));
            self.by_time.insert((deadline.wake_ms, id));
            ids.push(id);
        }
        ids
    }

    /// Checkpoints that are due: at most [`CHECKPOINTS_PER_ENTRY_MAX`]. Applying them plans the next ones.
    pub fn checkpoints_due(&mut self, leases: &Leases, now_ms: u64) -> CheckpointPlan {
        let mut plan = Vec::new();
        while plan.len() < CHECKPOINTS_PER_ENTRY_MAX {
            let Some(&(due_ms, id)) = self.checkpoints.first() else { break };
            if due_ms > now_ms {
                break;
            }
            self.checkpoints.pop_first();
            let deadline = self.by_id.get_mut(&id).expect("only known leases have checkpoints");
            deadline.checkpoint_ms = None;
            let left_ms = deadline.at_ms.saturating_sub(now_ms);
            let remaining = left_ms.div_ceil(1000) as i64;
            let ttl = leases.get(id).map_or(0, |lease| lease.ttl);
            if left_ms > 0 && remaining < ttl {
                plan.push((id, remaining));
            }
        }
        plan
    }

    /// When [`Deadlines::expired`] or [`Deadlines::checkpoints_due`] has something next; `None`: never.
    pub fn next_ms(&self) -> Option<u64> {
        let expiry = self.by_time.first().map(|(at, _)| *at);
        let checkpoint = self.checkpoints.first().map(|(at, _)| *at);
        expiry.into_iter().chain(checkpoint).min()
    }

    fn set(&mut self, lease: &Lease, now_ms: u64, at_ms: u64) {
        self.remove(lease.id);
        self.by_id.insert(lease.id, Deadline { at_ms, wake_ms: at_ms, checkpoint_ms: None });
        self.by_time.insert((at_ms, lease.id));
        self.plan_checkpoint(lease, now_ms);
    }

    fn move_end(&mut self, id: i64, at_ms: u64) {
        let deadline = self.by_id.get_mut(&id).expect("only known leases are moved");
        self.by_time.remove(&(deadline.wake_ms, id));
        deadline.at_ms = at_ms;
        deadline.wake_ms = at_ms;
        self.by_time.insert((at_ms, id));
    }

    fn remove(&mut self, id: i64) {
        let Some(deadline) = self.by_id.remove(&id) else { return };
        assert!(self.by_time.remove(&(deadline.wake_ms, id)), "a known lease was not waited for");
        if let Some(due) = deadline.checkpoint_ms {
            self.checkpoints.remove(&(due, id));
        }
    }

    /// Plans a checkpoint, unless the lease would end before one is due.
    fn plan_checkpoint(&mut self, lease: &Lease, now_ms: u64) {
        let Some(period_ms) = self.timing.checkpoint_ms else { return };
        let Some(deadline) = self.by_id.get_mut(&lease.id) else { return };
        if let Some(due) = deadline.checkpoint_ms.take() {
            self.checkpoints.remove(&(due, lease.id));
        }
        if ms(lease.effective_ttl()) > period_ms {
            let due = now_ms.saturating_add(period_ms);
            deadline.checkpoint_ms = Some(due);
            self.checkpoints.insert((due, lease.id));
        }
    }

    /// Moves deadlines apart so that at most about [`SPREAD_PER_S`] fall into one second. The n-th lease too many in
    /// a window is extended by n / [`SPREAD_PER_S`] seconds, less its distance from the window's begin.
    fn spread(&mut self, leases: &Leases, now_ms: u64, extend_ms: u64) {
        let order: Vec<(u64, i64)> = self.by_time.iter().copied().collect();
        let mut window_ms = order.first().map_or(0, |(at, _)| *at);
        let mut window_end_ms = window_ms + 1000;
        let mut ends = 0;
        for (at_ms, id) in order {
            if at_ms > window_end_ms {
                window_ms = at_ms;
                window_end_ms = at_ms + 1000;
                ends = 1;
                continue;
            }
            ends += 1;
            if ends <= SPREAD_PER_S {
                continue;
            }
            let delay_ms = (1000 * ends / SPREAD_PER_S).saturating_sub(at_ms - window_ms);
            window_end_ms = window_ms + delay_ms;
            let lease = leases.get(id).expect("deadlines are of these leases");
            self.move_end(id, end_of(lease, now_ms.saturating_add(extend_ms)).saturating_add(delay_ms));
        }
    }
}

/// When a lease (re)started at `from_ms` ends.
fn end_of(lease: &Lease, from_ms: u64) -> u64 {
    from_ms.saturating_add(ms(lease.effective_ttl()))
}

/// Seconds to milliseconds.
fn ms(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1000)
}

#[cfg(test)]
mod tests;
