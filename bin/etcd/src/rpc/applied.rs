//! Calls that wait until what was committed when they came is applied, but no longer than a second.
//!
//! It never looks at the state: the edge tells how far applying is, and goes on with what is given back.

use super::asker::{Asker, PeerCall, Promotion};
use ::rpc::CallId;
use member::Member;
use proto::etcdserverpb::LeaseTimeToLiveRequest;
use std::collections::VecDeque;

/// How long a call waits.
const WAIT_MS: u64 = 1000;

/// True if nothing that is committed is still to be applied.
pub fn is_all_applied(member: &Member) -> bool {
    member.consensus().standing().commit <= member.applied_index()
}

/// What comes after the wait.
#[derive(Clone, Debug)]
pub enum Then {
    /// The first keep-alive of a stream.
    Renew(CallId),
    /// A keep-alive another member has sent on.
    RenewFor(PeerCall, i64),
    TimeToLive(Asker, LeaseTimeToLiveRequest),
    Promote(Promotion),
}

#[derive(Debug)]
struct Waiting {
    index: u64,
    until_ms: u64,
    then: Then,
}

/// In the order in which they came, which is that of their deadlines.
#[derive(Debug, Default)]
pub struct AppliedWaits {
    waiting: VecDeque<Waiting>,
}

impl AppliedWaits {
    pub fn add(&mut self, index: u64, now_ms: u64, then: Then) {
        self.waiting.push_back(Waiting { index, until_ms: now_ms + WAIT_MS, then });
    }

    /// What may go on, now that everything up to `applied` is.
    pub fn ready(&mut self, applied: u64) -> Vec<Then> {
        let (ready, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.index <= applied);
        self.waiting = waiting;
        ready.into_iter().map(|ready| ready.then).collect()
    }

    /// What has waited too long.
    pub fn late(&mut self, now_ms: u64) -> Vec<Then> {
        let count = self.waiting.iter().take_while(|waiting| waiting.until_ms <= now_ms).count();
        self.waiting.drain(..count).map(|late| late.then).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_ends_once() {
        let mut waits = AppliedWaits::default();
        let call = |stream| CallId { connection: 1, stream };
        for (at_ms, index) in [(0, 5), (100, 9), (200, 7)] {
            waits.add(index, at_ms, Then::Renew(call(index as u32)));
        }
        let streams = |thens: Vec<Then>| -> Vec<u32> {
            let stream = |then: &Then| match then {
                Then::Renew(id) => id.stream,
                other => panic!("{other:?}"),
            };
            thens.iter().map(stream).collect()
        };
        assert_eq!(streams(waits.ready(4)), [0; 0]);
        assert_eq!(streams(waits.ready(7)), [5, 7]);
        assert_eq!(streams(waits.late(1099)), [0; 0]);
        assert_eq!(streams(waits.late(1100)), [9]);
        assert!(waits.is_empty());
    }
}
