//! Leases: grant and revoke through raft; how long one lives, from the leader's deadlines.

use super::{
    Desk, Edge,
    applied::Then,
    asker::{Asker, PeerCall},
    calls::Deadline,
    decode,
    forward::Forwarded,
    headers, status,
};
use crate::http::peer;
use ::rpc::{CallId, Status};
use bytes::Bytes;
use member::proposal::Payload;
use proto::etcdserverpb as pb;

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

    /// The leader answers, once everything committed is applied; other members ask it.
    pub(super) fn lease_time_to_live(
        &mut self,
        id: CallId,
        body: Bytes,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::LeaseTimeToLiveRequest = decode(body)?;
        if desk.member.consensus().is_leader() {
            self.after_applied(Then::TimeToLive(Asker::Client(id), request), desk);
        } else {
            let until_ms = desk.now_ms + self.config.request_timeout_ms;
            self.forwards.add(Forwarded::TimeToLive { call: id, request }, until_ms);
        }
        Ok(())
    }

    /// The answer, as far as this member knows it; its own clients are also told what it lacks.
    pub(super) fn time_to_live_now(
        &mut self,
        asker: Asker,
        request: &pb::LeaseTimeToLiveRequest,
        desk: &mut Desk<'_>,
    ) {
        let found = desk.member.state().leases().get(request.id).map(|lease| {
            let keys = if request.keys { lease.keys.iter().cloned().collect() } else { Vec::new() };
            let ttl = desk.member.remaining(request.id);
            ttl.map(|ttl| pb::LeaseTimeToLiveResponse {
                header: Some(pb::ResponseHeader::default()),
                id: request.id,
                ttl,
                granted_ttl: lease.ttl,
                keys,
            })
        });
        match (asker, found) {
            (Asker::Client(id), None) => send_time_to_live(id, request.id, None, desk),
            (Asker::Client(id), Some(Some(found))) => send_time_to_live(id, request.id, Some(found), desk),
            // Only the leader keeps deadlines, and it has been leader when this began.
            (Asker::Client(id), Some(None)) => desk.server.fail(id, &status::leader_changed()),
            (Asker::Peer(call), found) => self.answer_time_to_live(call, found),
        }
    }

    fn answer_time_to_live(&mut self, call: PeerCall, found: Option<Option<pb::LeaseTimeToLiveResponse>>) {
        let response = match found {
            None => peer::text(404, "lease not found"),
            Some(None) => peer::text(500, "not a primary lessor"),
            Some(Some(response)) => peer::time_to_live(response),
        };
        self.peer_answers.push((call, response));
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
        desk.reply(id, &response);
        Ok(())
    }
}

/// Answers a client; a lease there is not has a TTL of -1.
pub(super) fn send_time_to_live(
    call: CallId,
    lease: i64,
    found: Option<pb::LeaseTimeToLiveResponse>,
    desk: &mut Desk<'_>,
) {
    let unknown = pb::LeaseTimeToLiveResponse { id: lease, ttl: -1, ..Default::default() };
    let mut response = found.unwrap_or(unknown);
    response.header = headers::current(desk.member);
    desk.reply(call, &response);
}
