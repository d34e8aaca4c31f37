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
        self.put_known(key, at, at.main, 1)
    }

    /// Adds a row read at restart. `created` and `version` count only for a key not seen before, whose older rows
    /// are compacted.
    pub fn put_known(&mut self, key: &[u8], at: Revision, created: i64, version: i64) -> Found {
        if Key::fits_inline(key) {
            // Making the key costs nothing, so one descent does for both cases.
            let entry = self.keys.entry(Key::new(key));
            let entry = entry.and_modify(|versions| {
                self.live += usize::from(!versions.is_live());
                versions.push(at);
            });
            let mut added = false;
            let versions = entry.or_insert_with(|| {
                added = true;
                Versions::put(at, created, version)
            });
            self.live += usize::from(added);
            return versions.current().expect("a key is alive after a put");
        }
        if let Some(versions) = self.keys.get_mut(key) {
            self.live += usize::from(!versions.is_live());
            return versions.push(at);
        }
        self.live += 1;
        self.keys.insert(Key::new(key), Versions::put(at, created, version));
        Found { modified: at, created, version }
    }

    /// Adds a tombstone: what the key was, or `None` if it was not alive; then nothing changes.
    pub fn delete(&mut self, key: &[u8], at: Revision) -> Option<Found> {
        let last = self.keys.get_mut(key)?.close(at)?;
        self.live -= 1;
        Some(last)
    }

    /// Adds a tombstone read at restart; the key may be unknown, if its older rows are compacted.
    pub fn restore_tombstone(&mut self, key: &[u8], at: Revision) {
        if self.keys.contains_key(key) {
            self.delete(key, at);
        } else {
            self.keys.insert(Key::new(key), Versions::tombstone(at));
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
        let mut empty = Vec::new();
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
