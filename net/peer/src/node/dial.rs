//! From a URL to a connection: names looked up by a thread each, addresses tried in turn, all within one deadline.
//!
//! A name is looked up once at a time, however many wait for it.

use super::{Connection, Lost, Node, Role, Target, connection::Socket, exchange::Failure};
use crate::{blocking, endpoint::Endpoint, mailbox::Command};
use mio::{Token, net::TcpStream};
use std::{collections::VecDeque, net::SocketAddr, thread, time::Instant};

#[derive(Debug)]
pub(super) struct Attempt {
    target: Target,
    endpoint: Endpoint,
    deadline: Instant,
}

/// A connection that is being made.
#[derive(Debug)]
pub(super) struct Dialling {
    attempt: Attempt,
    address: SocketAddr,
    rest: VecDeque<SocketAddr>,
}

impl Node {
    pub(super) fn dial(&mut self, target: Target, endpoint: Endpoint) {
        let mut deadline = self.now + self.dial_timeout;
        if let Target::Exchange(exchange) = &target {
            deadline = deadline.min(exchange.deadline);
        }
        let attempt = Attempt { target, endpoint, deadline };
        match attempt.endpoint.address() {
            Some(address) => self.connect(attempt, VecDeque::from([address])),
            None => self.look_up(attempt),
        }
    }

    fn look_up(&mut self, attempt: Attempt) {
        self.wake_at(attempt.deadline);
        let host = attempt.endpoint.host.clone();
        if let Some(waiting) = self.lookups.get_mut(&host) {
            return waiting.push(attempt);
        }
        self.lookups.insert(host.clone(), vec![attempt]);
        let (mailbox, name) = (self.mailbox.clone(), host.clone());
        let spawned = thread::Builder::new().name("peer-resolve".into()).spawn(move || {
            let result = blocking::resolve(&name, 0);
            mailbox.post(Command::Resolved { host: name, result });
        });
        if let Err(error) = spawned {
            self.resolved(&host, Err(blocking::words(&error)));
        }
    }

    pub(super) fn resolved(&mut self, host: &str, result: Result<Vec<SocketAddr>, String>) {
        for attempt in self.lookups.remove(host).unwrap_or_default() {
            match &result {
                Ok(addresses) => {
                    let port = attempt.endpoint.port;
                    let addresses = addresses.iter().map(|address| SocketAddr::new(address.ip(), port));
                    self.connect(attempt, addresses.collect());
                }
                Err(error) => self.dial_failed(attempt, Failure::Error(error.clone())),
            }
        }
    }

    /// Gives up attempts whose names took too long. The lookup goes on, for those that come later.
    pub(super) fn expire_lookups(&mut self) {
        let now = self.now;
        let mut expired = Vec::new();
        let mut next = None;
        for waiting in self.lookups.values_mut() {
            expired.extend(waiting.extract_if(.., |attempt| attempt.deadline <= now));
            next = waiting.iter().map(|attempt| attempt.deadline).chain(next).min();
        }
        if let Some(next) = next {
            self.wake_at(next);
        }
        for attempt in expired {
            let text = format!("dial tcp: lookup {}: i/o timeout", attempt.endpoint.host);
            self.dial_failed(attempt, Failure::Error(text));
        }
    }

    /// Connects to the first address that lets itself be tried.
    fn connect(&mut self, attempt: Attempt, mut addresses: VecDeque<SocketAddr>) {
        let mut last = format!("dial tcp: lookup {}: no such host", attempt.endpoint.host);
        while let Some(address) = addresses.pop_front() {
            // The time left is shared among the addresses left.
            let left = attempt.deadline.saturating_duration_since(self.now);
            let deadline = self.now + left / (addresses.len() as u32 + 1);
            let stream = match TcpStream::connect(address) {
                Ok(stream) => stream,
                Err(error) => {
                    last = blocking::dial_error(address, &error);
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!(error:% = error; "failed to set TCP_NODELAY");
            }
            let mut socket = Socket::Tcp(stream);
            let slot = self.connections.vacant_entry();
            match socket.register(self.poll.registry(), Token(slot.key())) {
                Ok(()) => {
                    let role = Role::Dialling(Dialling { attempt, address, rest: addresses });
                    slot.insert(Connection::new(socket, address, role, deadline));
                    return self.wake_at(deadline);
                }
                Err(error) => last = blocking::dial_error(address, &error),
            }
        }
        self.dial_failed(attempt, Failure::Error(last));
    }

    /// The socket of a connection being made has something to say.
    pub(super) fn dialled(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        match connection.socket.connected() {
            None => {}
            Some(Err(error)) => self.lose(key, error.into()),
            Some(Ok(())) => {
                let role = std::mem::replace(&mut connection.role, Role::Taken);
                let Role::Dialling(dialling) = role else { unreachable!("only those are dialled") };
                let Attempt { target, endpoint, .. } = dialling.attempt;
                match target {
                    Target::Stream { peer, kind } => self.ask_for_stream(key, peer, kind, endpoint),
                    Target::Exchange(exchange) => self.begin_exchange(key, exchange, false),
                }
            }
        }
    }

    /// An address failed: the next one, or none.
    pub(super) fn dial_lost(&mut self, dialling: Dialling, lost: &Lost) {
        let Dialling { attempt, address, rest } = dialling;
        if !rest.is_empty() && self.now < attempt.deadline {
            return self.connect(attempt, rest);
        }
        let text = match lost {
            Lost::TimedOut | Lost::Ended => format!("dial tcp {address}: {lost}"),
            Lost::Error(error) => format!("dial tcp {address}: connect: {error}"),
        };
        self.dial_failed(attempt, Failure::Error(text));
    }

    fn dial_failed(&mut self, attempt: Attempt, failure: Failure) {
        match attempt.target {
            Target::Stream { peer, kind } => {
                self.stream_failed(peer, kind, &attempt.endpoint, &failure.to_string())
            }
            Target::Exchange(exchange) => self.exchange_done(exchange, Err(failure)),
        }
    }

    /// Forgets attempts to reach a member's streams, and its posts and probes.
    pub(super) fn forget_attempts(&mut self, id: u64) {
        for waiting in self.lookups.values_mut() {
            waiting.retain(|attempt| !attempt.target.is_of(id));
        }
    }
}

impl Target {
    fn is_of(&self, id: u64) -> bool {
        match self {
            Target::Stream { peer, .. } => *peer == id,
            Target::Exchange(exchange) => exchange.is_of(id),
        }
    }
}

impl Dialling {
    pub(super) fn is_of(&self, id: u64) -> bool {
        self.attempt.target.is_of(id)
    }
}
