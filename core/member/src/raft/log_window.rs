//! The part of the raft log that is kept in memory: what the crate reads back through its storage trait.
//!
//! It never reads disk. Invariant: `entries[i].index == first + i`; everything below `first` is covered by the
//! compaction point (`first - 1`, `compacted_term`).

use super::convert;
use proto::raftpb;
use raft::{
    GetEntriesContext, RaftState, Storage, StorageError,
    eraftpb::{ConfState, Entry, HardState, Snapshot},
    util::limit_size,
};
use std::collections::VecDeque;

#[derive(Debug)]
pub struct LogWindow {
    entries: VecDeque<Entry>,
    /// Index of `entries[0]` (or of the entry that will come first).
    first: u64,
    /// Term of entry `first - 1`.
    compacted_term: u64,
    hard_state: HardState,
    conf_state: ConfState,
    /// What a peer that is behind the window is told; the payload is attached by the snapshot sender.
    snapshot: Snapshot,
}

impl LogWindow {
    /// A window whose log was compacted at (`index`, `term`); `entries` follow without a gap.
    pub fn new(
        index: u64,
        term: u64,
        hard_state: &raftpb::HardState,
        conf_state: &raftpb::ConfState,
        entries: Vec<Entry>,
    ) -> Self {
        let conf_state = convert::conf_state_in(conf_state);
        let mut snapshot = Snapshot::default();
        snapshot.mut_metadata().index = index;
        snapshot.mut_metadata().term = term;
        snapshot.mut_metadata().set_conf_state(conf_state.clone());
        assert!(entries.first().is_none_or(|e| e.index == index + 1), "log window starts with a gap");
        LogWindow {
            entries: entries.into(),
            first: index + 1,
            compacted_term: term,
            hard_state: convert::hard_state_in(hard_state),
            conf_state,
            snapshot,
        }
    }

    /// Adds entries; those with an index already present replace it and everything after it.
    pub fn append(&mut self, entries: &[Entry]) {
        let Some(head) = entries.first() else { return };
        assert!(head.index >= self.first, "append below the window");
        let keep = (head.index - self.first) as usize;
        assert!(keep <= self.entries.len(), "append leaves a gap");
        self.entries.truncate(keep);
        self.entries.extend(entries.iter().cloned());
    }

    /// Forgets entries up to and including `index`, which must be in the window.
    pub fn compact(&mut self, index: u64) {
        if index < self.first {
            return;
        }
        let term = self.term_of(index).expect("compaction point lies in the window");
        self.entries.drain(..=(index - self.first) as usize);
        self.first = index + 1;
        self.compacted_term = term;
    }

    /// Sets what peers behind the window are sent.
    pub fn set_snapshot(&mut self, snapshot: &raftpb::Snapshot) {
        self.snapshot = convert::snapshot_in(snapshot);
    }

    /// Replaces the whole window after a snapshot from the leader.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        let metadata = snapshot.get_metadata();
        self.entries.clear();
        self.first = metadata.index + 1;
        self.compacted_term = metadata.term;
        self.conf_state = metadata.get_conf_state().clone();
        self.snapshot = snapshot.clone();
    }

    /// The last index below the window: a snapshot covers it and all before.
    pub fn compacted(&self) -> u64 {
        self.first - 1
    }

    pub fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }

    pub fn term_of(&self, index: u64) -> Option<u64> {
        if index + 1 == self.first {
            return Some(self.compacted_term);
        }
        self.entries.get(index.checked_sub(self.first)? as usize).map(|e| e.term)
    }
}

impl Storage for LogWindow {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState { hard_state: self.hard_state.clone(), conf_state: self.conf_state.clone() })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first {
            return Err(StorageError::Compacted.into());
        }
        if high > self.last() + 1 {
            return Err(StorageError::Unavailable.into());
        }
        let range = (low - self.first) as usize..(high - self.first) as usize;
        let max_size = max_size.into();
        let Some(max) = max_size else { return Ok(self.entries.range(range).cloned().collect()) };
        // Stop cloning soon after the limit; `limit_size` then cuts exactly as the crate expects.
        let mut bytes = 0u64;
        let mut out = Vec::new();
        for entry in self.entries.range(range) {
            bytes += entry.data.len() as u64;
            out.push(entry.clone());
            if bytes > max {
                break;
            }
        }
        limit_size(&mut out, Some(max));
        Ok(out)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.term_of(index).ok_or_else(|| {
            if index < self.first { StorageError::Compacted.into() } else { StorageError::Unavailable.into() }
        })
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.first)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        if self.snapshot.get_metadata().index < request_index {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(self.snapshot.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> Entry {
        Entry { index, term, data: vec![0u8; 10].into(), ..Default::default() }
    }

    fn window() -> LogWindow {
        let entries = (6..=10).map(|i| entry(i, 2)).collect();
        LogWindow::new(5, 1, &Default::default(), &Default::default(), entries)
    }

    fn get(w: &LogWindow, low: u64, high: u64, max: Option<u64>) -> raft::Result<Vec<u64>> {
        let entries = w.entries(low, high, max, GetEntriesContext::empty(false))?;
        Ok(entries.iter().map(|e| e.index).collect())
    }

    #[test]
    fn reads_inside_and_outside() {
        let w = window();
        assert_eq!(get(&w, 6, 11, None).unwrap(), [6, 7, 8, 9, 10]);
        assert_eq!(get(&w, 6, 11, Some(0)).unwrap(), [6]);
        assert!(get(&w, 5, 7, None).is_err());
        assert!(get(&w, 6, 12, None).is_err());
        assert_eq!((w.term(5).unwrap(), w.term(6).unwrap()), (1, 2));
        assert!(w.term(4).is_err() && w.term(11).is_err());
    }

    #[test]
    fn append_overwrites_a_tail_and_compact_forgets_a_head() {
        let mut w = window();
        w.append(&[entry(9, 3), entry(10, 3), entry(11, 3)]);
        assert_eq!((w.last(), w.term_of(9), w.term_of(8)), (11, Some(3), Some(2)));
        w.compact(8);
        assert_eq!((w.first_index().unwrap(), w.term_of(8), w.term_of(7)), (9, Some(2), None));
        w.compact(3);
        assert_eq!(w.first_index().unwrap(), 9);
    }
}
