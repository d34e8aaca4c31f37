//! Cluster: the member list, and changes of it. A change is checked against who has started and who is connected
//! (`--strict-reconfig-check`), then proposed; whether it still holds when it is applied, the state machine says.

use super::{
    Desk, Edge,
    asker::Asker,
    calls::{Answer, Deadline, Read},
    decode, headers, status,
};
use crate::{connected::HEALTHY_AFTER_MS, notation::hex};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use member::Member;
use proto::{
    etcdserverpb as pb,
    raftpb::{ConfChange, ConfChangeType},
};
use state::member as membership;
use std::time::{SystemTime, UNIX_EPOCH};

impl Edge {
    pub(super) fn member_list(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::MemberListRequest = decode(body)?;
        if request.linearizable {
            self.calls.add_read(id, Read::MemberList, by, desk);
        } else {
            self.member_list_now(id, desk);
        }
        Ok(())
    }

    /// The members by ID. Cluster responses carry no revision.
    pub(super) fn member_list_now(&mut self, id: CallId, desk: &mut Desk<'_>) {
        let members = desk.member.state().members().to_proto();
        desk.reply(id, &pb::MemberListResponse { header: headers::at(desk.member, 0), members });
    }

    pub(super) fn member_add(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::MemberAddRequest = decode(body)?;
        let peer_urls = membership::peer_urls(&request.peer_ur_ls).map_err(|_| status::bad_urls())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let added = membership::Member {
            id: membership::member_id(&peer_urls, "", Some(now as i64)),
            peer_urls,
            is_learner: request.is_learner,
            ..Default::default()
        };
        self.may_add(&added, desk)?;
        let kind = match added.is_learner {
            true => ConfChangeType::ConfChangeAddLearnerNode,
            false => ConfChangeType::ConfChangeAddNode,
        };
        let change = change(kind, added.id, Some(membership::add_context(&added)));
        self.propose_change(Asker::Client(id), change, Answer::MemberAdd(added.id), by.of_client(), desk)
    }

    pub(super) fn member_remove(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::MemberRemoveRequest = decode(body)?;
        self.may_remove(request.id, desk)?;
        let change = change(ConfChangeType::ConfChangeRemoveNode, request.id, None);
        self.propose_change(Asker::Client(id), change, Answer::MemberRemove, by.of_client(), desk)
    }

    /// The URLs are taken as they are.
    pub(super) fn member_update(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::MemberUpdateRequest = decode(body)?;
        let context = membership::update_context(request.id, request.peer_ur_ls);
        let change = change(ConfChangeType::ConfChangeUpdateNode, request.id, Some(context));
        self.propose_change(Asker::Client(id), change, Answer::MemberUpdate, by.of_client(), desk)
    }

    pub(super) fn propose_change(
        &mut self,
        asker: Asker,
        change: ConfChange,
        answer: Answer,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request_id = desk.member.propose_change(change).map_err(status::of_refused)?;
        self.calls.add_proposal(request_id, asker, answer, by, desk.now_ms);
        Ok(())
    }

    /// The newcomer counts as absent. A single member may always be joined.
    fn may_add(&self, added: &membership::Member, desk: &Desk<'_>) -> Result<(), Status> {
        if !self.config.strict_reconfig_check {
            return Ok(());
        }
        let refused = |text: &str, status: Status| {
            log::warn!(
                "local-member-id":% = hex(desk.member.settings().member_id), "requested-member-add":? = added,
                error = status.message.as_str(); "{text}"
            );
            Err(status)
        };
        let members = desk.member.state().members();
        if !added.is_learner && members.ready_to_add_voter().is_err() {
            let text = "rejecting member add request; not enough healthy members";
            return refused(text, status::not_enough_started());
        }
        let voters = voters(desk.member);
        if voters.len() > 1 && self.healthy(&voters, desk) < quorum(voters.len() + 1) {
            let text = "rejecting member add request; local member has not been connected to majority peers, \
                        reconfigure breaks active quorum";
            return refused(text, status::unhealthy());
        }
        Ok(())
    }

    /// A learner may always go, and so may another member that is down.
    fn may_remove(&self, id: u64, desk: &Desk<'_>) -> Result<(), Status> {
        let members = desk.member.state().members();
        if !self.config.strict_reconfig_check || members.get(id).is_some_and(|m| m.is_learner) {
            return Ok(());
        }
        let own = desk.member.settings().member_id;
        let refused = |text: &str, status: Status| {
            log::warn!(
                "local-member-id":% = hex(own), "requested-member-remove-id":% = hex(id),
                error = status.message.as_str(); "{text}"
            );
            Err(status)
        };
        if members.ready_to_remove(id).is_err() {
            let text = "rejecting member remove request; not enough healthy members";
            return refused(text, status::not_enough_started());
        }
        if id != own && !self.connected.is_active(id) {
            return Ok(());
        }
        let voters = voters(desk.member);
        if self.healthy(&voters, desk).saturating_sub(1) < quorum(voters.len() - 1) {
            let text = "rejecting member remove request; local member has not been connected to all peers, \
                        reconfigure breaks active quorum";
            return refused(text, status::unhealthy());
        }
        Ok(())
    }

    /// How many of these members have been connected for long enough.
    fn healthy(&self, ids: &[u64], desk: &Desk<'_>) -> usize {
        let since_ms = desk.now_ms.saturating_sub(HEALTHY_AFTER_MS);
        self.connected.connected_since(desk.member.settings().member_id, ids, since_ms)
    }
}

/// Answers with the members after a change.
pub(super) fn send_members(call: CallId, answer: Answer, members: Vec<pb::Member>, desk: &mut Desk<'_>) {
    let header = headers::at(desk.member, 0);
    match answer {
        Answer::MemberAdd(id) => {
            let member = members.iter().find(|member| member.id == id).cloned();
            desk.reply(call, &pb::MemberAddResponse { header, member, members });
        }
        Answer::MemberRemove => desk.reply(call, &pb::MemberRemoveResponse { header, members }),
        Answer::MemberUpdate => desk.reply(call, &pb::MemberUpdateResponse { header, members }),
        Answer::MemberPromote => desk.reply(call, &pb::MemberPromoteResponse { header, members }),
        Answer::Unary | Answer::Downgrade(_) | Answer::KeepAlive | Answer::KeepAliveFor(_) => {
            unreachable!("only changes of the configuration give members")
        }
    }
}

pub(super) fn change(kind: ConfChangeType, node_id: u64, context: Option<Bytes>) -> ConfChange {
    ConfChange { id: None, r#type: Some(kind as i32), node_id: Some(node_id), context }
}

fn voters(member: &Member) -> Vec<u64> {
    member.state().members().voters().map(|voter| voter.id).collect()
}

pub(super) fn quorum(members: usize) -> usize {
    members / 2 + 1
}
