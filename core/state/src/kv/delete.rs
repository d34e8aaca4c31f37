//! Deletes: a tombstone per key, in key order.

use super::decode_row;
use crate::{Error, Failure, Leases, Reply, State, header::header};
use mvcc::{Change, KeyRange, Write};
use proto::etcdserverpb as pb;

impl State {
    pub(crate) fn delete_range(
        &mut self,
        request: pb::DeleteRangeRequest,
    ) -> Result<(Reply, Vec<Change>), Failure> {
        let mut write = self.mvcc.write(&mut self.buffer);
        let done = execute(&mut write, &mut self.leases, request);
        let changes = write.end();
        Ok((Reply::DeleteRange(done?), changes))
    }
}

/// Deletes; every deleted key leaves its lease.
pub(super) fn execute(
    write: &mut Write<'_>,
    leases: &mut Leases,
    request: pb::DeleteRangeRequest,
) -> Result<pb::DeleteRangeResponse, Error> {
    let pb::DeleteRangeRequest { key, range_end, prev_kv } = request;
    let deleted = write.delete_range(&KeyRange::new(key, range_end));
    for info in &deleted {
        leases.detach(&info.key);
    }
    let mut prev_kvs = Vec::new();
    if prev_kv {
        prev_kvs.reserve(deleted.len());
        for info in &deleted {
            prev_kvs.push(decode_row(write.value(info.modified).map_err(Error::from_mvcc)?)?);
        }
    }
    Ok(pb::DeleteRangeResponse { header: header(write.revision()), deleted: deleted.len() as i64, prev_kvs })
}
