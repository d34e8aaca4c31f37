//! Results of proposals, encoded into the connections' buffers.

use super::{Desk, Edge, calls::Answer, headers, status};
use prost::Message;
use state::{Reject, Reply, kv::encode_put_response};

impl Edge {
    pub(super) fn reply(&mut self, request_id: u64, result: Result<Reply, Reject>, desk: &mut Desk<'_>) {
        let Some(proposal) = self.calls.take_proposal(request_id) else { return };
        if proposal.answer == Answer::KeepAlive {
            return self.keepalives.checkpoint_cleared(proposal.call);
        }
        let id = proposal.call;
        match result {
            Ok(reply) => send(id, reply, desk),
            Err(reject) => desk.server.fail(id, &status::of_reject(&reject)),
        }
    }
}

fn send(id: ::rpc::CallId, reply: Reply, desk: &mut Desk<'_>) {
    macro_rules! message {
        ($response:expr) => {{
            let mut response = $response;
            response.header = headers::fill(desk.member, &response.header);
            desk.server.reply(id, |out| response.encode(out).expect("BytesMut grows"));
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
