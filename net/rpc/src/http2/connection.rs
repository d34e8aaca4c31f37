//! A connection: what both directions share, and the pull of frames. Frames are handled in `receive`, written in
//! `send`.

use super::{
    flood::{Budget, CONTROL_BURST, RESETS_BURST},
    flow::{CONNECTION_WINDOW, Inbound, Outbound, STREAM_WINDOW, WINDOW_DEFAULT},
    frame::{self, Code, HEADER_BYTES, Header, PAYLOAD_BYTES_MAX, kind, setting},
    hpack::{Block, Decoder, Fields, LIST_BYTES_MAX},
    keepalive::{Keepalive, Pings, Timers},
    streams::{Key, Streams},
};
use bytes::{Bytes, BytesMut};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Streams that a connection may open if it is not told a limit (then the usual one is none).
const STREAMS_MAX: u32 = 1 << 18;
/// Streams remembered as reset by us, so that what the peer sent before it knew is no error.
const RESETS_REMEMBERED: usize = 64;
/// How long a draining connection waits for the peer to have seen the first GOAWAY.
const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// Payload of the ping that follows it.
const DRAIN_PING: [u8; 8] = *b"draining";
const KEEPALIVE_PING: [u8; 8] = [0; 8];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// `u32::MAX`: not announced.
    pub(crate) streams_max: u32,
    pub(crate) timers: Timers,
    /// Bytes waiting for the peer's windows above which new streams are refused.
    pub(crate) queued_bytes_max: usize,
}

#[derive(Debug)]
pub(crate) enum Event<T> {
    /// A request's fields are complete. Call [`Connection::open`] or [`Connection::refuse`] before the next poll.
    Request {
        stream: u32,
        block: Block,
        end: bool,
    },
    Data {
        key: Key,
        payload: Bytes,
        end: bool,
    },
    /// A stream that the layer above has not finished is gone.
    Gone {
        stream: u32,
        state: T,
    },
}

/// A connection error. GOAWAY is in the output already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fatal {
    pub(crate) code: Code,
    pub(crate) reason: &'static str,
}

impl Fatal {
    pub(super) fn new(code: Code, reason: &'static str) -> Fatal {
        Fatal { code, reason }
    }
}

/// Bytes received and not yet handled.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Bytes,
    at: usize,
}

impl Input {
    pub(crate) fn new(bytes: Bytes) -> Input {
        Input { bytes, at: 0 }
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

/// A payload in the input.
pub(super) struct Payload<'a> {
    pub(super) bytes: &'a Bytes,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl std::ops::Deref for Payload<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

/// A header block that goes on in CONTINUATION frames.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) stream: u32,
    pub(super) end: bool,
    pub(super) block: Vec<u8>,
    pub(super) frames: usize,
}

/// How far the goodbye has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Draining {
    No,
    /// The first GOAWAY is out: streams that the peer opens until it has seen it still count.
    Announced(Instant),
    /// The second one is out, naming this stream: later ones do not exist.
    Final(u32),
}

#[derive(Debug)]
pub(crate) struct Connection<T> {
    pub(super) decoder: Decoder,
    pub(super) streams: Streams<T>,
    pub(super) streams_max: usize,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
    pub(super) peer_window: u32,
    pub(super) peer_frame_max: usize,
    /// Streams with something queued and room in their own window, in turn.
    pub(super) waiting: VecDeque<u32>,
    /// Sum of all streams' queues.
    pub(super) queued_bytes: usize,
    pub(super) queued_bytes_max: usize,
    pub(super) assembly: Option<Assembly>,
    /// The peer's first SETTINGS have come.
    pub(super) greeted: bool,
    pub(super) last_stream: u32,
    /// `content-length` of the request reported last.
    pub(super) announced: Option<u64>,
    pub(super) draining: Draining,
    pub(super) resets: Budget,
    pub(super) control: Budget,
    pub(super) pings: Pings,
    remembered: VecDeque<u32>,
}

impl<T> Connection<T> {
    /// Begins where the client's preface ends, and greets.
    pub(crate) fn new(settings: &Settings, now: Instant, out: &mut BytesMut) -> Connection<T> {
        let mut greeting = vec![
            (setting::MAX_FRAME_SIZE, PAYLOAD_BYTES_MAX as u32),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (setting::MAX_HEADER_LIST_SIZE, LIST_BYTES_MAX as u32),
        ];
        if settings.streams_max != u32::MAX {
            greeting.push((setting::MAX_CONCURRENT_STREAMS, settings.streams_max));
        }
        frame::put_settings(out, &greeting);
        frame::put_window_update(out, 0, CONNECTION_WINDOW - WINDOW_DEFAULT);
        Connection {
            decoder: Decoder::new(),
            streams: Streams::new(),
            streams_max: settings.streams_max.min(STREAMS_MAX) as usize,
            inbound: Inbound::new(CONNECTION_WINDOW),
            outbound: Outbound::new(WINDOW_DEFAULT),
            peer_window: WINDOW_DEFAULT,
            peer_frame_max: PAYLOAD_BYTES_MAX,
            waiting: VecDeque::new(),
            queued_bytes: 0,
            queued_bytes_max: settings.queued_bytes_max,
            assembly: None,
            greeted: false,
            last_stream: 0,
            announced: None,
            draining: Draining::No,
            resets: Budget::new(RESETS_BURST, now),
            control: Budget::new(CONTROL_BURST, now),
            pings: Pings::new(settings.timers, now),
            remembered: VecDeque::new(),
        }
    }

    /// Handles frames until one of them is an event. `None`: what is left of the input is no whole frame.
    pub(crate) fn poll(
        &mut self,
        input: &mut Input,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<Option<Event<T>>, Fatal> {
        let event = self.pull(input, now, out);
        if let Err(fatal) = &event {
            // What a goodbye named must not grow.
            let last = if let Draining::Final(last) = self.draining { last } else { self.last_stream };
            frame::put_goaway(out, last, fatal.code, fatal.reason);
        }
        event
    }

    fn pull(
        &mut self,
        input: &mut Input,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<Option<Event<T>>, Fatal> {
        while let Some((head, tail)) = input.rest().split_first_chunk::<HEADER_BYTES>() {
            let header = Header::parse(head);
            if header.length > PAYLOAD_BYTES_MAX {
                return Err(Fatal::new(Code::FrameSize, "frame larger than SETTINGS_MAX_FRAME_SIZE"));
            }
            if tail.len() < header.length {
                break;
            }
            if !self.greeted && header.kind != kind::SETTINGS {
                return Err(Fatal::new(Code::Protocol, "first frame is not SETTINGS"));
            }
            let start = input.at + HEADER_BYTES;
            input.at = start + header.length;
            let payload = Payload { bytes: &input.bytes, start, end: input.at };
            if let Some(event) = self.frame(&header, &payload, now, out)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Fields of the request reported last, unless its block was [`Block::Known`].
    pub(crate) fn fields(&self) -> &Fields {
        self.decoder.fields()
    }

    /// Value of the timeout field of a request whose block was [`Block::Known`], if the block had one of its own.
    pub(crate) fn volatile(&self) -> Option<&[u8]> {
        self.decoder.volatile()
    }

    pub(crate) fn find(&mut self, stream: u32) -> Option<Key> {
        self.streams.find(stream)
    }

    /// The layer above's value; `None` once it has finished the stream.
    pub(crate) fn state(&mut self, key: Key) -> Option<&mut T> {
        self.streams.get_mut(key).state.as_mut()
    }

    pub(crate) fn stream_id(&self, key: Key) -> u32 {
        self.streams.get(key).id
    }

    /// Streams not yet over.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Takes all streams that the layer above has not finished; for a connection that is over.
    pub(crate) fn abandon(&mut self) -> Vec<(u32, T)> {
        self.queued_bytes = 0;
        self.waiting.clear();
        self.streams.drain().filter_map(|stream| Some((stream.id, stream.state?))).collect()
    }

    /// Bytes were read.
    pub(crate) fn alive(&mut self, now: Instant) {
        self.pings.alive(now);
    }

    /// The periodic look at the clock: keep-alive and the second half of a goodbye.
    pub(crate) fn tick(&mut self, now: Instant, out: &mut BytesMut) -> Keepalive {
        if matches!(self.draining, Draining::Announced(since) if now.saturating_duration_since(since) >= DRAIN_WAIT)
        {
            self.finish_draining(out);
        }
        let keepalive = self.pings.check(now);
        if keepalive == Keepalive::Ping {
            frame::put(out, kind::PING, 0, 0, &KEEPALIVE_PING);
        }
        keepalive
    }

    /// Says goodbye: streams that are open, or that the peer opened before it heard, are served.
    pub(crate) fn drain(&mut self, now: Instant, out: &mut BytesMut) {
        if self.draining == Draining::No {
            frame::put_goaway(out, frame::STREAM_MAX, Code::NoError, "graceful_stop");
            frame::put(out, kind::PING, 0, 0, &DRAIN_PING);
            self.draining = Draining::Announced(now);
        }
    }

    /// The goodbye is said and nothing is left to do.
    pub(crate) fn drained(&self) -> bool {
        matches!(self.draining, Draining::Final(_)) && self.streams.len() == 0
    }

    pub(super) fn ping_answered(&mut self, payload: &[u8], out: &mut BytesMut) {
        if payload == DRAIN_PING && matches!(self.draining, Draining::Announced(_)) {
            self.finish_draining(out);
        }
    }

    fn finish_draining(&mut self, out: &mut BytesMut) {
        frame::put_goaway(out, self.last_stream, Code::NoError, "graceful_stop");
        self.draining = Draining::Final(self.last_stream);
    }

    pub(super) fn remember_reset(&mut self, stream: u32) {
        if self.remembered.len() == RESETS_REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(stream);
    }

    pub(super) fn was_reset(&self, stream: u32) -> bool {
        self.remembered.contains(&stream)
    }
}
