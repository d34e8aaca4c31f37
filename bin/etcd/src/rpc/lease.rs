//! Leases: grant and revoke through raft, keep-alive and time to live from the leader's deadlines.

use super::{
    Desk, Edge,
    calls::{Answer, Deadline},
    decode, headers, status,
};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use member::proposal::Payload;
use prost::Message;
use proto::etcdserverpb as pb;
use state::lease::Renewal;
use std::collections::{HashMap, VecDeque};

/// Keep-alives of one stream that may wait behind one that is not answered yet; more end the stream.
const KEEPALIVES_QUEUED_MAX: usize = 1000;

impl Edge {
    pub(super) fn lease_grant(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let mut request: pb::LeaseGrantRequest = decode(body)?;
        self.room(state::lease_grant_cost(), desk)?;
        while request.id == 0 {
            request.id = (desk.member.next_id() & i64::MAX as u64) as i64;
        }
        self.propose(id, Payload::LeaseGrant(&request), by, desk)
    }

    pub(super) fn lease_revoke(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::LeaseRevokeRequest = decode(body)?;
        self.propose(id, Payload::LeaseRevoke(&request), by, desk)
    }

    pub(super) fn lease_time_to_live(
        &mut self,
        id: CallId,
        body: Bytes,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::LeaseTimeToLiveRequest = decode(body)?;
        let mut response = pb::LeaseTimeToLiveResponse {
            header: headers::current(desk.member),
            id: request.id,
            ttl: -1,
            ..Default::default()
        };
        if let Some(lease) = desk.member.state().leases().get(request.id) {
            // Only the leader keeps deadlines; a member without one does not know what is left.
            response.ttl = desk.member.remaining(request.id).ok_or_else(status::no_leader)?;
            response.granted_ttl = lease.ttl;
            if request.keys {
                response.keys = lease.keys.iter().cloned().collect();
            }
        }
        desk.server.reply(id, |out| response.encode(out).expect("BytesMut grows"));
        Ok(())
    }

    pub(super) fn lease_leases(
        &mut self,
        id: CallId,
        body: Bytes,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let _: pb::LeaseLeasesRequest = decode(body)?;
        let ids = desk.member.deadlines().by_remaining(desk.member.state().leases());
        let response = pb::LeaseLeasesResponse {
            header: headers::current(desk.member),
            leases: ids.into_iter().map(|id| pb::LeaseStatus { id }).collect(),
        };
        desk.server.reply(id, |out| response.encode(out).expect("BytesMut grows"));
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<i64>,
    half_closed: bool,
    needs_leader: bool,
    /// Its first keep-alive waits for a checkpoint to be cleared.
    clearing: bool,
}

/// Open keep-alive streams. Requests of one stream are answered in order.
#[derive(Debug, Default)]
pub struct KeepAlives {
    streams: HashMap<CallId, Stream>,
    /// Streams whose first keep-alive waits for an apply.
    waiting: Vec<CallId>,
    /// Checkpoint clearings to be registered as proposals by the edge.
    clearings: Vec<(CallId, i64)>,
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

    pub fn request(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        match pb::LeaseKeepAliveRequest::decode(body) {
            Ok(request) if stream.queue.len() < KEEPALIVES_QUEUED_MAX => stream.queue.push_back(request.id),
            Ok(_) => {
                return self.fail(id, &status::of_refused(member::proposal::Refused::TooManyRequests), desk);
            }
            Err(error) => return self.fail(id, &status::undecodable_in_stream(&error), desk),
        }
        self.run(id, desk);
    }

    pub fn half_close(&mut self, id: CallId, desk: &mut Desk<'_>) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.half_closed = true;
        }
        self.run(id, desk);
    }

    /// A checkpoint that stood in the way of a keep-alive is cleared.
    pub fn checkpoint_cleared(&mut self, id: CallId) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.clearing = false;
            self.waiting.push(id);
        }
    }

    fn fail(&mut self, id: CallId, status: &Status, desk: &mut Desk<'_>) {
        self.streams.remove(&id);
        desk.server.fail(id, status);
    }

    fn run(&mut self, id: CallId, desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        while !stream.clearing
            && let Some(lease) = stream.queue.front().copied()
        {
            let ttl = match desk.member.renew(lease) {
                Renewal::Renewed { ttl } => ttl,
                Renewal::NotFound => 0,
                Renewal::NotPrimary => return self.fail(id, &status::no_leader(), desk),
                // Its revoke is under way: answered once that is applied.
                Renewal::Expired => {
                    self.waiting.push(id);
                    return;
                }
                Renewal::ClearCheckpoint => {
                    stream.clearing = true;
                    self.clearings.push((id, lease));
                    return;
                }
            };
            stream.queue.pop_front();
            let header = headers::current(desk.member);
            let response = pb::LeaseKeepAliveResponse { header, id: lease, ttl };
            desk.server.send(id, |out| response.encode(out).expect("BytesMut grows"));
        }
        if stream.half_closed && stream.queue.is_empty() {
            self.streams.remove(&id);
            desk.server.finish(id);
        }
    }

    /// Tries again what waited for an apply.
    pub fn step(&mut self, desk: &mut Desk<'_>) {
        for id in std::mem::take(&mut self.waiting) {
            self.run(id, desk);
        }
    }

    pub fn take_clearings(&mut self) -> Vec<(CallId, i64)> {
        std::mem::take(&mut self.clearings)
    }

    pub fn no_leader(&mut self, desk: &mut Desk<'_>) {
        let cut: Vec<_> = self.streams.iter().filter(|(_, s)| s.needs_leader).map(|(id, _)| *id).collect();
        for id in cut {
            self.fail(id, &status::no_leader(), desk);
        }
    }
}

impl Edge {
    /// Proposes the checkpoints that keep-alives need cleared.
    pub(super) fn clear_checkpoints(&mut self, desk: &mut Desk<'_>) {
        for (id, lease) in self.keepalives.take_clearings() {
            match desk.member.clear_checkpoint(lease) {
                Ok(request_id) => {
                    let by =
                        Deadline { own_ms: desk.now_ms + self.config.request_timeout_ms, client_ms: None };
                    self.calls.add_proposal(request_id, id, Answer::KeepAlive, by);
                }
                Err(refused) => self.keepalives.fail(id, &status::of_refused(refused), desk),
            }
        }
    }
}
