//! Puts: one row, one index entry, one lease attachment.

use super::decode_row;
use crate::{Error, Failure, Leases, Reject, Reply, State, header::header};
use bytes::Bytes;
use mvcc::{Change, Write};
use proto::{etcdserverpb as pb, mvccpb::KeyValue};

impl State {
    pub(crate) fn put(&mut self, request: pb::PutRequest) -> Result<(Reply, Vec<Change>), Failure> {
        check(&self.leases, &request, |key| self.mvcc.find(key, self.mvcc.revision()).is_some())?;
        let mut write = self.mvcc.write(&mut self.buffer);
        let wants_prev = request.prev_kv;
        let done = execute(&mut write, &mut self.leases, request);
        let revision = write.revision();
        let changes = write.end();
        let previous = done?;
        let reply = if wants_prev {
            Reply::PutPrev(pb::PutResponse { header: header(revision), prev_kv: previous })
        } else {
            Reply::Put { revision }
        };
        Ok((reply, changes))
    }
}

/// What can refuse a put: an unknown lease, or a missing key of which something is to be kept.
pub(super) fn check(
    leases: &Leases,
    request: &pb::PutRequest,
    exists: impl FnOnce(&[u8]) -> bool,
) -> Result<(), Reject> {
    if request.lease != 0 && leases.get(request.lease).is_none() {
        return Err(Reject::LeaseNotFound);
    }
    if (request.ignore_value || request.ignore_lease) && !exists(&request.key) {
        return Err(Reject::KeyNotFound);
    }
    Ok(())
}

/// Puts what [`check`] let through. The previous KeyValue is returned if the request asks for it.
pub(super) fn execute(
    write: &mut Write<'_>,
    leases: &mut Leases,
    request: pb::PutRequest,
) -> Result<Option<KeyValue>, Error> {
    let pb::PutRequest { key, mut value, mut lease, prev_kv, ignore_value, ignore_lease } = request;
    let mut previous = None;
    if prev_kv || ignore_value || ignore_lease {
        previous = find(write, &key)?;
        // A transaction may have deleted the key since the check, with an open-ended delete: then there is nothing
        // to keep (etcd crashes here).
        let kept = previous.as_ref();
        if ignore_value {
            value = kept.map_or_else(Bytes::new, |kv| kv.value.clone());
        }
        if ignore_lease {
            lease = kept.map_or(0, |kv| kv.lease);
        }
    }
    leases.attach(&key, lease);
    write.put(key, value, lease);
    Ok(if prev_kv { previous } else { None })
}

fn find(write: &Write<'_>, key: &[u8]) -> Result<Option<KeyValue>, Error> {
    match write.find(key) {
        None => Ok(None),
        Some(info) => decode_row(write.value(info.modified).map_err(Error::from_mvcc)?).map(Some),
    }
}
