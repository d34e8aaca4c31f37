//! Put, DeleteRange, Txn and Compact: checked here, proposed as they came.

use super::{
    Desk, Edge,
    asker::Asker,
    calls::{Answer, Deadline, Read},
    decode, headers, status,
};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use member::proposal::Payload;
use proto::etcdserverpb as pb;
use state::kv::{check, is_read_only, is_serializable};

impl Edge {
    pub(super) fn put(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::PutRequest = decode(body.clone())?;
        self.room(state::put_cost(&request), desk)?;
        check::put(&request).map_err(status::of_invalid)?;
        self.propose(id, Payload::Put(&body), by, desk)
    }

    pub(super) fn delete_range(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::DeleteRangeRequest = decode(body.clone())?;
        check::delete_range(&request).map_err(status::of_invalid)?;
        self.propose(id, Payload::DeleteRange(&body), by, desk)
    }

    pub(super) fn txn(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::TxnRequest = decode(body.clone())?;
        self.room(state::txn_cost(&request), desk)?;
        check::txn(&request, self.config.txn_ops_max).map_err(status::of_invalid)?;
        if !is_read_only(&request) {
            return self.propose(id, Payload::Txn(&body), by, desk);
        }
        if is_serializable(&request) {
            self.txn_now(id, request, desk);
        } else {
            self.calls.add_read(id, Read::Txn(request), by, desk);
        }
        Ok(())
    }

    /// Runs a read-only transaction on the state as it is.
    pub(super) fn txn_now(&mut self, id: CallId, request: pb::TxnRequest, desk: &mut Desk<'_>) {
        match desk.member.state_mut().txn_read(request) {
            Ok(mut response) => {
                response.header = headers::fill(desk.member, &response.header);
                desk.reply(id, &response);
            }
            Err(state::Failure::Reject(reject)) => desk.server.fail(id, &status::of_reject(&reject)),
            Err(state::Failure::Fault(fault)) => crate::fault::die(&fault),
        }
    }

    pub(super) fn compact(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::CompactionRequest = decode(body)?;
        // A client that waits for the physical work waits as long as that takes.
        let by = if request.physical { by.of_client() } else { by };
        self.propose(id, Payload::Compaction(&request), by, desk)
    }

    /// Hands a request to raft; its result is answered by [`Edge::settle`].
    pub(super) fn propose(
        &mut self,
        id: CallId,
        payload: Payload<'_>,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request_id = desk.member.propose(payload).map_err(status::of_refused)?;
        self.calls.add_proposal(request_id, Asker::Client(id), Answer::Unary, by, desk.now_ms);
        Ok(())
    }

    /// Refuses a write the backend has no room for, and sees to the alarm.
    pub(super) fn room(&mut self, cost: u64, desk: &mut Desk<'_>) -> Result<(), Status> {
        if desk.member.has_room(cost) {
            return Ok(());
        }
        desk.member.raise_no_space(desk.out);
        Err(status::no_space())
    }
}
