//! MoveLeader: the leader hands over, and the call waits until the other one leads.

use super::{Desk, Edge, calls::Deadline, decode, status};
use crate::notation::{GoDuration, hex};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use proto::etcdserverpb as pb;
use std::time::Duration;

/// A transfer that is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    call: CallId,
    from: u64,
    to: u64,
    since_ms: u64,
    /// The client's deadline; the server has none.
    until_ms: u64,
}

impl Edge {
    pub(super) fn move_leader(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::MoveLeaderRequest = decode(body)?;
        let own = desk.member.settings().member_id;
        if desk.member.consensus().standing().leader != own {
            return Err(status::not_leader());
        }
        let to = request.target_id;
        if desk.member.state().members().get(to).is_none_or(|member| member.is_learner) {
            return Err(status::bad_transferee());
        }
        log::info!(
            "local-member-id":% = hex(own), "current-leader-member-id":% = hex(own),
            "transferee-member-id":% = hex(to); "leadership transfer starting"
        );
        desk.member.transfer_leader(to);
        let until_ms = by.client_ms.unwrap_or(u64::MAX);
        self.moves.push(Move { call: id, from: own, to, since_ms: desk.now_ms, until_ms });
        self.step_moves(desk);
        Ok(())
    }

    /// Answers those whose new leader leads, and those that have waited as long as their clients.
    pub(super) fn step_moves(&mut self, desk: &mut Desk<'_>) {
        let leader = desk.member.consensus().standing().leader;
        for moving in std::mem::take(&mut self.moves) {
            if leader == moving.to {
                log::info!(
                    "local-member-id":% = hex(moving.from), "old-leader-member-id":% = hex(moving.from),
                    "new-leader-member-id":% = hex(moving.to),
                    took:% = GoDuration::from(Duration::from_millis(desk.now_ms - moving.since_ms));
                    "leadership transfer finished"
                );
                // The response has no header.
                desk.server.reply(moving.call, |_| {});
            } else if moving.until_ms <= desk.now_ms {
                desk.server.fail(moving.call, &status::transfer_timeout());
            } else {
                self.moves.push(moving);
            }
        }
    }

    pub(super) fn forget_move(&mut self, id: CallId) {
        self.moves.retain(|moving| moving.call != id);
    }
}
