//! The member: consensus, state machine and watchers joined, without I/O.
//!
//! Inputs are calls; what they lead to comes out of [`Member::turn`]. Order of a write: logged, applied, answered.
//! The applier's part of a turn never waits: it stops early when the committer is too far behind, and goes on when
//! a batch has been committed.

mod own;
mod snapshots;
mod versions;

use own::Own;
use snapshots::Snapshots;
use versions::Versions;

use crate::{
    auto_compaction::AutoCompaction,
    consensus::{Consensus, ReadRound, Turn},
    log_writer::{LogDone, LogJob},
    outputs::{HistoryJob, Notice, Outputs, Totals},
    proposal::{self, Payload, Refused},
    raft::Role,
    request_id::RequestIds,
};
use backend::{BATCH_CHANGES_MAX, ReadTx};
use mvcc::{CompactionStep, watch::Hub};
use proto::raftpb;
use state::{Applied, Context, Deadlines, Effect, Reject, Reply, State, Version};
use std::collections::{HashMap, VecDeque};

/// Entries committed and not yet applied beyond which proposals are refused.
const APPLY_GAP_MAX: u64 = 5000;

/// Sealed batches the committer may have queued; applying pauses at this many.
const BATCHES_IN_FLIGHT_MAX: usize = 8;

/// Changes stay uncommitted at most this long.
const COMMIT_INTERVAL_MS: u64 = 100;

/// What a member needs to know about itself. Times in milliseconds, sizes in bytes.
#[derive(Clone, Debug)]
pub struct Settings {
    pub member_id: u64,
    pub cluster_id: u64,
    pub name: String,
    pub client_urls: Vec<String>,
    pub election_ms: u64,
    /// 5 s + 2 × election timeout.
    pub request_timeout_ms: u64,
    pub snapshot_entries: u64,
    pub catchup_entries: u64,
    /// Entries after which the log in memory is trimmed to `catchup_entries`.
    pub trim_entries: u64,
    /// `None`: no quota.
    pub quota_bytes: Option<u64>,
    pub request_bytes_max: usize,
    pub compaction_pause_ms: u64,
    /// The release this member says it is. The cluster version never rises above it.
    pub release: Version,
    pub lease_timing: state::lease::Timing,
}

/// A disk snapshot that waits until the backend is durable up to it.
#[derive(Debug)]
struct PendingSnapshot {
    /// Batches that must be committed first, counted from the start.
    after_batch: u64,
    snapshot: raftpb::Snapshot,
}

#[derive(Debug)]
pub struct Member {
    settings: Settings,
    consensus: Consensus,
    state: State,
    hub: Hub,
    deadlines: Deadlines,
    auto_compaction: Option<AutoCompaction>,
    ids: RequestIds,
    own: HashMap<u64, Own>,
    /// Expired leases whose revoke is still to be proposed; at most what one look at the deadlines gives.
    to_revoke: VecDeque<i64>,
    revokes_in_flight: usize,
    alarm_in_flight: bool,

    to_apply: VecDeque<raftpb::Entry>,
    applied_index: u64,
    rounds: VecDeque<ReadRound>,

    batches_sealed: u64,
    batches_committed: u64,
    last_seal_ms: u64,
    snapshot_index: u64,
    pending_snapshot: Option<PendingSnapshot>,
    snapshots: Snapshots,
    trimmed_at: u64,

    compacting: bool,
    compaction_wake_ms: u64,
    compaction_needs_batch: Option<u64>,
    physical_waiters: Vec<(u64, Result<Reply, Reject>)>,
    history_in_flight: bool,

    stands_once_applied: bool,
    published: bool,
    publish_again_ms: u64,
    next_expiry_ms: u64,
    versions: Versions,
    now_ms: u64,
    totals: Totals,
}

impl Member {
    /// `applied_index`: what the log's snapshot covers. `start_unix_ms` seeds request IDs.
    pub fn new(
        settings: Settings,
        consensus: Consensus,
        state: State,
        auto_compaction: Option<AutoCompaction>,
        snapshot_index: u64,
        start_unix_ms: u64,
    ) -> Self {
        Member {
            ids: RequestIds::new(settings.member_id, start_unix_ms),
            deadlines: Deadlines::new(settings.lease_timing),
            settings,
            consensus,
            state,
            hub: Hub::default(),
            auto_compaction,
            own: HashMap::new(),
            to_revoke: VecDeque::new(),
            revokes_in_flight: 0,
            alarm_in_flight: false,
            to_apply: VecDeque::new(),
            applied_index: snapshot_index,
            rounds: VecDeque::new(),
            batches_sealed: 0,
            batches_committed: 0,
            last_seal_ms: 0,
            snapshot_index,
            pending_snapshot: None,
            snapshots: Snapshots::default(),
            trimmed_at: snapshot_index,
            compacting: true,
            compaction_wake_ms: 0,
            compaction_needs_batch: None,
            physical_waiters: Vec::new(),
            history_in_flight: false,
            stands_once_applied: false,
            published: false,
            publish_again_ms: 0,
            next_expiry_ms: 0,
            versions: Versions::default(),
            now_ms: 0,
            totals: Totals::default(),
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }
    pub fn state(&self) -> &State {
        &self.state
    }
    /// For reads, which pin revisions.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }
    pub fn hub_mut(&mut self) -> &mut Hub {
        &mut self.hub
    }
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }
    pub fn totals(&self) -> Totals {
        self.totals
    }
    pub fn applied_index(&self) -> u64 {
        self.applied_index
    }

    /// What time it is, for the calls that follow. [`Member::turn`] is told on its own.
    pub fn set_time(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// One heartbeat interval has passed.
    pub fn tick(&mut self) {
        self.consensus.tick();
    }

    /// For a member without other voters, which need not wait for a leader that cannot be: it stands as soon as it has
    /// applied what is committed (before, the crate would refuse).
    pub fn stand_once_applied(&mut self) {
        self.stands_once_applied = true;
    }

    /// A message from a peer.
    pub fn step(&mut self, message: &raftpb::Message) -> Result<(), crate::raft::Refused> {
        self.consensus.step(message)
    }

    /// Queues a proposal; its result comes with this request ID.
    pub fn propose(&mut self, payload: Payload<'_>) -> Result<u64, Refused> {
        let gap = self.consensus.standing().commit.saturating_sub(self.applied_index);
        if gap > APPLY_GAP_MAX {
            return Err(Refused::TooManyRequests);
        }
        let id = self.ids.draw();
        let data = proposal::encode(id, payload);
        if data.len() > self.settings.request_bytes_max {
            return Err(Refused::TooLarge);
        }
        if !self.consensus.propose(id, data) {
            return Err(Refused::TooManyRequests);
        }
        Ok(id)
    }

    /// Queues a configuration change, which gets its ID here; the result comes with that ID.
    pub fn propose_change(&mut self, mut change: raftpb::ConfChange) -> Result<u64, Refused> {
        let id = self.ids.draw();
        change.id = Some(id);
        if self.consensus.propose_conf_change(change) { Ok(id) } else { Err(Refused::TooManyRequests) }
    }

    /// Begins to hand leadership to a voter. Does nothing on a member that is not the leader.
    pub fn transfer_leader(&mut self, to: u64) {
        self.consensus.node_mut().transfer_leader(to);
    }

    /// A message to this peer was lost.
    pub fn report_unreachable(&mut self, peer: u64) {
        self.consensus.node_mut().report_unreachable(peer);
    }

    /// An ID for a request that needs one before it is proposed (a lease without an ID).
    pub fn next_id(&mut self) -> u64 {
        self.ids.draw()
    }

    /// Joins the next read round; the token comes back readable, or cut off.
    pub fn read(&mut self, token: u64) {
        self.consensus.read(token);
    }

    /// Callers that have gone or given up; what they asked may still happen.
    pub fn forget(&mut self, gone_reads: impl Fn(u64) -> bool, gone_requests: impl Fn(u64) -> bool) {
        self.consensus.forget_reads(&gone_reads);
        for round in &mut self.rounds {
            round.tokens.retain(|token| !gone_reads(*token));
        }
        let own = &self.own;
        self.consensus.forget_proposals(|id| !own.contains_key(&id) && gone_requests(id));
    }

    /// A keep-alive; see [`state::lease::Renewal`].
    pub fn renew(&mut self, lease: i64) -> state::lease::Renewal {
        let renewal = self.deadlines.renew(self.state.leases(), lease, self.now_ms);
        self.totals.leases_renewed += u64::from(matches!(renewal, state::lease::Renewal::Renewed { .. }));
        renewal
    }

    /// Seconds left of a lease; `None` when this member is not its keeper or it is unknown.
    pub fn remaining(&self, lease: i64) -> Option<i64> {
        self.deadlines.remaining(lease, self.now_ms)
    }

    /// The log writer has finished something.
    pub fn log_done(&mut self, done: LogDone, out: &mut Outputs) {
        match done {
            LogDone::Persisted(number) => {
                self.consensus.persisted(number);
                self.open_received(number, out);
            }
            LogDone::SnapshotSaved { index } => out.notices.push(Notice::SnapshotSaved { index }),
            LogDone::Purged(_) => {}
        }
    }

    /// The committer has finished the oldest batch.
    pub fn committed(&mut self, root: ReadTx, out: &mut Outputs) {
        self.batches_committed += 1;
        self.state.committed(root);
        let ready = self.pending_snapshot.take_if(|p| p.after_batch <= self.batches_committed);
        if let Some(pending) = ready {
            out.log.push(LogJob::Snapshot(pending.snapshot));
        }
        self.send_snapshots(out);
    }

    /// The committer has rewritten the file; its content is the same.
    pub fn defragmented(&mut self, root: ReadTx) {
        self.state.rewritten(root);
    }

    /// History was read: `changes` up to, not including, `next`.
    pub fn history_read(
        &mut self,
        pass: mvcc::watch::CatchUp,
        changes: &[mvcc::Change],
        next: i64,
    ) -> Result<(), mvcc::Error> {
        self.history_in_flight = false;
        let revision = self.state.revision();
        self.hub.caught_up(pass, changes, next, revision, self.state.mvcc(), self.state.buffer())
    }

    /// Asks for the open batch to be committed now; the number of batches that must be committed for that.
    pub fn force_commit(&mut self, out: &mut Outputs) -> u64 {
        self.seal(out);
        self.batches_sealed
    }

    /// Batches committed so far.
    pub fn batches_committed(&self) -> u64 {
        self.batches_committed
    }

    /// Does all there is to do now. Call after inputs, and at the time [`Member::wake_ms`] says.
    pub fn turn(&mut self, now_ms: u64, out: &mut Outputs) -> Result<(), state::Error> {
        self.now_ms = now_ms;
        self.leader_duties(out);
        let turn = self.consensus.turn(now_ms);
        self.take_turn(turn, out);
        self.apply(out)?;
        if self.stands_once_applied && self.applied_index >= self.consensus.standing().commit {
            self.stands_once_applied = false;
            self.consensus.node_mut().campaign();
            let turn = self.consensus.turn(now_ms);
            self.take_turn(turn, out);
        }
        self.release_reads(out);
        self.compaction(out)?;
        self.backend_duties(out);
        self.prepare_snapshots(out);
        self.watch_duties(out);
        Ok(())
    }

    /// When to call [`Member::turn`] again without input; `None`: at the next tick is soon enough.
    pub fn wake_ms(&self) -> Option<u64> {
        let commit = (self.state.buffer_pending() > 0).then_some(self.last_seal_ms + COMMIT_INTERVAL_MS);
        let compaction =
            (self.compacting && self.compaction_needs_batch.is_none()).then_some(self.compaction_wake_ms);
        let revoke = self.has_revokes_to_propose().then_some(self.now_ms);
        let deadline = self.deadlines.next_ms().map(|at| at.max(self.next_expiry_ms));
        [commit, compaction, revoke, deadline].into_iter().flatten().min()
    }

    fn take_turn(&mut self, turn: Turn, out: &mut Outputs) {
        for job in turn.persist {
            if let Some(snapshot) = &job.snapshot {
                self.begin_install(job.number, snapshot);
            }
            out.log.push(LogJob::Persist(job));
        }
        for message in turn.messages {
            if message.r#type() == raftpb::MessageType::MsgSnap {
                self.snapshot_wanted(message);
            } else {
                out.messages.push(message);
            }
        }
        self.to_apply.extend(turn.committed);
        self.rounds.extend(turn.rounds);
        out.cut_off.extend(turn.cut_off);
        for id in turn.dropped {
            match self.own.remove(&id) {
                Some(own) => self.own_done(own, None, out),
                None => out.dropped.push(id),
            }
        }
        for (before, now) in turn.changed {
            if now.role != Role::Leader {
                self.forget_leader_proposals();
            }
            // An alarm that was on its way may be lost with the leader; raising it twice does no harm.
            self.alarm_in_flight = false;
            out.notices.push(Notice::Standing { before, now });
        }
    }

    fn apply(&mut self, out: &mut Outputs) -> Result<(), state::Error> {
        let before = self.applied_index;
        while !self.snapshots.installing()
            && self.batches_sealed - self.batches_committed < BATCHES_IN_FLIGHT_MAX as u64
        {
            let Some(entry) = self.to_apply.pop_front() else { break };
            let context = Context {
                member_id: self.settings.member_id,
                backend_bytes: self.state.root().size(),
                quota_bytes: self.settings.quota_bytes,
            };
            let applied = self.state.apply(&entry, &context)?;
            self.applied_index = entry.index();
            self.after_entry(&entry, applied, out)?;
            if self.state.buffer_pending() >= BATCH_CHANGES_MAX {
                self.seal(out);
            }
        }
        if self.applied_index > before {
            out.applied += self.applied_index - before;
            self.consensus.node_mut().applied(self.applied_index);
            self.maybe_snapshot(out);
            // Applying may have let raft go on (a configuration change, a campaign that waited).
            let turn = self.consensus.turn(self.now_ms);
            self.take_turn(turn, out);
        }
        Ok(())
    }

    fn after_entry(
        &mut self,
        entry: &raftpb::Entry,
        applied: Applied,
        out: &mut Outputs,
    ) -> Result<(), state::Error> {
        if entry.data().is_empty() && entry.r#type() == raftpb::EntryType::EntryNormal {
            self.first_entry_of_term(entry);
        }
        self.totals.changes(&applied.changes);
        if let Some(event) = &applied.lease {
            self.totals.lease(event);
            self.deadlines.observe(event, self.state.leases(), self.now_ms);
        }
        if !applied.changes.is_empty() {
            self.hub
                .notify(&applied.changes, self.state.mvcc(), self.state.buffer())
                .map_err(|e| state::Error::Inconsistent(e.to_string()))?;
        }
        let mut waits_for_compaction = false;
        match applied.effect {
            None => {}
            Some(Effect::RaiseNoSpace) => self.raise_no_space(out),
            Some(Effect::ConfChange(change)) => {
                self.consensus.node_mut().apply_conf_change(&change);
                out.notices.push(Notice::MembersChanged(change));
            }
            Some(Effect::ClusterVersion { from, to }) => {
                out.notices.push(Notice::ClusterVersion { from, to });
                self.follow_cluster_version(out);
            }
            Some(Effect::Compaction { physical }) => {
                self.compacting = true;
                self.compaction_wake_ms = self.now_ms;
                waits_for_compaction = physical;
                out.notices
                    .push(Notice::CompactionScheduled { revision: self.state.mvcc().compact_revision() });
            }
        }
        if applied.request_id == 0 {
            return Ok(());
        }
        match self.own.remove(&applied.request_id) {
            Some(own) => self.own_done(own, Some(&applied.result), out),
            None if waits_for_compaction => self.physical_waiters.push((applied.request_id, applied.result)),
            None => out.replies.push((applied.request_id, applied.result)),
        }
        Ok(())
    }

    /// A new leader's empty entry is applied: it now knows everything its predecessors committed.
    fn first_entry_of_term(&mut self, entry: &raftpb::Entry) {
        let standing = self.consensus.standing();
        if standing.role == Role::Leader && standing.term == entry.term() {
            self.deadlines.promote(self.state.leases(), self.now_ms, self.settings.election_ms);
            self.versions.look_now();
        }
    }

    fn release_reads(&mut self, out: &mut Outputs) {
        while self.rounds.front().is_some_and(|round| round.index <= self.applied_index) {
            let round = self.rounds.pop_front().expect("front was there");
            out.readable.extend(round.tokens);
        }
    }

    // --- the backend -----------------------------------------------------------------------------------------

    fn seal(&mut self, out: &mut Outputs) {
        self.last_seal_ms = self.now_ms;
        if self.snapshots.installing() {
            return;
        }
        if let Some(batch) = self.state.seal() {
            self.batches_sealed += 1;
            out.commit.push(batch);
        }
    }

    fn backend_duties(&mut self, out: &mut Outputs) {
        if self.state.buffer_pending() == 0 || self.snapshots.installing() {
            return;
        }
        let idle = self.batches_sealed == self.batches_committed;
        let due = self.now_ms >= self.last_seal_ms + COMMIT_INTERVAL_MS;
        if due || (idle && self.state.buffer_has_delete()) {
            self.seal(out);
        }
    }

    /// Every `snapshot_entries` a disk snapshot: first the backend up to here, then the marker in the log.
    fn maybe_snapshot(&mut self, out: &mut Outputs) {
        let index = self.applied_index;
        if index.saturating_sub(self.trimmed_at) >= self.settings.trim_entries {
            self.trim_window();
        }
        if index.saturating_sub(self.snapshot_index) <= self.settings.snapshot_entries
            || self.pending_snapshot.is_some()
        {
            return;
        }
        out.notices.push(Notice::SnapshotTriggered { applied: index, last: self.snapshot_index });
        let snapshot = self.snapshot_at(index);
        let after_batch = self.force_commit(out);
        self.snapshot_index = index;
        if after_batch == self.batches_committed {
            out.log.push(LogJob::Snapshot(snapshot));
        } else {
            self.pending_snapshot = Some(PendingSnapshot { after_batch, snapshot });
        }
    }

    /// Raft's view of a snapshot of the state as applied now.
    fn snapshot_at(&self, index: u64) -> raftpb::Snapshot {
        let term = self.consensus.node().term_of(index).expect("an applied entry is in the window");
        raftpb::Snapshot {
            data: Some(self.state.members().to_v2()),
            metadata: Some(raftpb::SnapshotMetadata {
                conf_state: Some(self.state.members().conf_state()),
                index: Some(index),
                term: Some(term),
            }),
        }
    }

    fn trim_window(&mut self) {
        if self.snapshots.keep_log(self.now_ms) {
            return;
        }
        self.trimmed_at = self.applied_index;
        let keep_from = self.applied_index.saturating_sub(self.settings.catchup_entries);
        let snapshot = self.snapshot_at(self.applied_index);
        self.consensus.node_mut().compact(keep_from, &snapshot);
    }

    fn compaction(&mut self, out: &mut Outputs) -> Result<(), state::Error> {
        if !self.compacting || self.now_ms < self.compaction_wake_ms || self.snapshots.installing() {
            return Ok(());
        }
        if self.compaction_needs_batch.is_some_and(|n| n > self.batches_committed) {
            return Ok(());
        }
        self.compaction_needs_batch = None;
        match self.state.compaction_step()? {
            CompactionStep::Again => self.compaction_wake_ms = self.now_ms,
            CompactionStep::Pause => {
                self.compaction_wake_ms = self.now_ms + self.settings.compaction_pause_ms
            }
            CompactionStep::NeedsCommit => self.compaction_needs_batch = Some(self.force_commit(out)),
            CompactionStep::Finished { revision, removed, hash } => {
                out.notices.push(Notice::CompactionFinished { revision, removed, hash });
            }
            CompactionStep::Idle => {
                self.compacting = false;
                if !self.physical_waiters.is_empty() {
                    self.force_commit(out);
                    out.replies.append(&mut self.physical_waiters);
                }
            }
        }
        Ok(())
    }

    fn watch_duties(&mut self, out: &mut Outputs) {
        if !self.history_in_flight {
            let (revision, compacted) = (self.state.revision(), self.state.mvcc().compact_revision());
            if let Some(pass) = self.hub.catch_up(revision, compacted) {
                self.history_in_flight = true;
                out.history.push(HistoryJob { view: self.state.view(), pass });
            }
        }
        out.deliveries.append(&mut self.hub.take());
    }
}
