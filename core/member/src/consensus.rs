//! The consensus stage: proposals and reads queue up here and go to raft once per turn, as batches.
//!
//! It never touches disk or the state machine. A proposal made while no leader is known waits (its caller's deadline
//! ends the wait); reads are answered in rounds, one round in flight, each with a context never used before.

use crate::{
    raft::{Node, Persist, ReadIndex, Refused, Role, Standing},
    request_id::RequestIds,
};
use bytes::Bytes;
use proto::raftpb;

/// Proposals that may wait for a leader; more are dropped, as raft would.
pub const PROPOSALS_QUEUED_MAX: usize = 20_000;

/// Configuration changes that may wait for a leader; only one at a time can take effect.
pub const CHANGES_QUEUED_MAX: usize = 100;

/// Bytes of proposals in one message to the leader, unless one alone is larger; a message must not hold up what
/// comes behind it.
const FORWARD_BYTES_MAX: usize = 1 << 20;

/// A read round that is not answered is asked again after this long.
pub const READ_RETRY_MS: u64 = 500;

/// A batch of reads, identified by the caller's tokens, that may be served once `index` is applied.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadRound {
    pub index: u64,
    pub tokens: Vec<u64>,
}

/// What a turn of the stage gives.
#[derive(Debug, Default)]
pub struct Turn {
    pub persist: Vec<Persist>,
    pub messages: Vec<raftpb::Message>,
    pub committed: Vec<raftpb::Entry>,
    pub rounds: Vec<ReadRound>,
    /// Reads that a change of leader has cut off.
    pub cut_off: Vec<u64>,
    /// Request IDs of proposals raft dropped.
    pub dropped: Vec<u64>,
    /// Where the node stood and stands, when role, term or leader changed; oldest first.
    pub changed: Vec<(Standing, Standing)>,
}

#[derive(Debug, Default)]
struct Round {
    tokens: Vec<u64>,
    /// Contexts asked in this round; any of them answers it.
    contexts: Vec<u64>,
    retry_at_ms: u64,
}

#[derive(Debug)]
pub struct Consensus {
    node: Node,
    proposals: Vec<(u64, Bytes)>,
    changes: Vec<raftpb::ConfChange>,
    waiting_reads: Vec<u64>,
    round: Option<Round>,
    contexts: RequestIds,
    standing: Standing,
    committed_in_term: bool,
}

impl Consensus {
    /// `contexts` names the read rounds: no two of any members, in any of their lives, may have the same name.
    pub fn new(node: Node, contexts: RequestIds) -> Self {
        let standing = node.standing();
        Consensus {
            node,
            proposals: Vec::new(),
            changes: Vec::new(),
            waiting_reads: Vec::new(),
            round: None,
            contexts,
            standing,
            committed_in_term: false,
        }
    }

    pub fn node(&self) -> &Node {
        &self.node
    }

    pub fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    pub fn standing(&self) -> Standing {
        self.node.standing()
    }

    pub fn tick(&mut self) {
        self.node.tick();
    }

    pub fn step(&mut self, message: &raftpb::Message) -> Result<(), Refused> {
        self.node.step(message)
    }

    /// Queues a proposal; false when the queue is full.
    pub fn propose(&mut self, request_id: u64, data: Bytes) -> bool {
        if self.proposals.len() >= PROPOSALS_QUEUED_MAX {
            return false;
        }
        self.proposals.push((request_id, data));
        true
    }

    /// Queues a configuration change; false when too many wait.
    pub fn propose_conf_change(&mut self, change: raftpb::ConfChange) -> bool {
        if self.changes.len() >= CHANGES_QUEUED_MAX {
            return false;
        }
        self.changes.push(change);
        true
    }

    /// Joins the next read round.
    pub fn read(&mut self, token: u64) {
        self.waiting_reads.push(token);
    }

    pub fn persisted(&mut self, number: u64) {
        self.node.persisted(number);
    }

    /// Runs raft until it has nothing more to give.
    pub fn turn(&mut self, now_ms: u64) -> Turn {
        let mut turn = Turn::default();
        self.submit(&mut turn);
        self.begin_round(now_ms);
        loop {
            while let Some(output) = self.node.poll() {
                turn.persist.extend(output.persist);
                turn.messages.extend(output.messages);
                turn.committed.extend(output.committed);
                self.end_round(&output.reads, &mut turn);
            }
            self.note_standing(&mut turn);
            // Reads that waited for this round, and a leader's first commit in its term, need another pass.
            let first_commit = self.node.committed_in_term() && !self.committed_in_term;
            self.committed_in_term = self.node.committed_in_term();
            if first_commit && let Some(round) = &mut self.round {
                round.retry_at_ms = now_ms;
            }
            if !self.begin_round(now_ms) {
                return turn;
            }
        }
    }

    fn submit(&mut self, turn: &mut Turn) {
        if self.standing().leader == 0 {
            return;
        }
        if !self.proposals.is_empty() {
            let mut queued = std::mem::take(&mut self.proposals);
            while !queued.is_empty() {
                let rest = if self.is_leader() { Vec::new() } else { queued.split_off(one_message(&queued)) };
                let (ids, batch): (Vec<u64>, Vec<Bytes>) = queued.into_iter().unzip();
                if !self.node.propose(batch) {
                    turn.dropped.extend(ids);
                }
                queued = rest;
            }
        }
        for change in std::mem::take(&mut self.changes) {
            if !self.node.propose_conf_change(&change) {
                turn.dropped.push(change.id());
            }
        }
    }

    /// Starts a round for the waiting reads, or asks again in one that is overdue. True if raft was asked.
    fn begin_round(&mut self, now_ms: u64) -> bool {
        match &mut self.round {
            Some(round) if now_ms < round.retry_at_ms => return false,
            Some(round) => round.retry_at_ms = now_ms + READ_RETRY_MS,
            None if self.waiting_reads.is_empty() => return false,
            None => {
                let tokens = std::mem::take(&mut self.waiting_reads);
                let retry_at_ms = now_ms + READ_RETRY_MS;
                self.round = Some(Round { tokens, contexts: Vec::new(), retry_at_ms });
            }
        }
        let context = self.contexts.draw();
        let round = self.round.as_mut().expect("a round was just set");
        round.contexts.push(context);
        self.node.read_index(context);
        true
    }

    fn end_round(&mut self, reads: &[ReadIndex], turn: &mut Turn) {
        for read in reads {
            if self.round.as_ref().is_some_and(|r| r.contexts.contains(&read.context)) {
                let round = self.round.take().expect("checked above");
                turn.rounds.push(ReadRound { index: read.index, tokens: round.tokens });
            }
        }
    }

    fn note_standing(&mut self, turn: &mut Turn) {
        let now = self.node.standing();
        let before = self.standing;
        self.standing = now;
        if (now.role, now.term, now.leader) == (before.role, before.term, before.leader) {
            return;
        }
        turn.changed.push((before, now));
        self.committed_in_term = false;
        // A read that was asked of one leader must not be answered by another one's round.
        if now.leader != before.leader
            && before.leader != 0
            && let Some(round) = self.round.take()
        {
            turn.cut_off.extend(round.tokens);
        }
    }

    /// Gives up on reads whose callers have gone.
    pub fn forget_reads(&mut self, gone: impl Fn(u64) -> bool) {
        self.waiting_reads.retain(|token| !gone(*token));
        if let Some(round) = &mut self.round {
            round.tokens.retain(|token| !gone(*token));
            if round.tokens.is_empty() {
                self.round = None;
            }
        }
    }

    /// Gives up on proposals not yet handed to raft.
    pub fn forget_proposals(&mut self, gone: impl Fn(u64) -> bool) {
        self.proposals.retain(|(id, _)| !gone(*id));
        self.changes.retain(|change| !gone(change.id()));
    }

    /// Request IDs of what has not been handed to raft, for want of a leader.
    pub fn unproposed(&self) -> impl Iterator<Item = u64> {
        self.proposals.iter().map(|(id, _)| *id).chain(self.changes.iter().map(|change| change.id()))
    }

    pub fn is_leader(&self) -> bool {
        self.standing().role == Role::Leader
    }
}

/// How many of the first proposals go into one message; at least one.
fn one_message(proposals: &[(u64, Bytes)]) -> usize {
    let mut bytes = 0;
    let fits = proposals.iter().take_while(|(_, data)| {
        bytes += data.len();
        bytes <= FORWARD_BYTES_MAX
    });
    fits.count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{NodeConfig, NodeLog};

    fn stage() -> Consensus {
        let config = NodeConfig { id: 1, election_ticks: 10, pre_vote: true, seed: 5 };
        let log = NodeLog { conf_state: raftpb::ConfState::simple(vec![1], vec![]), ..NodeLog::default() };
        Consensus::new(Node::new(&config, log).unwrap(), RequestIds::new(1, 1))
    }

    /// Turns until quiet, persisting at once.
    fn settle(stage: &mut Consensus) -> Turn {
        let mut all = Turn::default();
        loop {
            let turn = stage.turn(0);
            let quiet = turn.persist.is_empty() && turn.committed.is_empty() && turn.rounds.is_empty();
            for job in &turn.persist {
                stage.persisted(job.number);
            }
            if let Some(last) = turn.committed.last() {
                stage.node_mut().applied(last.index());
            }
            all.committed.extend(turn.committed);
            all.rounds.extend(turn.rounds);
            all.dropped.extend(turn.dropped);
            if quiet {
                return all;
            }
        }
    }

    #[test]
    fn proposals_and_reads_wait_for_a_leader() {
        let mut stage = stage();
        assert!(stage.propose(9, Bytes::from_static(b"x")));
        stage.read(4);
        let before = settle(&mut stage);
        assert!(before.committed.is_empty() && before.rounds.is_empty() && before.dropped.is_empty());
        for _ in 0..20 {
            stage.tick();
        }
        let after = settle(&mut stage);
        assert_eq!(after.committed.last().unwrap().data(), b"x");
        assert_eq!(after.rounds.len(), 1);
        assert_eq!(after.rounds[0].tokens, [4]);
    }

    #[test]
    fn reads_that_arrive_together_share_a_round() {
        let mut stage = stage();
        for _ in 0..20 {
            stage.tick();
        }
        settle(&mut stage);
        for token in 1..=3 {
            stage.read(token);
        }
        let turn = settle(&mut stage);
        assert_eq!(turn.rounds, [ReadRound { index: stage.standing().commit, tokens: vec![1, 2, 3] }]);
    }

    #[test]
    fn changes_that_wait_are_bounded() {
        let mut stage = stage();
        let change = |id: usize| raftpb::ConfChange { id: Some(id as u64), ..Default::default() };
        assert!((0..CHANGES_QUEUED_MAX).all(|id| stage.propose_conf_change(change(id))));
        assert!(!stage.propose_conf_change(change(1000)));
        stage.forget_proposals(|id| id == 7);
        assert!(stage.propose_conf_change(change(1000)));
    }

    #[test]
    fn forgotten_calls_are_not_proposed() {
        let mut stage = stage();
        stage.propose(1, Bytes::from_static(b"a"));
        stage.propose(2, Bytes::from_static(b"b"));
        stage.forget_proposals(|id| id == 1);
        for _ in 0..20 {
            stage.tick();
        }
        let data: Vec<_> = settle(&mut stage)
            .committed
            .iter()
            .map(|e| e.data().to_vec())
            .filter(|d| !d.is_empty())
            .collect();
        assert_eq!(data, [b"b".to_vec()]);
    }
}
