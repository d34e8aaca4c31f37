//! Watch streams: requests to the hub, deliveries to the wire.

use super::{Desk, headers, status};
use ::rpc::{CallId, Server};
use bytes::{BufMut, Bytes, BytesMut};
use mvcc::{
    KeyRange,
    watch::{Create, Delivery, Event, Filters, StreamId},
};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint},
};
use proto::etcdserverpb::{
    self as pb, ResponseHeader, watch_create_request::FilterType, watch_request::RequestUnion,
};
use std::collections::HashMap;

/// A stream whose client is this many bytes behind gets no events until it has caught up by half.
const BACKLOG_BYTES_MAX: usize = 8 << 20;

/// Bytes from which a watcher that asked for fragments gets them: request limit plus gRPC overhead.
const FRAGMENT_OVERHEAD_BYTES: usize = 512 * 1024;

/// Field of the events in a `WatchResponse`.
const FIELD_EVENTS: u32 = 11;

#[derive(Debug)]
struct Stream {
    call: CallId,
    needs_leader: bool,
    /// Next periodic progress notification, and its period.
    tick_ms: u64,
    period_ms: u64,
    blocked: bool,
    notifies: bool,
}

/// Open watch streams.
#[derive(Debug)]
pub struct Watches {
    by_call: HashMap<CallId, StreamId>,
    streams: HashMap<StreamId, Stream>,
    next_stream: StreamId,
    blocked: usize,
    interval_ms: u64,
    jitter: u64,
}

impl Watches {
    pub fn new(interval_ms: u64, jitter: u64) -> Self {
        Watches {
            by_call: HashMap::new(),
            streams: HashMap::new(),
            next_stream: 0,
            blocked: 0,
            interval_ms,
            jitter: jitter | 1,
        }
    }

    pub fn has(&self, id: CallId) -> bool {
        self.by_call.contains_key(&id)
    }

    pub fn open(&mut self, id: CallId, needs_leader: bool, desk: &mut Desk<'_>) {
        self.next_stream += 1;
        // Up to a tenth more, so that streams opened together do not all notify together.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 7;
        self.jitter ^= self.jitter << 17;
        let period_ms = self.interval_ms + self.jitter % (self.interval_ms / 10).max(1);
        let stream = Stream {
            call: id,
            needs_leader,
            tick_ms: desk.now_ms + period_ms,
            period_ms,
            blocked: false,
            notifies: false,
        };
        self.by_call.insert(id, self.next_stream);
        self.streams.insert(self.next_stream, stream);
        desk.member.hub_mut().open(self.next_stream);
    }

    pub fn gone(&mut self, id: CallId, desk: &mut Desk<'_>) {
        if let Some(stream) = self.by_call.remove(&id) {
            desk.member.hub_mut().close(stream);
            if self.streams.remove(&stream).is_some_and(|s| s.blocked) {
                self.blocked -= 1;
            }
        }
    }

    pub fn request(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) {
        let Some(stream) = self.by_call.get(&id).copied() else { return };
        let request = match pb::WatchRequest::decode(body) {
            Ok(request) => request,
            Err(error) => {
                self.gone(id, desk);
                return desk.server.fail(id, &status::undecodable_in_stream(&error));
            }
        };
        let revision = desk.member.state().revision();
        match request.request_union {
            Some(RequestUnion::CreateRequest(create)) => self.create(stream, create, revision, desk),
            Some(RequestUnion::CancelRequest(cancel)) => {
                desk.member.hub_mut().cancel(stream, cancel.watch_id, revision);
            }
            Some(RequestUnion::ProgressRequest(_)) => desk.member.hub_mut().progress(stream, revision),
            None => {}
        }
        // What was queued must leave in order with later events.
        self.deliver(desk);
    }

    fn create(
        &mut self,
        stream: StreamId,
        request: pb::WatchCreateRequest,
        revision: i64,
        desk: &mut Desk<'_>,
    ) {
        if request.start_revision < 0 {
            let reason = "etcdserver: mvcc: required revision has been compacted";
            return self.refuse(stream, revision, reason, desk);
        }
        // Copies: what a message holds is a slice of a whole read buffer, and a watcher lives long.
        let key = if request.key.is_empty() { &b"\0"[..] } else { &request.key };
        let range = KeyRange::new(Bytes::copy_from_slice(key), Bytes::copy_from_slice(&request.range_end));
        let mut filters = Filters::default();
        for filter in request.filters {
            match FilterType::try_from(filter) {
                Ok(FilterType::Noput) => filters.no_put = true,
                Ok(FilterType::Nodelete) => filters.no_delete = true,
                Err(_) => {}
            }
        }
        let create = Create {
            range,
            start_revision: request.start_revision,
            watch_id: request.watch_id,
            prev_kv: request.prev_kv,
            fragment: request.fragment,
            progress_notify: request.progress_notify,
            filters,
        };
        if let Err(refused) = desk.member.hub_mut().create(stream, create, revision) {
            return self.refuse(stream, revision, &refused.to_string(), desk);
        }
        if request.progress_notify
            && let Some(stream) = self.streams.get_mut(&stream)
        {
            stream.notifies = true;
        }
    }

    /// A watcher that is not created: the stream stays open.
    fn refuse(&mut self, stream: StreamId, revision: i64, reason: &str, desk: &mut Desk<'_>) {
        let Some(stream) = self.streams.get(&stream) else { return };
        let response = pb::WatchResponse {
            header: headers::at(desk.member, revision),
            watch_id: -1,
            created: true,
            canceled: true,
            cancel_reason: reason.to_owned(),
            ..Default::default()
        };
        send(desk.server, stream.call, &response);
    }

    /// Sends what the hub has queued.
    pub fn deliver(&mut self, desk: &mut Desk<'_>) {
        let mut deliveries = std::mem::take(&mut desk.out.deliveries);
        deliveries.append(&mut desk.member.hub_mut().take());
        let fragment_bytes = desk.member.settings().request_bytes_max + FRAGMENT_OVERHEAD_BYTES;
        for delivery in deliveries {
            self.send_one(delivery, fragment_bytes, desk);
        }
        if self.blocked > 0 {
            self.unblock(desk);
        }
    }

    fn send_one(&mut self, delivery: Delivery, fragment_bytes: usize, desk: &mut Desk<'_>) {
        let at = |revision| headers::at(desk.member, revision);
        let (stream, response) = match delivery {
            Delivery::Created { stream, watch_id, revision } => (
                stream,
                pb::WatchResponse { header: at(revision), watch_id, created: true, ..Default::default() },
            ),
            Delivery::Canceled { stream, watch_id, revision } => (
                stream,
                pb::WatchResponse { header: at(revision), watch_id, canceled: true, ..Default::default() },
            ),
            Delivery::Compacted { stream, watch_id, compact_revision } => {
                let header = at(0);
                let response = pb::WatchResponse {
                    header,
                    watch_id,
                    canceled: true,
                    compact_revision,
                    ..Default::default()
                };
                (stream, response)
            }
            Delivery::Progress { stream, watch_id, revision } => {
                (stream, pb::WatchResponse { header: at(revision), watch_id, ..Default::default() })
            }
            Delivery::Events { stream, watch_id, revision, fragment, events } => {
                let header = headers::fields(desk.member).with_revision(revision);
                let Some(stream_state) = self.streams.get_mut(&stream) else { return };
                let call = stream_state.call;
                let limit = if fragment { fragment_bytes } else { usize::MAX };
                send_events(desk.server, call, &header, watch_id, &events, limit);
                if !stream_state.blocked && desk.server.backlog(call) > BACKLOG_BYTES_MAX {
                    stream_state.blocked = true;
                    self.blocked += 1;
                    desk.member.hub_mut().set_blocked(stream, true);
                }
                return;
            }
        };
        if let Some(stream) = self.streams.get(&stream) {
            send(desk.server, stream.call, &response);
        }
    }

    fn unblock(&mut self, desk: &mut Desk<'_>) {
        for (id, stream) in &mut self.streams {
            if stream.blocked && desk.server.backlog(stream.call) < BACKLOG_BYTES_MAX / 2 {
                stream.blocked = false;
                self.blocked -= 1;
                desk.member.hub_mut().set_blocked(*id, false);
            }
        }
    }

    /// Periodic progress notifications.
    pub fn tick(&mut self, desk: &mut Desk<'_>) {
        let revision = desk.member.state().revision();
        for (id, stream) in &mut self.streams {
            if stream.notifies && desk.now_ms >= stream.tick_ms {
                stream.tick_ms = desk.now_ms + stream.period_ms;
                desk.member.hub_mut().progress_tick(*id, revision);
            }
        }
    }

    pub fn no_leader(&mut self, desk: &mut Desk<'_>) {
        let cut: Vec<_> = self.streams.values().filter(|s| s.needs_leader).map(|s| s.call).collect();
        for call in cut {
            self.gone(call, desk);
            desk.server.fail(call, &status::no_leader());
        }
    }
}

fn send(server: &mut Server, call: CallId, response: &pb::WatchResponse) {
    server.send(call, |out| response.encode(out).expect("BytesMut grows"));
}

/// Length of an event as a field of the response.
fn field_len(event: &Event) -> usize {
    let len = event.encoded_len();
    1 + encoded_len_varint(len as u64) + len
}

/// Sends the events of one delivery, in pieces below `limit` bytes if they are larger. A single event is never split.
fn send_events(
    server: &mut Server,
    call: CallId,
    header: &ResponseHeader,
    watch_id: i64,
    events: &[Event],
    limit: usize,
) {
    let mut rest = events;
    while !rest.is_empty() {
        let mut bytes = 0;
        let mut count = 0;
        while count < rest.len() && (count == 0 || bytes + field_len(&rest[count]) < limit) {
            bytes += field_len(&rest[count]);
            count += 1;
        }
        let (piece, left) = rest.split_at(count);
        rest = left;
        let head = pb::WatchResponse {
            header: Some(*header),
            watch_id,
            fragment: !left.is_empty(),
            ..Default::default()
        };
        server.send(call, |out| {
            head.encode(out).expect("BytesMut grows");
            piece.iter().for_each(|event| put_event(event, out));
        });
    }
}

fn put_event(event: &Event, out: &mut BytesMut) {
    out.reserve(field_len(event));
    encode_key(FIELD_EVENTS, WireType::LengthDelimited, out);
    encode_varint(event.encoded_len() as u64, out);
    event.encode(out);
    debug_assert!(out.has_remaining_mut());
}
