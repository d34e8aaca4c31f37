//! One HTTP/2 connection's calls: engine events in, server events out; replies into the output buffer. It never
//! touches a socket.
//!
//! A call is announced to the server once (`Call` or `Open`), and ends once: by the server's last word, or by
//! `Gone`. A call that fails before it was announced is answered here and never heard of.

use super::{
    head::{self, CallHead, Head, Opening},
    message::{self, Encoding, Partial},
    methods::Methods,
    status::{self, code},
};
use crate::{
    CallId, Event, Limits, Metadata, Status,
    counts::Counts,
    http2::{self, Block, Connection, Fatal, Input, KNOWN_BLOCKS, Keepalive, Key},
};
use bytes::{Bytes, BytesMut};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes of incomplete messages that one connection may hold with us.
const PARTIAL_BYTES_MAX: usize = 256 << 20;
/// Bytes that may wait for the peer's windows before its new calls are refused.
const QUEUED_BYTES_MAX: usize = 1 << 30;

/// What a session is lent for one turn.
pub(crate) struct Context<'a> {
    pub(crate) methods: &'a Methods,
    pub(crate) limits: &'a Limits,
    pub(crate) connection: u64,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) now: Instant,
    pub(crate) events: &'a mut Vec<Event>,
}

impl Context<'_> {
    fn id(&self, stream: u32) -> CallId {
        CallId { connection: self.connection, stream }
    }
}

#[derive(Debug)]
struct Call {
    method: usize,
    client_stream: bool,
    encoding: Encoding,
    /// The response's headers are out.
    opened: bool,
    /// Until the call is announced.
    headers: Option<Arc<[(Bytes, Bytes)]>>,
    timeout: Option<Duration>,
    partial: Partial,
    opening: Option<Arc<Opening>>,
}

impl Call {
    fn new(head: &CallHead, timeout: Option<Duration>, client_stream: bool) -> Call {
        Call {
            method: head.method,
            client_stream,
            encoding: head.encoding,
            opened: false,
            headers: Some(head.headers.clone()),
            timeout,
            partial: None,
            opening: head.opening.clone(),
        }
    }

    fn announced(&self) -> bool {
        self.headers.is_none()
    }

    /// The call's metadata; it counts as announced from here.
    fn announce(&mut self, peer: Option<SocketAddr>) -> Metadata {
        Metadata { headers: self.headers.take().unwrap_or_default(), timeout: self.timeout, peer }
    }

    /// Bytes held of a message that is not complete.
    fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.len())
    }
}

#[derive(Debug)]
pub(crate) struct Session {
    http2: Connection<Call>,
    /// What the engine's remembered blocks mean.
    heads: [Option<Head>; KNOWN_BLOCKS],
    /// Sum over the calls of what they hold of incomplete messages.
    partial_bytes: usize,
    counts: Arc<Counts>,
}

impl Session {
    pub(crate) fn new(limits: &Limits, counts: Arc<Counts>, now: Instant, out: &mut BytesMut) -> Session {
        let timers = http2::Timers {
            interval: limits.keepalive_interval,
            timeout: limits.keepalive_timeout,
            peer_interval_min: limits.ping_interval_min,
        };
        let settings =
            http2::Settings { streams_max: limits.streams_max, timers, queued_bytes_max: QUEUED_BYTES_MAX };
        Session {
            http2: Connection::new(&settings, now, out),
            heads: Default::default(),
            partial_bytes: 0,
            counts,
        }
    }

    /// Handles what was read. Bytes of an incomplete frame stay in `input`.
    pub(crate) fn receive(
        &mut self,
        input: &mut Input,
        cx: &mut Context,
        out: &mut BytesMut,
    ) -> Result<(), Fatal> {
        self.http2.alive(cx.now);
        while let Some(event) = self.http2.poll(input, cx.now, out)? {
            match event {
                http2::Event::Request { stream, block, end } => self.request(stream, block, end, cx, out),
                http2::Event::Data { key, payload, end } => self.data(key, payload, end, cx, out),
                http2::Event::Gone { stream, state } => self.gone(stream, &state, cx),
            }
        }
        Ok(())
    }

    fn request(&mut self, stream: u32, block: Block, end: bool, cx: &mut Context, out: &mut BytesMut) {
        let fresh;
        let head = match block {
            Block::Known(slot) => self.heads[slot].as_ref().expect("remembered blocks are interpreted"),
            Block::Repeatable(slot) => {
                self.heads[slot].insert(head::interpret(self.http2.fields(), cx.methods))
            }
            Block::Once | Block::TooLarge => {
                fresh = head::interpret(self.http2.fields(), cx.methods);
                &fresh
            }
        };
        let head = match head {
            Head::Refusal(block) => return self.http2.refuse(stream, block, !end, out),
            Head::Call(head) => head,
        };
        let known = matches!(block, Block::Known(_));
        let own = if known { self.http2.volatile() } else { None };
        let timeout = own.or(head.timeout.as_deref());
        let timeout = match timeout.map(|text| head::timeout_of(text, head.opening.as_deref())).transpose() {
            Ok(timeout) => timeout,
            Err(block) => return self.http2.refuse(stream, &block, !end, out),
        };
        let mut call = Call::new(head, timeout, cx.methods.client_stream(head.method));
        self.counts.started(call.method);
        if call.client_stream {
            let metadata = call.announce(cx.peer);
            cx.events.push(Event::Open { id: cx.id(stream), method: call.method, metadata });
        }
        let key = self.http2.open(stream, end, call);
        if end {
            self.ended(key, cx, out);
        }
    }

    fn data(&mut self, key: Key, mut payload: Bytes, end: bool, cx: &mut Context, out: &mut BytesMut) {
        let stream = self.http2.stream_id(key);
        let Some(call) = self.http2.state(key) else { return };
        if !call.client_stream && call.announced() {
            // A call has one message; more are not looked at.
            return;
        }
        let held = call.held();
        let bytes_max = cx.limits.message_bytes_max;
        let failure = loop {
            match message::next(&mut call.partial, &mut payload, call.encoding, bytes_max) {
                Ok(None) => break None,
                Err(status) => break Some(status),
                Ok(Some(body)) if call.client_stream => {
                    self.counts.received(call.method);
                    cx.events.push(Event::Message { id: cx.id(stream), body });
                }
                Ok(Some(body)) => {
                    self.counts.received(call.method);
                    let metadata = call.announce(cx.peer);
                    cx.events.push(Event::Call { id: cx.id(stream), method: call.method, metadata, body });
                    self.partial_bytes -= held;
                    return;
                }
            }
        };
        self.partial_bytes = self.partial_bytes - held + call.held();
        let failure = failure.or_else(|| (self.partial_bytes > PARTIAL_BYTES_MAX).then(too_many_partial));
        match failure {
            Some(status) => self.reject(key, &status, cx, out),
            None if end => self.ended(key, cx, out),
            None => {}
        }
    }

    /// The client has sent all it will.
    fn ended(&mut self, key: Key, cx: &mut Context, out: &mut BytesMut) {
        let stream = self.http2.stream_id(key);
        let Some(call) = self.http2.state(key) else { return };
        // A prefix that breaks off counts as nothing sent, as in grpc-go.
        let cut = call.held() >= message::PREFIX_BYTES;
        if call.client_stream && !cut {
            cx.events.push(Event::HalfClose { id: cx.id(stream) });
        } else if cut || !call.announced() {
            let code = if call.client_stream { code::INTERNAL } else { code::UNKNOWN };
            let message = if cut { "unexpected EOF" } else { "EOF" };
            self.reject(key, &Status { code, message: message.into() }, cx, out);
        }
    }

    /// Fails a call for what the client sent.
    fn reject(&mut self, key: Key, status: &Status, cx: &mut Context, out: &mut BytesMut) {
        let stream = self.http2.stream_id(key);
        if self.http2.state(key).is_some_and(|call| call.announced()) {
            cx.events.push(Event::Gone { id: cx.id(stream) });
        }
        self.fail_at(key, status, out);
    }

    fn gone(&mut self, stream: u32, call: &Call, cx: &mut Context) {
        self.counts.handled(call.method, code::CANCELLED);
        self.partial_bytes -= call.held();
        if call.announced() {
            cx.events.push(Event::Gone { id: cx.id(stream) });
        }
    }

    /// The connection is lost.
    pub(crate) fn abandon(&mut self, connection: u64, events: &mut Vec<Event>) {
        for (stream, call) in self.http2.abandon() {
            self.counts.handled(call.method, code::CANCELLED);
            if call.announced() {
                events.push(Event::Gone { id: CallId { connection, stream } });
            }
        }
        self.partial_bytes = 0;
    }

    /// Answers a call that has one response.
    pub(crate) fn reply(&mut self, stream: u32, out: &mut BytesMut, encode: impl FnOnce(&mut BytesMut)) {
        if let Some(key) = self.send(stream, out, encode) {
            self.finish_at(key, 0, status::OK, out);
        }
    }

    pub(crate) fn send(
        &mut self,
        stream: u32,
        out: &mut BytesMut,
        encode: impl FnOnce(&mut BytesMut),
    ) -> Option<Key> {
        let key = self.http2.find(stream)?;
        let gzip = self.open_response(key, out)?;
        if let Some(call) = self.http2.state(key) {
            self.counts.sent(call.method);
        }
        self.http2.data(key, out, |out| {
            if gzip { message::write_gzip(out, encode) } else { message::write(out, encode) }
        });
        Some(key)
    }

    pub(crate) fn finish(&mut self, stream: u32, out: &mut BytesMut) {
        let Some(key) = self.http2.find(stream) else { return };
        let Some(call) = self.http2.state(key) else { return };
        if call.opened {
            return self.finish_at(key, 0, status::OK, out);
        }
        let subtype = call.opening.as_ref().map_or(&[][..], |opening| &opening.subtype);
        let block = status::trailers_only(200, subtype, &Status { code: 0, message: String::new() });
        self.finish_at(key, 0, &block, out);
    }

    pub(crate) fn fail(&mut self, stream: u32, status: &Status, out: &mut BytesMut) {
        if let Some(key) = self.http2.find(stream) {
            self.fail_at(key, status, out);
        }
    }

    /// Sends the response's headers unless they are out. `None`: the call is over; else whether it is compressed.
    fn open_response(&mut self, key: Key, out: &mut BytesMut) -> Option<bool> {
        let call = self.http2.state(key)?;
        let gzip = call.encoding == Encoding::Gzip;
        if !std::mem::replace(&mut call.opened, true) {
            match call.opening.clone() {
                None => self.http2.headers(key, status::OPENING, out),
                Some(opening) => self.http2.headers(key, &opening.block, out),
            }
        }
        Some(gzip)
    }

    fn fail_at(&mut self, key: Key, status: &Status, out: &mut BytesMut) {
        let Some(call) = self.http2.state(key) else { return };
        let block = if call.opened {
            status::trailers(status)
        } else {
            let subtype = call.opening.as_ref().map_or(&[][..], |opening| &opening.subtype);
            status::trailers_only(200, subtype, status)
        };
        self.finish_at(key, status.code, &block, out);
    }

    fn finish_at(&mut self, key: Key, code: u8, block: &[u8], out: &mut BytesMut) {
        if let Some(call) = self.http2.finish(key, block, out) {
            self.counts.handled(call.method, code);
            self.partial_bytes -= call.held();
        }
    }

    /// Bytes of a call's messages that wait for the peer's windows.
    pub(crate) fn queued(&self, stream: u32) -> usize {
        self.http2.queued(stream)
    }

    /// Sends what the peer's windows let through, until the output holds `limit` bytes; true if that ended it.
    pub(crate) fn pump(&mut self, out: &mut BytesMut, limit: usize) -> bool {
        self.http2.pump(out, limit)
    }

    pub(crate) fn tick(&mut self, now: Instant, out: &mut BytesMut) -> Keepalive {
        self.http2.tick(now, out)
    }

    pub(crate) fn drain(&mut self, now: Instant, out: &mut BytesMut) {
        self.http2.drain(now, out);
    }

    pub(crate) fn drained(&self) -> bool {
        self.http2.drained()
    }

    /// Calls not yet over.
    pub(crate) fn calls(&self) -> usize {
        self.http2.streams()
    }
}

fn too_many_partial() -> Status {
    Status {
        code: code::RESOURCE_EXHAUSTED,
        message: format!("grpc: incomplete messages of the connection exceed {PARTIAL_BYTES_MAX} bytes"),
    }
}
