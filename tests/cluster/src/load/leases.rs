//! A client that grants leases, ties a key to each, renews some, and revokes, keeps or abandons them.

use super::random::Random;
use super::{CALL_TIMEOUT, Clients, Done, PAUSE_UNCONNECTED, unanswered};
use crate::api::{Api, Fault};
use client::method;
use history::{Answer, Call, Operation, Outcome, Position, Seen, lease};
use proto::etcdserverpb as pb;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any run, and as short as servers allow or a little more. Seconds.
const TTL_KEPT: i64 = 100_000;
const TTL_ABANDONED: i64 = 2;
/// Between two leases: each stays until its end.
const PAUSE: Duration = Duration::from_millis(60);

/// What becomes of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Abandoned,
    Revoked,
    Kept,
}

pub async fn run(clients: Arc<Clients>, member: usize, client: u64, mut random: Random) -> Done {
    let mut lessee = Lessee { clients, client, api: Api::new(member, CALL_TIMEOUT), done: Done::default() };
    for number in 0i64.. {
        if lessee.clients.are_stopped() {
            break;
        }
        // Used once in a whole run.
        let id = ((lessee.clients.round << 32) + (client << 20)).cast_signed() + number + 1;
        let fate = [Fate::Abandoned, Fate::Revoked, Fate::Kept][random.below(3)];
        if lessee.one(id, fate).await.is_err() {
            tokio::time::sleep(PAUSE_UNCONNECTED).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    lessee.done
}

/// The key tied to a lease.
pub fn key(id: i64) -> String {
    format!("lease/{id:016x}")
}

/// The lease of a key, if it is tied to one.
pub fn of_key(key: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(key).ok()?.strip_prefix("lease/")?;
    i64::from_str_radix(digits, 16).ok()
}

struct Lessee {
    clients: Arc<Clients>,
    client: u64,
    api: Api,
    done: Done,
}

impl Lessee {
    /// One lease with its key. It ends early when a call fails: what was recorded is true either way.
    async fn one(&mut self, id: i64, fate: Fate) -> Result<(), Fault> {
        let ttl = if fate == Fate::Abandoned { TTL_ABANDONED } else { TTL_KEPT };
        let called = self.clients.clock.now();
        let granted = self.api.call(&method::LEASE_GRANT, pb::LeaseGrantRequest { ttl, id }).await?;
        let renewal = self.renewal(called, granted.ttl);
        self.done.leases.push(lease::Watched { id, renewals: vec![renewal], ..Default::default() });
        self.put(id).await?;
        match fate {
            Fate::Abandoned => Ok(()),
            Fate::Revoked => {
                let called = self.clients.clock.now();
                self.lease().revoke_called = Some(called);
                self.api.call(&method::LEASE_REVOKE, pb::LeaseRevokeRequest { id }).await.map(|_| ())
            }
            Fate::Kept => {
                // Members that do not lead ask the leader.
                let called = self.clients.clock.now();
                let renewed = self.api.keep_alive(id).await?;
                if renewed.ttl > 0 {
                    let renewal = self.renewal(called, renewed.ttl);
                    self.lease().renewals.push(renewal);
                } else {
                    self.lease().seen_gone = Some(self.clients.clock.now());
                }
                Ok(())
            }
        }
    }

    async fn put(&mut self, id: i64) -> Result<(), Fault> {
        let call = Call::Put { key: key(id).into(), value: format!("{id:016x}").into(), lease: id };
        let request = pb::PutRequest {
            key: key(id).into(),
            value: format!("{id:016x}").into(),
            lease: id,
            ..Default::default()
        };
        let called = self.clients.clock.now();
        let answer = self.api.call(&method::PUT, request).await;
        let ended = self.clients.clock.now();
        let outcome = match &answer {
            Ok(answer) => {
                self.clients.count();
                let revision = answer.header.unwrap_or_default().revision;
                Outcome::Answered(Answer { revision, seen: Seen::Put })
            }
            // An abandoned lease may end before its key comes.
            Err(fault) => unanswered(fault),
        };
        self.done.operations.push(Operation { client: self.client, call, called, ended, outcome });
        answer.map(|_| ())
    }

    fn renewal(&self, called: Position, ttl_seconds: i64) -> lease::Renewal {
        let ttl = ttl_seconds.unsigned_abs() * 1_000_000_000;
        lease::Renewal { called, answered: self.clients.clock.now(), ttl }
    }

    fn lease(&mut self) -> &mut lease::Watched {
        self.done.leases.last_mut().expect("put in when granted")
    }
}
