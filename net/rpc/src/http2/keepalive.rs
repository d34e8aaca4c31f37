//! Pings: how often the peer may, and when we do. It never reads a clock.
//!
//! The peer's pings follow grpc-go's enforcement: one that comes too soon after the one before is a strike (sooner
//! than [`Timers::peer_interval_min`], or than two hours while no stream is open); anything the server writes on a
//! stream forgives all. Ours follow its server parameters: a ping once nothing was read for `interval`, the end
//! once nothing was read for `timeout` after it.

use std::time::{Duration, Instant};

/// More strikes than this end the connection.
const STRIKES_MAX: u8 = 2;
/// The least distance of pings while no stream is open.
const IDLE_INTERVAL_MIN: Duration = Duration::from_secs(2 * 3600);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) peer_interval_min: Duration,
}

/// What to do about an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keepalive {
    Nothing,
    Ping,
    /// The peer did not answer in time.
    Dead,
}

#[derive(Debug)]
pub(super) struct Pings {
    timers: Timers,
    peer_last: Option<Instant>,
    strikes: u8,
    forgiven: bool,
    read: Instant,
    pinged: Option<Instant>,
}

impl Pings {
    pub(super) fn new(timers: Timers, now: Instant) -> Pings {
        Pings { timers, peer_last: None, strikes: 0, forgiven: false, read: now, pinged: None }
    }

    /// HEADERS or DATA were written.
    pub(super) fn forgive(&mut self) {
        self.forgiven = true;
    }

    /// The peer sent a ping. False: one too many.
    #[must_use]
    pub(super) fn peer_ping(&mut self, now: Instant, streams_open: bool) -> bool {
        let last = self.peer_last.replace(now);
        if std::mem::take(&mut self.forgiven) {
            self.strikes = 0;
            return true;
        }
        let least = if streams_open { self.timers.peer_interval_min } else { IDLE_INTERVAL_MIN };
        if last.is_some_and(|last| now.saturating_duration_since(last) < least) {
            self.strikes += 1;
        }
        self.strikes <= STRIKES_MAX
    }

    /// Anything was read.
    pub(super) fn alive(&mut self, now: Instant) {
        self.read = now;
        self.pinged = None;
    }

    pub(super) fn check(&mut self, now: Instant) -> Keepalive {
        match self.pinged {
            Some(at) if now.saturating_duration_since(at) >= self.timers.timeout => Keepalive::Dead,
            None if now.saturating_duration_since(self.read) >= self.timers.interval => {
                self.pinged = Some(now);
                Keepalive::Ping
            }
            Some(_) | None => Keepalive::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pings(start: Instant) -> Pings {
        let timers = Timers {
            interval: Duration::from_secs(7200),
            timeout: Duration::from_secs(20),
            peer_interval_min: Duration::from_secs(5),
        };
        Pings::new(timers, start)
    }

    #[test]
    fn the_third_strike_ends_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pings = pings(start);
        assert!([0, 5, 10, 14, 18].iter().all(|&second| pings.peer_ping(at(second), true)), "two strikes");
        assert!(!pings.peer_ping(at(22), true));
        pings.forgive();
        assert!(pings.peer_ping(at(23), true), "writing forgives");
        assert!(pings.peer_ping(at(40), false) && pings.peer_ping(at(80), false), "idle: two strikes");
        assert!(!pings.peer_ping(at(7000), false), "idle: the third, though far apart");
    }

    #[test]
    fn silence_is_pinged_then_ended() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pings = pings(start);
        assert_eq!(pings.check(at(7199)), Keepalive::Nothing);
        assert_eq!(pings.check(at(7200)), Keepalive::Ping);
        assert_eq!(pings.check(at(7219)), Keepalive::Nothing);
        pings.alive(at(7219));
        assert_eq!(pings.check(at(7230)), Keepalive::Nothing);
        assert_eq!(pings.check(at(14_419)), Keepalive::Ping);
        assert_eq!(pings.check(at(14_439)), Keepalive::Dead);
    }
}
