//! The key index: every key with its kept revisions, in key order.
//!
//! It never reads rows. Everything that may walk many keys takes a budget and says where to go on, so that its owner
//! can do something else in between; changes made in between are seen by what is walked later.

use crate::{
    KeyRange, RangeEnd, Revision,
    key::Key,
    versions::{Found, Versions},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound,
};

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

/// What restoring takes from a row.
#[derive(Debug)]
pub(crate) struct RestoredRow {
    pub key: Key,
    pub at: Revision,
    /// Of these two a tombstone says nothing.
    pub created: i64,
    pub version: i64,
    pub tombstone: bool,
}

impl RestoredRow {
    /// A key whose older rows, if there were any, are compacted.
    fn begin(&self) -> Versions {
        if self.tombstone {
            Versions::tombstone(self.at)
        } else {
            Versions::put(self.at, self.created, self.version)
        }
    }

    /// A tombstone of a deleted key means nothing.
    fn add_to(&self, versions: &mut Versions) {
        if self.tombstone {
            versions.close(self.at);
        } else {
            versions.push(self.at);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    keys: BTreeMap<Key, Versions>,
    /// Keys that exist at the current revision.
    live: usize,
}

impl Index {
    /// Keys, deleted ones that are not compacted yet included.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn live(&self) -> usize {
        self.live
    }

    pub fn find(&self, key: &[u8], revision: i64) -> Option<Found> {
        self.keys.get(key)?.find(revision)
    }

    /// Adds a put at a new revision: what the key is now.
    pub fn put(&mut self, key: &[u8], at: Revision) -> Found {
        if Key::fits_inline(key) {
            // Making the key costs nothing, so one descent does for both cases.
            return match self.keys.entry(Key::new(key)) {
                Entry::Occupied(mut known) => push(&mut self.live, known.get_mut(), at),
                Entry::Vacant(unknown) => {
                    self.live += 1;
                    created(unknown.insert(Versions::put(at, at.main, 1)))
                }
            };
        }
        if let Some(known) = self.keys.get_mut(key) {
            return push(&mut self.live, known, at);
        }
        self.live += 1;
        created(self.keys.entry(Key::new(key)).or_insert(Versions::put(at, at.main, 1)))
    }

    /// Adds rows read at restart, later ones with every call. Within a call they may come in any order of keys, but
    /// those of one key ascend. Empties `rows`.
    pub fn restore(&mut self, rows: &mut Vec<RestoredRow>) {
        // In key order the descents of neighbours share their path, and a first call can build the map from its ends.
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        let mut rows = rows.drain(..).peekable();
        let mut unknown = Vec::new();
        while let Some(first) = rows.next() {
            let known = self.keys.get_mut(&first.key);
            let mut added = None;
            let versions = match known {
                Some(known) => {
                    self.live -= usize::from(known.is_live());
                    first.add_to(known);
                    known
                }
                None => added.insert(first.begin()),
            };
            while let Some(next) = rows.next_if(|next| next.key == first.key) {
                next.add_to(versions);
            }
            self.live += usize::from(versions.is_live());
            unknown.extend(added.map(|added| (first.key, added)));
        }
        if self.keys.is_empty() {
            self.keys = BTreeMap::from_iter(unknown);
        } else {
            self.keys.extend(unknown);
        }
    }

    /// Deletes every live key of the range, in key order. `write` is told each key and what it was, and returns the
    /// revision of its tombstone.
    pub fn delete_range(&mut self, range: &KeyRange, mut write: impl FnMut(&[u8], Found) -> Revision) {
        let Some(bounds) = bounds(range) else { return };
        for (key, versions) in self.keys.range_mut::<[u8], _>(bounds) {
            if let Some(last) = versions.current() {
                versions.close(write(key.as_slice(), last));
                self.live -= 1;
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
        let (mut begin, end) = bounds(range)?;
        if let Some(key) = resume {
            begin = Bound::Excluded(key.as_slice());
        }
        let mut walk = self.keys.range::<[u8], _>((begin, end));
        let mut last = None;
        for (key, versions) in walk.by_ref().take(budget) {
            visit(key, versions);
            last = Some(key);
        }
        walk.next()?;
        last.or(resume).cloned()
    }

    /// Compacts at most `budget` keys at `revision`, from after `resume`. `keep` is told the revisions `<= revision`
    /// that stay. Returns where to resume, or `None` when all keys are done.
    pub fn compact(
        &mut self,
        resume: Option<&Key>,
        budget: usize,
        revision: i64,
        mut keep: impl FnMut(Revision),
    ) -> Option<Key> {
        let begin = resume.map_or(Bound::Unbounded, |key| Bound::Excluded(key.as_slice()));
        let mut walk = self.keys.range_mut::<[u8], _>((begin, Bound::Unbounded));
        // The room is asked for at once, though little of it may be needed: at a request this large glibc merges the small
        // chunks freed before. It is to do so at each slice; for the chunks of a whole index it takes 0.1 s and more.
        let mut empty = Vec::with_capacity(budget);
        let mut last = None;
        for (key, versions) in walk.by_ref().take(budget) {
            if versions.compact(revision, &mut keep) {
                empty.push(key.clone());
            }
            last = Some(key);
        }
        let last = last.cloned();
        let done = walk.next().is_none();
        for key in empty {
            self.keys.remove(&key);
        }
        if done { None } else { last }
    }
}

impl KeyInfo {
    pub(crate) fn new(key: Bytes, found: Found) -> KeyInfo {
        // Rows keep no sub-revision of the creation, so none is given even where it is known.
        let created = Revision { main: found.created, sub: 0 };
        KeyInfo { key, modified: found.modified, created, version: found.version }
    }
}

fn push(live: &mut usize, known: &mut Versions, at: Revision) -> Found {
    *live += usize::from(!known.is_live());
    known.push(at)
}

fn created(versions: &Versions) -> Found {
    versions.current().expect("a key is alive after a put")
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// `None` if no key can be in the range.
fn bounds(range: &KeyRange) -> Option<Bounds<'_>> {
    let end = match &range.end {
        RangeEnd::Single => Bound::Included(&range.key[..]),
        RangeEnd::Before(end) if *end <= range.key => return None,
        RangeEnd::Before(end) => Bound::Excluded(&end[..]),
        RangeEnd::Open => Bound::Unbounded,
    };
    Some((Bound::Included(&range.key[..]), end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Keys that share prefixes, some too long to be kept inline.
    fn key(n: u32) -> Vec<u8> {
        format!("/registry/{}/namespace-{:02}/{:04}", ["pods", "events", "p"][n as usize % 3], n % 7, n)
            .into_bytes()
    }

    fn check(index: &Index, keys: &BTreeMap<Vec<u8>, i64>) {
        assert_eq!(index.len(), keys.len());
        assert!(index.keys.keys().map(Key::as_slice).eq(keys.keys()));
    }

    proptest! {
        /// However the rows of a file are cut into calls, the index is the one their writing made.
        #[test]
        fn rows_are_restored_in_pieces(rows in prop::collection::vec((0..9u32, any::<bool>()), 0..60), piece in 1..20usize) {
            let mut written = Index::default();
            let mut restored = Vec::new();
            for (main, (n, tombstone)) in rows.into_iter().enumerate() {
                let (key, at) = (key(n), Revision { main: main as i64, sub: 0 });
                let mut row = RestoredRow { key: Key::new(&key), at, created: 0, version: 0, tombstone };
                if tombstone {
                    written.delete_range(&KeyRange::new(key.into(), Bytes::new()), |_, _| at);
                } else {
                    let now = written.put(&key, at);
                    (row.created, row.version) = (now.created, now.version);
                }
                restored.push(row);
            }
            let (mut index, mut left) = (Index::default(), restored.into_iter().peekable());
            while left.peek().is_some() {
                let mut rows: Vec<_> = left.by_ref().take(piece).collect();
                index.restore(&mut rows);
                prop_assert!(rows.is_empty());
            }
            prop_assert_eq!(index.live(), written.live());
            for n in 0..9 {
                for revision in 0..60 {
                    prop_assert_eq!(index.find(&key(n), revision), written.find(&key(n), revision));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

        /// Inserts, deletes and sliced compactions against an ordered map; ranges in slices of any size.
        #[test]
        fn slices_add_up_to_the_whole(
            rounds in prop::collection::vec((any::<u32>(), 1..600u32, 0..4u32, 1..300usize), 1..12),
            bounds in (any::<u32>(), any::<u32>()),
        ) {
            let mut index = Index::default();
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
