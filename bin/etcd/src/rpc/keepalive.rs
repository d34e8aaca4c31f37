//! Keep-alives: streams whose requests are answered one after the other, and those other members send on.
//!
//! The leader renews from its deadlines; other members ask it. The first request of a stream may have to wait: for an
//! apply, a read that confirms the leader, a checkpoint to be cleared, or the leader's answer. Nothing overtakes it.

use super::{
    Desk, Edge,
    applied::{Then, is_all_applied},
    asker::{Asker, PeerCall},
    calls::{Answer, Deadline, Read},
    forward::Forwarded,
    headers, status,
};
use crate::http::peer;
use ::rpc::{CallId, Status};
use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb as pb;
use state::lease::Renewal;
use std::collections::{HashMap, VecDeque};

/// Keep-alives of one stream that may wait behind one that is not answered yet; more end the stream.
const QUEUED_MAX: usize = 1000;

/// Heartbeats without a tick after which a leader asks the others whether it still is one.
const TICKS_MISSED_MAX: u64 = 3;

#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<i64>,
    half_closed: bool,
    needs_leader: bool,
    /// The first keep-alive waits for something that will go on with it.
    waits: bool,
    /// Of the first keep-alive, made before it is renewed: its revision must not be newer than the renewal.
    header: Option<pb::ResponseHeader>,
    /// The first keep-alive has waited for what was committed to be applied.
    applied: bool,
    /// The leader has been confirmed for the first keep-alive.
    confirmed: bool,
}

#[derive(Debug, Default)]
pub struct KeepAlives {
    streams: HashMap<CallId, Stream>,
    /// Streams whose first keep-alive is to be tried again after the next apply: its lease is being revoked.
    expiring: Vec<CallId>,
    /// The same for those other members have sent on.
    expiring_for: Vec<(PeerCall, i64)>,
}

impl KeepAlives {
    pub fn open(&mut self, id: CallId, needs_leader: bool) {
        self.streams.insert(id, Stream { needs_leader, ..Stream::default() });
    }

    pub fn has(&self, id: CallId) -> bool {
        self.streams.contains_key(&id)
    }

    pub fn gone(&mut self, id: CallId) {
        self.streams.remove(&id);
    }
}

impl Edge {
    pub(super) fn keep_alive(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) {
        let Some(stream) = self.keepalives.streams.get_mut(&id) else { return };
        match pb::LeaseKeepAliveRequest::decode(body) {
            Ok(request) if stream.queue.len() < QUEUED_MAX => stream.queue.push_back(request.id),
            Ok(_) => {
                let refused = status::of_refused(member::proposal::Refused::TooManyRequests);
                return self.fail_keep_alives(id, &refused, desk);
            }
            Err(error) => return self.fail_keep_alives(id, &status::undecodable_in_stream(&error), desk),
        }
        self.run_keep_alives(id, desk);
    }

    pub(super) fn end_keep_alives(&mut self, id: CallId, desk: &mut Desk<'_>) {
        if let Some(stream) = self.keepalives.streams.get_mut(&id) {
            stream.half_closed = true;
        }
        self.run_keep_alives(id, desk);
    }

    pub(super) fn fail_keep_alives(&mut self, id: CallId, status: &Status, desk: &mut Desk<'_>) {
        if self.keepalives.streams.remove(&id).is_some() {
            desk.server.fail(id, status);
        }
    }

    /// What the first keep-alive waited for has come.
    pub(super) fn resume_keep_alives(&mut self, id: CallId, desk: &mut Desk<'_>) {
        if let Some(stream) = self.keepalives.streams.get_mut(&id) {
            stream.waits = false;
        }
        self.run_keep_alives(id, desk);
    }

    /// Everything committed is applied: if there is no such lease now, there is none.
    pub(super) fn keep_alive_applied(&mut self, id: CallId, desk: &mut Desk<'_>) {
        if let Some(stream) = self.keepalives.streams.get_mut(&id) {
            stream.applied = true;
        }
        self.resume_keep_alives(id, desk);
    }

    pub(super) fn keep_alive_confirmed(&mut self, id: CallId, desk: &mut Desk<'_>) {
        if let Some(stream) = self.keepalives.streams.get_mut(&id) {
            stream.confirmed = true;
        }
        self.resume_keep_alives(id, desk);
    }

    /// The leader has renewed the lease of the first keep-alive; 0: there is none.
    pub(super) fn renewed(&mut self, id: CallId, ttl: i64, desk: &mut Desk<'_>) {
        self.answer_first(id, ttl, desk);
        self.run_keep_alives(id, desk);
    }

    fn answer_first(&mut self, id: CallId, ttl: i64, desk: &mut Desk<'_>) {
        let Some(stream) = self.keepalives.streams.get_mut(&id) else { return };
        let Some(lease) = stream.queue.pop_front() else { return };
        let header = stream.header.take();
        (stream.waits, stream.applied, stream.confirmed) = (false, false, false);
        let response = pb::LeaseKeepAliveResponse { header, id: lease, ttl };
        desk.send(id, &response);
    }

    fn run_keep_alives(&mut self, id: CallId, desk: &mut Desk<'_>) {
        while let Some(stream) = self.keepalives.streams.get_mut(&id)
            && !stream.waits
        {
            let Some(lease) = stream.queue.front().copied() else {
                if stream.half_closed {
                    self.keepalives.streams.remove(&id);
                    desk.server.finish(id);
                }
                return;
            };
            stream.header = stream.header.take().or_else(|| headers::current(desk.member));
            stream.waits = true;
            let (applied, confirmed) = (stream.applied, stream.confirmed);
            self.try_first(id, lease, applied, confirmed, desk);
        }
    }

    /// Answers the first keep-alive, or makes it wait.
    fn try_first(&mut self, id: CallId, lease: i64, applied: bool, confirmed: bool, desk: &mut Desk<'_>) {
        let by = Deadline { own_ms: desk.now_ms + self.config.request_timeout_ms, client_ms: None };
        if desk.member.consensus().is_leader() && !confirmed && self.is_behind(desk.now_ms) {
            return self.calls.add_read(id, Read::KeepAlive, by, desk);
        }
        match desk.member.renew(lease) {
            Renewal::Renewed { ttl } => self.answer_first(id, ttl, desk),
            Renewal::NotFound if applied || is_all_applied(desk.member) => self.answer_first(id, 0, desk),
            // It may have been granted a moment ago.
            Renewal::NotFound => self.after_applied(Then::Renew(id), desk),
            Renewal::NotPrimary => {
                self.forwards.add(Forwarded::Renew { stream: id, lease }, by.own_ms);
            }
            Renewal::Expired => self.keepalives.expiring.push(id),
            Renewal::ClearCheckpoint => match desk.member.clear_checkpoint(lease) {
                Ok(request_id) => {
                    let asker = Asker::Client(id);
                    self.calls.add_proposal(request_id, asker, Answer::KeepAlive, by, desk.now_ms);
                }
                Err(refused) => self.fail_keep_alives(id, &status::of_refused(refused), desk),
            },
        }
    }

    /// True if ticks have been missed: others may have elected a leader meanwhile.
    fn is_behind(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_tick_ms) > TICKS_MISSED_MAX * self.config.heartbeat_ms
    }

    /// A keep-alive that another member has sent on, when everything committed is applied.
    pub(super) fn renew_for(&mut self, call: PeerCall, lease: i64, desk: &mut Desk<'_>) {
        let response = match desk.member.renew(lease) {
            Renewal::Renewed { ttl } => peer::renewed(lease, ttl),
            Renewal::NotFound => peer::text(404, "lease not found"),
            Renewal::NotPrimary => peer::text(400, "not a primary lessor"),
            Renewal::Expired => return self.keepalives.expiring_for.push((call, lease)),
            Renewal::ClearCheckpoint => match desk.member.clear_checkpoint(lease) {
                Ok(request_id) => {
                    let own_ms = desk.now_ms + self.config.request_timeout_ms;
                    let by = Deadline { own_ms, client_ms: None };
                    let (asker, answer) = (Asker::Peer(call), Answer::KeepAliveFor(lease));
                    return self.calls.add_proposal(request_id, asker, answer, by, desk.now_ms);
                }
                Err(refused) => peer::text(400, &refused.to_string()),
            },
        };
        self.peer_answers.push((call, response));
    }

    /// Tries again what waited for a revoke.
    pub(super) fn step_keep_alives(&mut self, desk: &mut Desk<'_>) {
        for id in std::mem::take(&mut self.keepalives.expiring) {
            self.resume_keep_alives(id, desk);
        }
        for (call, lease) in std::mem::take(&mut self.keepalives.expiring_for) {
            self.renew_for(call, lease, desk);
        }
    }

    pub(super) fn cut_keep_alives(&mut self, desk: &mut Desk<'_>) {
        let streams = self.keepalives.streams.iter();
        let cut: Vec<_> = streams.filter(|(_, stream)| stream.needs_leader).map(|(id, _)| *id).collect();
        for id in cut {
            self.fail_keep_alives(id, &status::no_leader(), desk);
        }
    }
}
