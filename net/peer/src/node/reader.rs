//! The streams we dial and read: asked for, refused or open, lost, and dialled again.

use super::{Lost, Node, Role, Target};
use crate::{
    batch::Batch,
    endpoint::Endpoint,
    http::{Body, Framing, ResponseHead, put_request, response_head},
    identity::{Foreign, hex},
    verdict::REMOVED,
    wire::{Decoder, Frame, Kind},
};
use bytes::BytesMut;
use std::time::Duration;

/// Streams of one kind to one member are dialled at most every so often.
const REDIAL_INTERVAL: Duration = Duration::from_millis(100);
/// The text of a refusal, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// What a link heartbeat counts as received, as etcd counts it.
const HEARTBEAT_BYTES: u64 = 2;

#[derive(Debug)]
pub(super) struct Reading {
    pub(super) peer: u64,
    kind: Kind,
    endpoint: Endpoint,
    state: State,
}

#[derive(Debug)]
enum State {
    Asked,
    /// A 412 explains itself in its body.
    Refused {
        head: ResponseHead,
        body: Body,
        text: BytesMut,
    },
    Open {
        body: Body,
        frames: BytesMut,
        decoder: Decoder,
    },
}

/// What the bytes at hand lead to.
enum Step {
    Wait,
    /// The stream was not opened, for this reason.
    Failed(String),
    Lost(Lost),
}

impl Node {
    pub(super) fn dial_reader(&mut self, id: u64, kind: Kind) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let endpoint = peer.urls.pick().clone();
        let Some(reader) = peer.reader_mut(kind) else { return };
        reader.dial_at = None;
        reader.dialled_at = now;
        log::debug!(
            from:% = hex(self.identity.member_id), to:% = hex(id),
            address:% = format!("{}{}/{:x}", endpoint.url, kind.path(), self.identity.member_id);
            "dial stream reader"
        );
        self.dial(Target::Stream { peer: id, kind }, endpoint);
    }

    /// A connection is there: asks for the stream on it.
    pub(super) fn ask_for_stream(&mut self, key: usize, peer: u64, kind: Kind, endpoint: Endpoint) {
        let connection = &mut self.connections[key];
        let path = format!("{}/{:x}", kind.path(), self.identity.member_id);
        let to = format!("X-Raft-To: {peer:x}\r\n");
        let headers = [self.identity.headers.as_str(), &to];
        put_request(&mut connection.output, "GET", &path, endpoint.authority(), &headers, Framing::Length(0));
        connection.role = Role::Reading(Reading { peer, kind, endpoint, state: State::Asked });
        connection.deadline = Some(self.now + super::IO_TIMEOUT);
        self.flush(key);
    }

    /// Reads on; false: the connection is gone or another's.
    pub(super) fn read_stream(&mut self, key: usize, mut reading: Reading) -> bool {
        match self.advance_stream(key, &mut reading) {
            Step::Wait => {
                self.connections[key].role = Role::Reading(reading);
                true
            }
            Step::Failed(error) => {
                self.drop_connection(key);
                self.stream_failed(reading.peer, reading.kind, &reading.endpoint, &error);
                false
            }
            Step::Lost(lost) => {
                self.connections[key].role = Role::Reading(reading);
                self.lose(key, lost);
                false
            }
        }
    }

    fn advance_stream(&mut self, key: usize, reading: &mut Reading) -> Step {
        let connection = &mut self.connections[key];
        if matches!(reading.state, State::Asked) {
            let head = match response_head(&mut connection.input) {
                Ok(Some(head)) => head,
                Ok(None) => return Step::Wait,
                Err(broken) => return Step::Failed(broken.to_string()),
            };
            match self.judge(reading, head) {
                Ok(state) => reading.state = state,
                Err(error) => return Step::Failed(error),
            }
        }
        let input = &mut self.connections[key].input;
        match &mut reading.state {
            State::Asked => Step::Wait,
            State::Refused { head, body, text } => {
                if let Err(broken) = body.advance(input, text) {
                    return Step::Failed(broken.to_string());
                }
                if !body.is_done() && text.len() <= REFUSAL_BYTES_MAX {
                    return Step::Wait;
                }
                Step::Failed(self.explain_refusal(reading.peer, head, text))
            }
            State::Open { body, frames, .. } => {
                if let Err(broken) = body.advance(input, frames) {
                    return Step::Lost(Lost::Error(broken.to_string()));
                }
                if let Err(lost) = self.read_frames(reading) {
                    return Step::Lost(lost);
                }
                let State::Open { body, .. } = &reading.state else { unreachable!("it was open") };
                if body.is_done() { Step::Lost(Lost::Ended) } else { Step::Wait }
            }
        }
    }

    /// What a response makes of the stream.
    fn judge(&mut self, reading: &Reading, head: ResponseHead) -> Result<State, String> {
        let id = reading.peer;
        let version = crate::http::find(&head.headers, "X-Server-Version");
        if !self.identity.can_read(version) {
            return Err(UNSUPPORTED.to_owned());
        }
        match head.status {
            200 => {
                self.activate(id);
                log::info!(
                    "stream-reader-type" = reading.kind.name(),
                    "local-member-id":% = hex(self.identity.member_id), "remote-peer-id":% = hex(id);
                    "established TCP streaming connection with remote peer"
                );
                let decoder = Decoder::new(reading.kind, self.identity.member_id, id);
                Ok(State::Open { body: head.body(), frames: BytesMut::new(), decoder })
            }
            410 => {
                self.tell_removed();
                Err(REMOVED.to_owned())
            }
            404 => Err(format!("peer {id:x} failed to find local node {:x}", self.identity.member_id)),
            412 => Ok(State::Refused { body: head.body(), head, text: BytesMut::new() }),
            status => Err(format!("unhandled http status {status}")),
        }
    }

    fn explain_refusal(&self, id: u64, head: &ResponseHead, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line == Foreign::Version.to_string() {
            log::warn!(
                "local-member-id":% = hex(self.identity.member_id), "remote-peer-id":% = hex(id), error = line;
                "request sent was ignored by remote peer due to server version incompatibility"
            );
        } else if line == Foreign::ClusterId.to_string() {
            let theirs = crate::http::find(&head.headers, "X-Etcd-Cluster-ID").unwrap_or_default();
            log::warn!(
                "remote-peer-id":% = hex(id), "remote-peer-cluster-id" = theirs,
                "local-member-id":% = hex(self.identity.member_id),
                "local-member-cluster-id" = self.identity.cluster_id, error = line;
                "request sent was ignored by remote peer due to cluster ID mismatch"
            );
        } else {
            return format!("unhandled error {text:?} when precondition failed");
        }
        line.to_owned()
    }

    /// Hands up the messages of the frames that are whole.
    fn read_frames(&mut self, reading: &mut Reading) -> Result<(), Lost> {
        let State::Open { frames, decoder, .. } = &mut reading.state else { unreachable!("it is open") };
        let Some(peer) = self.peers.get(&reading.peer) else { return Ok(()) };
        let mut batch = Batch::new(peer.untaken.clone());
        let (mut received, mut heartbeats) = (0, 0);
        let result = loop {
            let before = frames.len();
            match decoder.decode(frames) {
                Ok(Some(Frame::Message(message))) => {
                    received += (before - frames.len()) as u64;
                    self.admit(*message, &mut batch);
                }
                Ok(Some(Frame::Heartbeat)) => heartbeats += HEARTBEAT_BYTES,
                Ok(None) => break Ok(()),
                Err(error) => break Err(Lost::Error(error.to_string())),
            }
        };
        if received > 0 {
            self.counts.peer(reading.peer, |totals| totals.received_bytes += received);
        }
        if heartbeats > 0 {
            self.counts.peer(0, |totals| totals.received_bytes += heartbeats);
        }
        self.hand_over(batch);
        result
    }

    /// The connection of a stream is gone.
    pub(super) fn reader_lost(&mut self, reading: Reading, lost: &Lost) {
        let (id, kind) = (reading.peer, reading.kind);
        if !matches!(reading.state, State::Open { .. }) {
            return self.stream_failed(id, kind, &reading.endpoint, &lost.to_string());
        }
        log::warn!(
            "stream-reader-type" = kind.name(), "local-member-id":% = hex(self.identity.member_id),
            "remote-peer-id":% = hex(id), error:% = lost;
            "lost TCP streaming connection with remote peer"
        );
        if *lost != Lost::Ended {
            self.deactivate(id, kind.name(), "read", &lost.to_string());
        }
        self.dial_later(id, kind);
    }

    /// A stream could not be opened: the next URL, a little later.
    pub(super) fn stream_failed(&mut self, id: u64, kind: Kind, endpoint: &Endpoint, error: &str) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.urls.unreachable(endpoint);
            if error != UNSUPPORTED {
                self.deactivate(id, kind.name(), "dial", error);
            }
            self.dial_later(id, kind);
        }
    }

    fn dial_later(&mut self, id: u64, kind: Kind) {
        let now = self.now;
        if let Some(reader) = self.peers.get_mut(&id).and_then(|peer| peer.reader_mut(kind)) {
            let dial_at = now.max(reader.dialled_at + REDIAL_INTERVAL);
            reader.dial_at = Some(dial_at);
            self.wake_at(dial_at);
        }
    }
}

const UNSUPPORTED: &str = "unsupported stream type";
