//! Which watchers a key concerns: exact keys by hash, intervals by a search tree over distinct intervals.
//!
//! The tree is an array sorted by start with the maximum end of every subrange; it is rebuilt on the first lookup
//! after a change, since lookups come far more often than watchers come and go.

use crate::{KeyRange, RangeEnd};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// Exclusive end; `None` is open.
type End = Option<Bytes>;

#[derive(Debug, Default)]
pub struct Ranges {
    keys: HashMap<Bytes, Vec<usize>>,
    intervals: BTreeMap<(Bytes, End), Vec<usize>>,
    tree: Tree,
    stale: bool,
}

fn interval(range: &KeyRange) -> Option<(Bytes, End)> {
    match &range.end {
        RangeEnd::Single => None,
        RangeEnd::Before(end) => Some((range.key.clone(), Some(end.clone()))),
        RangeEnd::Open => Some((range.key.clone(), None)),
    }
}

impl Ranges {
    pub fn insert(&mut self, range: &KeyRange, watcher: usize) {
        match interval(range) {
            None => self.keys.entry(range.key.clone()).or_default().push(watcher),
            Some(interval) => {
                let watchers = self.intervals.entry(interval).or_default();
                self.stale |= watchers.is_empty();
                watchers.push(watcher);
            }
        }
    }

    pub fn remove(&mut self, range: &KeyRange, watcher: usize) {
        match interval(range) {
            None => {
                if let Some(watchers) = self.keys.get_mut(&range.key) {
                    watchers.retain(|w| *w != watcher);
                    if watchers.is_empty() {
                        self.keys.remove(&range.key);
                    }
                }
            }
            Some(interval) => {
                if let Some(watchers) = self.intervals.get_mut(&interval) {
                    watchers.retain(|w| *w != watcher);
                    if watchers.is_empty() {
                        self.intervals.remove(&interval);
                        self.stale = true;
                    }
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.intervals.is_empty()
    }

    /// Calls `found` with every watcher whose range holds `key`.
    pub fn lookup(&mut self, key: &Bytes, mut found: impl FnMut(usize)) {
        if let Some(watchers) = self.keys.get(key) {
            watchers.iter().copied().for_each(&mut found);
        }
        if self.intervals.is_empty() {
            return;
        }
        if self.stale {
            self.tree = Tree::build(self.intervals.keys().cloned().collect());
            self.stale = false;
        }
        let intervals = &self.intervals;
        self.tree.stab(key, &mut |interval| {
            if let Some(watchers) = intervals.get(interval) {
                watchers.iter().copied().for_each(&mut found);
            }
        });
    }
}

/// Intervals sorted by start; node `n` of an implicit binary tree covers a subrange and knows its greatest end.
#[derive(Debug, Default)]
struct Tree {
    intervals: Vec<(Bytes, End)>,
    /// Greatest end below each node; the outer `None` marks an empty subrange.
    ends: Vec<Option<End>>,
}

impl Tree {
    fn build(intervals: Vec<(Bytes, End)>) -> Tree {
        let mut tree = Tree { ends: vec![None; intervals.len().next_power_of_two() * 2], intervals };
        if !tree.intervals.is_empty() {
            tree.fill(1, 0, tree.intervals.len());
        }
        tree
    }

    fn fill(&mut self, node: usize, low: usize, high: usize) {
        if high - low == 1 {
            self.ends[node] = Some(self.intervals[low].1.clone());
            return;
        }
        let middle = low + (high - low) / 2;
        self.fill(node * 2, low, middle);
        self.fill(node * 2 + 1, middle, high);
        let (left, right) = (self.ends[node * 2].clone(), self.ends[node * 2 + 1].clone());
        self.ends[node] = match (left.flatten(), right.flatten()) {
            (Some(a), Some(b)) => Some(Some(a.max(b))),
            _ => Some(None),
        };
    }

    fn stab(&self, key: &Bytes, found: &mut dyn FnMut(&(Bytes, End))) {
        let high = self.intervals.partition_point(|(start, _)| start <= key);
        if high > 0 {
            self.walk(1, 0, self.intervals.len(), high, key, found);
        }
    }

    fn walk(
        &self,
        node: usize,
        low: usize,
        high: usize,
        limit: usize,
        key: &Bytes,
        found: &mut dyn FnMut(&(Bytes, End)),
    ) {
        let beyond = |end: &End| end.as_ref().is_none_or(|end| end > key);
        if low >= limit || !self.ends[node].as_ref().is_some_and(beyond) {
            return;
        }
        if high - low == 1 {
            found(&self.intervals[low]);
            return;
        }
        let middle = low + (high - low) / 2;
        self.walk(node * 2, low, middle, limit, key, found);
        self.walk(node * 2 + 1, middle, high, limit, key, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range() -> impl Strategy<Value = (u8, u8)> {
        (0u8..20, 0u8..22)
    }

    fn key_range(start: u8, end: u8) -> KeyRange {
        let key = Bytes::copy_from_slice(&[start]);
        let end = match end {
            20 => RangeEnd::Open,
            21 => RangeEnd::Single,
            end => RangeEnd::Before(Bytes::copy_from_slice(&[end])),
        };
        KeyRange { key, end }
    }

    fn holds(range: &KeyRange, key: &[u8]) -> bool {
        match &range.end {
            RangeEnd::Single => range.key[..] == *key,
            RangeEnd::Before(end) => range.key[..] <= *key && *key < end[..],
            RangeEnd::Open => range.key[..] <= *key,
        }
    }

    proptest! {
        #[test]
        fn lookups_equal_a_linear_search(
            ranges in prop::collection::vec(range(), 0..30),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let mut subject = Ranges::default();
            let mut model: Vec<Option<KeyRange>> = Vec::new();
            for (start, end) in ranges {
                let range = key_range(start, end);
                subject.insert(&range, model.len());
                model.push(Some(range));
            }
            for round in 0..=1 {
                for key in 0u8..21 {
                    let key = Bytes::copy_from_slice(&[key]);
                    let mut found = Vec::new();
                    subject.lookup(&key, |w| found.push(w));
                    found.sort_unstable();
                    let expected: Vec<_> = (0..model.len())
                        .filter(|w| model[*w].as_ref().is_some_and(|r| holds(r, &key)))
                        .collect();
                    prop_assert_eq!(found, expected);
                }
                if round == 0 && !model.is_empty() {
                    for index in &removed {
                        let at = index.index(model.len());
                        if let Some(range) = model[at].take() {
                            subject.remove(&range, at);
                        }
                    }
                }
            }
        }
    }
}
