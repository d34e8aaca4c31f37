//! The streams that others dialled and we write: attached, fed in order, kept alive, lost.
//!
//! One chunk and one write for all that waits; entries are copied once, into the output. While the system takes no
//! more, messages wait in the stream's bounded queue.

use super::{IO_TIMEOUT, Lost, Node, Role};
use crate::{
    identity::hex,
    wire::{Encoder, Kind},
};
use bytes::BytesMut;
use proto::raftpb::MessageType;
use std::time::{Duration, Instant};

/// A heartbeat goes out on every stream this often.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(5000 / 3);
/// A chunk is ended when it has so many bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks written to one stream in one turn.
const CHUNKS_PER_TURN: usize = 16;
/// A chunk's size line with as many digits as any chunk needs.
const SIZE_LINE: &[u8; 10] = b"00000000\r\n";

impl Node {
    /// A stream's response has begun on this connection; it takes the place of an older one.
    pub(super) fn attach(&mut self, key: usize, id: u64, kind: Kind) {
        let now = self.now;
        let Some(writer) = self.peers.get_mut(&id).and_then(|peer| peer.writer_mut(kind)) else { return };
        let older = writer.connection.replace(key);
        let waiting = std::mem::take(&mut writer.queue);
        writer.encoder = Encoder::new(kind);
        writer.heartbeat_at = now + HEARTBEAT_INTERVAL;
        if let Some(older) = older {
            self.accepted -= 1;
            self.drop_connection(older);
            log::warn!(
                "stream-writer-type" = kind.name(), "local-member-id":% = hex(self.identity.member_id),
                "remote-peer-id":% = hex(id); "closed TCP streaming connection with remote peer"
            );
        }
        if !waiting.is_empty() {
            self.unreachable.insert(id);
        }
        self.activate(id);
        log::info!(
            "stream-writer-type" = kind.name(), "local-member-id":% = hex(self.identity.member_id),
            "remote-peer-id":% = hex(id); "established TCP streaming connection with remote peer"
        );
        self.wake_at(now + HEARTBEAT_INTERVAL);
    }

    pub(super) fn pump_writers(&mut self, id: u64) {
        for kind in Kind::ALL {
            for turn in 1..=CHUNKS_PER_TURN {
                if !self.pump_writer(id, kind) {
                    break;
                }
                self.busy |= turn == CHUNKS_PER_TURN;
            }
        }
    }

    /// Writes what is there, then the next chunk; true: there may be another.
    fn pump_writer(&mut self, id: u64, kind: Kind) -> bool {
        let Some(writer) = self.peers.get_mut(&id).and_then(|peer| peer.writer_mut(kind)) else {
            return false;
        };
        let Some(key) = writer.connection else { return false };
        let connection = &mut self.connections[key];
        if connection.output.is_empty() {
            if writer.queue.is_empty() {
                return false;
            }
            put_chunk(&mut connection.output, |out| {
                let start = out.len();
                while out.len() - start < CHUNK_BYTES
                    && let Some(message) = writer.queue.pop_front()
                {
                    writer.encoder.encode(&message, out);
                }
            });
        }
        self.write_stream(id, key)
    }

    /// True: all is written.
    fn write_stream(&mut self, id: u64, key: usize) -> bool {
        let connection = &mut self.connections[key];
        match connection.flush() {
            Ok(written) => {
                let done = connection.output.is_empty();
                if done {
                    connection.deadline = None;
                } else if written > 0 || connection.deadline.is_none() {
                    connection.deadline = Some(self.now + IO_TIMEOUT);
                }
                if written > 0 {
                    self.counts.peer(id, |totals| totals.sent_bytes += written as u64);
                }
                done
            }
            Err(error) => {
                self.lose(key, error.into());
                false
            }
        }
    }

    /// Heartbeats whose time has come; when the next one is due.
    pub(super) fn beat(&mut self, id: u64) -> Option<Instant> {
        let now = self.now;
        let mut next = None;
        for kind in Kind::ALL {
            let writer = self.peers.get_mut(&id)?.writer_mut(kind)?;
            let Some(key) = writer.connection else { continue };
            let beats = writer.heartbeat_at <= now;
            if beats {
                writer.heartbeat_at = now + HEARTBEAT_INTERVAL;
            }
            next = next.into_iter().chain([writer.heartbeat_at]).min();
            let connection = &mut self.connections[key];
            // Where bytes wait, they are what keeps the link alive, or shows that it is dead.
            if beats && connection.output.is_empty() {
                put_chunk(&mut connection.output, |out| writer.encoder.heartbeat(out));
                self.write_stream(id, key);
            }
        }
        next
    }

    pub(super) fn writer_lost(&mut self, id: u64, kind: Kind, key: usize, lost: &Lost) {
        let Some(writer) = self.peers.get_mut(&id).and_then(|peer| peer.writer_mut(kind)) else { return };
        if writer.connection != Some(key) {
            return;
        }
        writer.connection = None;
        let waiting = std::mem::take(&mut writer.queue).len() as u64;
        self.deactivate(id, kind.name(), "write", &lost.to_string());
        log::warn!(
            "stream-writer-type" = kind.name(), "local-member-id":% = hex(self.identity.member_id),
            "remote-peer-id":% = hex(id); "lost TCP streaming connection with remote peer"
        );
        self.dropped(id, MessageType::MsgApp, waiting.max(1));
    }
}

/// Writes one chunk of a response, its size afterwards.
fn put_chunk(out: &mut BytesMut, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.extend_from_slice(SIZE_LINE);
    let begin = out.len();
    fill(out);
    let size = format!("{:08x}", out.len() - begin);
    out[start..start + size.len()].copy_from_slice(size.as_bytes());
    out.extend_from_slice(b"\r\n");
}

impl Role {
    pub(super) fn writes_to(&self, id: u64) -> bool {
        matches!(self, Role::Writing { peer, .. } if *peer == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_say_their_size() {
        let mut out = BytesMut::from(&b"x"[..]);
        put_chunk(&mut out, |out| out.extend_from_slice(&[b'a'; 17]));
        assert_eq!(out[..], *b"x00000011\r\naaaaaaaaaaaaaaaaa\r\n");
    }
}
