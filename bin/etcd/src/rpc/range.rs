//! Range and RangeStream: answered at once when short, in slices and by reader threads when long.

use super::{
    Desk, Edge,
    calls::{Deadline, Read},
    decode, decode_for_stream, headers, status,
};
use ::rpc::{CallId, Server, Status};
use bytes::Bytes;
use member::{Member, reader::ReadJob};
use prost::encoding::{WireType, encode_key, encode_varint};
use proto::etcdserverpb as pb;
use state::{
    Failure, RangeAnswer, RangeReply, RangeStep, RangeTask,
    kv::{RangeStream, StreamStep, check},
};
use std::collections::HashMap;

/// A RangeStream's messages wait while the client is this many bytes behind.
const STREAM_BACKLOG_BYTES_MAX: usize = 4 << 20;

/// Slices of long ranges taken in one turn, all calls together.
const SLICES_PER_TURN: usize = 4;

#[derive(Debug)]
enum Streaming {
    /// Step it when the client has room.
    Here(RangeStream),
    /// A reader thread fetches its chunk.
    Away(RangeStream),
}

/// Ranges under way.
#[derive(Debug, Default)]
pub struct Ranges {
    tasks: Vec<(CallId, Box<RangeTask>)>,
    streams: HashMap<CallId, Streaming>,
    /// Fetches on reader threads: the call, and for a stream whether it is its last chunk.
    fetches: HashMap<u64, (CallId, Option<bool>)>,
    next_tag: u64,
    turn: usize,
}

impl Ranges {
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.streams.is_empty() && self.fetches.is_empty()
    }

    pub fn gone(&mut self, id: CallId, desk: &mut Desk<'_>) {
        self.tasks.retain_mut(|(call, task)| {
            if *call == id {
                desk.member.state_mut().end_range(task);
            }
            *call != id
        });
        if let Some(Streaming::Here(mut stream) | Streaming::Away(mut stream)) = self.streams.remove(&id) {
            desk.member.state_mut().end_stream(&mut stream);
        }
    }

    /// The state that scans under way walk is gone; who waited for one.
    fn forget(&mut self) -> Vec<CallId> {
        let mut calls: Vec<CallId> = self.tasks.drain(..).map(|(id, _)| id).collect();
        calls.extend(self.streams.drain().map(|(id, _)| id));
        calls
    }

    fn fetch(&mut self, id: CallId, last: Option<bool>, fetch: state::RangeFetch, desk: &mut Desk<'_>) {
        self.next_tag += 1;
        self.fetches.insert(self.next_tag, (id, last));
        desk.readers.submit(ReadJob::Range { tag: self.next_tag, fetch });
    }
}

impl Edge {
    pub(super) fn range(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::RangeRequest = decode(body)?;
        check::range(&request).map_err(status::of_invalid)?;
        if request.serializable {
            self.range_now(id, request, desk);
        } else {
            self.calls.add_read(id, Read::Range(request), by, desk);
        }
        Ok(())
    }

    pub(super) fn range_stream(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::RangeRequest = decode_for_stream(body)?;
        check::range_stream(&request).map_err(status::of_invalid)?;
        if request.serializable {
            self.stream_now(id, request, desk);
        } else {
            self.calls.add_read(id, Read::RangeStream(request), by, desk);
        }
        Ok(())
    }

    /// A read whose index is applied.
    pub(super) fn range_now(&mut self, id: CallId, request: pb::RangeRequest, desk: &mut Desk<'_>) {
        match desk.member.state_mut().range(request) {
            Ok(RangeAnswer::Reply(reply)) => send(id, &reply, desk.server, desk.member),
            Ok(RangeAnswer::Task(task)) => self.ranges.tasks.push((id, task)),
            Err(failure) => fail(id, failure, desk.server),
        }
    }

    pub(super) fn stream_now(&mut self, id: CallId, request: pb::RangeRequest, desk: &mut Desk<'_>) {
        match desk.member.state_mut().begin_stream(request, self.config.request_bytes_max) {
            Ok(stream) => drop(self.ranges.streams.insert(id, Streaming::Here(stream))),
            Err(failure) => fail(id, failure, desk.server),
        }
    }

    /// A few slices of what is long, in turns.
    pub(super) fn step_ranges(&mut self, desk: &mut Desk<'_>) {
        for _ in 0..SLICES_PER_TURN.min(self.ranges.tasks.len()) {
            if self.ranges.tasks.is_empty() {
                break;
            }
            self.ranges.turn = (self.ranges.turn + 1) % self.ranges.tasks.len();
            let (id, mut task) = self.ranges.tasks.swap_remove(self.ranges.turn);
            match desk.member.state_mut().step_range(&mut task) {
                Ok(RangeStep::Again) => self.ranges.tasks.push((id, task)),
                Ok(RangeStep::Reply(reply)) => send(id, &reply, desk.server, desk.member),
                Ok(RangeStep::Fetch(fetch)) => self.ranges.fetch(id, None, fetch, desk),
                Err(failure) => fail(id, failure, desk.server),
            }
        }
        let here: Vec<CallId> = self
            .ranges
            .streams
            .iter()
            .filter(|(id, s)| {
                matches!(s, Streaming::Here(_)) && desk.server.backlog(**id) < STREAM_BACKLOG_BYTES_MAX
            })
            .map(|(id, _)| *id)
            .take(SLICES_PER_TURN)
            .collect();
        for id in here {
            self.step_stream(id, desk);
        }
    }

    fn step_stream(&mut self, id: CallId, desk: &mut Desk<'_>) {
        let Some(Streaming::Here(mut stream)) = self.ranges.streams.remove(&id) else { return };
        match desk.member.state_mut().step_stream(&mut stream) {
            Ok(StreamStep::Again) => drop(self.ranges.streams.insert(id, Streaming::Here(stream))),
            Ok(StreamStep::Chunk { reply, last }) => self.chunk(id, stream, &reply, last, desk),
            Ok(StreamStep::Fetch { fetch, last }) => {
                self.ranges.streams.insert(id, Streaming::Away(stream));
                self.ranges.fetch(id, Some(last), fetch, desk);
            }
            Err(failure) => fail(id, failure, desk.server),
        }
    }

    /// Sends one message of a stream; all but the last carry key-values only.
    fn chunk(
        &mut self,
        id: CallId,
        mut stream: RangeStream,
        reply: &RangeReply,
        last: bool,
        desk: &mut Desk<'_>,
    ) {
        let header = headers::fields(desk.member);
        let len = if last { reply.encoded_len(header) } else { reply.body_len() };
        desk.server.send(id, |out| {
            encode_key(1, WireType::LengthDelimited, out);
            encode_varint(len as u64, out);
            if last { reply.encode(header, out) } else { reply.encode_body(out) }
        });
        if last {
            desk.server.finish(id);
        } else {
            stream.sent_bytes(len);
            self.ranges.streams.insert(id, Streaming::Here(stream));
        }
    }

    /// A reader thread has fetched the values of a range.
    pub fn fetched(&mut self, tag: u64, reply: &RangeReply, desk: &mut Desk<'_>) {
        let Some((id, last)) = self.ranges.fetches.remove(&tag) else { return };
        match (last, self.ranges.streams.remove(&id)) {
            (None, _) => send(id, reply, desk.server, desk.member),
            (Some(last), Some(Streaming::Away(stream))) => self.chunk(id, stream, reply, last, desk),
            (Some(_), _) => {}
        }
    }

    /// The whole state was replaced. Long ranges under way cannot go on; their clients may ask again.
    pub fn state_replaced(&mut self, desk: &mut Desk<'_>) {
        for id in self.ranges.forget() {
            desk.server.fail(id, &status::leader_changed());
        }
    }

    /// True when a slice is waiting for the next turn.
    pub fn has_slices(&self) -> bool {
        !self.ranges.tasks.is_empty()
    }
}

fn send(id: CallId, reply: &RangeReply, server: &mut Server, member: &Member) {
    let header = headers::fields(member);
    server.reply(id, |out| reply.encode(header, out));
}

fn fail(id: CallId, failure: Failure, server: &mut Server) {
    match failure {
        Failure::Reject(reject) => server.fail(id, &status::of_reject(&reject)),
        Failure::Fault(fault) => crate::fault::die(&fault),
    }
}
