//! Snapshots between members: what a peer that fell behind is sent, and what this member takes in place of its log.
//!
//! It never touches a socket or a file. Sending: raft asks, the backend is made durable up to what is applied, and the
//! message goes out with exactly that state. Receiving: the snapshot's marker is logged, then the shell opens the
//! received database as a new [`State`], which takes the old one's place whole; nothing is applied meanwhile.

use super::Member;
use crate::outputs::{InstallJob, Notice, Outputs, SnapshotJob};
use proto::raftpb;
use state::State;
use std::collections::{BTreeSet, VecDeque};

/// Snapshots under way to peers; a peer beyond that is told to wait for the next try.
const SENDS_MAX: usize = 16;

/// After a snapshot was delivered the log is kept for this long, so that its receiver can go on from there.
const LOG_KEPT_AFTER_SEND_MS: u64 = 30_000;

/// A snapshot that was received.
#[derive(Debug)]
struct Received {
    /// The persist job that logs its marker.
    job: u64,
    index: u64,
    v2_store: bytes::Bytes,
    /// The shell has been asked to open it.
    opening: bool,
}

#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// What raft asked to be sent and has no state with it yet.
    wanted: VecDeque<raftpb::Message>,
    /// Waits until the backend is durable: batches that must be committed first, counted from the start.
    waiting: Vec<(u64, raftpb::Message)>,
    /// Peers a snapshot is on its way to.
    sending: BTreeSet<u64>,
    log_kept_until_ms: u64,
    received: VecDeque<Received>,
}

impl Snapshots {
    /// True while the state is about to be replaced: nothing may be applied or sealed.
    pub(super) fn installing(&self) -> bool {
        !self.received.is_empty()
    }

    /// True while a peer may still need the log as it is.
    pub(super) fn keep_log(&self, now_ms: u64) -> bool {
        !self.sending.is_empty() || now_ms < self.log_kept_until_ms
    }
}

impl Member {
    /// Raft wants a peer to have a snapshot.
    pub(super) fn snapshot_wanted(&mut self, message: raftpb::Message) {
        let peer = message.to();
        if self.snapshots.sending.len() >= SENDS_MAX || !self.snapshots.sending.insert(peer) {
            return self.consensus.node_mut().report_snapshot(peer, false);
        }
        self.snapshots.wanted.push_back(message);
    }

    /// Gives what was asked for the state as it is applied now.
    pub(super) fn prepare_snapshots(&mut self, out: &mut Outputs) {
        if self.snapshots.wanted.is_empty() || self.snapshots.installing() {
            return;
        }
        let snapshot = self.snapshot_at(self.applied_index);
        let after_batch = self.force_commit(out);
        for mut message in std::mem::take(&mut self.snapshots.wanted) {
            message.snapshot = Some(snapshot.clone());
            self.snapshots.waiting.push((after_batch, message));
        }
        self.send_snapshots(out);
    }

    /// Hands out the snapshots whose state is durable. Call after each commit, so that the root is the right one.
    pub(super) fn send_snapshots(&mut self, out: &mut Outputs) {
        let committed = self.batches_committed;
        for (after_batch, message) in std::mem::take(&mut self.snapshots.waiting) {
            if after_batch > committed {
                self.snapshots.waiting.push((after_batch, message));
            } else {
                out.snapshots.push(SnapshotJob { message, root: self.state.root().clone() });
            }
        }
    }

    /// The transport is through with a snapshot to this peer.
    pub fn snapshot_sent(&mut self, peer: u64, delivered: bool) {
        self.snapshots.sending.remove(&peer);
        if delivered {
            self.snapshots.log_kept_until_ms = self.now_ms + LOG_KEPT_AFTER_SEND_MS;
        }
        self.consensus.node_mut().report_snapshot(peer, delivered);
    }

    /// Raft has accepted a snapshot. What was committed before it and is not applied yet is part of it.
    pub(super) fn begin_install(&mut self, job: u64, snapshot: &raftpb::Snapshot) {
        let index = snapshot.metadata.as_ref().map_or(0, |m| m.index());
        let v2_store = snapshot.data.clone().unwrap_or_default();
        self.to_apply.clear();
        // One of its own that still waits for the backend is older: its marker must not come after this one's, or a
        // restart would begin from it and miss entries.
        self.pending_snapshot = None;
        self.snapshots.received.push_back(Received { job, index, v2_store, opening: false });
    }

    /// Snapshots whose marker is durable may take their place.
    pub(super) fn open_received(&mut self, persisted: u64, out: &mut Outputs) {
        for received in &mut self.snapshots.received {
            if received.job <= persisted && !received.opening {
                received.opening = true;
                let options = state::Options {
                    replay_from: received.index,
                    v2_store: Some(received.v2_store.clone()),
                    ..self.state.options().clone()
                };
                out.installs.push(InstallJob { index: received.index, options });
            }
        }
    }

    /// The received database has taken the backend's place and this is its state.
    pub fn installed(&mut self, state: State, out: &mut Outputs) {
        let received = self.snapshots.received.pop_front().expect("a snapshot was being installed");
        let seen = self.state.revision();
        self.state = state;
        self.applied_index = received.index;
        self.snapshot_index = received.index;
        self.trimmed_at = received.index;
        self.compacting = true;
        self.compaction_needs_batch = None;
        out.replies.append(&mut self.physical_waiters);
        self.hub.fall_behind(seen);
        self.consensus.node_mut().applied(received.index);
        out.notices.push(Notice::SnapshotInstalled { index: received.index });
    }
}
