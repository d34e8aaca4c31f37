//! The simulated world: machines, the network between them, clients, and the one loop that moves all of it.
//!
//! Everything that happens is an event of the schedule, and every choice comes from the seed: the same seed gives the
//! same trace. It never lets a member see another one but through the network.

mod actors;
mod closing;
mod machines;
mod trouble;

use crate::{
    client::Client,
    draw::Draw,
    evidence::Evidence,
    keeper::{self, Keeper},
    machine::Machine,
    network::Network,
    operator::Operator,
    plan::{Plan, Trouble},
    plant::Bug,
    process::Due,
    rpc::{CallId, Request, Response},
    scene::Actor,
    schedule::{MS, Micros, SECOND, Schedule},
    trace::Trace,
    transfer::Transfer,
    watcher::Watcher,
};
use disk::sim::Crash;
use history::Keys;
use mvcc::watch::Delivery;
use proto::raftpb;
use std::collections::BTreeMap;

/// Events after which a simulation that has not ended has failed.
const EVENTS_MAX: u64 = 3_000_000;

#[derive(Debug)]
enum Event {
    Due {
        slot: usize,
        life: u64,
        due: Due,
    },
    Message {
        to: usize,
        message: Box<raftpb::Message>,
    },
    Snapshot {
        from: usize,
        life: u64,
        to: usize,
        transfer: Box<Transfer>,
    },
    Request {
        slot: usize,
        call: CallId,
        request: Request,
    },
    Answer {
        call: CallId,
        response: Response,
    },
    GiveUp {
        call: CallId,
    },
    Delivery {
        watcher: usize,
        slot: usize,
        life: u64,
        delivery: Delivery,
    },
    Wake(Actor),
    Start(usize),
    Stop {
        slot: usize,
        life: u64,
        crash: Crash,
        down: Micros,
    },
    Removed(usize),
    SpaceFreed(usize),
    /// A machine can hear, but not be heard.
    Mute(usize),
    Mend,
    Trouble,
    Close,
}

#[derive(Debug)]
struct OpenCall {
    actor: Actor,
    /// The process it has reached.
    at: Option<(usize, u64)>,
}

/// How a seed went.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub violation: Option<String>,
    pub trace: u64,
    pub steps: u64,
    pub operations: u64,
    pub answered: u64,
    pub revisions: i64,
    pub leaders: u64,
    pub installs: u64,
    pub changes: u64,
    pub leases_ended: u64,
    pub troubles: BTreeMap<Trouble, u64>,
}

#[derive(Debug)]
pub struct World {
    plan: Plan,
    bug: Option<Bug>,
    now: Micros,
    schedule: Schedule<Event>,
    draw: Draw,
    trace: Trace,
    machines: Vec<Machine>,
    cluster_id: u64,
    network: Network,
    clients: Vec<Client>,
    watchers: Vec<Watcher>,
    keepers: Vec<Keeper>,
    operator: Operator,
    evidence: Evidence,
    calls: BTreeMap<CallId, OpenCall>,
    next_call: CallId,
    /// When the last delivery of a stream arrives: they come in order.
    stream_last: BTreeMap<u64, Micros>,
    last_leader_term: u64,
    closing: bool,
    report: Report,
}

/// Runs one seed to its end.
pub fn run(seed: u64, bug: Option<Bug>, printed: bool) -> Report {
    let mut draw = Draw::new(seed);
    let mut plan = Plan::draw(&mut draw.fork());
    if let Some(bug) = bug {
        plan.provoke(bug);
    }
    let mut world = World::new(plan, bug, draw, Trace::new(printed));
    world.found();
    world.live();
    world.close();
    world.finish()
}

impl World {
    fn new(plan: Plan, bug: Option<Bug>, mut draw: Draw, mut trace: Trace) -> World {
        trace.step(0, &[], || format!("{plan:?} {bug:?}"));
        let clients = (0..plan.clients).map(|id| Client::new(id + 1, &mut draw)).collect();
        let watched = [Keys::all(), Keys::one("k1"), Keys::Between("k1".into(), "k4".into())];
        let watchers = (0..plan.watchers)
            .map(|n| {
                let keys = watched[draw.below(3) as usize].clone();
                Watcher::new(n + 1, keys, draw.below(3) as i64)
            })
            .collect();
        World {
            bug,
            now: 0,
            schedule: Schedule::default(),
            trace,
            machines: Vec::new(),
            cluster_id: 0,
            network: Network::new(plan.weather),
            clients,
            watchers,
            keepers: (0..plan.keepers).map(|n| Keeper::new(n + 100)).collect(),
            operator: Operator::new(plan.reconfigures, plan.compacts),
            evidence: Evidence::default(),
            calls: BTreeMap::new(),
            next_call: 0,
            stream_last: BTreeMap::new(),
            last_leader_term: 0,
            closing: false,
            report: Report::default(),
            plan,
            draw,
        }
    }

    /// The first hours: processes start, clients come, trouble is on its way.
    fn found(&mut self) {
        self.make_founders();
        for slot in 0..self.machines.len() {
            self.start(slot);
        }
        for n in 0..self.clients.len() {
            self.schedule.at(self.draw.between(500, 1500) * MS, Event::Wake(Actor::Client(n)));
        }
        for n in 0..self.watchers.len() {
            self.schedule.at(self.draw.between(10, 3000) * MS, Event::Wake(Actor::Watcher(n)));
        }
        for n in 0..self.keepers.len() {
            let wait = keeper::first_wait(&mut self.draw);
            self.schedule.at(wait, Event::Wake(Actor::Keeper(n)));
        }
        self.schedule.at(2 * SECOND, Event::Wake(Actor::Operator));
        self.schedule.at(SECOND, Event::Trouble);
    }

    /// Until the plan's end.
    fn live(&mut self) {
        self.schedule.at(self.plan.duration, Event::Close);
        while !self.closing && self.evidence.violation().is_none() {
            self.step();
        }
    }

    /// Runs until `done`, at most so long.
    fn until(&mut self, limit: Micros, what: &str, done: impl Fn(&World) -> Result<(), String>) {
        let end = self.now + limit;
        let mut next_look = self.now;
        while self.evidence.violation().is_none() {
            if self.now >= next_look {
                next_look = self.now + 20 * MS;
                match done(self) {
                    Ok(()) => return,
                    Err(missing) if self.now > end => {
                        return self.evidence.blame(format!(
                            "not {what}, {} s after all was mended: {missing}",
                            limit / SECOND
                        ));
                    }
                    Err(_) => {}
                }
            }
            self.step();
        }
    }

    fn step(&mut self) {
        if self.trace.steps() > EVENTS_MAX {
            return self.evidence.blame("the simulation finds no end");
        }
        let Some((time, event)) = self.schedule.pop() else {
            return self.evidence.blame("nothing will ever happen again");
        };
        self.now = self.now.max(time);
        if let Some(until) = self.paused(&event) {
            return self.schedule.at(until, event);
        }
        self.handle(event);
    }

    /// A process that stands still gets everything when it goes on.
    fn paused(&self, event: &Event) -> Option<Micros> {
        let slot = match event {
            Event::Due { slot, .. } | Event::Request { slot, .. } => *slot,
            Event::Message { to, .. } | Event::Snapshot { to, .. } => *to,
            _ => return None,
        };
        let until = self.machines[slot].paused_until;
        (until > self.now).then_some(until)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Due { slot, life, due } => self.due(slot, life, due),
            Event::Message { to, message } => self.message(to, *message),
            Event::Snapshot { from, life, to, transfer } => self.snapshot(from, life, to, *transfer),
            Event::Request { slot, call, request } => self.request(slot, call, request),
            Event::Answer { call, response } => self.answer(call, response),
            Event::GiveUp { call } => self.give_up(call),
            Event::Delivery { watcher, slot, life, delivery } => {
                self.delivery(watcher, slot, life, &delivery);
            }
            Event::Wake(actor) => self.wake(actor),
            Event::Start(slot) => self.start(slot),
            Event::Stop { slot, life, crash, down } => {
                if self.machines[slot].life == life {
                    self.stop(slot, crash, Some(down));
                }
            }
            Event::Removed(slot) => self.removed(slot),
            Event::SpaceFreed(slot) => self.free_space(slot),
            Event::Mute(slot) => self.cut_off(slot, false, true),
            Event::Mend => self.network.mend(),
            Event::Trouble => self.trouble(),
            Event::Close => self.closing = true,
        }
    }

    fn finish(mut self) -> Report {
        let operations = self.evidence.recorder.operations();
        self.report.operations = operations.len() as u64;
        self.report.answered = operations.iter().filter(|o| o.answer().is_some()).count() as u64;
        self.report.revisions = self.evidence.revisions.last();
        self.report.leases_ended =
            self.evidence.leases.values().filter(|lease| lease.seen_gone.is_some()).count() as u64;
        self.report.trace = self.trace.hash();
        self.report.steps = self.trace.steps();
        self.report.violation = self.evidence.violation().cloned();
        self.report
    }
}
