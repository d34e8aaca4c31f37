//! What each frame does to a connection, RFC 9113, sections 5 and 6. It never writes but what the frame demands.

use super::{
    connection::{Assembly, Connection, Draining, Event, Fatal, Payload},
    flow::{CONNECTION_WINDOW, Inbound, Outbound, STREAM_WINDOW},
    frame::{self, Code, Header, PAYLOAD_BYTES_MAX, flag, kind, setting},
    hpack::Block,
    request,
    streams::{Key, Rare, Stream},
};
use bytes::{Buf, Bytes, BytesMut};
use std::time::Instant;

/// A header block as sent, in bytes, over all its frames.
const BLOCK_BYTES_MAX: usize = 256 << 10;
/// CONTINUATION frames of one block.
const CONTINUATIONS_MAX: usize = 64;

/// Streams gone that may stay in the line of those waiting, beside as many as are open.
const WAITING_SLACK: usize = 64;

type Outcome<T> = Result<Option<Event<T>>, Fatal>;

impl<T> Connection<T> {
    pub(super) fn frame(
        &mut self,
        header: &Header,
        payload: &Payload,
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        if self.assembly.is_some() && header.kind != kind::CONTINUATION {
            return Err(Fatal::new(Code::Protocol, "header block interrupted"));
        }
        match header.kind {
            kind::HEADERS => return self.on_headers(header, payload, now, out),
            kind::DATA => return self.on_data(header, payload, now, out),
            kind::CONTINUATION => return self.continuation(header, payload, now, out),
            kind::RST_STREAM => return self.peer_reset(header, payload, now),
            kind::PUSH_PROMISE => return Err(Fatal::new(Code::Protocol, "PUSH_PROMISE from a client")),
            _ => {}
        }
        self.spend_control(now)?;
        match header.kind {
            kind::WINDOW_UPDATE => self.window_update(header, payload, now, out),
            kind::SETTINGS => self.settings(header, payload, out).map(|()| None),
            kind::PING => self.ping(header, payload, now, out).map(|()| None),
            kind::PRIORITY => self.priority(header, payload, now, out),
            kind::GOAWAY if header.stream != 0 => Err(Fatal::new(Code::Protocol, "GOAWAY on a stream")),
            kind::GOAWAY if header.length < 8 => Err(Fatal::new(Code::FrameSize, "short GOAWAY")),
            // The peer's goodbye needs no answer: it opens no streams, and closes when the last one is over.
            kind::GOAWAY => Ok(None),
            _ => Ok(None),
        }
    }

    fn spend_control(&mut self, now: Instant) -> Result<(), Fatal> {
        if self.control.spend(now) {
            return Ok(());
        }
        Err(Fatal::new(Code::EnhanceYourCalm, "too many control frames"))
    }

    fn on_headers(
        &mut self,
        header: &Header,
        payload: &Payload,
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        if header.stream.is_multiple_of(2) {
            return Err(Fatal::new(Code::Protocol, "HEADERS on a stream that is no client's"));
        }
        let Some(range) = frame::unpadded(header, payload) else {
            return Err(Fatal::new(Code::Protocol, "padding longer than the frame"));
        };
        let block = &payload[range];
        let end = header.has(flag::END_STREAM);
        if header.has(flag::END_HEADERS) {
            return self.block(header.stream, end, block, now, out);
        }
        self.assembly = Some(Assembly { stream: header.stream, end, block: block.to_vec(), frames: 0 });
        Ok(None)
    }

    fn continuation(
        &mut self,
        header: &Header,
        payload: &Payload,
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        let Some(assembly) = self.assembly.as_mut().filter(|open| open.stream == header.stream) else {
            return Err(Fatal::new(Code::Protocol, "CONTINUATION out of place"));
        };
        assembly.frames += 1;
        assembly.block.extend_from_slice(payload);
        if assembly.frames > CONTINUATIONS_MAX || assembly.block.len() > BLOCK_BYTES_MAX {
            return Err(Fatal::new(Code::EnhanceYourCalm, "header block too large"));
        }
        if !header.has(flag::END_HEADERS) {
            return Ok(None);
        }
        let Some(assembly) = self.assembly.take() else { return Ok(None) };
        self.block(assembly.stream, assembly.end, &assembly.block, now, out)
    }

    /// A whole header block: a request's, or the trailers of one.
    fn block(
        &mut self,
        stream: u32,
        end: bool,
        block: &[u8],
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        let Ok(kind) = self.decoder.decode(block) else {
            return Err(Fatal::new(Code::Compression, "header block does not decode"));
        };
        if let Some(key) = self.streams.find(stream) {
            return self.trailers(key, end, kind, now, out);
        }
        if stream <= self.last_stream {
            if self.was_reset(stream) {
                return self.spend_control(now).map(|()| None);
            }
            return Err(Fatal::new(Code::StreamClosed, "HEADERS on a closed stream"));
        }
        self.last_stream = stream;
        self.announced = None;
        if let Draining::Final(_) = self.draining {
            return self.spend_control(now).map(|()| None);
        }
        if self.streams.len() >= self.streams_max || self.queued_bytes > self.queued_bytes_max {
            return self.stream_error(stream, Code::RefusedStream, now, out);
        }
        let kind = match kind {
            Block::TooLarge => return self.stream_error(stream, Code::FrameSize, now, out),
            Block::Known(slot) => Block::Known(slot),
            Block::Repeatable(_) | Block::Once => match request::check(self.decoder.fields()) {
                None => return self.stream_error(stream, Code::Protocol, now, out),
                Some(request::Body { announced: None }) => kind,
                Some(request::Body { announced }) => {
                    self.announced = announced;
                    Block::Once
                }
            },
        };
        if end && self.announced.is_some_and(|bytes| bytes > 0) {
            return self.stream_error(stream, Code::Protocol, now, out);
        }
        if let Block::Repeatable(_) = kind {
            self.decoder.remember();
        }
        Ok(Some(Event::Request { stream, block: kind, end }))
    }

    fn trailers(&mut self, key: Key, end: bool, kind: Block, now: Instant, out: &mut BytesMut) -> Outcome<T> {
        let stream = self.streams.get(key);
        let (id, closed) = (stream.id, stream.remote_closed);
        if closed {
            return self.stream_error(id, Code::StreamClosed, now, out);
        }
        let known = matches!(kind, Block::Known(_));
        if !end || known || self.decoder.fields().iter().any(|(name, _)| name.starts_with(b":")) {
            return self.stream_error(id, Code::Protocol, now, out);
        }
        self.body(key, Bytes::new(), true, now, out)
    }

    /// Opens the stream of the request reported last.
    pub(crate) fn open(&mut self, stream: u32, end: bool, state: T) -> Key {
        assert_eq!(stream, self.last_stream);
        self.streams.insert(Stream {
            id: stream,
            state: Some(state),
            remote_closed: end,
            inbound: Inbound::new(STREAM_WINDOW),
            outbound: Outbound::new(self.peer_window),
            waiting: false,
            rare: self.announced.map(|bytes| Box::new(Rare { announced: Some(bytes), ..Rare::default() })),
        })
    }

    fn on_data(
        &mut self,
        header: &Header,
        payload: &Payload,
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        if header.stream == 0 || header.stream > self.last_stream {
            return Err(Fatal::new(Code::Protocol, "DATA on an idle stream"));
        }
        if !self.inbound.take(header.length) {
            return Err(Fatal::new(Code::FlowControl, "connection window exceeded"));
        }
        if let Some(increment) = self.inbound.refill(CONNECTION_WINDOW) {
            frame::put_window_update(out, 0, increment);
        }
        let Some(range) = frame::unpadded(header, payload) else {
            return Err(Fatal::new(Code::Protocol, "padding longer than the frame"));
        };
        let end = header.has(flag::END_STREAM);
        let Some(key) = self.streams.find(header.stream) else {
            // Sent before the peer knew that the stream is over.
            return self.spend_control(now).map(|()| None);
        };
        if range.is_empty() && !end {
            self.spend_control(now)?;
        }
        let stream = self.streams.get_mut(key);
        if stream.remote_closed {
            return self.stream_error(header.stream, Code::StreamClosed, now, out);
        }
        if !stream.inbound.take(header.length) {
            return self.stream_error(header.stream, Code::FlowControl, now, out);
        }
        if !end && let Some(increment) = stream.inbound.refill(STREAM_WINDOW) {
            frame::put_window_update(out, header.stream, increment);
        }
        let body = payload.bytes.slice(payload.start + range.start..payload.start + range.end);
        self.body(key, body, end, now, out)
    }

    fn body(&mut self, key: Key, payload: Bytes, end: bool, now: Instant, out: &mut BytesMut) -> Outcome<T> {
        let stream = self.streams.get_mut(key);
        stream.remote_closed = end;
        if let Some(rare) = &mut stream.rare
            && let Some(left) = rare.announced
        {
            let after = left.checked_sub(payload.len() as u64);
            rare.announced = after;
            if after.is_none() || end && after != Some(0) {
                let id = stream.id;
                return self.stream_error(id, Code::Protocol, now, out);
            }
        }
        let silent = payload.is_empty() && !end;
        Ok((!silent).then_some(Event::Data { key, payload, end }))
    }

    fn peer_reset(&mut self, header: &Header, payload: &Payload, now: Instant) -> Outcome<T> {
        if header.length != 4 {
            return Err(Fatal::new(Code::FrameSize, "RST_STREAM of another length than 4"));
        }
        if header.stream == 0 || header.stream > self.last_stream {
            return Err(Fatal::new(Code::Protocol, "RST_STREAM on an idle stream"));
        }
        log::trace!("stream {} reset with code {}", header.stream, (&payload[..]).get_u32());
        let Some(key) = self.streams.find(header.stream) else {
            return self.spend_control(now).map(|()| None);
        };
        self.spend_reset(now)?;
        Ok(self.forget(key))
    }

    fn spend_reset(&mut self, now: Instant) -> Result<(), Fatal> {
        if self.resets.spend(now) {
            return Ok(());
        }
        Err(Fatal::new(Code::EnhanceYourCalm, "too many resets"))
    }

    /// A stream error: RST_STREAM, whether or not the stream is open.
    pub(super) fn stream_error(
        &mut self,
        stream: u32,
        code: Code,
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        self.spend_reset(now)?;
        frame::put_reset(out, stream, code);
        self.remember_reset(stream);
        Ok(self.streams.find(stream).and_then(|key| self.forget(key)))
    }

    fn forget(&mut self, key: Key) -> Option<Event<T>> {
        let stream = self.streams.remove(key);
        self.queued_bytes -= stream.queued();
        if self.waiting.len() > 2 * self.streams.len() + WAITING_SLACK {
            let streams = &mut self.streams;
            self.waiting.retain(|&id| streams.find(id).is_some());
        }
        stream.state.map(|state| Event::Gone { stream: stream.id, state })
    }

    fn window_update(
        &mut self,
        header: &Header,
        payload: &Payload,
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        if header.length != 4 {
            return Err(Fatal::new(Code::FrameSize, "WINDOW_UPDATE of another length than 4"));
        }
        let increment = (&payload[..]).get_u32() & frame::STREAM_MAX;
        if header.stream == 0 {
            if increment == 0 {
                return Err(Fatal::new(Code::Protocol, "WINDOW_UPDATE by 0"));
            }
            if !self.outbound.add(i64::from(increment)) {
                return Err(Fatal::new(Code::FlowControl, "connection window above 2^31-1"));
            }
            return Ok(None);
        }
        if header.stream > self.last_stream {
            return Err(Fatal::new(Code::Protocol, "WINDOW_UPDATE on an idle stream"));
        }
        let Some(key) = self.streams.find(header.stream) else { return Ok(None) };
        if increment == 0 {
            return self.stream_error(header.stream, Code::Protocol, now, out);
        }
        if !self.streams.get_mut(key).outbound.add(i64::from(increment)) {
            return self.stream_error(header.stream, Code::FlowControl, now, out);
        }
        self.line_up(key);
        Ok(None)
    }

    fn settings(&mut self, header: &Header, payload: &Payload, out: &mut BytesMut) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::new(Code::Protocol, "SETTINGS on a stream"));
        }
        if header.has(flag::ACK) {
            if header.length != 0 {
                return Err(Fatal::new(Code::FrameSize, "SETTINGS acknowledgement with a payload"));
            }
            if !self.greeted {
                return Err(Fatal::new(Code::Protocol, "first frame is not SETTINGS"));
            }
            return Ok(());
        }
        if !header.length.is_multiple_of(6) {
            return Err(Fatal::new(Code::FrameSize, "SETTINGS of a length no multiple of 6"));
        }
        for entry in payload.chunks_exact(6) {
            let mut entry = entry;
            let (name, value) = (entry.get_u16(), entry.get_u32());
            self.setting(name, value)?;
        }
        self.greeted = true;
        frame::put(out, kind::SETTINGS, flag::ACK, 0, &[]);
        Ok(())
    }

    fn setting(&mut self, name: u16, value: u32) -> Result<(), Fatal> {
        match name {
            setting::ENABLE_PUSH if value > 1 => Err(Fatal::new(Code::Protocol, "ENABLE_PUSH above 1")),
            setting::MAX_FRAME_SIZE => {
                if !(PAYLOAD_BYTES_MAX..1 << 24).contains(&(value as usize)) {
                    return Err(Fatal::new(Code::Protocol, "MAX_FRAME_SIZE out of range"));
                }
                self.peer_frame_max = value as usize;
                Ok(())
            }
            setting::INITIAL_WINDOW_SIZE => self.initial_window(value),
            // The rest concerns pushes, or a header table that our encoder does not use.
            _ => Ok(()),
        }
    }

    fn initial_window(&mut self, value: u32) -> Result<(), Fatal> {
        if value > frame::STREAM_MAX {
            return Err(Fatal::new(Code::FlowControl, "INITIAL_WINDOW_SIZE above 2^31-1"));
        }
        let difference = i64::from(value) - i64::from(self.peer_window);
        self.peer_window = value;
        for stream in self.streams.iter_mut() {
            if !stream.outbound.add(difference) {
                return Err(Fatal::new(Code::FlowControl, "stream window above 2^31-1"));
            }
            if stream.queued() > 0 && !stream.waiting && stream.outbound.room() > 0 {
                stream.waiting = true;
                self.waiting.push_back(stream.id);
            }
        }
        Ok(())
    }

    fn ping(
        &mut self,
        header: &Header,
        payload: &Payload,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::new(Code::Protocol, "PING on a stream"));
        }
        if header.length != 8 {
            return Err(Fatal::new(Code::FrameSize, "PING of another length than 8"));
        }
        if header.has(flag::ACK) {
            self.ping_answered(payload, out);
            return Ok(());
        }
        frame::put(out, kind::PING, flag::ACK, 0, payload);
        if self.pings.peer_ping(now, self.streams.len() > 0) {
            return Ok(());
        }
        Err(Fatal::new(Code::EnhanceYourCalm, "too_many_pings"))
    }

    /// Priorities are read for their errors alone.
    fn priority(
        &mut self,
        header: &Header,
        payload: &Payload,
        now: Instant,
        out: &mut BytesMut,
    ) -> Outcome<T> {
        if header.stream == 0 {
            return Err(Fatal::new(Code::Protocol, "PRIORITY without a stream"));
        }
        if payload.len() != 5 {
            return self.stream_error(header.stream, Code::FrameSize, now, out);
        }
        Ok(None)
    }
}
