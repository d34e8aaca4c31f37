//! Ranges on live state: found in the index now, values fetched now if they are few, else by a reader thread.
//!
//! A revision is resolved when the range begins, so an answer is of one state however long it takes. The values of a
//! long answer come from an immutable [`backend::View`], in which no compaction can remove a row.

use super::{
    fetch::finish,
    reply::RangeReply,
    select,
    task::{RangeStep, RangeTask},
};
use crate::{Error, Failure, State};
use bytes::Bytes;
use mvcc::Revision;
use proto::etcdserverpb::RangeRequest;

/// A range that was answered at once, or one that is long.
#[derive(Debug)]
pub enum RangeAnswer {
    Reply(RangeReply),
    /// Step it with [`State::step_range`].
    Task(Box<RangeTask>),
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
            RangeStep::Reply(reply) => RangeAnswer::Reply(reply),
            RangeStep::Again => RangeAnswer::Task(task),
            RangeStep::Fetch(fetch) => {
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
