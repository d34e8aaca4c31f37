//! The values of the keys a range found: rows as they are stored, wherever the request allows it.

use super::{decode_row, reply, reply::RangeReply, select};
use crate::Error;
use backend::View;
use bytes::Bytes;
use mvcc::{KeyInfo, Revision};
use proto::{Message, etcdserverpb::RangeRequest};

/// Values still to be fetched: run it on any thread.
#[derive(Debug)]
pub struct RangeFetch {
    pub(super) request: RangeRequest,
    pub(super) found: Vec<KeyInfo>,
    /// `kvs` empty as yet.
    pub(super) reply: RangeReply,
    pub(super) view: View,
}

impl RangeFetch {
    /// Fetches, and sorts if it is by value.
    pub fn run(self) -> Result<RangeReply, Error> {
        let RangeFetch { request, found, reply, view } = self;
        finish(&request, &found, reply, |at| {
            let row = view.row(&backend::row_key::encode_put(at.main, at.sub))?;
            row.ok_or_else(|| Error::Inconsistent(format!("no row of revision {}.{}", at.main, at.sub)))
        })
    }

    /// Rows to fetch.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Adds the selected keys' KeyValues to a reply.
pub(super) fn finish(
    request: &RangeRequest,
    found: &[KeyInfo],
    mut reply: RangeReply,
    row: impl Fn(Revision) -> Result<Bytes, Error>,
) -> Result<RangeReply, Error> {
    if !needs_rows(request) {
        reply.kvs = found.iter().map(|info| reply::key_only(info).encode_to_vec().into()).collect();
        return Ok(reply);
    }
    if !select::sorts_by_value(request) && !request.keys_only {
        reply.kvs.reserve_exact(found.len());
        for info in found {
            reply.kvs.push(row(info.modified)?);
        }
        return Ok(reply);
    }
    let mut kvs = Vec::with_capacity(found.len());
    for info in found {
        let bytes = row(info.modified)?;
        kvs.push((decode_row(bytes.clone())?, bytes));
    }
    if select::sorts_by_value(request) {
        reply.more = select::sort_by_value(request, &mut kvs, |(kv, _)| &kv.value);
    }
    reply.kvs = kvs
        .into_iter()
        .map(|(mut kv, bytes)| {
            if !request.keys_only {
                return bytes;
            }
            kv.value.clear();
            kv.encode_to_vec().into()
        })
        .collect();
    Ok(reply)
}

/// False when the index alone can answer.
pub(super) fn needs_rows(request: &RangeRequest) -> bool {
    !request.keys_only || select::keeps_lease(request)
}
