//! Cluster: the member list.

use super::{
    Desk, Edge,
    calls::{Deadline, Read},
    decode, headers,
};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use prost::Message;
use proto::etcdserverpb as pb;

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
        let response = pb::MemberListResponse {
            header: headers::at(desk.member, 0),
            members: desk.member.state().members().to_proto(),
        };
        desk.server.reply(id, |out| response.encode(out).expect("BytesMut grows"));
    }
}
