//! Which members this one is connected to, and since when. Whoever owns the transport tells it; it never looks itself.
//!
//! Times are milliseconds of the loop's clock. Invariant: a member that is not active is not listed.

use std::collections::BTreeMap;

/// How long a member must have been connected to count when the configuration changes.
pub const HEALTHY_AFTER_MS: u64 = 5000;

#[derive(Debug, Default)]
pub struct Connected {
    active_since_ms: BTreeMap<u64, u64>,
}

impl Connected {
    /// A message got through where none had before.
    pub fn active(&mut self, id: u64, now_ms: u64) {
        self.active_since_ms.entry(id).or_insert(now_ms);
    }

    /// The member does not answer any more, or is none any more.
    pub fn inactive(&mut self, id: u64) {
        self.active_since_ms.remove(&id);
    }

    pub fn is_active(&self, id: u64) -> bool {
        self.active_since_ms.contains_key(&id)
    }

    /// Members that are active now.
    pub fn active_count(&self) -> usize {
        self.active_since_ms.len()
    }

    /// True if the member has been active since before that time.
    pub fn is_connected_since(&self, id: u64, since_ms: u64) -> bool {
        self.active_since_ms.get(&id).is_some_and(|at| *at < since_ms)
    }

    /// How many of these members have been active since before that time; this one always counts.
    pub fn connected_since(&self, own: u64, ids: &[u64], since_ms: u64) -> usize {
        ids.iter().filter(|id| **id == own || self.is_connected_since(**id, since_ms)).count()
    }

    /// The one of these members that has been active for the longest time.
    pub fn longest_active(&self, ids: &[u64]) -> Option<u64> {
        let active = ids.iter().filter_map(|id| Some((self.active_since_ms.get(id)?, id)));
        active.min().map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_counts_as_connected() {
        let mut connected = Connected::default();
        connected.active(2, 100);
        connected.active(3, 50);
        connected.active(2, 900);
        assert_eq!(connected.connected_since(1, &[1, 2, 3, 4], 101), 3);
        assert_eq!(connected.connected_since(1, &[1, 2, 3, 4], 100), 2, "since before, not since then");
        assert_eq!(connected.longest_active(&[1, 2, 3, 4]), Some(3));
        connected.inactive(3);
        assert_eq!((connected.longest_active(&[1, 2, 3]), connected.active_count()), (Some(2), 1));
        connected.active(3, 1000);
        assert!(!connected.is_connected_since(3, 1000), "it begins anew");
        assert_eq!(connected.longest_active(&[1, 4]), None);
    }
}
