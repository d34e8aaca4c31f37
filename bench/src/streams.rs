//! The streaming loads: lease keep-alive, one stream for each client, and watch fan-out, one stream for each
//! connection with its share of the watchers.

use crate::cluster::Cluster;
use crate::driver::{self, Driver, Measured, Meter, Request};
use crate::request::{self, path};
use prost::Message;
use proto::etcdserverpb::LeaseKeepAliveResponse;
use std::io;
use std::time::{Duration, Instant};

/// Puts of one round of the watch load; the next round begins when every watcher has had every event. Go etcd
/// queues 128 responses for a stream and serves what is beyond that once in 100 ms: for a fair figure five times the
/// watchers of one connection must stay below it.
const PUTS_PER_ROUND: u64 = 5;
/// The longest wait in one turn.
const TURN: Duration = Duration::from_secs(1);
/// Calls in flight while the leases are granted.
const GRANT_CLIENTS: usize = 100;

/// Each client renews its own lease on its own stream, one request in flight.
pub fn lease(server: &Cluster, connections: usize, clients: usize, length: Duration) -> io::Result<Measured> {
    let mut driver = Driver::connect(server.address(), connections)?;
    let mut granted = 0;
    driver::complete(&mut driver, GRANT_CLIENTS, clients as u64, &mut |body| {
        granted += 1;
        body.extend_from_slice(&request::lease_grant(granted));
        Request { path: path::LEASE_GRANT, answer_bytes_min: 1 }
    })?;
    let mut meter = Meter::new(server, length);
    let mut streams = Vec::with_capacity(clients);
    for client in 0..clients {
        let connection = &mut driver.connections[client % connections];
        let stream = connection.open(path::LEASE_KEEP_ALIVE, u32::try_from(client).expect("few clients"));
        let renewal = request::lease_keep_alive(client as i64 + 1);
        connection.send(stream, &renewal);
        streams.push((stream, renewal, Instant::now()));
    }
    let mut answered = Vec::new();
    loop {
        let now = driver.turn(TURN, &mut |client, body| {
            let renewed = LeaseKeepAliveResponse::decode(body).is_ok_and(|response| response.ttl > 0);
            answered.push((client as usize, renewed));
        })?;
        if !driver.done.is_empty() {
            return Err(io::Error::other("the server ended a keep-alive stream"));
        }
        for (client, renewed) in answered.drain(..) {
            let (stream, renewal, started) = &mut streams[client];
            meter.record(now - *started, 1, renewed);
            *started = now;
            driver.connections[client % connections].send(*stream, renewal);
        }
        if let Some(measured) = meter.tick(now)? {
            return Ok(measured);
        }
    }
}

/// All watchers watch one key. One more connection puts it, in rounds.
pub fn watch(
    server: &Cluster,
    connections: usize,
    watchers: usize,
    length: Duration,
) -> io::Result<Measured> {
    let mut driver = Driver::connect(server.address(), connections + 1)?;
    let create = request::watch(0);
    let streams: Vec<u32> =
        driver.connections[..connections].iter_mut().map(|c| c.open(path::WATCH, u32::MAX)).collect();
    for watcher in 0..watchers {
        let connection = watcher % connections;
        driver.connections[connection].send(streams[connection], &create);
    }
    let mut created = 0;
    while created < watchers {
        driver.turn(TURN, &mut |_, body| created += usize::from(request::watch_response(body).0))?;
    }
    let mut meter = Meter::new(server, length);
    let mut put = Vec::new();
    request::put(0, &mut put);
    loop {
        for tag in 0..PUTS_PER_ROUND {
            driver.connections[connections].call(path::PUT, &put, u32::try_from(tag).expect("few puts"));
        }
        let started = Instant::now();
        let (mut puts, mut delivered) = (0, 0);
        while puts < PUTS_PER_ROUND || delivered < PUTS_PER_ROUND * watchers as u64 {
            let mut events = 0;
            let now = driver.turn(TURN, &mut |_, body| events += request::watch_response(body).1)?;
            if driver.done.iter().any(|(connection, done)| *connection != connections || !done.ok) {
                return Err(io::Error::other("a put failed or a watch stream ended"));
            }
            puts += driver.done.len() as u64;
            delivered += events;
            meter.record(now - started, events, true);
            if let Some(measured) = meter.tick(now)? {
                return Ok(measured);
            }
        }
        if delivered > PUTS_PER_ROUND * watchers as u64 {
            return Err(io::Error::other("a watcher got an event twice"));
        }
    }
}
