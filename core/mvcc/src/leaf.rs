//! A sorted run of keys with their versions: what the index is made of.
//!
//! Beside its entries a leaf keeps the *heads* of their keys: the eight bytes after the prefix all of them share, as
//! big-endian numbers (zero-padded). A search compares heads, which lie in a few cache lines, and looks at whole keys
//! only where heads are equal.
//!
//! Invariants: entries ascend strictly; there are as many heads as entries; all keys share at least their first
//! `skip` bytes (it may be less than they share after removals).

use crate::{key::Key, versions::Versions};

/// Entries above which a leaf is split.
pub(crate) const LEAF_KEYS_MAX: usize = 64;
/// A leaf with fewer entries is merged with its neighbour if both then fit into [`LEAF_KEYS_MERGED_MAX`].
pub(crate) const LEAF_KEYS_MIN: usize = LEAF_KEYS_MAX / 4;
pub(crate) const LEAF_KEYS_MERGED_MAX: usize = LEAF_KEYS_MAX * 3 / 4;

#[derive(Debug, Default)]
pub(crate) struct Leaf {
    skip: usize,
    heads: Vec<u64>,
    entries: Vec<(Key, Versions)>,
}

impl Leaf {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn entries(&self) -> &[(Key, Versions)] {
        &self.entries
    }

    /// For changes of versions; keys stay as they are.
    pub fn entries_mut(&mut self) -> impl DoubleEndedIterator<Item = (&Key, &mut Versions)> {
        self.entries.iter_mut().map(|(key, versions)| (&*key, versions))
    }

    pub fn get(&self, key: &[u8]) -> Option<&Versions> {
        let index = self.search(key).ok()?;
        Some(&self.entries[index].1)
    }

    pub fn get_mut(&mut self, index: usize) -> &mut Versions {
        &mut self.entries[index].1
    }

    /// The place of a key, or where it would be.
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let Some((first, _)) = self.entries.first() else { return Err(0) };
        let prefix = &first.as_slice()[..self.skip];
        let Some(rest) = key.strip_prefix(prefix) else {
            return Err(if key < prefix { 0 } else { self.entries.len() });
        };
        let head = head(rest);
        let begin = self.heads.partition_point(|h| *h < head);
        let same = self.heads[begin..].iter().take_while(|h| **h == head).count();
        let ties = &self.entries[begin..begin + same];
        match ties.binary_search_by(|(tie, _)| tie.as_slice().cmp(key)) {
            Ok(index) => Ok(begin + index),
            Err(index) => Err(begin + index),
        }
    }

    /// The place of the first entry after `key`.
    pub fn after(&self, key: &[u8]) -> usize {
        self.search(key).map_or_else(|index| index, |index| index + 1)
    }

    /// The place of the first entry not before `key`.
    pub fn from(&self, key: &[u8]) -> usize {
        self.search(key).unwrap_or_else(|index| index)
    }

    /// Inserts a key that is not there at the place a search gave. If the leaf was full, the entries that no longer
    /// fit are returned as a new leaf, to be placed after this one.
    pub fn insert(&mut self, index: usize, key: Key, versions: Versions) -> Option<Leaf> {
        if self.len() < LEAF_KEYS_MAX {
            self.insert_in(index, key, versions);
            return None;
        }
        if index == self.len() {
            // Keys that grow fill their leaves.
            let mut next = Leaf::default();
            next.insert_in(0, key, versions);
            return Some(next);
        }
        let half = self.len() / 2;
        let mut next = Leaf { entries: self.entries.split_off(half), ..Leaf::default() };
        next.rebuild();
        self.rebuild();
        if index <= half {
            self.insert_in(index, key, versions);
        } else {
            next.insert_in(index - half, key, versions);
        }
        Some(next)
    }

    /// Removes the entries whose place `gone` names, ascending.
    pub fn remove(&mut self, gone: &[usize]) {
        let (mut index, mut gone) = (0, gone.iter().peekable());
        self.entries.retain(|_| {
            let keep = gone.next_if_eq(&&index).is_none();
            index += 1;
            keep
        });
        self.rebuild();
    }

    /// Takes over the entries of the leaf after this one.
    pub fn append(&mut self, mut next: Leaf) {
        self.entries.append(&mut next.entries);
        self.rebuild();
    }

    /// Precondition: there is room.
    fn insert_in(&mut self, index: usize, key: Key, versions: Versions) {
        let inside = 0 < index && index < self.entries.len();
        let head = key.as_slice().get(self.skip..).map_or(0, head);
        self.entries.insert(index, (key, versions));
        self.heads.insert(index, head);
        // Between two entries a key shares their prefix; at an end it may share less.
        if !inside && self.shared() != self.skip {
            self.rebuild();
        }
    }

    /// Bytes that all keys share.
    fn shared(&self) -> usize {
        let [(first, _), .., (last, _)] = &self.entries[..] else { return 0 };
        first.as_slice().iter().zip(last.as_slice()).take_while(|(a, b)| a == b).count()
    }

    fn rebuild(&mut self) {
        self.skip = self.shared();
        let heads = self.entries.iter().map(|(key, _)| head(&key.as_slice()[self.skip..]));
        self.heads.clear();
        self.heads.extend(heads);
        if self.entries.capacity() > 2 * LEAF_KEYS_MAX.min(self.entries.len() * 2) {
            self.entries.shrink_to_fit();
            self.heads.shrink_to_fit();
        }
    }
}

fn head(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(padded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;

    fn leaf(keys: &[&str]) -> Leaf {
        let mut leaf = Leaf::default();
        for key in keys {
            let index = leaf.search(key.as_bytes()).unwrap_err();
            let versions = Versions::put(Revision { main: 2, sub: 0 }, 2, 1);
            assert!(leaf.insert(index, Key::new(key.as_bytes()), versions).is_none());
        }
        leaf
    }

    /// Shared prefixes that shrink, heads that tie, keys shorter than a head, zero bytes that look like padding.
    #[test]
    fn searching_agrees_with_sorting() {
        let keys = [
            "",
            "\0",
            "\0\0",
            "a",
            "a\0",
            "a\0\0",
            "abcdefgh",
            "abcdefgh\0",
            "abcdefghi",
            "abcdefghij",
            "abcdefgi",
            "b",
            "ba",
            "\u{ff}",
            "a-prefix-longer-than-a-key-kept-inline/1",
            "a-prefix-longer-than-a-key-kept-inline/2",
        ];
        for rotation in 0..keys.len() {
            for count in 0..=keys.len() {
                let chosen: Vec<_> = (0..count).map(|n| keys[(n * 7 + rotation) % keys.len()]).collect();
                let leaf = leaf(&chosen);
                let mut sorted = chosen;
                sorted.sort_unstable();
                assert!(
                    leaf.entries().iter().map(|(k, _)| k.as_slice()).eq(sorted.iter().map(|k| k.as_bytes()))
                );
                for key in keys {
                    assert_eq!(
                        leaf.search(key.as_bytes()),
                        sorted.binary_search(&key),
                        "{key:?} in {sorted:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn removal_leaves_a_leaf_that_can_be_searched() {
        let mut leaf = leaf(&["aa1", "aa2", "aa3", "ab"]);
        leaf.remove(&[1, 3]);
        assert_eq!(leaf.search(b"aa1"), Ok(0));
        assert_eq!(leaf.search(b"aa2"), Err(1));
        assert_eq!(leaf.search(b"aa3"), Ok(1));
        assert_eq!(leaf.search(b"ab"), Err(2));
    }

    #[test]
    fn growing_keys_fill_leaves_and_others_split_in_half() {
        let names: Vec<_> = (0..LEAF_KEYS_MAX).map(|n| format!("{n:03}")).collect();
        let full = || leaf(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let versions = || Versions::put(Revision { main: 2, sub: 0 }, 2, 1);
        let (mut grown, mut split) = (full(), full());
        let next = grown.insert(LEAF_KEYS_MAX, Key::new(b"999"), versions()).unwrap();
        assert_eq!((grown.len(), next.len()), (LEAF_KEYS_MAX, 1));
        let next = split.insert(LEAF_KEYS_MAX - 1, Key::new(b"0625"), versions()).unwrap();
        assert_eq!((split.len(), next.len()), (LEAF_KEYS_MAX / 2, LEAF_KEYS_MAX / 2 + 1));
        assert_eq!(next.search(b"0625"), Ok(LEAF_KEYS_MAX / 2 - 1));
    }
}
