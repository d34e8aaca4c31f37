//! What the layer above says on a stream: header blocks, payload, the end. It never sends DATA beyond the peer's
//! windows; what they hold back waits in the stream's queue, and streams take turns when there is room.

use super::{
    connection::Connection,
    frame::{self, Code, HEADER_BYTES, Header, flag, kind},
    streams::Key,
};
use bytes::{Buf, BytesMut};

impl<T> Connection<T> {
    /// Answers the request reported last without opening its stream. `reset`: the peer has not ended its side.
    pub(crate) fn refuse(&mut self, stream: u32, block: &[u8], reset: bool, out: &mut BytesMut) {
        assert_eq!(stream, self.last_stream);
        self.put_block(stream, flag::END_STREAM, block, out);
        if reset {
            frame::put_reset(out, stream, Code::NoError);
            self.remember_reset(stream);
        }
    }

    /// Opens the response.
    pub(crate) fn headers(&mut self, key: Key, block: &[u8], out: &mut BytesMut) {
        let stream = self.streams.get(key).id;
        self.put_block(stream, 0, block, out);
    }

    /// Sends payload: `encode` appends it to the buffer.
    pub(crate) fn data(&mut self, key: Key, out: &mut BytesMut, encode: impl FnOnce(&mut BytesMut)) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        encode(out);
        let length = out.len() - start - HEADER_BYTES;
        let stream = self.streams.get_mut(key);
        assert!(stream.state.is_some(), "payload after the end");
        let room = self.peer_frame_max.min(self.outbound.room()).min(stream.outbound.room());
        if length <= room && stream.queued() == 0 {
            let header = Header { length, kind: kind::DATA, flags: 0, stream: stream.id };
            out[start..start + HEADER_BYTES].copy_from_slice(&header.bytes());
            stream.outbound.take(length);
            self.outbound.take(length);
            self.pings.forgive();
            return;
        }
        stream.rare().queue.extend_from_slice(&out[start + HEADER_BYTES..]);
        out.truncate(start);
        self.queued_bytes += length;
        self.line_up(key);
    }

    /// Ends the stream, with this header block as its trailers (or as its only block). Gives back the layer above's
    /// value: the stream is over for it, though the peer may have to make room for what is queued.
    pub(crate) fn finish(&mut self, key: Key, block: &[u8], out: &mut BytesMut) -> Option<T> {
        let stream = self.streams.get_mut(key);
        let state = stream.state.take();
        if stream.queued() == 0 {
            self.end(key, block, out);
        } else {
            stream.rare().trailers = Some(block.to_vec());
        }
        state
    }

    /// Payload of a stream that waits for the peer's windows, in bytes.
    pub(crate) fn queued(&self, stream: u32) -> usize {
        self.streams.find_shared(stream).map_or(0, |key| self.streams.get(key).queued())
    }

    /// Sends what is queued and has room, until the output holds `limit` bytes. True: it was the limit that ended it.
    pub(crate) fn pump(&mut self, out: &mut BytesMut, limit: usize) -> bool {
        while self.outbound.room() > 0 {
            if out.len() >= limit {
                return !self.waiting.is_empty();
            }
            let Some(id) = self.waiting.pop_front() else { break };
            let Some(key) = self.streams.find(id) else { continue };
            self.send_queued(key, out);
        }
        false
    }

    fn send_queued(&mut self, key: Key, out: &mut BytesMut) {
        let stream = self.streams.get_mut(key);
        stream.waiting = false;
        let room = self.peer_frame_max.min(self.outbound.room()).min(stream.outbound.room());
        let id = stream.id;
        let Some(rare) = &mut stream.rare else { return };
        let length = rare.queue.len().min(room);
        if length == 0 {
            return;
        }
        frame::put(out, kind::DATA, 0, id, &rare.queue[..length]);
        rare.queue.advance(length);
        let ended = if rare.queue.is_empty() { rare.trailers.take() } else { None };
        if rare.queue.is_empty() {
            rare.queue = BytesMut::new();
        }
        stream.outbound.take(length);
        self.outbound.take(length);
        self.queued_bytes -= length;
        self.pings.forgive();
        match ended {
            Some(block) => self.end(key, &block, out),
            None => self.line_up(key),
        }
    }

    /// Lets the stream take its turn if it has something to send and its own window has room.
    pub(super) fn line_up(&mut self, key: Key) {
        let stream = self.streams.get_mut(key);
        if !stream.waiting && stream.queued() > 0 && stream.outbound.room() > 0 {
            stream.waiting = true;
            self.waiting.push_back(stream.id);
        }
    }

    fn end(&mut self, key: Key, block: &[u8], out: &mut BytesMut) {
        let stream = self.streams.remove(key);
        assert_eq!(stream.queued(), 0);
        self.put_block(stream.id, flag::END_STREAM, block, out);
        self.resets.earn();
        if !stream.remote_closed {
            frame::put_reset(out, stream.id, Code::NoError);
            self.remember_reset(stream.id);
        }
    }

    fn put_block(&mut self, stream: u32, flags: u8, block: &[u8], out: &mut BytesMut) {
        self.pings.forgive();
        if block.len() <= self.peer_frame_max {
            frame::put(out, kind::HEADERS, flags | flag::END_HEADERS, stream, block);
            return;
        }
        let mut chunks = block.chunks(self.peer_frame_max).peekable();
        let mut kind = kind::HEADERS;
        let mut flags = flags;
        while let Some(chunk) = chunks.next() {
            let last = if chunks.peek().is_none() { flag::END_HEADERS } else { 0 };
            frame::put(out, kind, flags | last, stream, chunk);
            (kind, flags) = (kind::CONTINUATION, 0);
        }
    }
}
