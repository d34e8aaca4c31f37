//! Probes of every member by two ways, as etcd has them: for round-trip times and drifting clocks, never for raft.

use super::{
    Node, Purpose,
    exchange::{Exchange, Failure},
};
use crate::{
    Answer, Event,
    endpoint::Endpoint,
    http::{Framing, put_request},
    identity::hex,
};
use bytes::BytesMut;
use jiff::Timestamp;
use serde::Deserialize;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(4);
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often a member in good and in bad health is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
const LOOK_INTERVAL_ILL: Duration = Duration::from_secs(5);
/// Clocks further apart than this are worth a line.
const DRIFT_MAX: Duration = Duration::from_secs(1);
const ANSWER_BYTES_MAX: usize = 4096;
/// Weight of a new round-trip time, as its share.
const WEIGHT: f64 = 0.125;
/// etcd's names for the two ways.
const NAMES: [&str; 2] = ["ROUND_TRIPPER_SNAPSHOT", "ROUND_TRIPPER_RAFT_MESSAGE"];

/// One of a member's two probers.
#[derive(Debug)]
pub(super) struct Prober {
    probe_at: Instant,
    look_at: Instant,
    under_way: bool,
    healthy: bool,
    smoothed: Duration,
    drift_nanos: i128,
    error: String,
}

/// A probe on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) peer: u64,
    prober: usize,
    started: Instant,
}

#[derive(Deserialize)]
struct Health {
    #[serde(rename = "OK")]
    ok: bool,
    #[serde(rename = "Now")]
    now: String,
}

impl Prober {
    pub(super) fn new(now: Instant) -> Prober {
        Prober {
            probe_at: now + INTERVAL,
            look_at: now + LOOK_INTERVAL_ILL,
            under_way: false,
            healthy: false,
            smoothed: Duration::ZERO,
            drift_nanos: 0,
            error: String::new(),
        }
    }

    fn succeeded(&mut self, trip: Duration, theirs: Timestamp, ours: Timestamp) {
        let last = if self.smoothed.is_zero() { trip } else { self.smoothed };
        self.smoothed = last.mul_f64(1.0 - WEIGHT) + trip.mul_f64(WEIGHT);
        self.healthy = true;
        self.error.clear();
        let half = self.smoothed.as_nanos() as i128 / 2;
        self.drift_nanos = ours.as_nanosecond() - theirs.as_nanosecond() - half;
    }

    fn failed(&mut self, error: String) {
        self.healthy = false;
        self.error = error;
    }

    /// Says what is to be said of a member's health, and when to look again.
    fn look(&mut self, id: u64, name: &str, now: Instant) {
        if !self.healthy {
            log::warn!(
                "round-tripper-name" = name, "remote-peer-id":% = hex(id), rtt:? = self.smoothed,
                error = self.error.as_str(); "prober detected unhealthy status"
            );
        }
        if self.drift_nanos > DRIFT_MAX.as_nanos() as i128 {
            let drift = Duration::from_nanos(u64::try_from(self.drift_nanos).unwrap_or(u64::MAX));
            log::warn!(
                "round-tripper-name" = name, "remote-peer-id":% = hex(id), "clock-drift":? = drift,
                rtt:? = self.smoothed; "prober found high clock drift"
            );
        }
        self.look_at = now + if self.healthy { LOOK_INTERVAL } else { LOOK_INTERVAL_ILL };
    }
}

impl Node {
    /// Probes and looks whose time has come; the earliest of the others.
    pub(super) fn probe(&mut self, id: u64) -> Option<Instant> {
        let now = self.now;
        let mut next = None;
        for (index, name) in NAMES.iter().enumerate() {
            let peer = self.peers.get_mut(&id)?;
            let prober = &mut peer.streams.as_mut()?.probers[index];
            if prober.look_at <= now {
                prober.look(id, name, now);
                self.events.push(Event::RoundTrip { id, smoothed: prober.smoothed });
            }
            let begin = prober.probe_at <= now;
            if begin {
                prober.probe_at = now + INTERVAL;
            }
            next = [prober.look_at, prober.probe_at].into_iter().chain(next).min();
            if begin && !prober.under_way {
                prober.under_way = true;
                let endpoint = peer.urls.pick().clone();
                self.begin_probe(Probe { peer: id, prober: index, started: now }, endpoint);
            }
        }
        next
    }

    fn begin_probe(&mut self, probe: Probe, endpoint: Endpoint) {
        let mut request = BytesMut::new();
        put_request(&mut request, "GET", "/raft/probing", endpoint.authority(), &[], Framing::Length(0));
        self.exchange(Exchange {
            purpose: Purpose::Probe(probe),
            endpoint,
            request: request.freeze(),
            response_bytes_max: ANSWER_BYTES_MAX,
            deadline: self.now + TIMEOUT,
            patient: false,
        });
    }

    pub(super) fn probed(&mut self, probe: &Probe, endpoint: &Endpoint, result: Result<Answer, Failure>) {
        let trip = self.now - probe.started;
        let result = result.map_err(|failure| failure.to_string()).and_then(|answer| read(&answer, endpoint));
        let Some(peer) = self.peers.get_mut(&probe.peer) else { return };
        let Some(streams) = &mut peer.streams else { return };
        let prober = &mut streams.probers[probe.prober];
        prober.under_way = false;
        match result {
            Ok(theirs) => prober.succeeded(trip, theirs, Timestamp::now()),
            Err(error) => {
                prober.failed(format!("Get \"{}/raft/probing\": {error}", endpoint.url));
            }
        }
    }
}

/// The other side's time.
fn read(answer: &Answer, endpoint: &Endpoint) -> Result<Timestamp, String> {
    if answer.status != 200 {
        return Err(format!("got unexpected HTTP status code {} from {}", answer.status, endpoint.url));
    }
    let health: Health = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    if !health.ok {
        return Err("the member says that it is not well".into());
    }
    health.now.parse().map_err(|error: jiff::Error| error.to_string())
}

/// The body of our answer to a probe.
pub(super) fn health() -> String {
    format!("{{\"OK\":true,\"Now\":\"{}\"}}\n", Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_go_and_ours_are_read() {
        let endpoint = Endpoint::parse("http://a:1").unwrap();
        let answer = |status, body: &str| Answer {
            status,
            headers: Vec::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        };
        let go = "{\"OK\":true,\"Now\":\"2026-11-28T01:02:03.123456789+01:00\"}\n";
        let expected: Timestamp = "2026-11-28T00:02:03.123456789Z".parse().unwrap();
        assert_eq!(read(&answer(200, go), &endpoint), Ok(expected));
        assert!(read(&answer(200, &health()), &endpoint).is_ok());
        assert!(read(&answer(404, go), &endpoint).is_err());
        assert!(read(&answer(200, "{\"OK\":false,\"Now\":\"\"}"), &endpoint).is_err());
        assert!(read(&answer(200, "{}"), &endpoint).is_err());
    }

    #[test]
    fn trips_are_smoothed_and_clocks_compared() {
        let mut prober = Prober::new(Instant::now());
        let time = |millis| Timestamp::from_millisecond(millis).unwrap();
        prober.succeeded(Duration::from_millis(8), time(1000), time(1004));
        assert_eq!((prober.smoothed, prober.drift_nanos), (Duration::from_millis(8), 0));
        prober.succeeded(Duration::from_millis(16), time(1000), time(3000));
        assert_eq!(prober.smoothed, Duration::from_millis(9));
        assert_eq!(prober.drift_nanos, 2_000_000_000 - 4_500_000);
        prober.failed("gone".into());
        assert!(!prober.healthy);
        assert_eq!(prober.smoothed, Duration::from_millis(9), "it is remembered");
    }
}
