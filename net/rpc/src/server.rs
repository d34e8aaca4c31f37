//! The sockets and the one poll. It never blocks but in [`Server::poll`], and reads from a connection at most once
//! a turn, so that none starves.
//!
//! Sockets are edge-triggered: a connection stays in the ready list until a read came back short. A connection
//! whose output is not taken leaves the list until it is.

use crate::{
    Event, Limits, Method, MethodTotals,
    connection::{Connection, Fate, Protocol},
    grpc::{Context, Methods},
    listener::{ListenOptions, Listener, Protocols},
};
use bytes::{Buf, BytesMut};
use mio::{Events, Poll, Token, Waker};
use slab::Slab;
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Readiness events taken from the kernel in one turn.
const EVENTS_PER_TURN: usize = 1024;
/// Bytes read from one connection in one turn.
const READ_BYTES_MAX: usize = 128 << 10;
/// Connections accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 128;
/// Writes to one connection in one flush.
const WRITES_PER_FLUSH: usize = 16;
/// Empty output buffers kept for the next replies, and the largest that is kept, in bytes.
const SPARE_BUFFERS: usize = 256;
const SPARE_BUFFER_BYTES_MAX: usize = 256 << 10;
/// Longest distance of two looks at the connections' clocks.
const SWEEP_MAX: Duration = Duration::from_secs(1);
const SWEEP_MIN: Duration = Duration::from_millis(20);

const WAKER: Token = Token(usize::MAX);
/// Listeners' tokens count down from the waker's, connections' up from 0.
const LISTENERS_MAX: usize = 1024;

/// The server: all its sockets, driven by [`Server::poll`] on one thread.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    readiness: Events,
    waker: Arc<Waker>,
    methods: Methods,
    pub(crate) limits: Limits,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) accepting: bool,
    pub(crate) draining: bool,
    pub(crate) connections: Slab<Connection>,
    /// Of the connection accepted last.
    generation: u32,
    scratch: Box<[u8]>,
    ready: VecDeque<usize>,
    pub(crate) dirty: Vec<usize>,
    pub(crate) spare: Vec<BytesMut>,
    sweep_interval: Duration,
    next_sweep: Instant,
}

impl Server {
    /// # Errors
    /// The system refuses a poll.
    ///
    /// # Panics
    /// If a method's path is no `/service/method` or is there twice.
    pub fn new(methods: Vec<Method>, limits: Limits) -> io::Result<Server> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let sweep_interval =
            (limits.keepalive_interval.min(limits.keepalive_timeout) / 4).clamp(SWEEP_MIN, SWEEP_MAX);
        Ok(Server {
            poll,
            readiness: Events::with_capacity(EVENTS_PER_TURN),
            waker,
            methods: Methods::new(methods),
            limits,
            listeners: Vec::new(),
            accepting: false,
            draining: false,
            connections: Slab::new(),
            generation: 0,
            scratch: vec![0; READ_BYTES_MAX].into_boxed_slice(),
            ready: VecDeque::new(),
            dirty: Vec::new(),
            spare: Vec::new(),
            sweep_interval,
            next_sweep: Instant::now() + sweep_interval,
        })
    }

    /// Binds a listener (TCP_NODELAY, keep-alive 30 s on accepted sockets) and returns its address. Connections wait
    /// in the kernel until [`Server::accept`] is called, unless the listener accepts at once.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        self.listen_with(address, ListenOptions::default())
    }

    pub fn listen_with(&mut self, address: SocketAddr, options: ListenOptions) -> io::Result<SocketAddr> {
        let listener = Listener::tcp(address, options)?;
        let bound = listener.address()?.unwrap_or(address);
        self.add_listener(listener, options.at_once)?;
        Ok(bound)
    }

    /// Binds a unix socket; one left behind at the path is replaced. The file is removed with the server.
    pub fn listen_unix(&mut self, path: &Path, protocols: Protocols) -> io::Result<()> {
        let listener = Listener::unix(path, protocols)?;
        self.add_listener(listener, false)
    }

    fn add_listener(&mut self, mut listener: Listener, at_once: bool) -> io::Result<()> {
        let index = self.listeners.len();
        assert!(index < LISTENERS_MAX);
        if self.accepting || at_once {
            listener.register(self.poll.registry(), listener_token(index))?;
        }
        self.listeners.push(listener);
        Ok(())
    }

    /// Addresses of the TCP listeners, in the order they were bound.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().filter_map(|listener| listener.address().transpose()).collect()
    }

    /// Starts accepting on all listeners.
    pub fn accept(&mut self) -> io::Result<()> {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if !listener.registered {
                listener.register(self.poll.registry(), listener_token(index))?;
            }
        }
        self.accepting = true;
        Ok(())
    }

    /// Wakes `poll` from another thread.
    pub fn waker(&self) -> io::Result<Arc<Waker>> {
        Ok(self.waker.clone())
    }

    /// Connections open, whatever their protocol.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// What has happened on the method of this index.
    pub fn totals(&self, method: usize) -> MethodTotals {
        self.methods.counts.totals(method)
    }

    /// Waits at most `timeout` (`None`: until something happens), reads what is there, and appends events. May return
    /// early and without events: after any readiness (a peer that made room, say, which [`Server::backlog`] shows),
    /// and at least once a second while connections are open.
    pub fn poll(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let timeout = self.poll_timeout(timeout);
        if let Err(error) = self.poll.poll(&mut self.readiness, timeout) {
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        let now = Instant::now();
        self.take_readiness(events, now);
        for _ in 0..self.ready.len() {
            let Some(slot) = self.ready.pop_front() else { break };
            self.read(slot, now, events);
        }
        if now >= self.next_sweep {
            self.sweep(now, events);
        }
        // Last, since what ended above may have made room.
        self.accept_ready(now);
        Ok(())
    }

    fn poll_timeout(&self, wanted: Option<Duration>) -> Option<Duration> {
        let room = self.connections.len() < self.limits.connections_max;
        if !self.ready.is_empty()
            || !self.dirty.is_empty()
            || room && self.listeners.iter().any(Listener::acceptable)
        {
            return Some(Duration::ZERO);
        }
        let resumes = self.listeners.iter().filter_map(Listener::resumes).min();
        let sweep = (!self.connections.is_empty()).then_some(self.next_sweep);
        let Some(due) = resumes.into_iter().chain(sweep).min() else { return wanted };
        let until = due.saturating_duration_since(Instant::now());
        Some(wanted.map_or(until, |wanted| wanted.min(until)))
    }

    fn take_readiness(&mut self, events: &mut Vec<Event>, now: Instant) {
        let readiness = std::mem::replace(&mut self.readiness, Events::with_capacity(0));
        for event in &readiness {
            let token = event.token();
            if token == WAKER {
                events.push(Event::Woken);
                continue;
            }
            if let Some(index) = listener_index(token) {
                if let Some(listener) = self.listeners.get_mut(index) {
                    listener.ready = true;
                }
                continue;
            }
            let slot = token.0;
            let Some(connection) = self.connections.get_mut(slot) else { continue };
            let flags = &mut connection.flags;
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                flags.readable = true;
                flags.hangup |= event.is_read_closed() || event.is_error();
                if !flags.queued {
                    flags.queued = true;
                    self.ready.push_back(slot);
                }
            }
            if event.is_writable() && flags.blocked {
                flags.blocked = false;
                self.write(slot, now);
            }
        }
        self.readiness = readiness;
    }

    fn accept_ready(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                let listener = &mut self.listeners[index];
                if !listener.ready || self.connections.len() >= self.limits.connections_max {
                    break;
                }
                let Some((transport, peer)) = listener.accept(now) else { break };
                let (protocols, door) = (listener.protocols, listener.door);
                self.generation = self.generation.wrapping_add(1);
                let entry = self.connections.vacant_entry();
                let slot = entry.key();
                let id = u64::from(self.generation) << 32 | slot as u64;
                let connection = entry.insert(Connection::new(id, transport, peer, protocols, door, now));
                if let Err(error) = connection.transport.register(self.poll.registry(), Token(slot)) {
                    log::warn!(error:% = error; "failed to watch a connection");
                    self.connections.remove(slot);
                }
            }
        }
    }

    fn read(&mut self, slot: usize, now: Instant, events: &mut Vec<Event>) {
        let Some(connection) = self.connections.get_mut(slot) else { return };
        connection.flags.queued = false;
        if connection.flags.dead {
            return self.close_slot(slot, events);
        }
        let connection_id = connection.id;
        let peer = connection.peer();
        let (methods, limits) = (&self.methods, &self.limits);
        let mut cx = Context { methods, limits, connection: connection_id, peer, now, events };
        connection.resume(&mut cx);
        let mut fate = Fate::Goes;
        if connection.flags.readable && !connection.paused(limits) {
            fate = match connection.transport.read(&mut self.scratch) {
                Ok(0) => connection.end_of_input(),
                Ok(length) => {
                    let more = length == self.scratch.len() || connection.flags.hangup;
                    connection.flags.readable = more;
                    if connection.out.capacity() == 0 {
                        connection.out = self.spare.pop().unwrap_or_default();
                    }
                    connection.receive(&self.scratch[..length], &mut cx);
                    Fate::Goes
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.flags.readable = false;
                    Fate::Goes
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Fate::Goes,
                Err(_) => Fate::Ends,
            };
        }
        if fate == Fate::Ends || connection.flags.dead {
            return self.close_slot(slot, events);
        }
        self.settle(slot);
    }

    /// Puts a connection into the lists it belongs to.
    pub(crate) fn settle(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        let flags = &connection.flags;
        if flags.dead || flags.readable && !connection.paused(&self.limits) {
            self.enqueue(slot);
        }
        let connection = &mut self.connections[slot];
        let due = !connection.out.is_empty() || connection.flags.closing || connection.finished();
        if due && !connection.flags.dirty && !connection.flags.blocked {
            connection.flags.dirty = true;
            self.dirty.push(slot);
        }
    }

    pub(crate) fn enqueue(&mut self, slot: usize) {
        let flags = &mut self.connections[slot].flags;
        if !flags.queued {
            flags.queued = true;
            self.ready.push_back(slot);
        }
    }

    fn close_slot(&mut self, slot: usize, events: &mut Vec<Event>) {
        let mut connection = self.connections.remove(slot);
        connection.abandon(events);
        if let Err(error) = connection.transport.deregister(self.poll.registry()) {
            log::debug!(error:% = error; "failed to forget a connection");
        }
        self.recycle(connection.out);
    }

    fn recycle(&mut self, mut buffer: BytesMut) {
        if self.spare.len() < SPARE_BUFFERS && (1..=SPARE_BUFFER_BYTES_MAX).contains(&buffer.capacity()) {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Looks at every connection's clock.
    fn sweep(&mut self, now: Instant, events: &mut Vec<Event>) {
        self.next_sweep = now + self.sweep_interval;
        let slots: Vec<usize> = self.connections.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            match self.connections[slot].tick(now) {
                Fate::Ends => self.close_slot(slot, events),
                Fate::Goes => self.settle(slot),
            }
        }
    }

    /// Writes every connection's output buffer; call once per turn.
    pub fn flush(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            if let Some(connection) = self.connections.get_mut(slot) {
                connection.flags.dirty = false;
                self.write(slot, now);
            }
        }
        // Those marked again meanwhile had more than a flush may write.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    /// Writes one connection's output, until it is empty, or the socket full, or the turn over.
    fn write(&mut self, slot: usize, now: Instant) {
        let connection = &mut self.connections[slot];
        for _ in 0..WRITES_PER_FLUSH {
            while !connection.out.is_empty() && !connection.flags.blocked && !connection.flags.dead {
                write_once(connection);
            }
            if connection.flags.blocked || connection.flags.dead {
                break;
            }
            if let Protocol::Grpc(session) = &mut connection.protocol {
                session.pump(&mut connection.out, self.limits.output_bytes_max);
            }
            if connection.out.is_empty() {
                break;
            }
        }
        if connection.out.is_empty() && !connection.flags.dead {
            let last = connection.flags.closing || connection.finished();
            if last && connection.linger(now) == Fate::Ends {
                connection.flags.dead = true;
            }
            let buffer = std::mem::take(&mut connection.out);
            self.recycle(buffer);
        }
        self.settle(slot);
    }
}

/// One write; what is left stays.
fn write_once(connection: &mut Connection) {
    match connection.transport.write(&connection.out) {
        Ok(written) if written == connection.out.len() => connection.out.clear(),
        Ok(written) => connection.out.advance(written),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.flags.blocked = true,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(_) => connection.flags.dead = true,
    }
}

fn listener_token(index: usize) -> Token {
    Token(WAKER.0 - 1 - index)
}

fn listener_index(token: Token) -> Option<usize> {
    let index = WAKER.0 - 1 - token.0;
    (index < LISTENERS_MAX).then_some(index)
}
