//! The owner of a lease: grants it, attaches a key that shows its life, keeps it alive for a while, then lets it end.

use crate::{
    client,
    draw::Draw,
    evidence::LEASE_KEY,
    rpc::{CallId, Request, Response},
    scene::Scene,
    schedule::{MS, Micros, SECOND},
};
use history::{Call, OperationId, Outcome, lease};
use state::Reply;

const PATIENCE: Micros = 2 * SECOND;

#[derive(Clone, Copy, Debug)]
enum Asked {
    Grant,
    Attach(OperationId),
    Renew,
    Revoke,
}

#[derive(Debug)]
pub struct Keeper {
    id: u64,
    granted: i64,
    lease: i64,
    ttl_s: u64,
    /// Keep-alives still to be sent before the lease is left alone.
    renewals_left: u64,
    /// The call under way, and when it was made.
    current: Option<(CallId, Asked, Micros)>,
    /// The machine it was made on.
    slot: usize,
    held: bool,
}

impl Keeper {
    pub fn new(id: u64) -> Keeper {
        Keeper { id, granted: 0, lease: 0, ttl_s: 0, renewals_left: 0, current: None, slot: 0, held: false }
    }

    pub fn wake(&mut self, scene: &mut Scene<'_>) {
        if self.current.is_some() || scene.closing {
            return;
        }
        if !self.held {
            return self.grant(scene);
        }
        if self.renewals_left > 0 {
            self.renewals_left -= 1;
            return self.ask(Asked::Renew, Request::Renew(self.lease), scene);
        }
        self.held = false;
        if scene.draw.percent(25) {
            if let Some(lease) = scene.evidence.leases.get_mut(&self.lease) {
                lease.revoke_called = Some(scene.now);
            }
            return self.ask(Asked::Revoke, Request::Revoke(self.lease), scene);
        }
        scene.wake(500 * MS);
    }

    fn grant(&mut self, scene: &mut Scene<'_>) {
        self.granted += 1;
        self.lease = self.id as i64 * 10_000 + self.granted;
        self.ttl_s = scene.draw.between(2, 4);
        self.renewals_left = scene.draw.below(12);
        let request = Request::Grant { id: self.lease, ttl_s: self.ttl_s as i64 };
        self.ask(Asked::Grant, request, scene);
    }

    /// Leases are the leader's: a client's keep-alive is forwarded to it. Here the keeper finds it, or errs.
    fn ask(&mut self, asked: Asked, request: Request, scene: &mut Scene<'_>) {
        let leader = scene.leader().filter(|_| scene.draw.percent(80));
        let Some(slot) = leader.or_else(|| scene.any_up()) else { return scene.wake(200 * MS) };
        let call = scene.call(slot, request, PATIENCE);
        self.slot = slot;
        self.current = Some((call, asked, scene.now));
    }

    pub fn answered(&mut self, call: CallId, response: Response, scene: &mut Scene<'_>) {
        let Some((_, asked, called)) = self.current.take_if(|(current, ..)| *current == call) else { return };
        let ttl = self.ttl_s * SECOND;
        match (asked, response) {
            (Asked::Grant, Response::Done(Reply::LeaseGrant(reply))) => {
                assert_eq!(reply.ttl as u64, self.ttl_s, "a TTL above the minimum is granted as asked");
                self.held = true;
                let renewals = vec![lease::Renewal { called, answered: scene.now, ttl }];
                let watched = lease::Watched { id: self.lease, renewals, ..lease::Watched::default() };
                scene.evidence.leases.insert(self.lease, watched);
                return self.attach(scene);
            }
            (Asked::Attach(operation), response) => {
                scene.evidence.recorder.end(operation, client::outcome(response), scene.now);
            }
            (Asked::Renew, Response::Renewed(0)) => self.held = false,
            // What a leader says that was deposed and has not heard of it is no promise: etcd's, too, renews leases until
            // it steps down, and how late that is depends on the network.
            (Asked::Renew, Response::Renewed(_)) if scene.slots[self.slot].leads_last => {
                if let Some(lease) = scene.evidence.leases.get_mut(&self.lease) {
                    lease.renewals.push(lease::Renewal { called, answered: scene.now, ttl });
                }
            }
            (Asked::Grant | Asked::Renew | Asked::Revoke, _) => {}
        }
        let pause = scene.draw.between(50 * MS, ttl / 2);
        scene.wake(pause);
    }

    fn attach(&mut self, scene: &mut Scene<'_>) {
        let key = format!("{LEASE_KEY}{}", self.lease).into();
        let value = format!("{}.{}", self.id, self.granted).into();
        let call = Call::Put { key, value, lease: self.lease };
        let Some(slot) = scene.any_up() else { return scene.wake(200 * MS) };
        let request = client::request(&call);
        let operation = scene.evidence.recorder.call(self.id, call, scene.now);
        let call = scene.call(slot, request, PATIENCE);
        self.current = Some((call, Asked::Attach(operation), scene.now));
    }

    pub fn gave_up(&mut self, call: CallId, scene: &mut Scene<'_>) {
        if let Some((_, Asked::Attach(operation), _)) = self.current.take_if(|(current, ..)| *current == call)
        {
            scene.evidence.recorder.end(operation, Outcome::Unknown, scene.now);
        }
        scene.wake(50 * MS);
    }
}

/// A keeper's first wait, so that not all begin at once.
pub fn first_wait(draw: &mut Draw) -> Micros {
    draw.between(500 * MS, 3 * SECOND)
}
