//! Clean pages in memory, shared by the writer and all readers of one file.
//!
//! It never reads the file and never holds a lock while anyone does: a miss is filled by its caller. Pages are spread
//! over shards; each shard evicts by the clock rule. A page enters unreferenced when it was read (so one long scan
//! cannot push out what is used again) and referenced when it was just written.
//!
//! Invariant: an entry equals the committed page of that number that any open root can reach. It holds because a page
//! is rewritten only when no open root reaches it, and the rewrite replaces the entry.

use crate::page::Page;
use rustc_hash::FxHashMap;
use std::sync::{Mutex, MutexGuard};

/// Shards are at most this many; a power of two.
const SHARDS_MAX: usize = 16;
/// Bytes a shard has at least, unless there is but one.
const SHARD_BYTES_MIN: usize = 1 << 20;
/// Bytes counted for each entry beside its page.
const ENTRY_BYTES: usize = 96;

#[derive(Debug)]
pub struct PageCache {
    /// A power of two. The locks are held for a map operation and the moving of the clock hand.
    shards: Vec<Mutex<Shard>>,
}

#[derive(Debug, Default)]
struct Shard {
    /// Page number to its index in `slots`.
    index: FxHashMap<u64, u32>,
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    hand: usize,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Slot {
    id: u64,
    /// `None` in a vacant slot.
    page: Option<Page>,
    referenced: bool,
}

impl PageCache {
    /// A cache of at most `bytes` of pages.
    pub fn new(bytes: usize) -> PageCache {
        let shards = (bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        let shards = 1 << shards.ilog2();
        let bytes_max = bytes / shards;
        let shard = || Mutex::new(Shard { bytes_max, ..Shard::default() });
        PageCache { shards: (0..shards).map(|_| shard()).collect() }
    }

    pub fn get(&self, id: u64) -> Option<Page> {
        let mut shard = self.shard(id);
        let slot = *shard.index.get(&id)?;
        let slot = &mut shard.slots[slot as usize];
        slot.referenced = true;
        slot.page.clone()
    }

    /// Keeps a page that was read.
    pub fn insert_read(&self, id: u64, page: &Page) {
        self.shard(id).insert(id, page, false);
    }

    /// Replaces the page by what is about to be committed.
    pub fn insert_written(&self, id: u64, page: &Page) {
        self.shard(id).insert(id, page, true);
    }

    fn shard(&self, id: u64) -> MutexGuard<'_, Shard> {
        // Neighbours go to different shards, whatever the stride in which pages are used.
        let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let shard = &self.shards[spread as usize & (self.shards.len() - 1)];
        shard.lock().expect("no panic while held")
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().bytes).sum()
    }
}

fn cost(page: &Page) -> usize {
    page.bytes().len() + ENTRY_BYTES
}

impl Shard {
    fn insert(&mut self, id: u64, page: &Page, referenced: bool) {
        if let Some(slot) = self.index.remove(&id) {
            self.vacate(slot);
        }
        // A page that would push out most of the others is not worth it.
        if cost(page) > self.bytes_max / 2 {
            return;
        }
        while self.bytes + cost(page) > self.bytes_max {
            self.evict();
        }
        self.bytes += cost(page);
        let slot = Slot { id, page: Some(page.clone()), referenced };
        let at = match self.vacant.pop() {
            Some(at) => {
                self.slots[at as usize] = slot;
                at
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.index.insert(id, at);
    }

    /// Frees one entry; at least one exists.
    fn evict(&mut self) {
        loop {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[at];
            if slot.page.is_none() {
                continue;
            }
            if std::mem::take(&mut slot.referenced) {
                continue;
            }
            self.index.remove(&slot.id);
            self.vacate(at as u32);
            return;
        }
    }

    fn vacate(&mut self, at: u32) {
        let page = self.slots[at as usize].page.take().expect("an occupied slot");
        self.bytes -= cost(&page);
        self.vacant.push(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Encoder;

    fn page(id: u64, pages: u64) -> Page {
        Page::trusted(Encoder::page(id, true, 0, pages, 1024).finish().into())
    }

    #[test]
    fn stays_within_its_bound() {
        let cache = PageCache::new(20 * (1024 + ENTRY_BYTES));
        for id in 0..1000 {
            cache.insert_read(id, &page(id, 1 + id % 3));
            assert!(cache.bytes() <= 20 * (1024 + ENTRY_BYTES));
        }
        assert!(cache.get(999).is_some() && cache.get(0).is_none());
        cache.insert_read(999, &page(999, 15));
        assert!(cache.get(999).is_none(), "an old version does not outlive a page too large to keep");
    }

    #[test]
    fn a_scan_does_not_push_out_what_is_used() {
        let cache = PageCache::new(20 * (1024 + ENTRY_BYTES));
        cache.insert_read(1, &page(1, 1));
        cache.insert_written(2, &page(2, 1));
        for id in 10..1000 {
            assert!(cache.get(1).is_some() && cache.get(2).is_some(), "at {id}");
            cache.insert_read(id, &page(id, 1));
        }
    }

    #[test]
    fn no_room_at_all() {
        let cache = PageCache::new(0);
        cache.insert_written(1, &page(1, 1));
        assert!(cache.get(1).is_none());
    }
}
