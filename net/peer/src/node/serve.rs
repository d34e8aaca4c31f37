//! Requests of others on connections they made: raft's are answered here, all others by the owner.
//!
//! It never reads a body that it does not need: streams and snapshots leave from here with their heads.

use super::{
    ACCEPTED_MAX, ACCEPTS_PER_TURN, ANSWER_TIMEOUT, Connection, IO_TIMEOUT, Lost, Node, Role, Waiting,
    connection::Socket, membership::Rejected, probe,
};
use crate::{
    BODY_BYTES_MAX, Event,
    batch::Batch,
    http::{Body, Broken, RequestHead, put_response, put_stream_head, reason, request_head, text},
    identity::{hex, parse_id},
    wire::{FRAME_BYTES_MAX, Kind},
};
use bytes::{Bytes, BytesMut};
use mio::Token;
use proto::{Message as _, raftpb::Message};
use rpc::HttpResponse;
use socket2::{SockRef, TcpKeepalive};
use std::{io, time::Duration};

const KEEPALIVE: Duration = Duration::from_secs(30);
/// What a client may send ahead of its answer, in bytes.
const AHEAD_BYTES_MAX: usize = 1 << 20;
const STREAMS: &str = "/raft/stream/";
const CLUSTER_ID: &str = "X-Etcd-Cluster-ID";

/// Where a connection is in its requests.
#[derive(Debug)]
pub(super) enum Serving {
    Head,
    Body {
        head: RequestHead,
        body: Body,
        bytes: BytesMut,
        bytes_max: usize,
    },
    /// The owner answers.
    Waiting {
        id: u64,
        close: bool,
        head_only: bool,
    },
    /// The answer is the last. Lingering: it is written, and what still comes is dropped, so that it can be read.
    Closing {
        lingering: bool,
    },
}

impl Node {
    pub(super) fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let (stream, remote) = match self.listeners[index].accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // Out of descriptors, most likely: the clocks will come back to it.
                    return log::warn!(error:% = error; "failed to accept a connection; trying on");
                }
            };
            if self.accepted >= ACCEPTED_MAX {
                log::warn!("remote-addr":% = remote; "too many peer connections; closed one");
                continue;
            }
            let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
            let options =
                stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_tcp_keepalive(&keepalive));
            if let Err(error) = options {
                log::debug!(error:% = error; "failed to set options of a connection");
            }
            let mut socket = Socket::Tcp(stream);
            let slot = self.connections.vacant_entry();
            if let Err(error) = socket.register(self.poll.registry(), Token(slot.key())) {
                log::warn!(error:% = error; "failed to watch a connection");
                continue;
            }
            let role = Role::Serving(Serving::Head);
            slot.insert(Connection::new(socket, remote, role, self.now + IO_TIMEOUT));
            self.accepted += 1;
        }
        // Edge-triggered: there may be more, and no event will say so.
        self.reaccept = true;
    }

    /// Goes on with what came; false: the connection is gone or another's.
    pub(super) fn serve(&mut self, key: usize, mut serving: Serving) -> bool {
        loop {
            let connection = &mut self.connections[key];
            match serving {
                Serving::Head => match request_head(&mut connection.input) {
                    Ok(Some(head)) => match self.begin(key, head) {
                        Some(next) => serving = next,
                        None => return self.still_serving(key),
                    },
                    Ok(None) => return self.keep_serving(key, Serving::Head),
                    Err(broken) => {
                        self.refuse_broken(key, broken);
                        return self.still_serving(key);
                    }
                },
                Serving::Body { head, mut body, mut bytes, bytes_max } => {
                    let result = body.advance(&mut connection.input, &mut bytes);
                    let result = if bytes.len() > bytes_max { Err(Broken::TooLarge) } else { result };
                    if let Err(broken) = result {
                        self.refuse_body(key, &head, broken);
                        return self.still_serving(key);
                    }
                    if !body.is_done() {
                        return self.keep_serving(key, Serving::Body { head, body, bytes, bytes_max });
                    }
                    serving = self.whole(key, head, bytes.freeze());
                }
                Serving::Waiting { .. } | Serving::Closing { lingering: false } => {
                    if connection.input.len() > AHEAD_BYTES_MAX {
                        connection.role = Role::Serving(serving);
                        self.lose(key, Lost::Error("too much ahead of an answer".into()));
                        return false;
                    }
                    return self.keep_serving(key, serving);
                }
                Serving::Closing { lingering: true } => {
                    connection.input.clear();
                    return self.keep_serving(key, serving);
                }
            }
        }
    }

    fn keep_serving(&mut self, key: usize, serving: Serving) -> bool {
        let patience = match serving {
            Serving::Head | Serving::Body { .. } | Serving::Closing { .. } => IO_TIMEOUT,
            Serving::Waiting { .. } => ANSWER_TIMEOUT,
        };
        let connection = &mut self.connections[key];
        // A client that will not stop sending does not keep a connection that is closing.
        if !matches!(serving, Serving::Closing { lingering: true }) || connection.deadline.is_none() {
            connection.deadline = Some(self.now + patience);
        }
        connection.role = Role::Serving(serving);
        self.flush(key);
        self.still_serving(key)
    }

    fn still_serving(&self, key: usize) -> bool {
        self.connections.get(key).is_some_and(|connection| connection.role.is_accepted())
    }

    /// A request's head is there: what its body becomes. `None`: the connection is not ours to serve any more.
    fn begin(&mut self, key: usize, head: RequestHead) -> Option<Serving> {
        let post = head.method == "POST";
        let refusal = match head.path.as_str() {
            "/raft" | "/raft/snapshot" if !post => {
                if head.path == "/raft/snapshot" {
                    self.counts.snapshot_of_unknown_failed();
                }
                Some(method_not_allowed("POST"))
            }
            "/raft" | "/raft/snapshot" => self.foreign(&head, Vec::new()),
            path if path.starts_with(STREAMS) => return self.begin_stream(key, &head),
            _ => None,
        };
        if let Some(response) = refusal {
            return Some(self.put_answer(key, &response, true, head.method == "HEAD"));
        }
        if head.path.starts_with("/raft") && post {
            self.learn(&head);
        }
        if head.path == "/raft/snapshot" {
            self.receive_snapshot(key, &head);
            return None;
        }
        if head.expects_continue && self.connections[key].input.is_empty() {
            self.connections[key].output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let bytes_max = if head.path == "/raft" { FRAME_BYTES_MAX as usize } else { BODY_BYTES_MAX };
        Some(Serving::Body { body: Body::new(head.framing), head, bytes: BytesMut::new(), bytes_max })
    }

    /// The answer to a request of another cluster, or of a release that does not fit.
    fn foreign(&self, head: &RequestHead, headers: Vec<(&'static str, String)>) -> Option<HttpResponse> {
        let foreign = self.identity.check(&head.headers).err()?;
        if head.path == "/raft/snapshot" {
            self.counts.snapshot_of_unknown_failed();
        }
        Some(with_headers(text(412, &foreign.to_string()), [headers, self.cluster_header()].concat()))
    }

    fn cluster_header(&self) -> Vec<(&'static str, String)> {
        vec![(CLUSTER_ID, self.identity.cluster_id.clone())]
    }

    /// A sender that we do not know may be posted to.
    fn learn(&mut self, head: &RequestHead) {
        if let Some(id) = head.header("X-Server-From").and_then(parse_id) {
            self.learn_urls(id, head);
        }
    }

    fn learn_urls(&mut self, id: u64, head: &RequestHead) {
        let urls = head.header("X-PeerURLs").unwrap_or_default();
        if !urls.is_empty() {
            let urls: Vec<String> = urls.split(',').map(|url| url.trim().to_owned()).collect();
            self.add_remote(id, &urls);
        }
    }

    fn begin_stream(&mut self, key: usize, head: &RequestHead) -> Option<Serving> {
        if head.method != "GET" {
            return Some(self.put_answer(key, &method_not_allowed("GET"), true, head.method == "HEAD"));
        }
        let headers = vec![
            ("X-Server-Version", self.identity.version.clone()),
            (CLUSTER_ID, self.identity.cluster_id.clone()),
        ];
        let version = vec![("X-Server-Version", self.identity.version.clone())];
        let checked = match self.foreign(head, version) {
            Some(response) => Err(response),
            None => self
                .check_stream(head)
                .map_err(|(status, line)| with_headers(text(status, line), headers.clone())),
        };
        match checked {
            Ok((peer, kind)) => {
                let connection = &mut self.connections[key];
                put_stream_head(&mut connection.output, &headers);
                connection.role = Role::Writing { peer, kind };
                connection.deadline = Some(self.now + IO_TIMEOUT);
                self.attach(key, peer, kind);
                None
            }
            Err(response) => Some(self.put_answer(key, &response, head.close, false)),
        }
    }

    /// Who asks for which stream, or why not: status and text.
    fn check_stream(&mut self, head: &RequestHead) -> Result<(u64, Kind), (u16, &'static str)> {
        let (directory, last) = head.path.rsplit_once('/').unwrap_or_default();
        let kind = Kind::ALL.into_iter().find(|kind| kind.path() == directory);
        let kind = kind.ok_or((404, "invalid path"))?;
        let local = hex(self.identity.member_id);
        let Some(from) = parse_id(last) else {
            log::warn!(
                "local-member-id" = local, "remote-peer-id-stream-handler" = local, path = last;
                "failed to parse path into ID"
            );
            return Err((404, "invalid from"));
        };
        if self.removed.contains(&from) {
            log::warn!(
                "local-member-id" = local, "remote-peer-id-stream-handler" = local,
                "remote-peer-id-from":% = hex(from);
                "rejected stream from remote peer because it was removed"
            );
            return Err((410, "removed member"));
        }
        if self.peers.get(&from).is_none_or(|peer| peer.streams.is_none()) {
            self.learn_urls(from, head);
            log::warn!(
                "local-member-id" = local, "remote-peer-id-stream-handler" = local,
                "remote-peer-id-from":% = hex(from), "cluster-id" = self.identity.cluster_id;
                "failed to find remote peer in cluster"
            );
            return Err((404, "error sender not found"));
        }
        let to = head.header("X-Raft-To").unwrap_or_default();
        if to != local {
            log::warn!(
                "local-member-id" = local, "remote-peer-id-stream-handler" = local,
                "remote-peer-id-header" = to, "remote-peer-id-from":% = hex(from),
                "cluster-id" = self.identity.cluster_id; "ignored streaming request; ID mismatch"
            );
            return Err((412, "to field mismatch"));
        }
        Ok((from, kind))
    }

    /// A request is whole.
    fn whole(&mut self, key: usize, head: RequestHead, body: Bytes) -> Serving {
        let (close, head_only) = (head.close, head.method == "HEAD");
        match head.path.as_str() {
            "/raft" => {
                let response = with_headers(self.receive(key, body), self.cluster_header());
                // etcd ends the connection after a message that it could not process.
                self.put_answer(key, &response, close || response.status == 500, head_only)
            }
            "/raft/probing" => {
                let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
                let response = HttpResponse { status: 200, headers, body: Bytes::from(probe::health()) };
                self.put_answer(key, &response, close, head_only)
            }
            _ => {
                let id = self.next_id();
                self.waiting.insert(id, Waiting::Connection(key));
                self.events.push(Event::Http { id: crate::RequestId(id), request: head.into_request(body) });
                Serving::Waiting { id, close, head_only }
            }
        }
    }

    /// A posted message.
    fn receive(&mut self, key: usize, body: Bytes) -> HttpResponse {
        let local = self.identity.member_id;
        let bytes = body.len() as u64;
        let message = match Message::decode(body) {
            Ok(message) => message,
            Err(error) => {
                log::warn!("local-member-id":% = hex(local), error:% = error; "failed to unmarshal Raft message");
                self.counts.broken(self.connections[key].remote);
                return text(400, "error unmarshalling raft message");
            }
        };
        let from = message.from();
        self.counts.peer(from, |totals| totals.received_bytes += bytes);
        let untaken = self.peers.get(&from).map_or(&self.strangers, |peer| &peer.untaken);
        let mut batch = Batch::new(untaken.clone());
        let rejected = self.admit(message, &mut batch);
        self.hand_over(batch);
        match rejected {
            None => HttpResponse { status: 204, headers: Vec::new(), body: Bytes::new() },
            Some(rejected) => rejection(rejected),
        }
    }

    /// The owner's answer.
    pub(super) fn answer(&mut self, key: usize, response: &HttpResponse) {
        let connection = &mut self.connections[key];
        let role = std::mem::replace(&mut connection.role, Role::Taken);
        let Role::Serving(Serving::Waiting { close, head_only, .. }) = role else {
            unreachable!("whoever waits for an answer stays so until it comes or is gone")
        };
        let next = self.put_answer(key, response, close, head_only);
        self.serve(key, next);
    }

    fn put_answer(&mut self, key: usize, response: &HttpResponse, close: bool, head_only: bool) -> Serving {
        put_response(&mut self.connections[key].output, response, close, head_only);
        if close { Serving::Closing { lingering: false } } else { Serving::Head }
    }

    fn refuse_broken(&mut self, key: usize, broken: Broken) {
        let status = match broken {
            Broken::Malformed => 400,
            Broken::TooLarge => 431,
            Broken::Unsupported => 501,
        };
        let response = text(status, &format!("{status} {}", reason(status)));
        let next = self.put_answer(key, &response, true, false);
        self.keep_serving(key, next);
    }

    fn refuse_body(&mut self, key: usize, head: &RequestHead, broken: Broken) {
        let raft = head.path == "/raft";
        if raft {
            log::warn!(
                "local-member-id":% = hex(self.identity.member_id), error:% = broken;
                "failed to read Raft message"
            );
            self.counts.broken(self.connections[key].remote);
        }
        let response = match broken {
            _ if raft => with_headers(text(400, "error reading raft message"), self.cluster_header()),
            Broken::TooLarge => text(413, "request body too large"),
            Broken::Malformed | Broken::Unsupported => text(400, "error reading body"),
        };
        let next = self.put_answer(key, &response, true, head.method == "HEAD");
        self.keep_serving(key, next);
    }

    /// The last answer is written: waits until the client has read it.
    pub(super) fn linger(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.ended {
            return self.lose(key, Lost::Ended);
        }
        connection.end_output();
        connection.role = Role::Serving(Serving::Closing { lingering: true });
        connection.deadline = Some(self.now + IO_TIMEOUT);
    }
}

/// Why a message was not taken in.
pub(super) fn rejection(rejected: Rejected) -> HttpResponse {
    let forbidden = |message: &str| HttpResponse {
        status: 403,
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: Bytes::from(format!("{{\"message\":\"{message}\"}}")),
    };
    match rejected {
        Rejected::Removed => forbidden("cannot process message from removed member"),
        Rejected::Mismatch => forbidden("cannot process message to mismatch member"),
        // Raft itself would drop it without a word.
        Rejected::Local => HttpResponse { status: 204, headers: Vec::new(), body: Bytes::new() },
        Rejected::BareSnapshot | Rejected::Full => text(500, "error processing raft message"),
    }
}

fn with_headers(mut response: HttpResponse, headers: Vec<(&'static str, String)>) -> HttpResponse {
    response.headers.extend(headers);
    response
}

fn method_not_allowed(allowed: &str) -> HttpResponse {
    with_headers(text(405, "Method Not Allowed"), vec![("Allow", allowed.to_owned())])
}
