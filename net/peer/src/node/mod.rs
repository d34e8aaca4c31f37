//! The peer thread: every socket, every other member, every timer. It never blocks but in the poll.
//!
//! A turn: take what the sockets brought, obey the owner, read, look at the clocks, write, and hand all events up at
//! once. State lives here; the parts beside this file are its methods by subject.

mod connection;
mod dial;
mod exchange;
mod membership;
mod peer;
mod pipeline;
mod probe;
mod reader;
mod request;
mod serve;
mod snapshot;
mod timer;
mod writer;

use crate::{
    Config, Event, EventSink,
    identity::Identity,
    mailbox::{Command, Letters, Mailbox},
    totals::Counts,
    wire::Kind,
};
use connection::Connection;
use dial::{Attempt, Dialling};
use exchange::{Answering, Exchange};
use mio::{Events, Interest, Poll, Token, Waker};
use peer::Peer;
use pipeline::Post;
use probe::Probe;
use reader::Reading;
use request::Asked;
use rpc::HttpResponse;
use serve::Serving;
use slab::Slab;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt, io,
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    time::{Duration, Instant},
};

/// Readiness events taken from the kernel in one turn.
const EVENTS_PER_TURN: usize = 256;
/// Bytes read from one connection at once, and how often in one turn.
const READ_BYTES: usize = 256 << 10;
const READS_PER_TURN: usize = 4;
/// Connections accepted from one listener in one turn, and open at once.
const ACCEPTS_PER_TURN: usize = 64;
const ACCEPTED_MAX: usize = 1024;
/// A connection on which nothing moves for so long is lost: etcd's read and write deadlines.
const IO_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request may wait for its answer: etcd's bound for a whole request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

const WAKER: Token = Token(usize::MAX);
/// Listeners' tokens count down from the waker's, connections' up from 0.
const LISTENERS_MAX: usize = 1024;

pub(crate) struct Node {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    sink: EventSink,
    counts: Arc<Counts>,
    identity: Arc<Identity>,
    dial_timeout: Duration,
    snap_dir: PathBuf,
    listeners: Vec<mio::net::TcpListener>,
    connections: Slab<Connection>,
    accepted: usize,
    scratch: Box<[u8]>,
    /// Connections with something to read.
    ready: VecDeque<usize>,
    peers: BTreeMap<u64, Peer>,
    removed: BTreeSet<u64>,
    /// Connections without a request, by `host:port`; the youngest last.
    idle: HashMap<String, Vec<usize>>,
    /// Attempts that wait for a name's addresses.
    lookups: HashMap<String, Vec<Attempt>>,
    /// Requests that wait for the owner's answer.
    waiting: HashMap<u64, Waiting>,
    /// The last number given to a request or a snapshot's thread.
    last_id: u64,
    requests: usize,
    snapshot_threads: HashMap<u64, SnapshotThread>,
    strangers: Arc<crate::batch::Untaken>,
    events: Vec<Event>,
    unreachable: BTreeSet<u64>,
    told_removed: bool,
    now: Instant,
    /// When the clocks must be looked at next, at the latest.
    due: Instant,
    /// Something is left to write although its socket would take it.
    busy: bool,
    /// Listeners may have more than one turn takes.
    reaccept: bool,
}

/// Who waits for an answer.
enum Waiting {
    Connection(usize),
    Receiver(SyncSender<HttpResponse>),
}

/// A thread that sends or receives a snapshot.
struct SnapshotThread {
    /// Ends it soon.
    stop: Arc<AtomicBool>,
    /// The receiver of what it sends; `None` if it receives.
    to: Option<u64>,
}

/// What a connection is used for.
#[derive(Debug)]
enum Role {
    /// Accepted: requests of others.
    Serving(Serving),
    /// Accepted: a stream that we write.
    Writing { peer: u64, kind: Kind },
    /// Dialled, not connected yet.
    Dialling(Dialling),
    /// Dialled: a stream that we read, or ask for.
    Reading(Reading),
    /// Dialled: a request of ours under way.
    Answering(Answering),
    /// Dialled: kept for the next request to this `host:port`.
    Idle(String),
    /// Its bytes are looked at right now.
    Taken,
}

/// What a connection is wanted for.
#[derive(Debug)]
enum Target {
    Stream { peer: u64, kind: Kind },
    Exchange(Exchange),
}

/// Who asked.
#[derive(Debug)]
enum Purpose {
    Post(Post),
    Probe(Probe),
    Request(Box<Asked>),
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lost {
    /// The other side ended it.
    Ended,
    TimedOut,
    Error(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::Ended => "EOF",
            Lost::TimedOut => "i/o timeout",
            Lost::Error(error) => error,
        })
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Lost {
        Lost::Error(crate::blocking::words(&error))
    }
}

impl Node {
    pub(crate) fn new(
        config: Config,
        listeners: Vec<TcpListener>,
        sink: EventSink,
        counts: Arc<Counts>,
    ) -> io::Result<Node> {
        assert!(listeners.len() <= LISTENERS_MAX);
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut registered = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.into_iter().enumerate() {
            listener.set_nonblocking(true)?;
            let mut listener = mio::net::TcpListener::from_std(listener);
            poll.registry().register(&mut listener, listener_token(index), Interest::READABLE)?;
            registered.push(listener);
        }
        let now = Instant::now();
        Ok(Node {
            poll,
            mailbox: Arc::new(Mailbox::new(waker)),
            sink,
            counts,
            identity: Arc::new(Identity::new(&config)),
            dial_timeout: config.dial_timeout,
            snap_dir: config.snap_dir,
            listeners: registered,
            connections: Slab::new(),
            accepted: 0,
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            ready: VecDeque::new(),
            peers: BTreeMap::new(),
            removed: BTreeSet::new(),
            idle: HashMap::new(),
            lookups: HashMap::new(),
            waiting: HashMap::new(),
            last_id: 0,
            requests: 0,
            snapshot_threads: HashMap::new(),
            strangers: Arc::default(),
            events: Vec::new(),
            unreachable: BTreeSet::new(),
            told_removed: false,
            now,
            due: now,
            busy: false,
            reaccept: false,
        })
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        self.mailbox.clone()
    }

    /// Turns until it is told to stop.
    pub(crate) fn run(mut self) {
        let mut readiness = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            let wait = if self.busy || self.reaccept || !self.ready.is_empty() {
                Duration::ZERO
            } else {
                self.due.saturating_duration_since(Instant::now())
            };
            match self.poll.poll(&mut readiness, Some(wait)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.expect("the poll and its arguments are ours"),
            }
            self.now = Instant::now();
            for event in &readiness {
                self.ready(event);
            }
            if std::mem::take(&mut self.reaccept) {
                (0..self.listeners.len()).for_each(|index| self.accept(index));
            }
            let letters = self.mailbox.take();
            let go_on = self.obey(letters);
            self.read();
            if self.now >= self.due {
                self.look_at_clocks();
            }
            self.write();
            self.hand_up();
            if !go_on {
                return self.end();
            }
        }
    }

    fn ready(&mut self, event: &mio::event::Event) {
        let token = event.token();
        if token == WAKER {
            return;
        }
        if let Some(index) = listener_index(token, self.listeners.len()) {
            return self.accept(index);
        }
        let key = token.0;
        if event.is_writable() || event.is_error() {
            self.writable(key);
        }
        let closed = event.is_read_closed() || event.is_error();
        if (event.is_readable() || closed)
            && let Some(connection) = self.connections.get_mut(key)
        {
            connection.closing |= closed;
            self.ready.push_back(key);
        }
    }

    /// A connection's socket takes bytes again, or is connected, or has failed.
    fn writable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.blocked = false;
        match &connection.role {
            Role::Dialling(_) => self.dialled(key),
            // The stream's writer does it, which knows what waits.
            Role::Writing { .. } => {}
            _ => self.flush(key),
        }
    }

    /// Does what the letters say; false: stop.
    fn obey(&mut self, letters: Letters) -> bool {
        for to in letters.dropped {
            self.unreachable.insert(to);
            self.counts.peer(to, |totals| totals.sent_failures += 1);
        }
        let mut go_on = true;
        for command in letters.commands {
            match command {
                Command::Send(messages) => messages.into_iter().for_each(|message| self.send(message)),
                Command::SendSnapshot(message, image) => self.send_snapshot(message, image),
                Command::AddPeer(id, urls) => self.add_peer(id, &urls),
                Command::AddRemote(id, urls) => self.add_remote(id, &urls),
                Command::UpdatePeer(id, urls) => self.update_peer(id, &urls),
                Command::RemovePeer(id) => self.remove_peer(id),
                Command::Removed(ids) => self.removed.extend(ids),
                Command::Request(request) => self.request(request),
                Command::Respond(id, response) => self.respond(id.0, response),
                Command::Resolved { host, result } => self.resolved(&host, result),
                Command::SnapshotSent(sent) => self.snapshot_sent(sent),
                Command::SnapshotSaved(saved) => self.snapshot_saved(saved),
                Command::SnapshotTaken { thread, from, took } => self.snapshot_taken(thread, from, took),
                Command::Stop => go_on = false,
            }
        }
        go_on
    }

    fn respond(&mut self, id: u64, response: HttpResponse) {
        match self.waiting.remove(&id) {
            Some(Waiting::Connection(key)) => self.answer(key, &response),
            Some(Waiting::Receiver(answer)) => {
                // Its thread may have lost its patience.
                if answer.try_send(response).is_err() {
                    log::debug!("a snapshot's sender is gone before its answer");
                }
            }
            None => log::debug!("a request is gone before its answer"),
        }
    }

    /// Reads from every ready connection once or a few times.
    fn read(&mut self) {
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else { break };
            for turn in 1..=READS_PER_TURN {
                let Some(connection) = self.connections.get_mut(key) else { break };
                if matches!(connection.role, Role::Dialling(_)) {
                    break;
                }
                match connection.fill(&mut self.scratch) {
                    Ok(filled) => {
                        if !self.came(key, filled.bytes, filled.ended) || !filled.more {
                            break;
                        }
                    }
                    Err(error) => {
                        self.lose(key, error.into());
                        break;
                    }
                }
                if turn == READS_PER_TURN {
                    self.ready.push_back(key);
                }
            }
        }
    }

    /// Bytes came, or the end, or neither; false: the connection is gone or another's.
    fn came(&mut self, key: usize, bytes: usize, ended: bool) -> bool {
        let connection = &mut self.connections[key];
        connection.ended |= ended;
        let role = std::mem::replace(&mut connection.role, Role::Taken);
        let alive = match role {
            Role::Serving(serving) if bytes > 0 => self.serve(key, serving),
            Role::Reading(reading) if bytes > 0 => {
                connection.deadline = Some(self.now + IO_TIMEOUT);
                self.read_stream(key, reading)
            }
            Role::Answering(answering) => return self.read_answer(key, answering, bytes, ended),
            Role::Writing { .. } => {
                // Nobody says anything here after the request.
                connection.input.clear();
                connection.role = role;
                true
            }
            Role::Idle(_) if bytes > 0 => {
                connection.role = role;
                self.lose(key, Lost::Error("unsolicited response".into()));
                false
            }
            role => {
                connection.role = role;
                true
            }
        };
        if alive && ended && !may_be_silent(&self.connections[key]) {
            self.lose(key, Lost::Ended);
            return false;
        }
        alive
    }

    /// Writes a connection's output.
    fn flush(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        match connection.flush() {
            Ok(written) => {
                if written > 0 && !matches!(connection.role, Role::Serving(Serving::Waiting { .. })) {
                    connection.deadline = Some(self.now + IO_TIMEOUT);
                }
                if connection.output.is_empty() {
                    self.written(key);
                }
            }
            Err(error) => self.lose(key, error.into()),
        }
    }

    /// All of a connection's output is written.
    fn written(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        match &connection.role {
            Role::Serving(Serving::Closing { lingering: false }) => self.linger(key),
            Role::Answering(answering) => connection.deadline = Some(answering.deadline(self.now)),
            _ => {}
        }
        self.watch_deadline(key);
    }

    /// Posts and streams take what waits for them.
    fn write(&mut self) {
        self.busy = false;
        let ids: Vec<u64> = self.peers.keys().copied().collect();
        for id in ids {
            self.pump_writers(id);
            self.pump_pipeline(id);
        }
    }

    fn hand_up(&mut self) {
        self.events.extend(std::mem::take(&mut self.unreachable).into_iter().map(Event::Unreachable));
        if !self.events.is_empty() {
            (self.sink)(std::mem::take(&mut self.events));
        }
    }

    /// Closes a connection and lets whoever used it know.
    fn lose(&mut self, key: usize, lost: Lost) {
        let Some(mut connection) = self.connections.try_remove(key) else { return };
        connection.socket.deregister(self.poll.registry());
        match connection.role {
            Role::Serving(serving) => {
                self.accepted -= 1;
                if let Serving::Waiting { id, .. } = serving {
                    self.waiting.remove(&id);
                }
            }
            Role::Writing { peer, kind } => {
                self.accepted -= 1;
                self.writer_lost(peer, kind, key, &lost);
            }
            Role::Dialling(dialling) => self.dial_lost(dialling, &lost),
            Role::Reading(reading) => self.reader_lost(reading, &lost),
            Role::Answering(answering) => self.exchange_lost(answering, &lost),
            Role::Idle(authority) => self.forget_idle(&authority, key),
            Role::Taken => unreachable!("a connection is lost by whoever has its role"),
        }
    }

    /// Closes a connection that nobody uses any more. A stream of ours ends as its reader expects it to.
    fn drop_connection(&mut self, key: usize) {
        let Some(mut connection) = self.connections.try_remove(key) else { return };
        if matches!(connection.role, Role::Writing { .. }) {
            connection.output.extend_from_slice(LAST_CHUNK);
            if let Err(error) = connection.flush() {
                log::debug!(error:% = error; "failed to end a stream");
            }
        }
        connection.socket.deregister(self.poll.registry());
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn end(mut self) {
        for thread in self.snapshot_threads.values() {
            thread.stop.store(true, Ordering::Relaxed);
        }
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.drop_connection(key);
        }
    }
}

/// True for a connection whose other side may be silent for good.
fn may_be_silent(connection: &Connection) -> bool {
    // A client may end its direction and still wait for its answer.
    matches!(connection.role, Role::Serving(Serving::Waiting { .. } | Serving::Closing { lingering: false }))
}

fn listener_token(index: usize) -> Token {
    Token(WAKER.0 - 1 - index)
}

fn listener_index(token: Token, listeners: usize) -> Option<usize> {
    let index = WAKER.0 - 1 - token.0;
    (index < listeners).then_some(index)
}
