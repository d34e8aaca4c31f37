//! Calls that wait: for their proposal's result, or for a linearizable read.
//!
//! Invariant: a call is in one map, once. Whoever is gone stays until the result comes or the deadline passes; the
//! RPC server ignores an answer to it.

use super::Desk;
use ::rpc::CallId;
use proto::etcdserverpb::{RangeRequest, TxnRequest};
use rustc_hash::FxHashMap;
use std::{cmp::Reverse, collections::BinaryHeap, collections::VecDeque};

/// When to give up. Milliseconds of the loop's clock.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// The server's request timeout.
    pub own_ms: u64,
    /// The client's deadline, if it sent one.
    pub client_ms: Option<u64>,
}

/// Why a waiting call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    ClientDeadline,
    Proposal,
    Read,
}

/// How a proposal's result is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A unary response.
    Unary,
    /// A lease checkpoint was cleared for a keep-alive, which now goes on by itself.
    KeepAlive,
}

#[derive(Clone, Copy, Debug)]
pub struct Proposal {
    pub call: CallId,
    pub answer: Answer,
}

/// What a read does once it may.
#[derive(Debug)]
pub enum Read {
    Range(RangeRequest),
    RangeStream(RangeRequest),
    Txn(TxnRequest),
    MemberList,
    /// An HTTP health check: nothing is returned but that it worked.
    Probe,
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
        self.own.push_back((deadline.own_ms, key));
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
    proposal_timers: Timers,
    reads: FxHashMap<u64, (CallId, Read)>,
    read_timers: Timers,
    next_token: u64,
    probes: Vec<Probe>,
}

impl Calls {
    pub fn add_proposal(&mut self, request_id: u64, call: CallId, answer: Answer, deadline: Deadline) {
        self.proposals.insert(request_id, Proposal { call, answer });
        self.proposal_timers.add(request_id, deadline);
    }

    pub fn take_proposal(&mut self, request_id: u64) -> Option<Proposal> {
        self.proposals.remove(&request_id)
    }

    /// Puts a read into the next round.
    pub fn add_read(&mut self, call: CallId, read: Read, deadline: Deadline, desk: &mut Desk<'_>) {
        self.next_token += 1;
        self.reads.insert(self.next_token, (call, read));
        self.read_timers.add(self.next_token, deadline);
        desk.member.read(self.next_token);
    }

    pub fn take_read(&mut self, token: u64) -> Option<(CallId, Read)> {
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

    /// Calls whose deadline has passed; they are no longer waited for. Probes end through [`Calls::take_probes`].
    pub fn expired(&mut self, now_ms: u64) -> Vec<(Option<CallId>, Waited)> {
        let mut ended = Vec::new();
        while let Some((id, by_client)) = self.proposal_timers.due(now_ms) {
            if let Some(proposal) = self.proposals.remove(&id) {
                let call = (proposal.answer == Answer::Unary).then_some(proposal.call);
                ended.push((call, if by_client { Waited::ClientDeadline } else { Waited::Proposal }));
            }
        }
        while let Some((token, by_client)) = self.read_timers.due(now_ms) {
            match self.reads.remove(&token) {
                Some((call, Read::Probe)) => {
                    self.end_probe(call, Err("etcdserver: request timed out".to_owned()))
                }
                Some((call, _)) => {
                    ended.push((Some(call), if by_client { Waited::ClientDeadline } else { Waited::Read }));
                }
                None => {}
            }
        }
        let (proposals, reads) = (&self.proposals, &self.reads);
        self.proposal_timers.shrink(|id| proposals.contains_key(&id), proposals.len());
        self.read_timers.shrink(|token| reads.contains_key(&token), reads.len());
        ended
    }
}
