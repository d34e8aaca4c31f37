//! The apply side of lease requests.

use super::Event;
use crate::{Error, Failure, Reject, Reply, State, header::header};
use mvcc::{Change, KeyRange, RangeEnd};
use proto::etcdserverpb as pb;

impl State {
    pub(crate) fn lease_grant(&mut self, request: pb::LeaseGrantRequest) -> Result<(Reply, Event), Reject> {
        let id = request.id;
        let ttl = self.leases.grant(&mut self.buffer, id, request.ttl)?;
        let response =
            pb::LeaseGrantResponse { header: header(self.mvcc.revision()), id, ttl, error: String::new() };
        Ok((Reply::LeaseGrant(response), Event::Granted { id, ttl }))
    }

    /// Deletes the lease and its keys: ascending, one revision, in the batch that removes the lease's row.
    pub(crate) fn lease_revoke(
        &mut self,
        request: pb::LeaseRevokeRequest,
    ) -> Result<(Reply, Event, Vec<Change>), Failure> {
        let id = request.id;
        let keys = self.leases.remove(&mut self.buffer, id)?;
        let mut write = self.mvcc.write(&mut self.buffer);
        let mut deleted = 0;
        for key in &keys {
            deleted += write.delete_range(&KeyRange { key: key.clone(), end: RangeEnd::Single }).len();
        }
        let changes = write.end();
        if deleted != keys.len() {
            let reason = format!("{} keys of lease {id:x}, {deleted} of them alive", keys.len());
            return Err(Error::Inconsistent(reason).into());
        }
        let response = pb::LeaseRevokeResponse { header: header(self.mvcc.revision()) };
        Ok((Reply::LeaseRevoke(response), Event::Revoked { id }, changes))
    }

    /// Remaining TTLs as the leader saw them. Rows are written from cluster version 3.6 on.
    pub(crate) fn lease_checkpoint(&mut self, request: pb::LeaseCheckpointRequest) -> (Reply, Event) {
        let persist = self.options.checkpoint_persist
            || self.members.version().is_some_and(|version| version >= crate::version::V3_6);
        let mut ids = Vec::with_capacity(request.checkpoints.len());
        for checkpoint in request.checkpoints {
            self.leases.checkpoint(&mut self.buffer, checkpoint.id, checkpoint.remaining_ttl, persist);
            ids.push(checkpoint.id);
        }
        let response = pb::LeaseCheckpointResponse { header: header(self.mvcc.revision()) };
        (Reply::LeaseCheckpoint(response), Event::Checkpointed { ids })
    }
}
