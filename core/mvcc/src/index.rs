//! The key index: every key with its kept revisions, in key order.
//!
//! Keys lie in leaves of some dozen; an ordered map finds a leaf by the least key it may hold. So the map stays small
//! and near the processor, and a lookup misses the cache about twice however many keys there are. It never reads rows.
//! Everything that may walk many keys takes a budget and says where to go on, so that its owner can do something else
//! in between; changes made in between are seen by what is walked later.
//!
//! Invariants: a leaf's keys are not below its own key and below the next leaf's; the first leaf's key is the empty
//! one and that leaf always exists; no other leaf is empty.

use crate::{
    KeyRange, RangeEnd, Revision,
    key::Key,
    leaf::{LEAF_KEYS_MERGED_MAX, LEAF_KEYS_MIN, Leaf},
    versions::{Found, Versions},
};
use bytes::Bytes;
use std::{collections::BTreeMap, ops::Bound};

/// What the index knows of one key at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    pub key: Bytes,
    /// The row that holds the value.
    pub modified: Revision,
    /// `main` only; `sub` is 0.
    pub created: Revision,
    pub version: i64,
}

#[derive(Debug)]
pub(crate) struct Index {
    leaves: BTreeMap<Key, Leaf>,
    /// Keys in all leaves.
    len: usize,
    /// Keys that exist at the current revision.
    live: usize,
}

impl Index {
    pub fn new() -> Index {
        let first = (Key::new(b""), Leaf::default());
        Index { leaves: BTreeMap::from([first]), len: 0, live: 0 }
    }

    /// Keys, deleted ones that are not compacted yet included.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn live(&self) -> usize {
        self.live
    }

    pub fn find(&self, key: &[u8], revision: i64) -> Option<Found> {
        let (_, leaf) = self.leaves.range::<[u8], _>(up_to(key)).next_back()?;
        leaf.get(key)?.find(revision)
    }

    /// Adds a put at a new revision: what the key is now.
    pub fn put(&mut self, key: &[u8], at: Revision) -> Found {
        self.put_known(key, at, at.main, 1)
    }

    /// Adds a row read at restart. `created` and `version` count only for a key not seen before, whose older rows
    /// are compacted.
    pub fn put_known(&mut self, key: &[u8], at: Revision, created: i64, version: i64) -> Found {
        let leaf = self.leaf_mut(key);
        match leaf.search(key) {
            Ok(index) => {
                let versions = leaf.get_mut(index);
                let was_live = versions.is_live();
                let found = versions.push(at);
                self.live += usize::from(!was_live);
                found
            }
            Err(index) => {
                let split = leaf.insert(index, Key::new(key), Versions::put(at, created, version));
                self.added(split);
                self.live += 1;
                Found { modified: at, created, version }
            }
        }
    }

    /// Adds a tombstone read at restart. The key may be unknown, if its older rows are compacted, or deleted already;
    /// then the row means nothing.
    pub fn restore_tombstone(&mut self, key: &[u8], at: Revision) {
        let leaf = self.leaf_mut(key);
        match leaf.search(key) {
            Ok(index) => {
                let closed = leaf.get_mut(index).close(at).is_some();
                self.live -= usize::from(closed);
            }
            Err(index) => {
                let split = leaf.insert(index, Key::new(key), Versions::tombstone(at));
                self.added(split);
            }
        }
    }

    /// Deletes every live key of the range, in key order. `write` is told each key and what it was, and returns the
    /// revision of its tombstone.
    pub fn delete_range(&mut self, range: &KeyRange, mut write: impl FnMut(&[u8], Found) -> Revision) {
        let Some(first) = self.first_leaf(&range.key) else { return };
        let first = first.clone();
        for (_, leaf) in self.leaves.range_mut((Bound::Included(first), Bound::Unbounded)) {
            let begin = leaf.from(&range.key);
            for (key, versions) in leaf.entries_mut().skip(begin) {
                if is_past(range, key) {
                    return;
                }
                if let Some(last) = versions.current() {
                    versions.close(write(key.as_slice(), last));
                    self.live -= 1;
                }
            }
        }
    }

    /// Walks the range in key order, from after `resume` if given, visiting at most `budget` keys. Returns where to
    /// resume, or `None` when the range is walked to its end.
    pub fn walk(
        &self,
        range: &KeyRange,
        resume: Option<&Key>,
        budget: usize,
        mut visit: impl FnMut(&Key, &Versions),
    ) -> Option<Key> {
        let start = resume.map_or(&range.key[..], Key::as_slice);
        let first = self.first_leaf(start)?;
        let mut left = budget;
        let mut last = resume;
        let begin_in = |leaf: &Leaf| if resume.is_some() { leaf.after(start) } else { leaf.from(start) };
        for (nth, (_, leaf)) in
            self.leaves.range::<Key, _>((Bound::Included(first), Bound::Unbounded)).enumerate()
        {
            let begin = if nth == 0 { begin_in(leaf) } else { 0 };
            for (key, versions) in &leaf.entries()[begin..] {
                if is_past(range, key) {
                    return None;
                }
                if left == 0 {
                    return last.cloned();
                }
                left -= 1;
                visit(key, versions);
                last = Some(key);
            }
        }
        None
    }

    /// Compacts some `budget` keys at `revision` (whole leaves), from after `resume`. `keep` is told the revisions
    /// `<= revision` that stay. Returns where to resume, or `None` when all keys are done.
    pub fn compact(
        &mut self,
        resume: Option<&Key>,
        budget: usize,
        revision: i64,
        mut keep: impl FnMut(Revision),
    ) -> Option<Key> {
        let start = resume.map_or(&b""[..], Key::as_slice);
        let first = self.first_leaf(start)?.clone();
        let (mut visited, mut gone, mut shrunk) = (0, Vec::new(), Vec::new());
        let mut last = None;
        for (nth, (least, leaf)) in
            self.leaves.range_mut((Bound::Included(first), Bound::Unbounded)).enumerate()
        {
            if visited >= budget {
                break;
            }
            let begin = if nth == 0 && resume.is_some() { leaf.after(start) } else { 0 };
            visited += leaf.len() - begin;
            last = leaf.entries().last().map(|(key, _)| key.clone()).or(last);
            gone.clear();
            for (index, (_, versions)) in leaf.entries_mut().enumerate().skip(begin) {
                if versions.compact(revision, &mut keep) {
                    gone.push(index);
                }
            }
            if !gone.is_empty() {
                leaf.remove(&gone);
                self.len -= gone.len();
                shrunk.push(least.clone());
            }
        }
        // Before leaves merge: what follows the last visited key stays after it.
        let last = last.filter(|last| self.has_after(last));
        for least in shrunk.iter().rev() {
            self.merge(least);
        }
        last
    }

    fn has_after(&self, key: &Key) -> bool {
        let Some(first) = self.first_leaf(key.as_slice()) else { return false };
        let mut leaves = self.leaves.range::<Key, _>((Bound::Included(first), Bound::Unbounded));
        leaves.next().is_some_and(|(_, leaf)| leaf.after(key.as_slice()) < leaf.len())
            || leaves.any(|(_, leaf)| !leaf.is_empty())
    }

    /// Keeps leaves from becoming many and small: merges the leaf at `least`, which has lost keys, with a neighbour.
    fn merge(&mut self, least: &Key) {
        let Some(leaf) = self.leaves.get(least) else { return };
        if leaf.is_empty() && !least.as_slice().is_empty() {
            self.leaves.remove(least);
            return;
        }
        let next = self.leaves.range::<Key, _>((Bound::Excluded(least), Bound::Unbounded)).next();
        if let Some(next) = next.map(|(next, _)| next.clone()) {
            self.merge_pair(least, &next);
        }
        let previous = self.leaves.range::<Key, _>(..least).next_back();
        if let Some(previous) = previous.map(|(previous, _)| previous.clone()) {
            self.merge_pair(&previous, least);
        }
    }

    fn merge_pair(&mut self, left: &Key, right: &Key) {
        let len = |least| self.leaves.get(least).map_or(0, Leaf::len);
        let (left_len, right_len) = (len(left), len(right));
        if left_len.min(right_len) >= LEAF_KEYS_MIN || left_len + right_len > LEAF_KEYS_MERGED_MAX {
            return;
        }
        if let Some(leaf) = self.leaves.remove(right) {
            self.leaves.get_mut(left).expect("the left leaf is there").append(leaf);
        }
    }

    /// A key was inserted; `split` is the leaf that came of it.
    fn added(&mut self, split: Option<Leaf>) {
        self.len += 1;
        if let Some(leaf) = split {
            let least = leaf.entries()[0].0.clone();
            self.leaves.insert(least, leaf);
        }
    }

    /// The leaf that holds `key` or would hold it.
    fn leaf_mut(&mut self, key: &[u8]) -> &mut Leaf {
        let leaf = self.leaves.range_mut::<[u8], _>(up_to(key)).next_back();
        leaf.expect("the first leaf is there").1
    }

    fn first_leaf(&self, key: &[u8]) -> Option<&Key> {
        self.leaves.range::<[u8], _>(up_to(key)).next_back().map(|(least, _)| least)
    }
}

impl KeyInfo {
    pub(crate) fn new(key: Bytes, found: Found) -> KeyInfo {
        // Rows keep no sub-revision of the creation, so none is given even where it is known.
        let created = Revision { main: found.created, sub: 0 };
        KeyInfo { key, modified: found.modified, created, version: found.version }
    }
}

fn up_to(key: &[u8]) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Unbounded, Bound::Included(key))
}

/// Whether a key that is not before the range is behind it.
fn is_past(range: &KeyRange, key: &Key) -> bool {
    match &range.end {
        RangeEnd::Single => key.as_slice() != &range.key[..],
        RangeEnd::Before(end) => key.as_slice() >= &end[..],
        RangeEnd::Open => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keys that share prefixes, in numbers that make leaves split and merge.
    fn key(n: u32) -> Vec<u8> {
        format!("/registry/{}/namespace-{:02}/{:04}", ["pods", "events", "p"][n as usize % 3], n % 7, n)
            .into_bytes()
    }

    fn check(index: &Index, keys: &BTreeMap<Vec<u8>, i64>) {
        assert_eq!(index.len(), keys.len());
        let all: Vec<_> =
            index.leaves.values().flat_map(|leaf| leaf.entries()).map(|(k, _)| k.as_slice()).collect();
        assert!(all.iter().eq(keys.keys()));
        for ((least, leaf), next) in
            index.leaves.iter().zip(index.leaves.keys().skip(1).map(Some).chain([None]))
        {
            assert!(leaf.entries().first().is_none_or(|(first, _)| least <= first));
            assert!(next.is_none_or(|next| leaf.entries().last().is_none_or(|(last, _)| last < next)));
            assert!(!leaf.is_empty() || least.as_slice().is_empty());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

        /// Inserts, deletes and sliced compactions against an ordered map; ranges in slices of any size.
        #[test]
        fn leaves_are_an_ordered_map(
            rounds in prop::collection::vec((any::<u32>(), 1..600u32, 0..4u32, 1..300usize), 1..12),
            bounds in (any::<u32>(), any::<u32>()),
        ) {
            let mut index = Index::new();
            let mut keys = BTreeMap::new();
            let mut main = 1;
            for (seed, count, kept, budget) in rounds {
                for n in 0..count {
                    main += 1;
                    let key = key(seed.wrapping_add(n.wrapping_mul(if seed % 2 == 0 { 1 } else { 7919 })) % 3000);
                    index.put(&key, Revision { main, sub: 0 });
                    keys.insert(key, main);
                }
                check(&index, &keys);
                let doomed: Vec<_> = keys.keys().enumerate().filter(|(n, _)| *n as u32 % 4 >= kept).map(|(_, k)| k.clone()).collect();
                for key in doomed {
                    main += 1;
                    let at = Revision { main, sub: 0 };
                    index.delete_range(&KeyRange::new(key.clone().into(), Bytes::new()), |_, _| at);
                    keys.remove(&key);
                }
                prop_assert_eq!(index.live(), keys.len());
                let (mut resume, mut kept) = (None, 0);
                loop {
                    resume = index.compact(resume.as_ref(), budget, main + 1, |_| kept += 1);
                    if resume.is_none() { break }
                }
                prop_assert_eq!(kept, keys.len());
                check(&index, &keys);
                for (key, modified) in &keys {
                    prop_assert_eq!(index.find(key, main).map(|f| f.modified.main), Some(*modified));
                }

                let (begin, end) = (key(bounds.0 % 3000), key(bounds.1 % 3000));
                let expected: Vec<_> = keys.iter().filter(|(k, _)| **k >= begin && **k < end).map(|(k, _)| k.clone()).collect();
                let range = KeyRange::new(begin.into(), end.into());
                let (mut walked, mut resume) = (Vec::new(), None);
                loop {
                    let before = walked.len();
                    resume = index.walk(&range, resume.as_ref(), budget, |key, _| walked.push(key.as_slice().to_vec()));
                    prop_assert!(walked.len() - before <= budget);
                    if resume.is_none() { break }
                }
                prop_assert_eq!(walked, expected);
            }
        }
    }
}
