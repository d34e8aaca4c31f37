//! What depends on the leader: waits for what it committed, requests sent on to it, and what a timeout says of it.

use super::{
    Desk, Edge,
    applied::{Then, is_all_applied},
    asker::Asker,
    calls::Expired,
    cluster::quorum,
    forward::{Forward, Forwarded, Settled},
    lease::send_time_to_live,
    status,
};
use crate::{connected::Connected, http::peer};
use ::peer::{Answer, Request, RequestError};
use ::rpc::Status;
use std::collections::HashSet;

impl Edge {
    /// Who is connected. The transport's owner keeps it.
    pub fn connected_mut(&mut self) -> &mut Connected {
        &mut self.connected
    }

    pub(super) fn note_leader(&mut self, desk: &Desk<'_>) {
        let leads = desk.member.consensus().is_leader();
        if leads && !self.leads {
            self.elected_ms = Some(desk.now_ms);
        }
        self.leads = leads;
    }

    // --- waits for an apply ----------------------------------------------------------------------------------

    /// Goes on at once if everything committed is applied, else when it is.
    pub(super) fn after_applied(&mut self, then: Then, desk: &mut Desk<'_>) {
        if is_all_applied(desk.member) {
            return self.applied(then, desk);
        }
        self.applied_waits.add(desk.member.consensus().standing().commit, desk.now_ms, then);
    }

    pub(super) fn step_applied(&mut self, desk: &mut Desk<'_>) {
        for then in self.applied_waits.ready(desk.member.applied_index()) {
            self.applied(then, desk);
        }
    }

    fn applied(&mut self, then: Then, desk: &mut Desk<'_>) {
        match then {
            Then::Renew(id) => self.keep_alive_applied(id, desk),
            Then::RenewFor(call, lease) => self.renew_for(call, lease, desk),
            Then::TimeToLive(asker, request) => self.time_to_live_now(asker, &request, desk),
            Then::Promote(promotion) => self.promote_now(promotion, desk),
        }
    }

    pub(super) fn end_unapplied(&mut self, desk: &mut Desk<'_>) {
        for then in self.applied_waits.late(desk.now_ms) {
            match then {
                Then::Renew(id) => self.fail_keep_alives(id, &status::timeout_applied(), desk),
                Then::TimeToLive(Asker::Client(id), _) => desk.server.fail(id, &status::timeout_applied()),
                Then::RenewFor(call, _) | Then::TimeToLive(Asker::Peer(call), _) => {
                    let text = "waiting for node to catch up its applied index has timed out";
                    self.peer_answers.push((call, peer::text(408, text)));
                }
                Then::Promote(promotion) => {
                    self.fail_promotion(promotion.asker, &status::timeout_applied(), desk);
                }
            }
        }
    }

    // --- requests for the leader -----------------------------------------------------------------------------

    pub(super) fn step_forwards(&mut self, desk: &mut Desk<'_>) {
        for forward in self.forwards.due(desk.now_ms) {
            let leader = desk.member.consensus().standing().leader;
            let known = desk.member.state().members().get(leader).map(|member| member.peer_urls.clone());
            let late = desk.now_ms >= forward.until_ms;
            match known {
                None if late => self.fail_forward(forward.what, &status::no_leader(), desk),
                Some(_) if late => self.fail_forward(forward.what, &status::timeout(), desk),
                None => self.forwards.wait_for_leader(forward, desk.now_ms),
                Some(_) if desk.member.consensus().is_leader() => self.serve_forward(forward, desk),
                Some(urls) if urls.is_empty() => self.fail_forward(forward.what, &status::no_leader(), desk),
                Some(urls) => self.forwards.send(forward, urls, desk.now_ms),
            }
        }
    }

    /// This member has become the leader meanwhile.
    fn serve_forward(&mut self, forward: Forward, desk: &mut Desk<'_>) {
        match forward.what {
            Forwarded::Renew { stream, .. } if desk.member.deadlines().is_primary() => {
                self.resume_keep_alives(stream, desk);
            }
            Forwarded::Renew { .. } => self.forwards.wait_for_leader(forward, desk.now_ms),
            Forwarded::TimeToLive { call, request } => {
                self.after_applied(Then::TimeToLive(Asker::Client(call), request), desk);
            }
            Forwarded::Promote(promotion) => self.after_applied(Then::Promote(promotion), desk),
        }
    }

    /// Requests for other members' HTTP; each ends with [`Edge::answered`].
    pub fn take_requests(&mut self) -> Vec<Request> {
        self.forwards.take()
    }

    /// How a request has ended.
    pub fn answered(&mut self, token: u64, result: Result<Answer, RequestError>, desk: &mut Desk<'_>) {
        match self.forwards.answered(token, result, desk.now_ms) {
            Some((Forwarded::Renew { stream, .. }, Settled::Renewed { ttl })) => {
                self.renewed(stream, ttl, desk);
            }
            Some((Forwarded::TimeToLive { call, request }, Settled::TimeToLive(found))) => {
                send_time_to_live(call, request.id, found, desk);
            }
            Some((Forwarded::Promote(promotion), Settled::Promoted(result))) => {
                self.promoted_by_leader(promotion.asker, result, desk);
            }
            Some((what, settled)) => unreachable!("{settled:?} settles no {what:?}"),
            None => {}
        }
    }

    fn fail_forward(&mut self, what: Forwarded, status: &Status, desk: &mut Desk<'_>) {
        match what {
            Forwarded::Renew { stream, .. } => self.fail_keep_alives(stream, status, desk),
            Forwarded::TimeToLive { call, .. } => desk.server.fail(call, status),
            Forwarded::Promote(promotion) => self.fail_promotion(promotion.asker, status, desk),
        }
    }

    // --- calls whose time is up ------------------------------------------------------------------------------

    pub(super) fn end_expired(&mut self, desk: &mut Desk<'_>) {
        let expired = self.calls.expired(desk.now_ms);
        if expired.is_empty() {
            return;
        }
        let unproposed: HashSet<u64> = desk.member.consensus().unproposed().collect();
        for call in expired {
            match call {
                Expired::Proposal { id, proposal, by_client } => {
                    // Without a leader it was never accepted; etcd then says no more than that time is up.
                    let status = match by_client || unproposed.contains(&id) {
                        true => status::deadline_exceeded(),
                        false => self.timeout_of(proposal.since_ms, desk),
                    };
                    self.fail_proposal(&proposal, &status, desk);
                }
                Expired::Read { asker, read, by_client } => {
                    let status = if by_client { status::deadline_exceeded() } else { status::timeout() };
                    self.fail_read(asker, &read, &status, desk);
                }
            }
        }
    }

    /// Why a proposal may have had no result: its leader was replaced, or could not be reached.
    fn timeout_of(&self, since_ms: u64, desk: &Desk<'_>) -> Status {
        let settings = desk.member.settings();
        if let Some(elected_ms) = self.elected_ms {
            let lost_ms = elected_ms.saturating_sub(2 * settings.election_ms);
            if lost_ms < since_ms && since_ms < elected_ms {
                return status::timeout_leader_lost();
            }
        }
        let own = settings.member_id;
        let connected = match desk.member.consensus().standing().leader {
            0 => true,
            leader if leader == own => {
                let members: Vec<u64> = desk.member.state().members().iter().map(|m| m.id).collect();
                self.connected.connected_since(own, &members, since_ms) >= quorum(members.len())
            }
            leader => self.connected.is_connected_since(leader, since_ms),
        };
        if connected { status::timeout() } else { status::timeout_connection_lost() }
    }
}
