//! Ranges on live state: found in the index now, values fetched now if they are few, else by a reader thread.
//!
//! A revision is resolved when the range begins, so an answer is of one state however long it takes. The values of a
//! long answer come from an immutable [`View`], in which no compaction can remove a row.

use super::{decode_row, encode, select, task::RangeTask};
use crate::{Error, Failure, State};
use backend::View;
use bytes::Bytes;
use mvcc::{KeyInfo, Revision};
use proto::{Message, etcdserverpb::RangeRequest};

/// The answer to a range, ready to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeReply {
    /// The store's revision when the range began; not the one asked for.
    pub revision: i64,
    /// Encoded `mvccpb.KeyValue`s.
    pub kvs: Vec<Bytes>,
    /// True when the limit left keys out.
    pub more: bool,
    /// Keys in the range, limit and filters aside.
    pub count: i64,
}

/// A range that was answered at once, or one that is long.
#[derive(Debug)]
pub enum RangeAnswer {
    Reply(RangeReply),
    /// Step it with [`State::step_range`].
    Task(Box<RangeTask>),
}

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

impl State {
    /// Begins a range. One key is answered at once, and so is a range of at most [`super::KEYS_PER_TURN_MAX`] keys
    /// with few values.
    pub fn range(&mut self, request: RangeRequest) -> Result<RangeAnswer, Failure> {
        if request.range_end.is_empty() && !request.count_only {
            return self.range_one(&request).map(RangeAnswer::Reply);
        }
        let mut task = Box::new(RangeTask::begin(self, request)?);
        Ok(match self.step_range(&mut task)? {
            super::RangeStep::Reply(reply) => RangeAnswer::Reply(reply),
            super::RangeStep::Again => RangeAnswer::Task(task),
            super::RangeStep::Fetch(fetch) => {
                task.fetch_later(fetch);
                RangeAnswer::Task(task)
            }
        })
    }

    /// The hot path of a read: one key.
    fn range_one(&self, request: &RangeRequest) -> Result<RangeReply, Failure> {
        let at = self.mvcc.readable(request.revision)?;
        let mut found = Vec::new();
        let mut reply = RangeReply { revision: self.mvcc.revision(), kvs: Vec::new(), more: false, count: 0 };
        if let Some(info) = self.mvcc.find(&request.key, at) {
            reply.count = 1;
            found.push(info);
            select::select(request, &mut found);
        }
        Ok(finish(request, &found, reply, |revision| self.row(revision))?)
    }

    pub(super) fn row(&self, revision: Revision) -> Result<Bytes, Error> {
        self.mvcc.value(&self.buffer, revision).map_err(Error::from_mvcc)
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
        reply.kvs = found.iter().map(|info| encode::key_only(info).encode_to_vec().into()).collect();
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
    !request.keys_only || encode::keeps_lease(request)
}
