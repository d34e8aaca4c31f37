//! Open calls of one process: what `bin/etcd/src/rpc` is to the server.
//!
//! It never decides more than the server's edge does: proposals wait for their reply, linearizable reads for their
//! round, keep-alives go to the leader's deadlines, configuration changes pass the strict reconfiguration check.

use crate::{
    rpc::{CallId, Request, Response},
    stages::Fault,
};
use member::{Member, Outputs, proposal::Payload, raft::Role};
use proto::{Message, etcdserverpb as pb, mvccpb, raftpb};
use state::{RangeAnswer, RangeStep, lease::Renewal, member::Change};
use std::collections::BTreeMap;

#[derive(Debug)]
enum Read {
    Range(pb::RangeRequest),
    /// A keep-alive that wants to know first whether this member still leads.
    Renew(i64),
}

#[derive(Debug, Default)]
pub struct Edge {
    proposals: BTreeMap<u64, CallId>,
    reads: BTreeMap<u64, (CallId, Read)>,
    next_token: u64,
    /// Keep-alives of leases that have ended and whose revoke is not applied yet.
    expired: Vec<(CallId, i64)>,
    answers: Vec<(CallId, Response)>,
    fault: Option<Fault>,
}

impl Edge {
    /// `stalled`: the clock did not tick for a while, so leadership may be lost without this member knowing.
    pub fn request(&mut self, call: CallId, request: Request, member: &mut Member, stalled: bool) {
        let own = member.settings().member_id;
        let learner = member.state().members().get(own).is_some_and(|own| own.is_learner);
        let serializable = matches!(&request, Request::Range(range) if range.serializable);
        if learner && !serializable {
            return self.answer(call, Response::NotDone("learner"));
        }
        match request {
            Request::Put(put) => self.propose(call, Payload::Put(&put.encode_to_vec()), member),
            Request::Delete(delete) => {
                self.propose(call, Payload::DeleteRange(&delete.encode_to_vec()), member);
            }
            Request::Txn(txn) => self.propose(call, Payload::Txn(&txn.encode_to_vec()), member),
            Request::Compact(revision) => {
                let request = pb::CompactionRequest { revision, physical: false };
                self.propose(call, Payload::Compaction(&request), member);
            }
            Request::Grant { id, ttl_s } => {
                let request = pb::LeaseGrantRequest { id, ttl: ttl_s };
                self.propose(call, Payload::LeaseGrant(&request), member);
            }
            Request::Revoke(id) => {
                self.propose(call, Payload::LeaseRevoke(&pb::LeaseRevokeRequest { id }), member);
            }
            Request::Range(range) if range.serializable => self.range(call, range, member),
            Request::Range(range) => self.read(call, Read::Range(range), member),
            Request::Renew(lease) if stalled => self.read(call, Read::Renew(lease), member),
            Request::Renew(lease) => self.renew(call, lease, member),
            Request::Change(change) => self.change(call, change, member),
        }
    }

    /// What the member's turn has to say to callers.
    pub fn settle(&mut self, member: &mut Member, out: &mut Outputs) {
        for (id, result) in out.replies.drain(..) {
            let Some(call) = self.proposals.remove(&id) else { continue };
            let response = result.map_or_else(Response::Rejected, Response::Done);
            self.answers.push((call, response));
        }
        for id in out.dropped.drain(..) {
            if let Some(call) = self.proposals.remove(&id) {
                self.answers.push((call, Response::NotDone("dropped")));
            }
        }
        for token in out.readable.drain(..) {
            match self.reads.remove(&token) {
                Some((call, Read::Range(range))) => self.range(call, range, member),
                Some((call, Read::Renew(lease))) => self.renew(call, lease, member),
                None => {}
            }
        }
        for token in out.cut_off.drain(..) {
            if let Some((call, _)) = self.reads.remove(&token) {
                self.answers.push((call, Response::NotDone("leader changed")));
            }
        }
        for (call, lease) in std::mem::take(&mut self.expired) {
            self.renew(call, lease, member);
        }
    }

    /// A read hit a disk that failed: the process must stop.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    pub fn take_answers(&mut self) -> Vec<(CallId, Response)> {
        std::mem::take(&mut self.answers)
    }

    /// Callers that have given up are forgotten, as the server does at their deadline.
    pub fn forget(&mut self, gone: CallId, member: &mut Member) {
        let reads: Vec<u64> =
            self.reads.iter().filter(|(_, (call, _))| *call == gone).map(|(t, _)| *t).collect();
        let asked: Vec<u64> =
            self.proposals.iter().filter(|(_, call)| **call == gone).map(|(id, _)| *id).collect();
        self.reads.retain(|token, _| !reads.contains(token));
        self.proposals.retain(|id, _| !asked.contains(id));
        self.expired.retain(|(call, _)| *call != gone);
        if !reads.is_empty() || !asked.is_empty() {
            member.forget(|token| reads.contains(&token), |id| asked.contains(&id));
        }
    }

    fn answer(&mut self, call: CallId, response: Response) {
        self.answers.push((call, response));
    }

    fn propose(&mut self, call: CallId, payload: Payload<'_>, member: &mut Member) {
        match member.propose(payload) {
            Ok(id) => drop(self.proposals.insert(id, call)),
            Err(_) => self.answer(call, Response::NotDone("refused")),
        }
    }

    fn read(&mut self, call: CallId, read: Read, member: &mut Member) {
        self.next_token += 1;
        self.reads.insert(self.next_token, (call, read));
        member.read(self.next_token);
    }

    fn range(&mut self, call: CallId, range: pb::RangeRequest, member: &mut Member) {
        let mut answer = member.state_mut().range(range);
        while let Ok(RangeAnswer::Task(mut task)) = answer {
            answer = match member.state_mut().step_range(&mut task) {
                Ok(RangeStep::Again) => Ok(RangeAnswer::Task(task)),
                Ok(RangeStep::Reply(reply)) => Ok(RangeAnswer::Reply(reply)),
                Ok(RangeStep::Fetch(fetch)) => fetch.run().map(RangeAnswer::Reply).map_err(Into::into),
                Err(failure) => Err(failure),
            };
        }
        let response = match answer {
            Ok(RangeAnswer::Reply(reply)) => Response::Found {
                revision: reply.revision,
                kvs: reply
                    .kvs
                    .into_iter()
                    .map(|kv| mvccpb::KeyValue::decode(kv).expect("a KeyValue"))
                    .collect(),
            },
            Ok(RangeAnswer::Task(_)) => unreachable!("stepped to its end"),
            Err(state::Failure::Reject(reject)) => Response::Rejected(reject),
            Err(state::Failure::Fault(fault)) => {
                self.fault = Some(format!("read: {fault}"));
                return;
            }
        };
        self.answer(call, response);
    }

    fn renew(&mut self, call: CallId, lease: i64, member: &mut Member) {
        match member.renew(lease) {
            Renewal::Renewed { ttl } => self.answer(call, Response::Renewed(ttl)),
            Renewal::NotFound => self.answer(call, Response::Renewed(0)),
            Renewal::NotPrimary => self.answer(call, Response::NotDone("not the leader")),
            Renewal::Expired => self.expired.push((call, lease)),
            Renewal::ClearCheckpoint => unreachable!("checkpoints are off"),
        }
    }

    /// The strict reconfiguration check; a promotion also wants the learner to have almost caught up.
    fn change(&mut self, call: CallId, change: raftpb::ConfChange, member: &mut Member) {
        let members = member.state().members();
        let allowed = match Change::read(&change) {
            Ok(change) if members.validate(&change).is_err() => false,
            Ok(Change::Add(added)) => added.is_learner || members.ready_to_add_voter().is_ok(),
            Ok(Change::Remove(id)) => members.ready_to_remove(id).is_ok(),
            Ok(Change::Promote(id)) => members.ready_to_promote().is_ok() && caught_up(member, id),
            Ok(Change::Update { .. }) => true,
            Err(_) => false,
        };
        if allowed {
            match member.propose_change(change) {
                Ok(id) => drop(self.proposals.insert(id, call)),
                Err(_) => self.answer(call, Response::NotDone("too many changes")),
            }
        } else {
            self.answer(call, Response::NotDone("reconfiguration refused"));
        }
    }
}

/// As etcd's leader judges it: nine tenths of its own log.
fn caught_up(member: &Member, id: u64) -> bool {
    let leads = member.consensus().standing().role == Role::Leader;
    let progress = member.consensus().node().progress();
    let own = progress.iter().find(|p| p.id == member.settings().member_id);
    let its = progress.iter().find(|p| p.id == id);
    leads && own.zip(its).is_some_and(|(own, its)| its.matched * 10 >= own.matched * 9)
}
