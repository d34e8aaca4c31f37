//! Requests that only the leader can answer, sent on to it over the peers' HTTP. What it answers decides: an answer
//! that settles the matter ends the wait, any other means to ask again, until the request timeout.
//!
//! It never sends anything: the loop takes what is to be sent ([`Forwards::take`]) and brings the answer back.
//! A call has at most one request under way.

use super::asker::{Asker, Promotion};
use ::peer::{Answer, Request, RequestError, bootstrap};
use ::rpc::CallId;
use bytes::Bytes;
use prost::Message;
use proto::{etcdserverpb as pb, leasepb};
use std::{collections::HashMap, time::Duration};

/// Between two tries.
const RETRY_MS: u64 = 50;
/// As [`RETRY_MS`], while there is no leader.
const LEADER_POLL_MS: u64 = 100;
/// Largest answer, in bytes: a lease may have many keys.
const ANSWER_BYTES_MAX: usize = 100 << 20;

#[derive(Clone, Debug, PartialEq)]
pub enum Forwarded {
    /// The first keep-alive of a stream.
    Renew {
        stream: CallId,
        lease: i64,
    },
    TimeToLive {
        call: CallId,
        request: pb::LeaseTimeToLiveRequest,
    },
    Promote(Promotion),
}

impl Forwarded {
    fn is_of(&self, id: CallId) -> bool {
        match self {
            Forwarded::Renew { stream: call, .. } | Forwarded::TimeToLive { call, .. } => *call == id,
            Forwarded::Promote(promotion) => promotion.asker == Asker::Client(id),
        }
    }

    fn to_request(&self) -> (String, Vec<(&'static str, String)>, Bytes) {
        let protobuf = || vec![("Content-Type", "application/protobuf".to_owned())];
        match self {
            Forwarded::Renew { lease, .. } => {
                let body = pb::LeaseKeepAliveRequest { id: *lease }.encode_to_vec();
                ("/leases".to_owned(), protobuf(), body.into())
            }
            Forwarded::TimeToLive { request, .. } => {
                let body = leasepb::LeaseInternalRequest { lease_time_to_live_request: Some(*request) };
                ("/leases/internal".to_owned(), protobuf(), body.encode_to_vec().into())
            }
            Forwarded::Promote(Promotion { id, token, .. }) => {
                let token = token.iter().map(|token| ("Authorization", token.clone())).collect();
                (format!("/members/promote/{id}"), token, Bytes::new())
            }
        }
    }
}

/// What the leader said that settles the matter.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// A keep-alive: seconds granted, 0 for a lease there is not.
    Renewed {
        ttl: i64,
    },
    /// `None`: there is no such lease.
    TimeToLive(Option<pb::LeaseTimeToLiveResponse>),
    Promoted(Result<Vec<pb::Member>, Unpromoted>),
}

/// Why the leader did not promote a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpromoted {
    UnknownId,
    Voter,
    Behind,
}

/// What the leader's answer settles; `None`: ask again.
fn settle(what: &Forwarded, answer: &Answer) -> Option<Settled> {
    match (what, answer.status) {
        (Forwarded::Renew { .. }, 404) => Some(Settled::Renewed { ttl: 0 }),
        (Forwarded::Renew { lease, .. }, 200) => {
            let response = pb::LeaseKeepAliveResponse::decode(answer.body.clone()).ok()?;
            (response.id == *lease).then_some(Settled::Renewed { ttl: response.ttl })
        }
        (Forwarded::TimeToLive { .. }, 404) => Some(Settled::TimeToLive(None)),
        (Forwarded::TimeToLive { request, .. }, 200) => {
            let response = leasepb::LeaseInternalResponse::decode(answer.body.clone()).ok()?;
            let response = response.lease_time_to_live_response.filter(|r| r.id == request.id)?;
            Some(Settled::TimeToLive(Some(response)))
        }
        (Forwarded::Promote(_), 404) => Some(Settled::Promoted(Err(Unpromoted::UnknownId))),
        (Forwarded::Promote(_), 412) => {
            let text = String::from_utf8_lossy(&answer.body);
            let refused = |part: &str| text.contains(part);
            if refused("can only promote a learner member which is in sync with leader") {
                Some(Settled::Promoted(Err(Unpromoted::Behind)))
            } else if refused("can only promote a learner member") {
                Some(Settled::Promoted(Err(Unpromoted::Voter)))
            } else {
                None
            }
        }
        (Forwarded::Promote(_), 200) => {
            let members: Vec<bootstrap::Member> = serde_json::from_slice(&answer.body).ok()?;
            let members = members.into_iter().map(|member| pb::Member {
                id: member.id,
                name: member.name,
                peer_ur_ls: member.peer_urls,
                client_ur_ls: member.client_urls,
                is_learner: member.is_learner,
            });
            Some(Settled::Promoted(Ok(members.collect())))
        }
        _ => None,
    }
}

/// A request on its way to an answer.
#[derive(Clone, Debug)]
pub struct Forward {
    pub what: Forwarded,
    pub until_ms: u64,
    retry_at_ms: u64,
}

#[derive(Debug, Default)]
pub struct Forwards {
    next_token: u64,
    /// By the token of the request that is under way.
    away: HashMap<u64, Forward>,
    waiting: Vec<Forward>,
    out: Vec<Request>,
}

impl Forwards {
    pub fn add(&mut self, what: Forwarded, until_ms: u64) {
        self.waiting.push(Forward { what, until_ms, retry_at_ms: 0 });
    }

    /// Those whose next try is due. Each comes back by [`Forwards::send`] or [`Forwards::wait_for_leader`], or ends.
    pub fn due(&mut self, now_ms: u64) -> Vec<Forward> {
        let (due, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|f| f.retry_at_ms <= now_ms);
        self.waiting = waiting;
        due
    }

    pub fn wait_for_leader(&mut self, forward: Forward, now_ms: u64) {
        self.waiting.push(Forward { retry_at_ms: now_ms + LEADER_POLL_MS, ..forward });
    }

    /// Asks the member at these URLs.
    pub fn send(&mut self, forward: Forward, urls: Vec<String>, now_ms: u64) {
        self.next_token += 1;
        let (path, headers, body) = forward.what.to_request();
        self.out.push(Request {
            token: self.next_token,
            urls,
            method: "POST",
            path,
            headers,
            body,
            timeout: Duration::from_millis(forward.until_ms.saturating_sub(now_ms)),
            response_bytes_max: ANSWER_BYTES_MAX,
        });
        self.away.insert(self.next_token, forward);
    }

    /// Requests for the transport.
    pub fn take(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.out)
    }

    /// The end of a request. `Some`: what it settles; else it is made again, or was of a call that has gone.
    pub fn answered(
        &mut self,
        token: u64,
        result: Result<Answer, RequestError>,
        now_ms: u64,
    ) -> Option<(Forwarded, Settled)> {
        let forward = self.away.remove(&token)?;
        match result.ok().and_then(|answer| settle(&forward.what, &answer)) {
            Some(settled) => Some((forward.what, settled)),
            None => {
                self.waiting.push(Forward { retry_at_ms: now_ms + RETRY_MS, ..forward });
                None
            }
        }
    }

    pub fn gone(&mut self, id: CallId) {
        self.waiting.retain(|forward| !forward.what.is_of(id));
        self.away.retain(|_, forward| !forward.what.is_of(id));
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.away.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallId = CallId { connection: 1, stream: 3 };

    fn promote() -> Forwarded {
        Forwarded::Promote(Promotion { asker: Asker::Client(CALL), id: 9, token: Some("t".into()) })
    }

    fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
        Answer { status, headers: Vec::new(), body: body.into() }
    }

    #[test]
    fn what_an_answer_settles() {
        let renew = Forwarded::Renew { stream: CALL, lease: 7 };
        let request = pb::LeaseTimeToLiveRequest { id: 7, keys: true };
        let ask = Forwarded::TimeToLive { call: CALL, request };
        let kept = |id| pb::LeaseKeepAliveResponse { header: None, id, ttl: 60 }.encode_to_vec();
        let found = pb::LeaseTimeToLiveResponse { id: 7, ttl: 3, granted_ttl: 60, ..Default::default() };
        let response = leasepb::LeaseInternalResponse { lease_time_to_live_response: Some(found.clone()) };
        let not_ready = "etcdserver: can only promote a learner member which is in sync with leader\n";
        for (what, answer, settled) in [
            (&renew, answer(200, kept(7)), Some(Settled::Renewed { ttl: 60 })),
            (&renew, answer(200, kept(8)), None),
            (&renew, answer(404, "lease not found\n"), Some(Settled::Renewed { ttl: 0 })),
            (&renew, answer(408, "late"), None),
            (&renew, answer(400, "not a primary lessor\n"), None),
            (&ask, answer(200, response.encode_to_vec()), Some(Settled::TimeToLive(Some(found)))),
            (&ask, answer(404, ""), Some(Settled::TimeToLive(None))),
            (&ask, answer(500, "not a primary lessor\n"), None),
            (&promote(), answer(404, ""), Some(Settled::Promoted(Err(Unpromoted::UnknownId)))),
            (&promote(), answer(412, not_ready), Some(Settled::Promoted(Err(Unpromoted::Behind)))),
            (&promote(), answer(412, "membership: can only promote a learner member\n"), {
                Some(Settled::Promoted(Err(Unpromoted::Voter)))
            }),
            (&promote(), answer(412, "cluster ID mismatch"), None),
            (&promote(), answer(500, "{}"), None),
            (&promote(), answer(200, "[{\"id\":9,\"peerURLs\":[\"http://a:1\"],\"name\":\"n\"}]\n"), {
                let member = pb::Member {
                    id: 9,
                    name: "n".into(),
                    peer_ur_ls: vec!["http://a:1".into()],
                    ..Default::default()
                };
                Some(Settled::Promoted(Ok(vec![member])))
            }),
        ] {
            assert_eq!(settle(what, &answer), settled, "{what:?} {answer:?}");
        }
    }

    #[test]
    fn a_request_is_made_again_until_it_is_settled_or_nobody_waits() {
        let mut forwards = Forwards::default();
        forwards.add(promote(), 5000);
        let due = forwards.due(0).pop().expect("at once");
        forwards.wait_for_leader(due, 0);
        assert!(forwards.due(50).is_empty());
        let due = forwards.due(100).pop().expect("after a while");
        forwards.send(due, vec!["http://a:1".into()], 1000);
        let sent = forwards.take().pop().expect("sent");
        assert_eq!((sent.path.as_str(), sent.timeout), ("/members/promote/9", Duration::from_secs(4)));
        assert_eq!(sent.headers, [("Authorization", "t".to_owned())]);
        assert_eq!(forwards.answered(sent.token, Err(RequestError::TimedOut), 2000), None);
        let due = forwards.due(2050).pop().expect("again");
        assert_eq!(due.until_ms, 5000);
        forwards.send(due, vec!["http://a:1".into()], 2050);
        let again = forwards.take().pop().expect("sent again");
        forwards.gone(CALL);
        assert!(forwards.is_empty());
        assert_eq!(forwards.answered(again.token, Ok(answer(404, "")), 3000), None, "nobody waits");
    }
}
