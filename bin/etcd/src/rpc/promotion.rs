//! Promotion of a learner: only the leader knows how far its log is, so others send the request on to it.

use super::{
    Desk, Edge,
    applied::Then,
    asker::{Asker, Promotion},
    calls::{Answer, Deadline},
    cluster::{change, send_members},
    decode,
    forward::{Forwarded, Unpromoted},
    status,
};
use crate::{http::peer, notation::hex};
use ::rpc::{CallId, Metadata, Status};
use bytes::Bytes;
use proto::{etcdserverpb as pb, raftpb::ConfChangeType};
use state::Reject;

/// The part of the leader's log that a learner must have, in percent.
const READY_PERCENT: u64 = 90;

impl Edge {
    pub(super) fn member_promote(
        &mut self,
        id: CallId,
        metadata: &Metadata,
        body: Bytes,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::MemberPromoteRequest = decode(body)?;
        let token = super::metadata::token(metadata);
        let promotion = Promotion { asker: Asker::Client(id), id: request.id, token };
        self.after_applied(Then::Promote(promotion), desk);
        Ok(())
    }

    /// What was committed when it was asked for is applied.
    pub(super) fn promote_now(&mut self, promotion: Promotion, desk: &mut Desk<'_>) {
        let own_ms = desk.now_ms + self.config.request_timeout_ms;
        if !desk.member.consensus().is_leader() {
            return self.forwards.add(Forwarded::Promote(promotion), own_ms);
        }
        if let Err(status) = self.may_promote(promotion.id, desk) {
            return self.fail_promotion(promotion.asker, &status, desk);
        }
        let context = state::member::promote_context(promotion.id);
        let change = change(ConfChangeType::ConfChangeAddNode, promotion.id, Some(context));
        let by = match promotion.asker {
            Asker::Client(_) => Deadline { own_ms: u64::MAX, client_ms: None },
            Asker::Peer(_) => Deadline { own_ms, client_ms: None },
        };
        let proposed = self.propose_change(promotion.asker, change, Answer::MemberPromote, by, desk);
        if let Err(status) = proposed {
            self.fail_promotion(promotion.asker, &status, desk);
        }
    }

    fn may_promote(&self, id: u64, desk: &Desk<'_>) -> Result<(), Status> {
        let progress = desk.member.consensus().node().progress();
        let matched = |id: u64| progress.iter().find(|p| p.id == id).map(|p| p.matched);
        let learner = matched(id).ok_or_else(|| status::of_reject(&Reject::MemberNotFound))?;
        let leader = matched(desk.member.settings().member_id).unwrap_or_default();
        if learner.saturating_mul(100) < leader.saturating_mul(READY_PERCENT) {
            log::error!(
                "learner-ready-percent" = learner as f64 / leader as f64, "ready-percent-threshold" = 0.9;
                "rejecting promote learner: learner is not ready"
            );
            return Err(status::learner_not_ready());
        }
        if self.config.strict_reconfig_check && desk.member.state().members().ready_to_promote().is_err() {
            log::warn!(
                "local-member-id":% = hex(desk.member.settings().member_id),
                "requested-member-remove-id":% = hex(id),
                error = status::not_enough_started().message.as_str();
                "rejecting member promote request; not enough healthy members"
            );
            return Err(status::not_enough_started());
        }
        Ok(())
    }

    /// What the leader has said of it.
    pub(super) fn promoted_by_leader(
        &mut self,
        asker: Asker,
        result: Result<Vec<pb::Member>, Unpromoted>,
        desk: &mut Desk<'_>,
    ) {
        match result {
            Ok(members) => self.promoted(asker, members, desk),
            Err(refused) => {
                let status = match refused {
                    Unpromoted::UnknownId => status::of_reject(&Reject::MemberNotFound),
                    Unpromoted::Voter => status::of_reject(&Reject::MemberNotLearner),
                    Unpromoted::Behind => status::learner_not_ready(),
                };
                self.fail_promotion(asker, &status, desk);
            }
        }
    }

    pub(super) fn promoted(&mut self, asker: Asker, members: Vec<pb::Member>, desk: &mut Desk<'_>) {
        match asker {
            Asker::Client(call) => send_members(call, Answer::MemberPromote, members, desk),
            Asker::Peer(call) => {
                let response = peer::promoted(&members, desk.member.settings().cluster_id);
                self.peer_answers.push((call, response));
            }
        }
    }

    pub(super) fn fail_promotion(&mut self, asker: Asker, status: &Status, desk: &mut Desk<'_>) {
        match asker {
            Asker::Client(call) => desk.server.fail(call, status),
            Asker::Peer(call) => {
                log::warn!(error = status.message.as_str(); "failed to promote a member");
                let response = peer::not_promoted(&status.message, desk.member.settings().cluster_id);
                self.peer_answers.push((call, response));
            }
        }
    }
}
