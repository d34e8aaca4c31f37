//! A range taken in turns, so that a long one never holds up applies.

use super::{
    fetch::{RangeFetch, finish, needs_rows},
    reply::RangeReply,
    select,
};
use crate::{Failure, Reject, State};
use mvcc::{KeyRange, Scan};
use proto::etcdserverpb::RangeRequest;

/// Index keys walked in one turn.
pub const KEYS_PER_TURN_MAX: usize = 1000;
/// Values fetched by the owner of the state; more go to a reader thread.
pub const FETCH_INLINE_MAX: usize = 1000;

/// A range that has begun and is not answered yet. It pins its revision; a task that is given up must be ended with
/// [`State::end_range`].
#[derive(Debug)]
pub struct RangeTask {
    request: RangeRequest,
    revision: i64,
    scan: Option<Scan>,
    /// Found already, and waiting to be taken by the next step.
    fetch: Option<RangeFetch>,
}

/// What a turn achieved.
#[derive(Debug)]
pub enum RangeStep {
    /// Not through yet: step again.
    Again,
    Reply(RangeReply),
    /// All keys are found: run this on a reader thread for the reply.
    Fetch(RangeFetch),
}

impl RangeTask {
    pub(super) fn begin(state: &mut State, request: RangeRequest) -> Result<RangeTask, Reject> {
        let keys = KeyRange::new(request.key.clone(), request.range_end.clone());
        let limit = select::scan_limit(&request);
        let scan = state.mvcc.begin_scan(keys, request.revision, limit, request.count_only)?;
        Ok(RangeTask { request, revision: state.mvcc.revision(), scan: Some(scan), fetch: None })
    }

    pub(super) fn fetch_later(&mut self, fetch: RangeFetch) {
        self.fetch = Some(fetch);
    }
}

impl State {
    /// One turn. After anything but [`RangeStep::Again`] the task is over.
    pub fn step_range(&mut self, task: &mut RangeTask) -> Result<RangeStep, Failure> {
        if let Some(fetch) = task.fetch.take() {
            return Ok(RangeStep::Fetch(fetch));
        }
        let scan = task.scan.as_mut().expect("a range is not stepped after its end");
        self.mvcc.step_scan(scan, KEYS_PER_TURN_MAX);
        if !scan.done {
            return Ok(RangeStep::Again);
        }
        let (mut found, count) = (std::mem::take(&mut scan.found), scan.count);
        self.end_range(task);
        let request = std::mem::take(&mut task.request);
        let mut reply = RangeReply { revision: task.revision, kvs: Vec::new(), more: false, count };
        if request.count_only {
            return Ok(RangeStep::Reply(reply));
        }
        reply.more = select::select(&request, &mut found);
        if needs_rows(&request) && found.len() > FETCH_INLINE_MAX {
            return Ok(RangeStep::Fetch(RangeFetch { request, found, reply, view: self.buffer.view() }));
        }
        Ok(RangeStep::Reply(finish(&request, &found, reply, |revision| self.row(revision))?))
    }

    /// Gives a task up (its client is gone), or does nothing if it is over.
    pub fn end_range(&mut self, task: &mut RangeTask) {
        if let Some(scan) = task.scan.take() {
            self.mvcc.end_scan(&scan);
        }
        task.fetch = None;
    }
}
