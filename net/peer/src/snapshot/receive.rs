//! Receives one snapshot: its message, then its database into a file that appears whole or not at all.
//!
//! `tmp…`, flushed, renamed to `<index>.snap.db`, directory flushed; only then the message goes up. A file of that
//! name that is there already is kept: it is the same database.

use super::{PIECE_BYTES, patient::Patient, send::index_of, size_text};
use crate::{
    blocking::words,
    http::{Body, Framing, put_response, text},
    identity::{Identity, hex},
    totals::Counts,
    wire::{FrameError, decode_message},
};
use bytes::BytesMut;
use proto::{
    Message as _,
    raftpb::{Message, MessageType},
};
use rpc::HttpResponse;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::AtomicBool,
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// Largest message in front of an image, in bytes; the image itself is unlimited.
const MESSAGE_BYTES_MAX: u64 = 64 << 20;
/// etcd's read and write deadlines on accepted connections.
const IO_PATIENCE: Duration = Duration::from_secs(5);
/// How long the owner may take to step the message.
const ANSWER_PATIENCE: Duration = Duration::from_secs(300);
/// Names tried for a new file.
const NAMES_MAX: u32 = 10_000;

pub(crate) struct Receiver {
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) stream: TcpStream,
    pub(crate) remote: SocketAddr,
    pub(crate) framing: Framing,
    /// Read before the connection was handed over.
    pub(crate) input: BytesMut,
    /// To be written first.
    pub(crate) output: BytesMut,
    /// The output is the answer already.
    pub(crate) refused: bool,
    pub(crate) directory: PathBuf,
    pub(crate) identity: Arc<Identity>,
    pub(crate) counts: Arc<Counts>,
}

/// A database is durable; this is its message, and where the answer to it goes.
pub(crate) struct Saved {
    pub(crate) message: Message,
    pub(crate) answer: SyncSender<HttpResponse>,
}

/// A request's body as it comes.
struct Incoming {
    socket: Patient,
    input: BytesMut,
    body: Body,
    /// Of the body, not used yet.
    bytes: BytesMut,
    piece: Vec<u8>,
}

impl Incoming {
    /// Waits for more of the body; false: that was all.
    fn more(&mut self) -> Result<bool, String> {
        let before = self.bytes.len();
        loop {
            self.body.advance(&mut self.input, &mut self.bytes).map_err(|broken| broken.to_string())?;
            if self.bytes.len() > before {
                return Ok(true);
            }
            if self.body.is_done() {
                return Ok(false);
            }
            match self.socket.read(&mut self.piece, IO_PATIENCE)? {
                0 => return Err("unexpected EOF".into()),
                read => self.input.extend_from_slice(&self.piece[..read]),
            }
        }
    }

    fn message(&mut self) -> Result<Message, String> {
        loop {
            match decode_message(&mut self.bytes, MESSAGE_BYTES_MAX) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) if !self.more()? => return Err("unexpected EOF".into()),
                Ok(None) => {}
                Err(
                    error @ (FrameError::TooLarge | FrameError::UnknownType(_) | FrameError::Protobuf(_)),
                ) => {
                    return Err(error.to_string());
                }
            }
        }
    }
}

impl Receiver {
    /// Sees the request through. `saved` hears of the database before the answer. The sender, and whether the answer
    /// was 204, how long after the request.
    pub(crate) fn run(mut self, saved: impl FnOnce(Saved)) -> (u64, Option<Duration>) {
        let start = Instant::now();
        let mut from = 0;
        let mut incoming = match self.begin() {
            Ok(incoming) => incoming,
            Err(error) => {
                log::warn!("remote-addr":% = self.remote, error = error; "lost a snapshot's connection");
                self.count(from, false);
                return (from, None);
            }
        };
        if self.refused {
            self.count(from, false);
            incoming.socket.close(IO_PATIENCE);
            return (from, None);
        }
        let response = self.receive(&mut incoming, &mut from, start, saved);
        let took = (response.status == 204).then(|| start.elapsed());
        self.count(from, took.is_some());
        self.answer(incoming, response);
        (from, took)
    }

    fn count(&self, from: u64, taken: bool) {
        self.counts.peer(from, |totals| {
            let total =
                if taken { &mut totals.snapshots_received } else { &mut totals.snapshot_receive_failures };
            *total += 1;
        });
    }

    fn begin(&mut self) -> Result<Incoming, String> {
        let stream = self.stream.try_clone().map_err(|error| words(&error))?;
        let mut socket = Patient::new(stream, self.stop.clone())?;
        socket.write_all(&std::mem::take(&mut self.output), IO_PATIENCE)?;
        Ok(Incoming {
            socket,
            input: std::mem::take(&mut self.input),
            body: Body::new(self.framing),
            bytes: BytesMut::new(),
            piece: vec![0; PIECE_BYTES],
        })
    }

    /// The answer to the request.
    fn receive(
        &self,
        incoming: &mut Incoming,
        from: &mut u64,
        start: Instant,
        saved: impl FnOnce(Saved),
    ) -> HttpResponse {
        let local = hex(self.identity.member_id);
        let message = match incoming.message() {
            Ok(message) => message,
            Err(error) => {
                log::warn!(
                    "local-member-id" = local, "remote-snapshot-sender-id":% = hex(*from), error = error;
                    "failed to decode Raft message"
                );
                self.counts.broken(self.remote);
                return text(400, &format!("failed to decode raft message ({error})"));
            }
        };
        *from = message.from();
        let message_bytes = message.encoded_len() as u64;
        self.counts.peer(*from, |totals| totals.received_bytes += message_bytes);
        if message.r#type() != MessageType::MsgSnap {
            log::warn!(
                "local-member-id" = local, "remote-snapshot-sender-id":% = hex(*from),
                "message-type" = message.r#type().as_str_name(); "unexpected Raft message type"
            );
            return text(400, "wrong raft message type");
        }
        self.counts.peer(*from, |totals| *totals.snapshots_receiving.get_or_insert_default() += 1);
        let response = match self.save(incoming, &message, message_bytes, start) {
            Ok(()) => step(message, saved),
            Err(response) => response,
        };
        self.counts.peer(*from, |totals| {
            let receiving = totals.snapshots_receiving.get_or_insert_default();
            *receiving = receiving.saturating_sub(1);
        });
        response
    }

    /// Makes the database durable, or says in an answer why not.
    fn save(
        &self,
        incoming: &mut Incoming,
        message: &Message,
        message_bytes: u64,
        start: Instant,
    ) -> Result<(), HttpResponse> {
        let (local, from, index) = (hex(self.identity.member_id), message.from(), index_of(message));
        log::info!(
            "local-member-id" = local, "remote-snapshot-sender-id":% = hex(from),
            "incoming-snapshot-index" = index, "incoming-snapshot-message-size-bytes" = message_bytes,
            "incoming-snapshot-message-size" = size_text(message_bytes); "receiving database snapshot"
        );
        let bytes = match save(incoming, &self.directory, index) {
            Ok(bytes) => bytes,
            Err(error) => {
                log::warn!(
                    "local-member-id" = local, "remote-snapshot-sender-id":% = hex(from),
                    "incoming-snapshot-index" = index, error = error; "failed to save incoming database snapshot"
                );
                return Err(text(500, &format!("failed to save KV snapshot ({error})")));
            }
        };
        self.counts.peer(from, |totals| totals.received_bytes += bytes);
        log::info!(
            "local-member-id" = local, "remote-snapshot-sender-id":% = hex(from),
            "incoming-snapshot-index" = index, "incoming-snapshot-size-bytes" = bytes,
            "incoming-snapshot-size" = size_text(bytes), "download-took":? = start.elapsed();
            "received and saved database snapshot"
        );
        Ok(())
    }

    fn answer(&self, mut incoming: Incoming, mut response: HttpResponse) {
        response.headers.push(("X-Etcd-Cluster-ID", self.identity.cluster_id.clone()));
        let mut out = BytesMut::new();
        put_response(&mut out, &response, true, false);
        match incoming.socket.write_all(&out, IO_PATIENCE) {
            Ok(()) => incoming.socket.close(IO_PATIENCE),
            Err(error) => {
                log::warn!("remote-addr":% = self.remote, error = error; "failed to answer a snapshot's sender");
            }
        }
    }
}

/// Sends the message up, and waits for the answer.
fn step(message: Message, saved: impl FnOnce(Saved)) -> HttpResponse {
    let (answer, answers) = sync_channel(1);
    saved(Saved { message, answer });
    let answered = answers.recv_timeout(ANSWER_PATIENCE);
    answered.unwrap_or_else(|error| text(500, &format!("failed to process raft message ({error})")))
}

/// Saves the rest of the body; how many bytes it had.
fn save(incoming: &mut Incoming, directory: &Path, index: u64) -> Result<u64, String> {
    let (mut file, temporary) = create(directory).map_err(|error| words(&error))?;
    let saved = copy(incoming, &mut file).and_then(|bytes| {
        let name = directory.join(format!("{index:016x}.snap.db"));
        publish(&file, &temporary, &name, directory, bytes).map_err(|error| words(&error))?;
        Ok(bytes)
    });
    if saved.is_err()
        && let Err(error) = fs::remove_file(&temporary)
    {
        log::warn!(path:% = temporary.display(), error:% = error; "failed to remove a snapshot that came in part");
    }
    saved
}

fn create(directory: &Path) -> io::Result<(File, PathBuf)> {
    let mut last = None;
    for number in 0..NAMES_MAX {
        let path = directory.join(format!("tmp{number:010}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.expect("at least one name was tried"))
}

fn copy(incoming: &mut Incoming, file: &mut File) -> Result<u64, String> {
    let mut total = 0;
    loop {
        file.write_all(&incoming.bytes).map_err(|error| words(&error))?;
        total += incoming.bytes.len() as u64;
        incoming.bytes.clear();
        if !incoming.more()? {
            return Ok(total);
        }
    }
}

fn publish(file: &File, temporary: &Path, name: &Path, directory: &Path, bytes: u64) -> io::Result<()> {
    file.sync_all()?;
    if name.exists() {
        return fs::remove_file(temporary);
    }
    fs::rename(temporary, name)?;
    File::open(directory)?.sync_all()?;
    log::info!(path:% = name.display(), bytes = bytes, size = size_text(bytes); "saved database snapshot to disk");
    Ok(())
}
