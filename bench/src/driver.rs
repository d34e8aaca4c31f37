//! The event loop of the load generator: one thread, epoll, all connections. It drives unary loads; `streams`
//! drives the streaming ones with the same parts.
//!
//! One reading of the clock serves a whole turn, so a latency is exact to the length of a turn.

use crate::cluster::Cluster;
use crate::connection::{Connection, Done};
use crate::histogram::Histogram;
use crate::process::{self, Usage};
use crate::request::PATHS;
use mio::{Events, Interest, Poll, Token};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Without any event for so long the server counts as hung.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Before the measurement begins.
const WARM_UP: Duration = Duration::from_millis(500);
const EVENTS_PER_TURN: usize = 1024;

/// Connections, and what they brought in the last turn.
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    events: Events,
    pub connections: Vec<Connection>,
    /// Calls that ended in the last turn, with their connection.
    pub done: Vec<(usize, Done)>,
    scratch: Vec<Done>,
    last_event: Instant,
}

impl Driver {
    pub fn connect(address: SocketAddr, connections: usize) -> io::Result<Driver> {
        let poll = Poll::new()?;
        let mut all = Vec::with_capacity(connections);
        for token in 0..connections {
            let mut connection = Connection::connect(address, PATHS)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(connection.socket(), Token(token), interest)?;
            all.push(connection);
        }
        Ok(Driver {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            connections: all,
            done: Vec::new(),
            scratch: Vec::new(),
            last_event: Instant::now(),
        })
    }

    /// Writes what was queued, waits at most `timeout`, reads. Returns the time it woke.
    pub fn turn(&mut self, timeout: Duration, message: &mut dyn FnMut(u32, &[u8])) -> io::Result<Instant> {
        self.done.clear();
        for connection in &mut self.connections {
            connection.flush()?;
        }
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => other?,
        }
        let now = Instant::now();
        if !self.events.is_empty() {
            self.last_event = now;
        } else if now - self.last_event > STALL_TIMEOUT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server answers nothing"));
        }
        for event in &self.events {
            let index = event.token().0;
            self.connections[index].read(&mut self.scratch, message)?;
            self.done.extend(self.scratch.drain(..).map(|done| (index, done)));
        }
        Ok(now)
    }
}

/// What one measurement gave.
#[derive(Debug)]
pub struct Measured {
    pub operations: u64,
    pub failures: u64,
    pub wall: Duration,
    pub latency: Histogram,
    /// Of the member measured, and of all members together.
    pub cpu: Duration,
    pub all_cpu: Duration,
    pub written: u64,
    /// At the end.
    pub usage: Usage,
    /// CPU time of this process.
    pub generator_cpu: Duration,
}

/// Counts between the end of the warm-up and the end of the run, and reads the server's figures at both.
#[derive(Debug)]
pub struct Meter<'a> {
    server: &'a Cluster,
    begin: Instant,
    end: Instant,
    before: Option<(Instant, (Usage, Duration), Usage)>,
    operations: u64,
    failures: u64,
    latency: Histogram,
}

impl Meter<'_> {
    pub fn new(server: &Cluster, length: Duration) -> Meter<'_> {
        let begin = Instant::now() + WARM_UP;
        let latency = Histogram::default();
        Meter { server, begin, end: begin + length, before: None, operations: 0, failures: 0, latency }
    }

    /// Counts `times` operations that took the same time.
    pub fn record(&mut self, took: Duration, times: u64, ok: bool) {
        if self.before.is_none() {
            return;
        }
        if ok {
            self.operations += times;
            self.latency.record(took, times);
        } else {
            self.failures += times;
        }
    }

    /// To be called after each turn; the measurement, once it is over.
    pub fn tick(&mut self, now: Instant) -> io::Result<Option<Measured>> {
        if now < self.begin {
            return Ok(None);
        }
        let Some((begun, (server, all), own)) = self.before else {
            let own = process::usage(std::process::id())?;
            self.before = Some((Instant::now(), self.server.usage()?, own));
            return Ok(None);
        };
        if now < self.end {
            return Ok(None);
        }
        let (usage, all_now) = self.server.usage()?;
        Ok(Some(Measured {
            operations: self.operations,
            failures: self.failures,
            wall: begun.elapsed(),
            latency: std::mem::take(&mut self.latency),
            cpu: usage.cpu - server.cpu,
            all_cpu: all_now - all,
            written: usage.written - server.written,
            usage,
            generator_cpu: process::usage(std::process::id())?.cpu - own.cpu,
        }))
    }
}

/// A call to make: its path and the bytes its answer has at least.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub path: usize,
    pub answer_bytes_min: usize,
}

/// Appends the next request's message.
pub type Next<'a> = &'a mut dyn FnMut(&mut Vec<u8>) -> Request;

/// Each of `clients` has one call in flight until the meter says that time is over.
pub fn closed(driver: &mut Driver, clients: usize, mut meter: Meter, next: Next) -> io::Result<Measured> {
    let mut body = Vec::new();
    let mut in_flight = Vec::with_capacity(clients);
    for client in 0..clients {
        let connection = client % driver.connections.len();
        in_flight.push((Instant::now(), start(driver, connection, client, &mut body, next)));
    }
    loop {
        let now = driver.turn(STALL_TIMEOUT, &mut |_, _| {})?;
        for index in 0..driver.done.len() {
            let (connection, done) = driver.done[index];
            let (started, request) = &mut in_flight[done.tag as usize];
            meter.record(now - *started, 1, done.ok && done.bytes >= request.answer_bytes_min);
            *started = now;
            *request = start(driver, connection, done.tag as usize, &mut body, next);
        }
        if let Some(measured) = meter.tick(now)? {
            return Ok(measured);
        }
    }
}

/// Makes `count` calls, `clients` at a time, and fails if one fails.
pub fn complete(driver: &mut Driver, clients: usize, count: u64, next: Next) -> io::Result<()> {
    let mut body = Vec::new();
    let (mut started, mut ended) = (0, 0);
    while started < count.min(clients as u64) {
        let connection = started as usize % driver.connections.len();
        start(driver, connection, started as usize, &mut body, next);
        started += 1;
    }
    while ended < count {
        driver.turn(STALL_TIMEOUT, &mut |_, _| {})?;
        for index in 0..driver.done.len() {
            let (connection, done) = driver.done[index];
            if !done.ok {
                return Err(io::Error::other("a call failed"));
            }
            ended += 1;
            if started < count {
                start(driver, connection, done.tag as usize, &mut body, next);
                started += 1;
            }
        }
    }
    Ok(())
}

/// Makes `rate` calls a second, in one burst for each millisecond, whatever the answers do; latency counts from
/// when a call was due. At most `clients` are in flight; what comes due beyond that waits.
pub fn paced(
    driver: &mut Driver,
    clients: usize,
    rate: u32,
    mut meter: Meter,
    next: Next,
) -> io::Result<Measured> {
    let mut body = Vec::new();
    let first = Instant::now();
    let mut in_flight = vec![(first, Request { path: 0, answer_bytes_min: 0 }); clients];
    let mut free: Vec<usize> = (0..clients).collect();
    let mut issued: u64 = 0;
    loop {
        let now = driver.turn(Duration::from_millis(1), &mut |_, _| {})?;
        for (_, done) in &driver.done {
            let (due, request) = in_flight[done.tag as usize];
            meter.record(now - due, 1, done.ok && done.bytes >= request.answer_bytes_min);
            free.push(done.tag as usize);
        }
        let elapsed_ms = u64::try_from((now - first).as_millis()).expect("a short run");
        while issued < elapsed_ms * u64::from(rate) / 1000 {
            let Some(client) = free.pop() else { break };
            let due = first + Duration::from_micros(issued * 1_000_000 / u64::from(rate) / 1000 * 1000);
            let connection = client % driver.connections.len();
            in_flight[client] = (due, start(driver, connection, client, &mut body, next));
            issued += 1;
        }
        if let Some(measured) = meter.tick(now)? {
            return Ok(measured);
        }
    }
}

fn start(driver: &mut Driver, connection: usize, client: usize, body: &mut Vec<u8>, next: Next) -> Request {
    body.clear();
    let request = next(body);
    let tag = u32::try_from(client).expect("fewer clients than that");
    driver.connections[connection].call(request.path, body, tag);
    request
}
