//! One accepted connection: which protocol it turned out to speak, what is read and not used, what is to be
//! written. It never waits.

use crate::{
    CallId, Event, Limits,
    grpc::{Context, Session},
    http1::{Exchange, Turn},
    http2::{Input, Keepalive, PREFACE},
    listener::Protocols,
    transport::Transport,
};
use bytes::{Bytes, BytesMut};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// A connection that has not shown its protocol, or whose HTTP/1.1 request is incomplete, ends after this.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a connection that we ended may take to read our last words.
const LINGER: Duration = Duration::from_secs(1);
/// How long they may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Bytes of pipelined HTTP/1.1 requests taken from the socket while one is being answered.
const PIPELINE_BYTES_MAX: usize = 64 << 10;
/// HTTP/1.1 bodies may be this many times the message bound: JSON with base64 in it.
const HTTP_BODY_FACTOR: usize = 2;

#[derive(Debug)]
pub(crate) enum Protocol {
    Unknown,
    Grpc(Box<Session>),
    Http(Exchange),
    /// Over: what comes is thrown away.
    Lingering,
}

/// Whether a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Goes,
    /// To be closed at once.
    Ends,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) transport: Transport,
    pub(crate) protocol: Protocol,
    pub(crate) out: BytesMut,
    pub(crate) flags: Flags,
    peer: Option<SocketAddr>,
    protocols: Protocols,
    /// Of the listener it came by.
    door: u8,
    /// Read, and not yet a whole frame or request.
    tail: BytesMut,
    /// Accepted, or last heard of where that matters, or ended.
    since: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// The socket may have more to read.
    pub(crate) readable: bool,
    /// The peer has closed its side; the end is still to be read.
    pub(crate) hangup: bool,
    /// In the server's list of connections to read.
    pub(crate) queued: bool,
    /// In the server's list of connections to write.
    pub(crate) dirty: bool,
    /// The socket takes no more for now.
    pub(crate) blocked: bool,
    /// The socket is broken, or we gave up on it: to be closed at the next look.
    pub(crate) dead: bool,
    /// To be ended once the output is written.
    pub(crate) closing: bool,
}

impl Connection {
    pub(crate) fn new(
        id: u64,
        transport: Transport,
        peer: Option<SocketAddr>,
        protocols: Protocols,
        door: u8,
        now: Instant,
    ) -> Connection {
        Connection {
            id,
            transport,
            protocol: Protocol::Unknown,
            out: BytesMut::new(),
            flags: Flags { readable: true, ..Flags::default() },
            peer,
            protocols,
            door,
            tail: BytesMut::new(),
            since: now,
        }
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Reading is to wait until output, or an HTTP/1.1 answer, has left.
    pub(crate) fn paused(&self, limits: &Limits) -> bool {
        self.out.len() > limits.output_bytes_max
            || matches!(&self.protocol, Protocol::Http(exchange)
                if exchange.asked() && self.tail.len() > PIPELINE_BYTES_MAX)
    }

    /// Handles bytes just read.
    pub(crate) fn receive(&mut self, bytes: &[u8], cx: &mut Context) {
        if self.flags.closing {
            return;
        }
        if let Protocol::Unknown = self.protocol {
            self.tail.extend_from_slice(bytes);
            return self.sniff(cx);
        }
        match &mut self.protocol {
            Protocol::Lingering | Protocol::Unknown => {}
            Protocol::Http(_) => {
                self.tail.extend_from_slice(bytes);
                self.http(cx);
            }
            Protocol::Grpc(_) => {
                let input = if self.tail.is_empty() {
                    Bytes::copy_from_slice(bytes)
                } else {
                    self.tail.extend_from_slice(bytes);
                    std::mem::take(&mut self.tail).freeze()
                };
                self.grpc(input, cx);
            }
        }
    }

    /// Goes on with requests that waited for an answer to the one before.
    pub(crate) fn resume(&mut self, cx: &mut Context) {
        if matches!(self.protocol, Protocol::Http(_)) && !self.tail.is_empty() {
            self.http(cx);
        }
    }

    fn sniff(&mut self, cx: &mut Context) {
        let length = self.tail.len().min(PREFACE.len());
        let http2 = self.protocols != Protocols::Http && self.tail[..length] == PREFACE[..length];
        if http2 && length < PREFACE.len() {
            return;
        }
        if http2 {
            let input = std::mem::take(&mut self.tail).freeze().slice(PREFACE.len()..);
            self.transport.set_user_timeout(cx.limits.keepalive_timeout);
            let session = Session::new(cx.limits, cx.methods.counts.clone(), cx.now, &mut self.out);
            self.protocol = Protocol::Grpc(Box::new(session));
            return self.grpc(input, cx);
        }
        if self.protocols == Protocols::Grpc {
            self.flags.dead = true;
            return;
        }
        self.protocol = Protocol::Http(Exchange::new(cx.limits.message_bytes_max * HTTP_BODY_FACTOR));
        self.http(cx);
    }

    fn grpc(&mut self, bytes: Bytes, cx: &mut Context) {
        let Protocol::Grpc(session) = &mut self.protocol else { return };
        let mut input = Input::new(bytes);
        match session.receive(&mut input, cx, &mut self.out) {
            Ok(()) => {
                self.tail.extend_from_slice(input.rest());
                session.pump(&mut self.out, cx.limits.output_bytes_max);
            }
            Err(fatal) => {
                log::debug!(peer:? = self.peer, code:? = fatal.code, reason = fatal.reason; "HTTP/2 error");
                session.abandon(self.id, cx.events);
                self.close_soon(cx.now);
            }
        }
    }

    fn http(&mut self, cx: &mut Context) {
        let Protocol::Http(exchange) = &mut self.protocol else { return };
        match exchange.receive(&mut self.tail, &mut self.out) {
            Turn::Wait => {}
            Turn::Close => self.close_soon(cx.now),
            Turn::Request(request) => {
                self.since = cx.now;
                let id = CallId { connection: self.id, stream: 0 };
                cx.events.push(Event::Http { id, door: self.door, request });
            }
        }
    }

    /// To be ended once the output is written; nothing is read any more.
    fn close_soon(&mut self, now: Instant) {
        self.flags.closing = true;
        self.tail = BytesMut::new();
        self.since = now;
    }

    /// The peer has closed its side.
    pub(crate) fn end_of_input(&mut self) -> Fate {
        self.flags.readable = false;
        match &mut self.protocol {
            Protocol::Http(exchange) if exchange.asked() && !exchange.streaming() => {
                exchange.close_after();
                self.flags.hangup = false;
                Fate::Goes
            }
            _ => Fate::Ends,
        }
    }

    /// Nothing is left to do but to write the output.
    pub(crate) fn finished(&self) -> bool {
        match &self.protocol {
            Protocol::Grpc(session) => session.drained(),
            Protocol::Http(exchange) => exchange.closed(),
            Protocol::Unknown | Protocol::Lingering => false,
        }
    }

    /// All is said: the peer reads the end after our last byte.
    pub(crate) fn linger(&mut self, now: Instant) -> Fate {
        self.flags.closing = false;
        self.protocol = Protocol::Lingering;
        self.tail = BytesMut::new();
        self.since = now;
        match self.transport.shutdown_write() {
            Ok(()) => Fate::Goes,
            Err(_) => Fate::Ends,
        }
    }

    /// The periodic look at the clock.
    pub(crate) fn tick(&mut self, now: Instant) -> Fate {
        let age = now.saturating_duration_since(self.since);
        let late = match &mut self.protocol {
            _ if self.flags.closing => age >= LAST_WORDS,
            Protocol::Grpc(session) => session.tick(now, &mut self.out) == Keepalive::Dead,
            Protocol::Unknown => age >= REQUEST_TIMEOUT,
            Protocol::Http(exchange) => {
                let begun = exchange.in_body() || !exchange.asked() && !self.tail.is_empty();
                begun && age >= REQUEST_TIMEOUT
            }
            Protocol::Lingering => age >= LINGER,
        };
        if late { Fate::Ends } else { Fate::Goes }
    }

    pub(crate) fn drain(&mut self, now: Instant) {
        match &mut self.protocol {
            Protocol::Grpc(session) => session.drain(now, &mut self.out),
            Protocol::Http(exchange) => exchange.close_after(),
            Protocol::Unknown => self.close_soon(now),
            Protocol::Lingering => {}
        }
    }

    /// Calls and exchanges not yet over.
    pub(crate) fn calls(&self) -> usize {
        match &self.protocol {
            Protocol::Grpc(session) => session.calls(),
            Protocol::Http(exchange) => usize::from(exchange.asked()),
            Protocol::Unknown | Protocol::Lingering => 0,
        }
    }

    /// Reports what the connection's end does to its calls.
    pub(crate) fn abandon(&mut self, events: &mut Vec<Event>) {
        match &mut self.protocol {
            Protocol::Grpc(session) => session.abandon(self.id, events),
            Protocol::Http(exchange) if exchange.asked() => {
                events.push(Event::Gone { id: CallId { connection: self.id, stream: 0 } });
            }
            Protocol::Http(_) | Protocol::Unknown | Protocol::Lingering => {}
        }
    }
}
