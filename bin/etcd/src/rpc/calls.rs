//! Calls that wait: for their proposal's result, or for a linearizable read.
//!
//! Invariant: a call is in one map, once. Whoever is gone stays until the result comes or the deadline passes; the
//! RPC server ignores an answer to it.

use super::{
    Desk,
    asker::{Asker, PeerCall},
};
use ::rpc::CallId;
use proto::etcdserverpb::{RangeRequest, TxnRequest, downgrade_request::DowngradeAction};
use rustc_hash::FxHashMap;
use state::Version;
use std::{cmp::Reverse, collections::BinaryHeap, collections::VecDeque};

/// When to give up. Milliseconds of the loop's clock.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The server's request timeout; `u64::MAX` for none.
    pub own_ms: u64,
    /// The client's deadline, if it sent one.
    pub client_ms: Option<u64>,
}

impl Deadline {
    /// The client's alone: a call without one waits as long as it is open.
    pub fn of_client(self) -> Deadline {
        Deadline { own_ms: u64::MAX, ..self }
    }
}

/// How a proposal's result is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The response the state machine gave.
    Unary,
    /// The members, and the one of this ID that was added.
    MemberAdd(u64),
    MemberRemove,
    MemberUpdate,
    /// To a client, or to another member.
    MemberPromote,
    /// The cluster version. A cancellation never fails.
    Downgrade(DowngradeAction),
    /// A lease checkpoint was cleared for a keep-alive, which now goes on by itself.
    KeepAlive,
    /// The same for a keep-alive of this lease that another member has sent on.
    KeepAliveFor(i64),
}

#[derive(Clone, Copy, Debug)]
pub struct Proposal {
    pub asker: Asker,
    pub answer: Answer,
    pub since_ms: u64,
}

/// What a read does once it may.
#[derive(Debug)]
pub enum Read {
    Range(RangeRequest),
    RangeStream(RangeRequest),
    Txn(TxnRequest),
    MemberList,
    Downgrade(DowngradeAction, Version),
    /// The first keep-alive of a stream: the leader had to see that it still is one.
    KeepAlive,
    /// Another member asks whether a downgrade is under way.
    DowngradeEnabled,
    /// An HTTP health check: nothing is returned but that it worked.
    Probe,
}

/// A call that has waited too long.
#[derive(Debug)]
pub enum Expired {
    Proposal { id: u64, proposal: Proposal, by_client: bool },
    Read { asker: Asker, read: Read, by_client: bool },
}

/// An HTTP health check's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub call: CallId,
    pub result: Result<(), String>,
}

/// Deadlines of one kind of call. The server's own come in order; clients' do not.
#[derive(Debug, Default)]
struct Timers {
    own: VecDeque<(u64, u64)>,
    client: BinaryHeap<Reverse<(u64, u64)>>,
}

impl Timers {
    fn add(&mut self, key: u64, deadline: Deadline) {
        if deadline.own_ms != u64::MAX {
            self.own.push_back((deadline.own_ms, key));
        }
        if let Some(at) = deadline.client_ms.filter(|at| *at < deadline.own_ms) {
            self.client.push(Reverse((at, key)));
        }
    }

    /// The next key that is due, and whether by the client's deadline.
    fn due(&mut self, now_ms: u64) -> Option<(u64, bool)> {
        if self.client.peek().is_some_and(|Reverse((at, _))| *at <= now_ms) {
            return self.client.pop().map(|Reverse((_, key))| (key, true));
        }
        if self.own.front().is_some_and(|(at, _)| *at <= now_ms) {
            return self.own.pop_front().map(|(_, key)| (key, false));
        }
        None
    }

    /// Drops the timers of calls that ended, when they outnumber those that wait.
    fn shrink(&mut self, waiting: impl Fn(u64) -> bool, count: usize) {
        while self.own.front().is_some_and(|(_, key)| !waiting(*key)) {
            self.own.pop_front();
        }
        if self.client.len() > 2 * count + 1024 {
            self.client.retain(|Reverse((_, key))| waiting(*key));
        }
    }
}

#[derive(Debug, Default)]
pub struct Calls {
    proposals: FxHashMap<u64, Proposal>,
    /// Proposals without a deadline of the server's.
    unbounded: FxHashMap<CallId, u64>,
    proposal_timers: Timers,
    reads: FxHashMap<u64, (Asker, Read)>,
    read_timers: Timers,
    next_token: u64,
    probes: Vec<Probe>,
    /// Proposals given up, since the start.
    failed: u64,
}

/// What the metrics show of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposalFigures {
    pub pending: usize,
    /// Since the start: those whose time was up, and those that their callers gave up.
    pub failed: u64,
}

impl Calls {
    pub fn add_proposal(&mut self, request_id: u64, asker: Asker, answer: Answer, by: Deadline, now_ms: u64) {
        if let (Asker::Client(call), u64::MAX) = (asker, by.own_ms) {
            self.unbounded.insert(call, request_id);
        }
        self.proposals.insert(request_id, Proposal { asker, answer, since_ms: now_ms });
        self.proposal_timers.add(request_id, by);
    }

    pub fn take_proposal(&mut self, request_id: u64) -> Option<Proposal> {
        let proposal = self.proposals.remove(&request_id)?;
        if let Asker::Client(call) = proposal.asker
            && !self.unbounded.is_empty()
        {
            self.unbounded.remove(&call);
        }
        Some(proposal)
    }

    /// Puts a read into the next round.
    pub fn add_read(&mut self, call: CallId, read: Read, deadline: Deadline, desk: &mut Desk<'_>) {
        self.add_read_of(Asker::Client(call), read, deadline, desk);
    }

    fn add_read_of(&mut self, call: Asker, read: Read, deadline: Deadline, desk: &mut Desk<'_>) {
        self.next_token += 1;
        self.reads.insert(self.next_token, (call, read));
        self.read_timers.add(self.next_token, deadline);
        desk.member.read(self.next_token);
    }

    /// Another member's question whether a downgrade is under way.
    pub fn add_downgrade_enabled(&mut self, call: PeerCall, by: Deadline, desk: &mut Desk<'_>) {
        self.add_read_of(Asker::Peer(call), Read::DowngradeEnabled, by, desk);
    }

    pub fn proposal_figures(&self) -> ProposalFigures {
        ProposalFigures { pending: self.proposals.len(), failed: self.failed }
    }

    pub fn take_read(&mut self, token: u64) -> Option<(Asker, Read)> {
        self.reads.remove(&token)
    }

    pub fn has_read(&self, token: u64) -> bool {
        self.reads.contains_key(&token)
    }

    pub fn has_proposal(&self, request_id: u64) -> bool {
        self.proposals.contains_key(&request_id)
    }

    pub fn is_empty(&self) -> bool {
        self.proposals.is_empty() && self.reads.is_empty()
    }

    pub fn add_probe(&mut self, call: CallId, serializable: bool, desk: &mut Desk<'_>) {
        if serializable {
            return self.probes.push(Probe { call, result: Ok(()) });
        }
        let timeout = desk.member.settings().request_timeout_ms;
        let deadline = Deadline { own_ms: desk.now_ms + timeout, client_ms: None };
        self.add_read(call, Read::Probe, deadline, desk);
    }

    pub fn end_probe(&mut self, call: CallId, result: Result<(), String>) {
        self.probes.push(Probe { call, result });
    }

    pub fn take_probes(&mut self) -> Vec<Probe> {
        std::mem::take(&mut self.probes)
    }

    /// A call without a deadline is not waited for once it has gone; the others are, until their deadline.
    pub fn gone(&mut self, id: CallId) {
        if let Some(request_id) = self.unbounded.remove(&id)
            && self.proposals.remove(&request_id).is_some()
        {
            self.failed += 1;
        }
    }

    /// Calls whose deadline has passed; they are no longer waited for.
    pub fn expired(&mut self, now_ms: u64) -> Vec<Expired> {
        let mut ended = Vec::new();
        while let Some((id, by_client)) = self.proposal_timers.due(now_ms) {
            if let Some(proposal) = self.proposals.remove(&id) {
                self.failed += 1;
                ended.push(Expired::Proposal { id, proposal, by_client });
            }
        }
        while let Some((token, by_client)) = self.read_timers.due(now_ms) {
            if let Some((asker, read)) = self.reads.remove(&token) {
                ended.push(Expired::Read { asker, read, by_client });
            }
        }
        let (proposals, reads) = (&self.proposals, &self.reads);
        self.proposal_timers.shrink(|id| proposals.contains_key(&id), proposals.len());
        self.read_timers.shrink(|token| reads.contains_key(&token), reads.len());
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_wait_until_their_result_or_fail() {
        let mut calls = Calls::default();
        let call = |stream| CallId { connection: 1, stream };
        let by = |own_ms| Deadline { own_ms, client_ms: None };
        for (id, own_ms) in [(1, 100), (2, 200), (3, u64::MAX), (4, 300)] {
            calls.add_proposal(id, Asker::Client(call(id as u32)), Answer::Unary, by(own_ms), 0);
        }
        assert_eq!(calls.proposal_figures(), ProposalFigures { pending: 4, failed: 0 });
        assert!(calls.take_proposal(1).is_some());
        assert_eq!(calls.proposal_figures(), ProposalFigures { pending: 3, failed: 0 });
        assert_eq!(calls.expired(250).len(), 1);
        assert_eq!(calls.proposal_figures(), ProposalFigures { pending: 2, failed: 1 });
        calls.gone(call(3));
        calls.gone(call(4));
        assert_eq!(calls.proposal_figures(), ProposalFigures { pending: 1, failed: 2 });
    }
}
