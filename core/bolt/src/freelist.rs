//! Pages that hold nothing reachable: free ones, and ones an open root may still reach.
//!
//! It never looks at page contents. A page freed by transaction T that was allocated by transaction A is visible to the
//! roots of transactions A..T (T excluded), so it is free once none of those is open, even while an older one is.
//!
//! Invariants: extents do not overlap or touch; a blocked page is in exactly one list, that of an open root that may
//! reach it.

use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Pages whose allocating transaction is remembered, at most. Beyond, a page counts as old as the file, which only
/// delays its reuse.
const BIRTHS_MAX: usize = 1 << 20;

/// Neighbouring pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub start: u64,
    pub len: u64,
}

#[derive(Clone, Copy, Debug)]
struct Blocked {
    extent: Extent,
    born: u64,
    freed: u64,
}

#[derive(Debug, Default)]
pub struct FreePages {
    /// Start to length.
    extents: BTreeMap<u64, u64>,
    /// The same, as (length, start).
    by_len: BTreeSet<(u64, u64)>,
    /// By the transaction of an open root that may reach them.
    blocked: BTreeMap<u64, Vec<Blocked>>,
    /// Pages in `extents` and in `blocked`.
    free: u64,
    waiting: u64,
    /// First page of an allocation, to the transaction that made it; kept only while an older root is open.
    births: FxHashMap<u64, u64>,
    births_newest: u64,
}

impl FreePages {
    /// Free pages, counting those that wait for a reader.
    pub fn count(&self) -> u64 {
        self.free + self.waiting
    }

    /// Adds pages that no root reaches.
    pub fn insert(&mut self, extent: Extent) {
        let Extent { mut start, mut len } = extent;
        self.free += len;
        if let Some((&before, &before_len)) = self.extents.range(..start).next_back() {
            assert!(before + before_len <= start, "page {start} is freed twice");
            if before + before_len == start {
                self.forget(before, before_len);
                (start, len) = (before, before_len + len);
            }
        }
        if let Some((&after, &after_len)) = self.extents.range(start..).next() {
            assert!(start + len <= after, "page {after} is freed twice");
            if start + len == after {
                self.forget(after, after_len);
                len += after_len;
            }
        }
        self.remember(start, len);
    }

    /// Takes `pages` neighbouring pages: of singles the lowest, of runs the shortest that suffices.
    pub fn allocate(&mut self, pages: u64) -> Option<u64> {
        let (start, len) = if pages == 1 {
            self.extents.first_key_value().map(|(start, len)| (*start, *len))?
        } else {
            self.by_len.range((pages, 0)..).next().map(|(len, start)| (*start, *len))?
        };
        self.forget(start, len);
        if len > pages {
            self.remember(start + pages, len - pages);
        }
        self.free -= pages;
        Some(start)
    }

    fn forget(&mut self, start: u64, len: u64) {
        self.extents.remove(&start);
        self.by_len.remove(&(len, start));
    }

    fn remember(&mut self, start: u64, len: u64) {
        self.extents.insert(start, len);
        self.by_len.insert((len, start));
    }

    /// Notes that transaction `txid` allocated the page or run at `start`. `open` are the transactions of open roots,
    /// ascending.
    pub fn allocated(&mut self, start: u64, txid: u64, open: &[u64]) {
        // Only a root older than the newest can be so old that it does not reach the page.
        let matters = open.first().is_some_and(|oldest| oldest + 1 < txid);
        if matters && self.births.len() < BIRTHS_MAX {
            self.births.insert(start, txid);
            self.births_newest = txid;
        } else {
            // An earlier life of the page says nothing any more.
            self.births.remove(&start);
        }
    }

    /// Pages that transaction `txid`, now committed, no longer reaches. `open` are the transactions of open roots
    /// before it, ascending.
    pub fn release(&mut self, freed: impl IntoIterator<Item = Extent>, txid: u64, open: &[u64]) {
        for extent in freed {
            let born = self.births.remove(&extent.start).unwrap_or(0);
            self.settle(Blocked { extent, born, freed: txid }, open);
        }
    }

    /// Frees what waited for roots that are no longer among `open`.
    pub fn unblock(&mut self, open: &[u64]) {
        let closed: Vec<u64> =
            self.blocked.keys().copied().filter(|txid| open.binary_search(txid).is_err()).collect();
        for txid in closed {
            for blocked in self.blocked.remove(&txid).unwrap_or_default() {
                self.waiting -= blocked.extent.len;
                self.settle(blocked, open);
            }
        }
        if open.first().is_none_or(|oldest| *oldest >= self.births_newest) {
            self.births.clear();
        }
    }

    fn settle(&mut self, blocked: Blocked, open: &[u64]) {
        // The oldest root that may reach it: likely the one that stays open longest, so it is looked at least often.
        let at = open.partition_point(|txid| *txid < blocked.born);
        match open.get(at) {
            Some(txid) if *txid < blocked.freed => {
                self.waiting += blocked.extent.len;
                self.blocked.entry(*txid).or_default().push(blocked);
            }
            _ => self.insert(blocked.extent),
        }
    }

    #[cfg(test)]
    fn pages(&self) -> Vec<u64> {
        self.extents.iter().flat_map(|(start, len)| *start..start + len).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(start: u64, len: u64) -> Extent {
        Extent { start, len }
    }

    #[test]
    fn extents_join_and_split() {
        let mut free = FreePages::default();
        for (start, len) in [(10, 2), (20, 3), (12, 8), (5, 1)] {
            free.insert(extent(start, len));
        }
        assert_eq!(free.extents, BTreeMap::from([(5, 1), (10, 13)]));
        assert_eq!(free.by_len, BTreeSet::from([(1, 5), (13, 10)]));
        assert_eq!(free.allocate(14), None);
        assert_eq!(free.allocate(1), Some(5));
        assert_eq!(free.allocate(2), Some(10));
        free.insert(extent(30, 2));
        assert_eq!(free.allocate(2), Some(30), "the shortest run that suffices");
        assert_eq!(free.allocate(1), Some(12));
        assert_eq!((free.count(), free.pages()), (10, (13..23).collect()));
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn freeing_twice_is_a_mistake() {
        let mut free = FreePages::default();
        free.insert(extent(10, 5));
        free.insert(extent(12, 1));
    }

    /// Root 3 stays open. Pages it reaches wait for it; pages born and freed after it wait for younger roots only.
    #[test]
    fn reuse_waits_for_the_roots_that_reach_the_page() {
        let mut free = FreePages::default();
        free.allocated(100, 5, &[3, 4]);
        free.release([extent(50, 1)], 5, &[3, 4]);
        free.release([extent(100, 2)], 6, &[3, 5]);
        assert_eq!((free.count(), free.pages()), (3, vec![]));
        free.unblock(&[3, 6]);
        assert_eq!(free.pages(), [100, 101]);
        free.unblock(&[6, 7]);
        assert_eq!(free.pages(), [50, 100, 101]);
        assert_eq!(free.count(), 3);
        assert!(free.births.is_empty() && free.blocked.is_empty());
    }

    #[test]
    fn a_page_born_again_is_not_taken_for_its_former_self() {
        let mut free = FreePages::default();
        free.allocated(100, 9, &[3]);
        free.allocated(100, 10, &[9]);
        free.release([extent(100, 1)], 12, &[5]);
        assert_eq!(free.pages(), [], "root 5 may reach it");
    }
}
