//! One raft node: proposals, messages and ticks in; what to persist, send and apply out.

use super::{convert, log_window::LogWindow, slog_bridge};
use bytes::Bytes;
use proto::raftpb;
use raft::{Config, ProgressState, RawNode, ReadOnlyOption, SnapshotStatus, StateRole, eraftpb};
use std::collections::VecDeque;

/// Bytes of entries in one append message, as etcd sets it.
const MESSAGE_BYTES_MAX: u64 = 1024 * 1024;

/// Append messages in flight to one peer, as etcd sets it.
const INFLIGHT_MESSAGES_MAX: usize = 512;

/// How the node is set up. Ticks are heartbeat intervals.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub id: u64,
    /// Election timeout in ticks; the real one is drawn from `[n, 2n)`.
    pub election_ticks: usize,
    pub pre_vote: bool,
    /// Seed of the election timeout's jitter; members need different ones.
    pub seed: u64,
}

/// The log as it was found on disk, from the point it is kept in memory.
#[derive(Debug, Default)]
pub struct NodeLog {
    /// Index and term the entries follow.
    pub index: u64,
    pub term: u64,
    pub hard_state: raftpb::HardState,
    pub conf_state: raftpb::ConfState,
    pub entries: Vec<raftpb::Entry>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

/// Where the node stands: published after every output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub term: u64,
    /// 0: unknown.
    pub leader: u64,
    /// 0: none.
    pub vote: u64,
    pub commit: u64,
}

/// A linearizable read may be served once this index is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadIndex {
    pub context: u64,
    pub index: u64,
}

/// What must reach the log. Jobs are numbered upwards; confirming one confirms all before it.
#[derive(Debug, Default)]
pub struct Persist {
    pub number: u64,
    pub entries: Vec<raftpb::Entry>,
    pub hard_state: Option<raftpb::HardState>,
    /// A snapshot received from the leader, to be recorded before the entries.
    pub snapshot: Option<raftpb::Snapshot>,
    /// False: only the commit index moved, no need to wait for the disk.
    pub sync: bool,
}

#[derive(Debug, Default)]
pub struct Output {
    pub persist: Option<Persist>,
    /// To be sent now.
    pub messages: Vec<raftpb::Message>,
    pub committed: Vec<raftpb::Entry>,
    pub reads: Vec<ReadIndex>,
}

/// Progress of a peer in the leader's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProgress {
    pub id: u64,
    pub matched: u64,
    pub next: u64,
    /// `StateProbe`, `StateReplicate` or `StateSnapshot`.
    pub state: &'static str,
}

pub struct Node {
    raw: RawNode<LogWindow>,
    election_ticks: usize,
    jitter: u64,
    /// Term and role the present election timeout was drawn for.
    jitter_for: Option<(u64, StateRole)>,
    /// Messages that wait for the disk, by the number of the job they wait for.
    held: VecDeque<(u64, Vec<raftpb::Message>)>,
    /// Jobs handed out and not yet confirmed.
    outstanding: VecDeque<u64>,
    /// A commit index not worth a job of its own; it rides with the next one.
    lazy_state: Option<raftpb::HardState>,
    released: Vec<raftpb::Message>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("standing", &self.standing()).finish_non_exhaustive()
    }
}

impl Node {
    pub fn new(config: &NodeConfig, log: NodeLog) -> Result<Node, convert::Refused> {
        let entries: Result<Vec<_>, _> = log.entries.iter().map(convert::entry_in).collect();
        let window = LogWindow::new(log.index, log.term, &log.hard_state, &log.conf_state, entries?);
        let settings = Config {
            id: config.id,
            election_tick: config.election_ticks,
            heartbeat_tick: 1,
            applied: log.index,
            max_size_per_msg: MESSAGE_BYTES_MAX,
            max_inflight_msgs: INFLIGHT_MESSAGES_MAX,
            max_committed_size_per_ready: MESSAGE_BYTES_MAX,
            check_quorum: true,
            pre_vote: config.pre_vote,
            read_only_option: ReadOnlyOption::Safe,
            ..Config::default()
        };
        let raw =
            RawNode::new(&settings, window, &slog_bridge::logger()).expect("a valid raft configuration");
        let mut node = Node {
            raw,
            election_ticks: config.election_ticks,
            jitter: config.seed | 1,
            jitter_for: None,
            held: VecDeque::new(),
            outstanding: VecDeque::new(),
            lazy_state: None,
            released: Vec::new(),
        };
        node.redraw_election_timeout();
        Ok(node)
    }

    pub fn tick(&mut self) {
        if self.awaits_snapshot() {
            return;
        }
        self.raw.tick();
        self.redraw_election_timeout();
    }

    /// Proposes normal entries, all or nothing. False: dropped (no leader, or a leader transfer under way).
    pub fn propose(&mut self, batch: Vec<Bytes>) -> bool {
        let entries = batch.into_iter().map(|data| eraftpb::Entry { data, ..Default::default() });
        let mut message = eraftpb::Message::default();
        message.set_msg_type(eraftpb::MessageType::MsgPropose);
        message.from = self.raw.raft.id;
        message.set_entries(entries.collect::<Vec<_>>().into());
        self.raw.raft.step(message).is_ok()
    }

    pub fn propose_conf_change(&mut self, change: &raftpb::ConfChange) -> bool {
        let data = proto::Message::encode_to_vec(change);
        let entry = raftpb::Entry::new(raftpb::EntryType::EntryConfChange, 0, 0, data.into());
        let Ok(entry) = convert::entry_in(&entry) else { return false };
        let mut message = eraftpb::Message::default();
        message.set_msg_type(eraftpb::MessageType::MsgPropose);
        message.from = self.raw.raft.id;
        message.set_entries(vec![entry].into());
        self.raw.raft.step(message).is_ok()
    }

    /// A message from a peer. Refused ones (and responses from unknown members) change nothing.
    pub fn step(&mut self, message: &raftpb::Message) -> Result<(), convert::Refused> {
        let message = convert::message_in(message)?;
        let ignored = match message.msg_type {
            eraftpb::MessageType::MsgAppendResponse => self.leads_as_removed(),
            eraftpb::MessageType::MsgTimeoutNow => self.awaits_snapshot(),
            _ => false,
        };
        if ignored {
            return Ok(());
        }
        // Errors here mean "from a member we do not know" or "proposal dropped": both are for the sender to notice.
        let _ = self.raw.step(message);
        self.redraw_election_timeout();
        Ok(())
    }

    /// Asks for a read index. The answer comes back with this context, unless the leader cannot give one yet.
    pub fn read_index(&mut self, context: u64) {
        self.raw.read_index(context.to_be_bytes().to_vec());
    }

    /// Tells raft of a configuration change that was applied; every type-1 entry must be reported, in order.
    /// A rejected one is reported with node ID 0.
    pub fn apply_conf_change(&mut self, change: &raftpb::ConfChange) -> raftpb::ConfState {
        let state =
            self.raw.apply_conf_change(&convert::conf_change_in(change)).expect("a simple change applies");
        convert::conf_state_out(&state)
    }

    /// Everything up to `index` is applied.
    pub fn applied(&mut self, index: u64) {
        self.raw.advance_apply_to(index);
    }

    /// The job with this number, and all before it, are durable.
    pub fn persisted(&mut self, number: u64) {
        while self.outstanding.front().is_some_and(|n| *n <= number) {
            self.outstanding.pop_front();
        }
        if !self.leads_as_removed() {
            self.raw.on_persist_ready(number);
        }
        while self.held.front().is_some_and(|(n, _)| *n <= number) {
            let (_, messages) = self.held.pop_front().expect("front was there");
            self.released.extend(messages);
        }
    }

    /// True while a received snapshot is not applied. Such a member must not campaign: the crate would look for
    /// configuration changes among entries that the snapshot has replaced.
    fn awaits_snapshot(&self) -> bool {
        self.raw.raft.raft_log.applied() < self.raw.store().compacted()
    }

    /// True for a leader that has applied its own removal. The crate lets it lead on, and its heartbeats tell the others
    /// that the removal is committed; but it must commit nothing more: the crate would look for its own progress, which
    /// is gone.
    fn leads_as_removed(&self) -> bool {
        let raft = &self.raw.raft;
        raft.state == StateRole::Leader && raft.prs().get(raft.id).is_none()
    }

    /// What there is to do now; `None` when nothing.
    pub fn poll(&mut self) -> Option<Output> {
        if !self.raw.has_ready() && self.released.is_empty() {
            return None;
        }
        let mut output = Output { messages: std::mem::take(&mut self.released), ..Output::default() };
        if self.raw.has_ready() {
            self.take_ready(&mut output);
        }
        Some(output)
    }

    fn take_ready(&mut self, output: &mut Output) {
        let mut ready = self.raw.ready();
        let number = ready.number();
        output.messages.extend(ready.take_messages().into_iter().map(convert::message_out));
        output.committed = ready.take_committed_entries().iter().map(convert::entry_out).collect();
        output.reads = ready
            .take_read_states()
            .into_iter()
            .filter_map(|state| {
                let context = u64::from_be_bytes(state.request_ctx.try_into().ok()?);
                Some(ReadIndex { context, index: state.index })
            })
            .collect();
        let (promises, others): (Vec<_>, Vec<_>) =
            ready.take_persisted_messages().into_iter().map(convert::message_out).partition(is_promise);
        output.messages.extend(others);
        let hard_state = ready.hs().map(convert::hard_state_out);
        let sync = ready.must_sync();
        let snapshot = (!ready.snapshot().is_empty()).then(|| ready.snapshot().clone());
        if let Some(snapshot) = &snapshot {
            self.raw.mut_store().restore(snapshot);
        }
        let entries: Vec<_> = ready.entries().iter().map(convert::entry_out).collect();
        self.raw.mut_store().append(ready.entries());
        self.raw.advance_append_async(ready);

        if !sync && self.outstanding.is_empty() {
            // Nothing that must be durable: the commit index rides with the next job.
            self.lazy_state = hard_state.or(self.lazy_state.take());
            if !self.leads_as_removed() {
                self.raw.on_persist_ready(number);
            }
            output.messages.extend(promises);
            return;
        }
        if !promises.is_empty() {
            self.held.push_back((number, promises));
        }
        self.outstanding.push_back(number);
        output.persist = Some(Persist {
            number,
            entries,
            hard_state: hard_state.or(self.lazy_state.take()),
            snapshot: snapshot.as_ref().map(convert::snapshot_out),
            sync,
        });
    }

    pub fn standing(&self) -> Standing {
        let raft = &self.raw.raft;
        let role = match raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate => Role::PreCandidate,
            StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        };
        Standing {
            role,
            term: raft.term,
            leader: raft.leader_id,
            vote: raft.vote,
            commit: raft.raft_log.committed,
        }
    }

    /// True once an entry of the current term is committed: before that a leader cannot answer read index requests.
    pub fn committed_in_term(&self) -> bool {
        self.raw.raft.commit_to_current_term()
    }

    /// Peers (this member included) as the leader sees them, by ID; empty on a follower.
    pub fn progress(&self) -> Vec<PeerProgress> {
        if self.raw.raft.state != StateRole::Leader {
            return Vec::new();
        }
        let mut peers: Vec<_> = self
            .raw
            .raft
            .prs()
            .iter()
            .map(|(id, p)| PeerProgress {
                id: *id,
                matched: p.matched,
                next: p.next_idx,
                state: match p.state {
                    ProgressState::Probe => "StateProbe",
                    ProgressState::Replicate => "StateReplicate",
                    ProgressState::Snapshot => "StateSnapshot",
                },
            })
            .collect();
        peers.sort_by_key(|p| p.id);
        peers
    }

    /// Stands for election now, not at the election timeout. The crate ignores it while a configuration change that is
    /// committed is not applied.
    pub fn campaign(&mut self) {
        // The error says only that nothing came of it.
        let _ = self.raw.campaign();
        self.redraw_election_timeout();
    }

    pub fn transfer_leader(&mut self, to: u64) {
        self.raw.transfer_leader(to);
    }

    pub fn report_unreachable(&mut self, peer: u64) {
        self.raw.report_unreachable(peer);
    }

    pub fn report_snapshot(&mut self, peer: u64, delivered: bool) {
        let status = if delivered { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.raw.report_snapshot(peer, status);
    }

    /// Forgets log entries up to `index`; peers behind that will be sent `snapshot`.
    pub fn compact(&mut self, index: u64, snapshot: &raftpb::Snapshot) {
        self.raw.mut_store().set_snapshot(snapshot);
        self.raw.mut_store().compact(index);
    }

    /// Last index of the log.
    pub fn last_index(&self) -> u64 {
        self.raw.raft.raft_log.last_index()
    }

    pub fn term_of(&self, index: u64) -> Option<u64> {
        self.raw.store().term_of(index)
    }

    /// The crate draws its election timeout from a thread's random source; ours comes from the seed, so that a
    /// simulation replays. Call after whatever may change term or role, each time: two changes between two calls could
    /// look like none.
    fn redraw_election_timeout(&mut self) {
        let now = Some((self.raw.raft.term, self.raw.raft.state));
        if now == self.jitter_for {
            return;
        }
        self.jitter_for = now;
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let ticks = self.election_ticks + (self.jitter % self.election_ticks as u64) as usize;
        self.raw.raft.set_randomized_election_timeout(ticks);
    }
}

/// Whether a message promises what must be on disk: a vote, or entries. What it does not promise never waits for a
/// disk: an answer to a heartbeat only says that no newer leader is known here, and a request asks.
fn is_promise(message: &raftpb::Message) -> bool {
    use raftpb::MessageType as T;
    !matches!(message.r#type(), T::MsgHeartbeatResp | T::MsgReadIndex | T::MsgProp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single() -> Node {
        let config = NodeConfig { id: 1, election_ticks: 10, pre_vote: true, seed: 3 };
        let log = NodeLog { conf_state: raftpb::ConfState::simple(vec![1], vec![]), ..NodeLog::default() };
        Node::new(&config, log).unwrap()
    }

    /// Persists and applies at once, as a disk without delay would; returns what was committed.
    fn drive(node: &mut Node) -> (Vec<raftpb::Entry>, Vec<ReadIndex>) {
        let (mut committed, mut reads) = (Vec::new(), Vec::new());
        while let Some(output) = node.poll() {
            if let Some(job) = output.persist {
                node.persisted(job.number);
            }
            if let Some(last) = output.committed.last() {
                node.applied(last.index());
            }
            committed.extend(output.committed);
            reads.extend(output.reads);
        }
        (committed, reads)
    }

    #[test]
    fn a_single_node_elects_itself_and_commits_only_what_is_persisted() {
        let mut node = single();
        assert!(!node.propose(vec![Bytes::from_static(b"early")]));
        for _ in 0..20 {
            node.tick();
        }
        drive(&mut node);
        assert_eq!(node.standing().role, Role::Leader);
        assert!(node.propose(vec![Bytes::from_static(b"a"), Bytes::from_static(b"b")]));
        let first = node.poll().unwrap();
        let job = first.persist.unwrap();
        assert_eq!((job.entries.len(), first.committed.len()), (2, 0));
        assert!(node.poll().is_none());
        node.persisted(job.number);
        let (committed, _) = drive(&mut node);
        let data: Vec<_> = committed.iter().map(|e| e.data().to_vec()).collect();
        assert_eq!(data, [b"a".to_vec(), b"b".to_vec()]);
    }

    /// Delivers messages between two nodes until both are quiet, persisting and applying at once.
    fn exchange(nodes: &mut [Node; 2]) {
        loop {
            let mut sent = Vec::new();
            for node in nodes.iter_mut() {
                while let Some(output) = node.poll() {
                    if let Some(job) = output.persist {
                        node.persisted(job.number);
                    }
                    if let Some(last) = output.committed.last() {
                        node.applied(last.index());
                    }
                    sent.extend(output.messages);
                }
            }
            if sent.is_empty() {
                return;
            }
            for message in sent {
                nodes[message.to() as usize - 1].step(&message).unwrap();
            }
        }
    }

    /// Guards against the crate's own draw being left in place: at the beginning, and when a candidate becomes a follower
    /// again before anybody looked.
    #[test]
    fn election_timeouts_come_from_the_seed() {
        let timeouts = || -> Vec<usize> {
            let config = NodeConfig { id: 1, election_ticks: 1000, pre_vote: true, seed: 7 };
            let conf_state = raftpb::ConfState::simple(vec![1, 2], vec![]);
            let mut node = Node::new(&config, NodeLog { conf_state, ..NodeLog::default() }).unwrap();
            let first = node.raw.raft.randomized_election_timeout();
            for _ in 0..first {
                node.tick();
            }
            let heartbeat = raftpb::Message {
                r#type: Some(raftpb::MessageType::MsgHeartbeat as i32),
                from: Some(2),
                to: Some(1),
                term: Some(0),
                ..Default::default()
            };
            assert_eq!(node.standing().role, Role::PreCandidate);
            node.step(&heartbeat).unwrap();
            assert_eq!(node.standing().role, Role::Follower);
            vec![first, node.raw.raft.randomized_election_timeout()]
        };
        assert_eq!(timeouts(), timeouts());
    }

    /// Guards against a campaign, by time or by transfer, whose look at unapplied entries finds them gone.
    #[test]
    fn a_snapshot_is_applied_before_the_next_campaign() {
        let config = NodeConfig { id: 1, election_ticks: 10, pre_vote: true, seed: 3 };
        let conf_state = raftpb::ConfState::simple(vec![1, 2], vec![]);
        let log = NodeLog { conf_state: conf_state.clone(), ..NodeLog::default() };
        let mut node = Node::new(&config, log).unwrap();
        let metadata =
            raftpb::SnapshotMetadata { conf_state: Some(conf_state), index: Some(10), term: Some(1) };
        let message = |kind: raftpb::MessageType, snapshot| raftpb::Message {
            r#type: Some(kind as i32),
            from: Some(2),
            to: Some(1),
            term: Some(1),
            snapshot,
            ..Default::default()
        };
        let snapshot = raftpb::Snapshot { data: None, metadata: Some(metadata) };
        node.step(&message(raftpb::MessageType::MsgSnap, Some(snapshot))).unwrap();
        let job = node.poll().unwrap().persist.unwrap();
        for step in 0..2 {
            node.step(&message(raftpb::MessageType::MsgTimeoutNow, None)).unwrap();
            (0..40).for_each(|_| node.tick());
            assert_eq!(node.standing().role, Role::Follower, "step {step}");
            node.persisted(job.number);
        }
        node.applied(10);
        (0..40).for_each(|_| node.tick());
        assert_eq!(node.standing().role, Role::PreCandidate);
    }

    /// Guards against a lookup in the crate of the progress that a removed leader no longer has.
    #[test]
    fn a_leader_that_is_removed_may_still_persist() {
        let mut nodes = [1, 2].map(|id| {
            let config = NodeConfig { id, election_ticks: 10, pre_vote: true, seed: id };
            let conf_state = raftpb::ConfState::simple(vec![1, 2], vec![]);
            Node::new(&config, NodeLog { conf_state, ..NodeLog::default() }).unwrap()
        });
        for _ in 0..20 {
            nodes[0].tick();
        }
        exchange(&mut nodes);
        assert_eq!(nodes[0].standing().role, Role::Leader);
        assert!(nodes[0].propose(vec![Bytes::from_static(b"x")]));
        let job = nodes[0].poll().unwrap().persist.unwrap();
        nodes[0].apply_conf_change(&raftpb::ConfChange {
            r#type: Some(raftpb::ConfChangeType::ConfChangeRemoveNode as i32),
            node_id: Some(1),
            ..Default::default()
        });
        nodes[0].persisted(job.number);
        exchange(&mut nodes);
        assert!(!nodes[0].propose(vec![Bytes::from_static(b"y")]));
    }

    #[test]
    fn a_read_index_comes_back_with_its_context() {
        let mut node = single();
        for _ in 0..20 {
            node.tick();
        }
        drive(&mut node);
        node.read_index(77);
        let (_, reads) = drive(&mut node);
        assert_eq!(reads, [ReadIndex { context: 77, index: node.standing().commit }]);
    }
}
