//! Sends one snapshot: connects, posts the message and exactly the announced image, waits for the answer.

use super::{PIECE_BYTES, patient::Patient, size_text};
use crate::{
    Answer, Image, blocking,
    endpoint::Endpoint,
    http::{Framing, put_request, response_head},
    identity::{Identity, hex},
    verdict::Verdict,
    wire::encode_message,
};
use bytes::BytesMut;
use proto::raftpb::Message;
use std::{
    io::{self, Read},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

/// The receiver takes nothing for so long: it may be flushing to a slow disk. etcd's bound for the whole request.
const WRITE_PATIENCE: Duration = Duration::from_secs(300);
/// The receiver saves the image, and its raft steps the message, before it answers.
const ANSWER_PATIENCE: Duration = Duration::from_secs(300);
/// The rest of an answer whose head is there.
const BODY_PATIENCE: Duration = Duration::from_secs(5);
const PATH: &str = "/raft/snapshot";
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub(crate) struct Sender {
    /// A number of the caller's.
    pub(crate) thread: u64,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) endpoint: Endpoint,
    pub(crate) message: Message,
    pub(crate) image: Image,
    pub(crate) identity: Arc<Identity>,
    pub(crate) dial_timeout: Duration,
}

/// What came of it.
pub(crate) struct Sent {
    pub(crate) thread: u64,
    pub(crate) to: u64,
    pub(crate) endpoint: Endpoint,
    /// Of the message and the image.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    pub(crate) result: Result<(), Verdict>,
}

/// What ended a request early.
enum Broken {
    Image(String),
    Socket(String),
}

impl Sender {
    pub(crate) fn run(mut self) -> Sent {
        let start = Instant::now();
        let (to, index) = (self.message.to(), index_of(&self.message));
        let mut head = BytesMut::new();
        encode_message(&self.message, &mut head);
        let bytes = head.len() as u64 + self.image.bytes;
        let size = size_text(bytes);
        log::info!(
            "snapshot-index" = index, "remote-peer-id":% = hex(to), bytes = bytes, size = size.as_str();
            "sending database snapshot"
        );
        let result = self.post(&head);
        match &result {
            Ok(()) => log::info!(
                "snapshot-index" = index, "remote-peer-id":% = hex(to), bytes = bytes, size = size.as_str();
                "sent database snapshot"
            ),
            Err(verdict) => log::warn!(
                "snapshot-index" = index, "remote-peer-id":% = hex(to), bytes = bytes, size = size.as_str(),
                error:% = verdict; "failed to send database snapshot"
            ),
        }
        Sent { thread: self.thread, to, endpoint: self.endpoint, bytes, took: start.elapsed(), result }
    }

    fn post(&mut self, envelope: &[u8]) -> Result<(), Verdict> {
        let url = format!("{}{PATH}", self.endpoint.url);
        let failed = |error: String| Verdict::Failed(format!("Post {url:?}: {error}"));
        let stream = blocking::connect(&self.endpoint, self.dial_timeout).map_err(failed)?;
        let mut socket = Patient::new(stream, self.stop.clone()).map_err(failed)?;
        let answer = match self.write(&mut socket, envelope) {
            Ok(()) => read_answer(&mut socket, ANSWER_PATIENCE).map_err(failed)?,
            Err(Broken::Image(error)) => return Err(Verdict::Failed(error)),
            // A receiver that refuses may answer and close before it has read everything.
            Err(Broken::Socket(error)) => match read_answer(&mut socket, BODY_PATIENCE) {
                Ok(answer) if answer.status != 204 => answer,
                Ok(_) | Err(_) => return Err(failed(error)),
            },
        };
        Verdict::of(&answer, &self.endpoint, PATH, self.message.to(), &self.identity)
    }

    fn write(&mut self, socket: &mut Patient, envelope: &[u8]) -> Result<(), Broken> {
        let mut out = BytesMut::new();
        let headers =
            ["Content-Type: application/octet-stream\r\n", &self.identity.headers, "Connection: close\r\n"];
        put_request(&mut out, "POST", PATH, self.endpoint.authority(), &headers, Framing::Chunked);
        put_chunk(&mut out, envelope);
        socket.write_all(&out, WRITE_PATIENCE).map_err(Broken::Socket)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut left = self.image.bytes;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let read = match self.image.reader.read(&mut piece[..wanted]) {
                Ok(0) => {
                    return Err(Broken::Image(format!("the image is {left} bytes shorter than announced")));
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Image(blocking::words(&error))),
            };
            left -= read as u64;
            out.clear();
            put_chunk(&mut out, &piece[..read]);
            socket.write_all(&out, WRITE_PATIENCE).map_err(Broken::Socket)?;
        }
        socket.write_all(b"0\r\n\r\n", WRITE_PATIENCE).map_err(Broken::Socket)
    }
}

pub(super) fn index_of(message: &Message) -> u64 {
    let metadata = message.snapshot.as_ref().and_then(|snapshot| snapshot.metadata.as_ref());
    metadata.map_or(0, |metadata| metadata.index())
}

fn put_chunk(out: &mut BytesMut, bytes: &[u8]) {
    out.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn read_answer(socket: &mut Patient, patience: Duration) -> Result<Answer, String> {
    let (mut input, mut bytes, mut piece) = (BytesMut::new(), BytesMut::new(), [0; 4096]);
    let head = loop {
        if let Some(head) = response_head(&mut input).map_err(|broken| broken.to_string())? {
            break head;
        }
        match socket.read(&mut piece, patience)? {
            0 => return Err("EOF".into()),
            read => input.extend_from_slice(&piece[..read]),
        }
    };
    let mut body = head.body();
    loop {
        body.advance(&mut input, &mut bytes).map_err(|broken| broken.to_string())?;
        if body.is_done() || bytes.len() > ANSWER_BYTES_MAX {
            break;
        }
        match socket.read(&mut piece, BODY_PATIENCE)? {
            0 => break,
            read => input.extend_from_slice(&piece[..read]),
        }
    }
    Ok(Answer { status: head.status, headers: head.headers, body: bytes.freeze() })
}
