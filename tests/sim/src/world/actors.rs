//! Clients, watchers, keepers and the operator: when they act, and what becomes of what they ask for.

use super::{Event, OpenCall, World};
use crate::{
    rpc::{CallId, Response},
    scene::{Act, Actor, Scene, Seen},
    schedule::MS,
};
use member::raft::Role;
use mvcc::{HashJob, watch::Delivery};

impl World {
    /// The machines as a client sees them.
    fn seen(&self) -> Vec<Seen> {
        let seen = self.machines.iter().map(|machine| {
            let member = machine.process.as_ref().map(|process| &process.member);
            let standing = member.map(|member| member.consensus().standing());
            let own = member.and_then(|member| member.state().members().get(machine.member_id));
            Seen {
                member_id: machine.member_id,
                life: machine.life,
                up: own.is_some(),
                leads: standing.is_some_and(|standing| standing.role == Role::Leader),
                leads_last: standing
                    .is_some_and(|s| s.role == Role::Leader && s.term == self.last_leader_term),
                learner: own.is_some_and(|own| own.is_learner),
                revision: member.map_or(0, |member| member.state().revision()),
            }
        });
        seen.collect()
    }

    /// Lets an actor act.
    pub(super) fn with_scene(&mut self, actor: Actor, act: impl FnOnce(&mut World, &mut Scene<'_>)) {
        let slots = self.seen();
        let leader = self.leader().and_then(|slot| self.machines[slot].process.as_ref());
        let voters = leader.map_or(0, |process| process.member.state().members().voters().count());
        let (mut draw, mut evidence) = (self.draw.fork(), std::mem::take(&mut self.evidence));
        let mut next_call = self.next_call;
        let mut scene = Scene {
            now: self.now,
            draw: &mut draw,
            evidence: &mut evidence,
            slots: &slots,
            voters,
            closing: self.closing,
            acts: Vec::new(),
            next_call: &mut next_call,
        };
        act(self, &mut scene);
        let acts = scene.acts;
        self.evidence = evidence;
        self.next_call = next_call;
        for act in acts {
            self.act(actor, act);
        }
    }

    pub(super) fn wake(&mut self, actor: Actor) {
        self.with_scene(actor, |world, scene| match actor {
            Actor::Client(n) => world.clients[n].wake(scene),
            Actor::Watcher(n) => world.watchers[n].wake(scene),
            Actor::Keeper(n) => world.keepers[n].wake(scene),
            Actor::Operator => world.operator.wake(scene),
        });
    }

    pub(super) fn answer(&mut self, call: CallId, response: Response) {
        let Some(OpenCall { actor, .. }) = self.calls.remove(&call) else { return };
        self.trace.step(self.now, &[30, call], || format!("call {call} -> {response}"));
        self.with_scene(actor, |world, scene| match actor {
            Actor::Client(n) => world.clients[n].answered(call, response, scene),
            Actor::Keeper(n) => world.keepers[n].answered(call, response, scene),
            Actor::Operator => world.operator.answered(call, &response),
            Actor::Watcher(_) => unreachable!("watchers make no calls"),
        });
    }

    pub(super) fn give_up(&mut self, call: CallId) {
        let Some(OpenCall { actor, at }) = self.calls.remove(&call) else { return };
        self.trace.step(self.now, &[31, call], || format!("call {call} is given up"));
        if let Some((slot, life)) = at
            && self.machines[slot].life == life
            && let Some(process) = &mut self.machines[slot].process
        {
            process.forget(call);
        }
        self.with_scene(actor, |world, scene| match actor {
            Actor::Client(n) => world.clients[n].gave_up(call, scene),
            Actor::Keeper(n) => world.keepers[n].gave_up(call, scene),
            Actor::Operator => world.operator.gave_up(call),
            Actor::Watcher(_) => unreachable!("watchers make no calls"),
        });
    }

    pub(super) fn delivery(&mut self, watcher: usize, slot: usize, life: u64, delivery: &Delivery) {
        self.trace.step(self.now, &[32, watcher as u64, slot as u64], || {
            format!("w{} <- m{slot} {}", watcher + 1, brief(delivery))
        });
        self.with_scene(Actor::Watcher(watcher), |world, scene| {
            world.watchers[watcher].delivered(slot, life, delivery, scene);
        });
    }

    fn act(&mut self, actor: Actor, act: Act) {
        match act {
            Act::Wake(after) => self.schedule.at(self.now + after, Event::Wake(actor)),
            Act::Call { call, slot, request, patience } => {
                self.calls.insert(call, OpenCall { actor, at: None });
                let at = self.now + self.draw.between(50, 2 * MS);
                self.schedule.at(at, Event::Request { slot, call, request });
                self.schedule.at(self.now + patience, Event::GiveUp { call });
            }
            Act::Watch { slot, stream, create } => self.with_hub(slot, |hub, revision| {
                hub.open(stream);
                hub.create(stream, create, revision).expect("a watcher");
            }),
            Act::Block { slot, stream, blocked } => {
                self.with_hub(slot, |hub, _| hub.set_blocked(stream, blocked))
            }
            Act::AskProgress { slot, stream } => {
                self.with_hub(slot, |hub, revision| hub.progress(stream, revision))
            }
            Act::CloseStream { slot, stream } => self.with_hub(slot, |hub, _| hub.close(stream)),
            Act::TransferLeader { from, to } => {
                if let Some(process) = &mut self.machines[from].process {
                    process.member.transfer_leader(to);
                }
            }
            Act::Defragment(slot) => drop(self.with_process(slot, |process, cx| process.defragment(cx))),
            Act::CompareHashes => self.compare_hashes(),
        }
    }

    /// Streams are used at once: a client's connection to its own member is not the network under test.
    fn with_hub(&mut self, slot: usize, act: impl FnOnce(&mut mvcc::watch::Hub, i64)) {
        let life = self.machines[slot].life;
        let Some(process) = &mut self.machines[slot].process else { return };
        let revision = process.member.state().revision();
        act(process.member.hub_mut(), revision);
        let due = crate::process::Due::Turn;
        self.schedule.at(self.now + 1, Event::Due { slot, life, due });
    }

    /// Hashes at a revision that every member has.
    pub(super) fn compare_hashes(&mut self) {
        let up = self.machines.iter().filter_map(|machine| machine.process.as_ref());
        let Some(revision) = up.map(|process| process.member.state().revision()).min() else { return };
        for machine in &mut self.machines {
            let Some(process) = &mut machine.process else { continue };
            let hash = match process.member.state_mut().hash_kv(revision) {
                Ok(HashJob::Done(hash)) => hash,
                Ok(HashJob::Work(work)) => match work.run() {
                    Ok(hash) => hash,
                    Err(_) if machine.disk_trouble.is_some() => continue,
                    Err(error) => return self.evidence.blame(format!("{}: {error}", machine.name)),
                },
                Err(_) => continue,
            };
            let noted = self.evidence.hashes.note(
                &machine.name,
                hash.hash_revision,
                hash.compact_revision,
                u64::from(hash.hash),
            );
            self.evidence.check(noted);
        }
    }
}

fn brief(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Events { revision, events, .. } => format!("{} events up to {revision}", events.len()),
        other => format!("{other:?}"),
    }
}
