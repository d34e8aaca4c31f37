//! Constructors for proto2 raft messages with every scalar present, as etcd writes them.

use crate::raftpb::{ConfState, Entry, EntryType, HardState};
use bytes::Bytes;

impl Entry {
    /// An entry as etcd writes it: all scalars present, data absent when empty (a leader's no-op).
    pub fn new(kind: EntryType, term: u64, index: u64, data: Bytes) -> Self {
        Entry {
            r#type: Some(kind as i32),
            term: Some(term),
            index: Some(index),
            data: if data.is_empty() { None } else { Some(data) },
        }
    }
}

impl HardState {
    /// A hard state with all three fields present.
    pub fn new(term: u64, vote: u64, commit: u64) -> Self {
        HardState { term: Some(term), vote: Some(vote), commit: Some(commit) }
    }

    /// True when no field carries information: etcd neither writes nor sends such a state.
    pub fn is_empty(&self) -> bool {
        self.term() == 0 && self.vote() == 0 && self.commit() == 0
    }
}

impl ConfState {
    /// A simple (non-joint) configuration.
    pub fn simple(voters: Vec<u64>, learners: Vec<u64>) -> Self {
        ConfState { voters, learners, auto_leave: Some(false), ..ConfState::default() }
    }
}
