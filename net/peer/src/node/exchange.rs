//! Requests of ours, each on a connection that serves one at a time and is kept for the next.
//!
//! It never knows what an answer means: that is up to who asked ([`Purpose`]).

use super::{Connection, IO_TIMEOUT, Lost, Node, Purpose, Role, Target};
use crate::{
    Answer, RequestError,
    endpoint::Endpoint,
    http::{Body, Broken, ResponseHead, response_head},
};
use bytes::{Bytes, BytesMut};
use std::{fmt, time::Instant};

/// Connections kept for one `host:port`, and for how long: Go's members close idle ones after 5 s.
const IDLE_MAX: usize = 64;
const IDLE_TIMEOUT: std::time::Duration = std::time::Duration::from_millis(4500);

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) purpose: Purpose,
    pub(super) endpoint: Endpoint,
    /// Head and body.
    pub(super) request: Bytes,
    pub(super) response_bytes_max: usize,
    pub(super) deadline: Instant,
    /// The other side may be silent up to the deadline.
    pub(super) patient: bool,
}

/// A request on its way, or its answer.
#[derive(Debug)]
pub(super) struct Answering {
    exchange: Exchange,
    /// The connection served a request before.
    reused: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Head,
    Body { head: ResponseHead, body: Body, bytes: BytesMut },
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    TimedOut,
    TooLarge,
    Error(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::TimedOut => "i/o timeout",
            Failure::TooLarge => "http: response body too large",
            Failure::Error(error) => error,
        })
    }
}

impl From<Failure> for RequestError {
    fn from(failure: Failure) -> RequestError {
        match failure {
            Failure::TimedOut => RequestError::TimedOut,
            Failure::TooLarge => RequestError::TooLarge,
            Failure::Error(error) => RequestError::Failed(error),
        }
    }
}

impl Exchange {
    /// Whether it is one that raft makes with this member.
    pub(super) fn is_of(&self, id: u64) -> bool {
        match &self.purpose {
            Purpose::Post(post) => post.peer == id,
            Purpose::Probe(probe) => probe.peer == id,
            Purpose::Request(_) => false,
        }
    }
}

impl Answering {
    pub(super) fn is_of(&self, id: u64) -> bool {
        self.exchange.is_of(id)
    }

    /// Until when the other side must have done something.
    pub(super) fn deadline(&self, now: Instant) -> Instant {
        let exchange = &self.exchange;
        if exchange.patient { exchange.deadline } else { exchange.deadline.min(now + IO_TIMEOUT) }
    }
}

impl Node {
    pub(super) fn exchange(&mut self, exchange: Exchange) {
        let authority = exchange.endpoint.authority();
        if let Some(key) = self.idle.get_mut(authority).and_then(Vec::pop) {
            return self.begin_exchange(key, exchange, true);
        }
        let endpoint = exchange.endpoint.clone();
        self.dial(Target::Exchange(exchange), endpoint);
    }

    pub(super) fn begin_exchange(&mut self, key: usize, exchange: Exchange, reused: bool) {
        let connection = &mut self.connections[key];
        connection.output.extend_from_slice(&exchange.request);
        let answering = Answering { exchange, reused, state: State::Head };
        let deadline = answering.deadline(self.now);
        connection.deadline = Some(deadline);
        connection.role = Role::Answering(answering);
        self.wake_at(deadline);
        self.flush(key);
    }

    /// Reads on; false: the connection is gone or another's.
    pub(super) fn read_answer(
        &mut self,
        key: usize,
        mut answering: Answering,
        bytes: usize,
        ended: bool,
    ) -> bool {
        let connection = &mut self.connections[key];
        if bytes > 0 {
            connection.deadline = Some(answering.deadline(self.now));
        }
        let answer = match answering.advance(connection, ended) {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                connection.role = Role::Answering(answering);
                if ended {
                    self.lose(key, Lost::Ended);
                }
                return !ended;
            }
            Err(failure) => {
                self.drop_connection(key);
                self.exchange_done(answering.exchange, Err(failure));
                return false;
            }
        };
        let kept =
            !answering.closes() && !ended && connection.input.is_empty() && connection.output.is_empty();
        if kept {
            self.keep(key, answering.exchange.endpoint.authority().to_owned());
        } else {
            self.drop_connection(key);
        }
        self.exchange_done(answering.exchange, Ok(answer));
        false
    }

    fn keep(&mut self, key: usize, authority: String) {
        let keys = self.idle.entry(authority.clone()).or_default();
        if keys.len() >= IDLE_MAX {
            return self.drop_connection(key);
        }
        keys.push(key);
        let connection = &mut self.connections[key];
        connection.role = Role::Idle(authority);
        connection.deadline = Some(self.now + IDLE_TIMEOUT);
        self.wake_at(self.now + IDLE_TIMEOUT);
    }

    pub(super) fn forget_idle(&mut self, authority: &str, key: usize) {
        if let Some(keys) = self.idle.get_mut(authority) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.idle.remove(authority);
            }
        }
    }

    /// The connection was lost before the answer was whole.
    pub(super) fn exchange_lost(&mut self, answering: Answering, lost: &Lost) {
        let untouched = matches!(answering.state, State::Head);
        let exchange = answering.exchange;
        // The other side may have closed an idle connection just when we used it again.
        if answering.reused && untouched && *lost != Lost::TimedOut && self.now < exchange.deadline {
            let endpoint = exchange.endpoint.clone();
            return self.dial(Target::Exchange(exchange), endpoint);
        }
        let failure = match lost {
            Lost::TimedOut => Failure::TimedOut,
            Lost::Ended | Lost::Error(_) => Failure::Error(lost.to_string()),
        };
        self.exchange_done(exchange, Err(failure));
    }

    pub(super) fn exchange_done(&mut self, exchange: Exchange, result: Result<Answer, Failure>) {
        match exchange.purpose {
            Purpose::Post(post) => self.posted(&post, &exchange.endpoint, result),
            Purpose::Probe(probe) => self.probed(&probe, &exchange.endpoint, result),
            Purpose::Request(asked) => self.asked(*asked, result),
        }
    }
}

impl Answering {
    /// The answer once it is whole.
    fn advance(&mut self, connection: &mut Connection, ended: bool) -> Result<Option<Answer>, Failure> {
        let broken = |broken| match broken {
            Broken::TooLarge => Failure::TooLarge,
            Broken::Malformed | Broken::Unsupported => Failure::Error(broken.to_string()),
        };
        if matches!(self.state, State::Head) {
            let Some(head) = response_head(&mut connection.input).map_err(broken)? else { return Ok(None) };
            self.state = State::Body { body: head.body(), head, bytes: BytesMut::new() };
        }
        let State::Body { head, body, bytes } = &mut self.state else { unreachable!("the head was read") };
        body.advance(&mut connection.input, bytes).map_err(broken)?;
        if bytes.len() > self.exchange.response_bytes_max {
            return Err(Failure::TooLarge);
        }
        let whole = body.is_done() || ended && body.ends_with_connection();
        Ok(whole.then(|| Answer {
            status: head.status,
            headers: std::mem::take(&mut head.headers),
            body: std::mem::take(bytes).freeze(),
        }))
    }

    /// The connection serves nothing after this answer.
    fn closes(&self) -> bool {
        matches!(&self.state, State::Body { head, .. } if head.close)
    }
}
