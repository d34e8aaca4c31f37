//! Results of proposals, encoded into the connections' buffers.

use super::{
    Desk, Edge,
    asker::Asker,
    calls::{Answer, Proposal},
    cluster::send_members,
    headers, status,
};
use crate::http::peer;
use ::rpc::Status;
use state::{Reject, Reply, kv::encode_put_response};

impl Edge {
    pub(super) fn reply(&mut self, request_id: u64, result: Result<Reply, Reject>, desk: &mut Desk<'_>) {
        let Some(proposal) = self.calls.take_proposal(request_id) else { return };
        match (proposal.asker, proposal.answer, result) {
            (Asker::Client(id), Answer::Unary, Ok(reply)) => send(id, reply, desk),
            (asker, Answer::MemberPromote, Ok(Reply::Members(members))) => {
                self.promoted(asker, members, desk);
            }
            (Asker::Client(id), answer, Ok(Reply::Members(members))) => {
                send_members(id, answer, members, desk);
            }
            (Asker::Client(id), Answer::Downgrade(_), Ok(_)) => self.send_cluster_version(id, desk),
            (Asker::Client(id), Answer::KeepAlive, _) => self.resume_keep_alives(id, desk),
            (Asker::Peer(call), Answer::KeepAliveFor(lease), _) => self.renew_for(call, lease, desk),
            (_, _, Ok(_)) => unreachable!("every kind of request has its reply"),
            (_, _, Err(reject)) => self.fail_proposal(&proposal, &status::of_reject(&reject), desk),
        }
    }

    /// A proposal that was refused or dropped, or whose time is up.
    pub(super) fn fail_proposal(&mut self, proposal: &Proposal, status: &Status, desk: &mut Desk<'_>) {
        match (proposal.asker, proposal.answer) {
            (asker, Answer::MemberPromote) => self.fail_promotion(asker, status, desk),
            (Asker::Client(id), Answer::Downgrade(action)) => self.fail_downgrade(id, action, status, desk),
            (Asker::Client(id), Answer::KeepAlive) => self.fail_keep_alives(id, status, desk),
            (Asker::Client(id), _) => desk.server.fail(id, status),
            (Asker::Peer(call), _) => self.peer_answers.push((call, peer::text(400, &status.message))),
        }
    }
}

fn send(id: ::rpc::CallId, reply: Reply, desk: &mut Desk<'_>) {
    macro_rules! message {
        ($response:expr) => {{
            let mut response = $response;
            response.header = headers::fill(desk.member, &response.header);
            desk.reply(id, &response);
        }};
    }
    match reply {
        Reply::Put { revision } => {
            let header = headers::fields(desk.member);
            desk.server.reply(id, |out| encode_put_response(header, revision, out));
        }
        Reply::PutPrev(response) => message!(response),
        Reply::DeleteRange(response) => message!(response),
        Reply::Txn(response) => message!(response),
        Reply::Compaction(response) => message!(response),
        Reply::LeaseGrant(response) => message!(response),
        Reply::LeaseRevoke(response) => message!(response),
        Reply::LeaseCheckpoint(response) => message!(response),
        Reply::Alarm(response) => message!(response),
        Reply::Members(_) | Reply::Done => desk.server.reply(id, |_| {}),
    }
}
