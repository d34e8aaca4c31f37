//! Processes: how they start, what moves them, what comes out of them, how they end.

use super::{Event, World};
use crate::{
    evidence,
    machine::{DiskTrouble, Machine},
    process::{self, Boot, Cx, Due, Effect, Process},
    rpc::{CallId, Request, Response},
    schedule::{MS, Micros, SECOND},
    transfer::{self, Transfer},
    watcher,
};
use disk::sim::Crash;
use history::Keys;
use member::{
    Notice, SnapshotJob,
    raft::Role,
    restart::{Beginning, InitialMember, NewCluster},
};
use mvcc::watch::{Create, Delivery, Filters};
use proto::raftpb::{self, MessageType};

/// The stream of the one who notes what every member does.
const OBSERVER: u64 = 0;

/// A member that has applied its own removal goes on for a while, so that others hear of it.
const LEAVING: Micros = SECOND;

/// Revisions read at a time when a member's whole history is looked at.
const REVISIONS_PER_LOOK: usize = 1000;

fn watch_everything() -> Create {
    Create {
        range: watcher::range(&Keys::all()),
        start_revision: 0,
        watch_id: 0,
        prev_kv: false,
        fragment: false,
        progress_notify: false,
        filters: Filters::default(),
    }
}

impl World {
    pub(super) fn make_founders(&mut self) {
        let initial =
            |n: usize| InitialMember { name: format!("m{n}"), peer_urls: vec![format!("http://m{n}:2380")] };
        let members: Vec<InitialMember> = (1..=self.plan.founders).map(initial).collect();
        for member in &members {
            let name = member.name.clone();
            let cluster = NewCluster { token: "sim".into(), name: name.clone(), members: members.clone() };
            self.make_machine(name, Beginning::Found(cluster));
        }
    }

    pub(super) fn make_machine(&mut self, name: String, beginning: Beginning) {
        let boot = Boot {
            name: name.clone(),
            beginning,
            fast_ppm: 0,
            snapshot_entries: self.plan.snapshot_entries,
            catchup_entries: self.plan.catchup_entries,
            trim_entries: self.plan.trim_entries,
        };
        self.machines.push(Machine::new(name, boot, self.bug));
    }

    /// The member on `slot` has applied that this one was added: a machine begins to run it, if it is new.
    fn join(&mut self, slot: usize, member_id: u64) {
        let Some(process) = &self.machines[slot].process else { return };
        let Some(member) = process.member.state().members().get(member_id) else { return };
        if self.slot_of(member_id).is_some() {
            return;
        }
        self.make_machine(
            member.peer_urls[0].clone(),
            Beginning::Join { member_id, cluster_id: self.cluster_id },
        );
        let joiner = self.machines.len() - 1;
        self.machines[joiner].member_id = member_id;
        let at = self.now + self.draw.between(1, 1000) * MS;
        self.schedule.at(at, Event::Start(joiner));
    }

    /// Starts a process, if none runs and the member is not removed.
    pub(super) fn start(&mut self, slot: usize) {
        let machine = &mut self.machines[slot];
        if machine.process.is_some() || machine.removed {
            return;
        }
        machine.life += 1;
        let drift = self.plan.drift_ppm_max;
        machine.boot.fast_ppm = self.draw.between(0, 2 * drift) as i64 - drift as i64;
        let disk = machine.seen_disk();
        let mut cx =
            Cx { now: self.now, draw: &mut self.draw, plant: &mut machine.plant, effects: Vec::new() };
        match Process::start(&disk, &machine.boot, &mut cx) {
            Ok(mut process) => {
                let effects = cx.effects;
                machine.member_id = process.member.settings().member_id;
                self.cluster_id = process.member.settings().cluster_id;
                let revision = process.member.state().revision();
                process.member.hub_mut().open(OBSERVER);
                process.member.hub_mut().create(OBSERVER, watch_everything(), revision).expect("a watcher");
                machine.process = Some(process);
                self.trace.step(self.now, &[1, slot as u64, revision as u64], || {
                    format!("m{slot} starts at {revision}")
                });
                self.look_at_history(slot);
                self.effects(slot, effects);
            }
            Err(error) => self.failed(slot, format!("cannot start: {error}")),
        }
    }

    /// The process is gone; the machine starts it again after `down`.
    pub(super) fn stop(&mut self, slot: usize, crash: Crash, down: Option<Micros>) {
        let machine = &mut self.machines[slot];
        machine.process = None;
        machine.disk.crash(crash);
        if crash != Crash::Killed {
            machine.disk_trouble = None;
        }
        machine.paused_until = 0;
        let life = machine.life;
        machine.life += 1;
        self.trace.step(self.now, &[2, slot as u64], || format!("m{slot} stops: {crash:?}"));
        if let Some(down) = down {
            self.schedule.at(self.now + down, Event::Start(slot));
        }
        let lost: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, open)| open.at == Some((slot, life)))
            .map(|(call, _)| *call)
            .collect();
        for call in lost {
            let at = self.now + self.draw.between(1, 100) * MS;
            self.schedule.at(at, Event::Answer { call, response: Response::Lost });
        }
    }

    /// A process stopped by itself: right if its disk failed, a violation if not.
    fn failed(&mut self, slot: usize, why: String) {
        let machine = &self.machines[slot];
        let crash = match machine.disk_trouble {
            None => return self.evidence.blame(format!("{} stopped: {why}", machine.name)),
            Some(DiskTrouble::Full) if self.draw.percent(70) => Crash::Killed,
            Some(_) => self.power_loss(),
        };
        self.trace.step(self.now, &[3, slot as u64], || format!("m{slot} fails: {why}"));
        let down = self.draw.between(10, 2000) * MS;
        self.stop(slot, crash, Some(down));
    }

    /// The member is no longer one: it stops and never starts again.
    pub(super) fn removed(&mut self, slot: usize) {
        if self.machines[slot].removed {
            return;
        }
        self.trace.step(self.now, &[4, slot as u64], || format!("m{slot} is removed"));
        self.machines[slot].removed = true;
        if self.machines[slot].process.is_some() {
            self.stop(slot, Crash::Killed, None);
        }
    }

    /// Lets a process handle something, and sees to what comes out of it.
    pub(super) fn with_process<R>(
        &mut self,
        slot: usize,
        act: impl FnOnce(&mut Process, &mut Cx<'_>) -> R,
    ) -> Option<R> {
        let machine = &mut self.machines[slot];
        let process = machine.process.as_mut()?;
        let mut cx =
            Cx { now: self.now, draw: &mut self.draw, plant: &mut machine.plant, effects: Vec::new() };
        let done = act(process, &mut cx);
        let effects = cx.effects;
        self.effects(slot, effects);
        Some(done)
    }

    pub(super) fn due(&mut self, slot: usize, life: u64, due: Due) {
        if self.machines[slot].life != life {
            return;
        }
        if !matches!(due, Due::Wake(_)) {
            let (name, first) = (due.name(), u64::from(due.name().as_bytes()[0]));
            self.trace.step(self.now, &[10, slot as u64, first], || format!("m{slot} {name}"));
        }
        if let Some(Err(fault)) = self.with_process(slot, |process, cx| process.due(due, cx)) {
            self.failed(slot, fault);
        }
    }

    /// Someone outside asks something of a member.
    pub(super) fn request(&mut self, slot: usize, call: CallId, request: Request) {
        let machine = &self.machines[slot];
        let life = machine.life;
        self.trace.step(self.now, &[11, slot as u64, call], || format!("m{slot} call {call}: {request:?}"));
        if machine.process.is_none() {
            return self.schedule.at(
                self.now + MS,
                Event::Answer { call, response: Response::NotDone("connection refused") },
            );
        }
        let Some(open) = self.calls.get_mut(&call) else { return };
        open.at = Some((slot, life));
        self.with_process(slot, |process, cx| process.request(call, request, cx));
    }

    pub(super) fn message(&mut self, to: usize, mut message: raftpb::Message) {
        let numbers =
            [12, to as u64, message.r#type() as u64, message.term(), message.index(), message.commit()];
        self.trace.step(self.now, &numbers, || format!("m{to} <- {}", brief(&message)));
        let Some(process) = &self.machines[to].process else { return };
        if process.member.state().members().is_removed(message.from()) {
            // The server answers such a peer "410 Gone", and the peer then stops.
            if let Some(slot) = self.slot_of(message.from()) {
                self.removed(slot);
            }
            return;
        }
        self.machines[to].plant.received(&mut message);
        self.with_process(to, |process, cx| process.message(&message, cx));
    }

    fn effects(&mut self, slot: usize, effects: Vec<Effect>) {
        let life = self.machines[slot].life;
        for effect in effects {
            match effect {
                Effect::After(delay, due) => {
                    self.schedule.at(self.now + delay, Event::Due { slot, life, due })
                }
                Effect::Send(message) => self.send(slot, message),
                Effect::SendSnapshot(job) => self.send_snapshot(slot, job),
                Effect::AskVersions => self.ask_versions(slot),
                Effect::Answer(call, response) => {
                    let at = self.now + self.draw.between(50, 2 * MS);
                    self.schedule.at(at, Event::Answer { call, response });
                }
                Effect::Deliver(delivery) => self.deliver(slot, delivery),
                Effect::Notice(notice) => self.notice(slot, &notice),
            }
        }
    }

    pub(super) fn slot_of(&self, member_id: u64) -> Option<usize> {
        self.machines.iter().position(|machine| machine.member_id == member_id)
    }

    fn send(&mut self, from: usize, message: raftpb::Message) {
        let Some(to) = self.slot_of(message.to()) else { return };
        self.machines[from].plant.sent(&message);
        let granted = message.r#type() == MessageType::MsgVoteResp && !message.reject();
        if granted && self.plan.voters_die && !self.closing && self.draw.percent(40) {
            let crash = self.power_loss();
            let longest = if self.draw.percent(50) { 60 } else { 1500 };
            let (life, down) = (self.machines[from].life, self.draw.between(1, longest) * MS);
            let at = self.now + self.draw.between(100, 3 * MS);
            self.schedule.at(at, Event::Stop { slot: from, life, crash, down });
        }
        let repeatable = message.r#type() != MessageType::MsgProp;
        let arrivals = self.network.send((from, to), self.now, repeatable, &mut self.draw);
        if arrivals.is_empty() && self.draw.percent(50) {
            let peer = message.to();
            self.with_process(from, |process, _| process.member.report_unreachable(peer));
        }
        for at in arrivals {
            self.schedule.at(at, Event::Message { to, message: Box::new(message.clone()) });
        }
    }

    fn send_snapshot(&mut self, from: usize, job: SnapshotJob) {
        let (peer, life) = (job.message.to(), self.machines[from].life);
        let to = self.slot_of(peer).filter(|to| !self.network.is_cut((from, *to)));
        let sent = to.map(|to| Transfer::begin(job.message, &job.root).map(|transfer| (to, transfer)));
        let at = self.now + self.draw.between(5, 400) * MS;
        match sent {
            Some(Ok((to, transfer))) => {
                let transfer = Box::new(transfer);
                self.schedule.at(at, Event::Snapshot { from, life, to, transfer });
            }
            Some(Err(error)) => self.failed(from, format!("image: {error}")),
            None => self.snapshot_sent(from, life, peer, false),
        }
    }

    fn snapshot_sent(&mut self, from: usize, life: u64, peer: u64, delivered: bool) {
        let due = Due::SnapshotSent { peer, delivered };
        self.schedule.at(self.now + MS, Event::Due { slot: from, life, due });
    }

    /// An image has arrived, or its connection has broken on the way.
    pub(super) fn snapshot(&mut self, from: usize, life: u64, to: usize, transfer: Transfer) {
        let peer = transfer.message.to();
        let broken = self.machines[from].life != life
            || self.machines[to].process.is_none()
            || self.network.is_cut((from, to))
            || self.draw.percent(10);
        let arrived = if broken { None } else { transfer.end().ok() };
        self.trace.step(self.now, &[13, to as u64, u64::from(arrived.is_some())], || {
            format!("m{to} <- m{from} snapshot, whole: {}", arrived.is_some())
        });
        self.snapshot_sent(from, life, peer, arrived.is_some());
        let Some((message, image)) = arrived else { return };
        let disk = self.machines[to].disk.clone();
        match transfer::save(&disk, &process::layout(), &message, &image) {
            Ok(()) => self.message(to, message),
            Err(error) => self.failed(to, format!("received snapshot: {error}")),
        }
    }

    fn ask_versions(&mut self, slot: usize) {
        let Some(process) = &self.machines[slot].process else { return };
        let own = self.machines[slot].member_id;
        let ids = process.member.state().members().iter().map(|member| member.id).filter(|id| *id != own);
        let reached = |id: &u64| {
            let to = self.slot_of(*id)?;
            let up = self.machines[to].process.is_some();
            let linked = !self.network.is_cut((slot, to)) && !self.network.is_cut((to, slot));
            (up && linked).then(process::release)
        };
        let others = ids.map(|id| (id, reached(&id))).collect();
        let (at, life) = (self.now + self.draw.between(1, 50) * MS, self.machines[slot].life);
        self.schedule.at(at, Event::Due { slot, life, due: Due::Versions(others) });
    }

    fn deliver(&mut self, slot: usize, delivery: Delivery) {
        let stream = watcher::stream_of(&delivery);
        if stream != OBSERVER {
            let last = self.stream_last.entry(stream).or_default();
            *last = (*last + 1).max(self.now + self.draw.between(50, 20 * MS));
            let (watcher, life) = ((stream / 1000 - 1) as usize, self.machines[slot].life);
            return self.schedule.at(*last, Event::Delivery { watcher, slot, life, delivery });
        }
        match delivery {
            Delivery::Events { events, .. } => {
                let changes = events.iter().map(evidence::of_event).collect();
                self.evidence.note_all(&self.machines[slot].name, changes, self.now);
            }
            Delivery::Compacted { watch_id, .. } => {
                let Some(process) = &mut self.machines[slot].process else { return };
                let revision = process.member.state().revision();
                let hub = process.member.hub_mut();
                hub.cancel(OBSERVER, watch_id, revision);
                hub.create(OBSERVER, watch_everything(), revision).expect("a watcher");
                self.look_at_history(slot);
            }
            Delivery::Created { .. } | Delivery::Canceled { .. } | Delivery::Progress { .. } => {}
        }
    }

    /// Everything a member's store says of the past that is not compacted.
    pub(super) fn look_at_history(&mut self, slot: usize) {
        let machine = &mut self.machines[slot];
        let Some(process) = &mut machine.process else { return };
        let (view, mvcc) = (process.member.state_mut().view(), process.member.state().mvcc());
        let (mut from, last) = (mvcc.compact_revision().max(1) + 1, mvcc.revision());
        while from <= last {
            match mvcc::history(&view, from, last + 1, REVISIONS_PER_LOOK) {
                Ok((changes, next)) => {
                    let changes = changes.iter().map(evidence::of_change).collect();
                    self.evidence.note_all(&machine.name, changes, self.now);
                    from = next;
                }
                Err(error) => return self.failed(slot, format!("history: {error}")),
            }
        }
    }

    fn notice(&mut self, slot: usize, notice: &Notice) {
        match notice {
            Notice::Standing { now: standing, .. } => {
                if standing.role == Role::Leader {
                    self.report.leaders += 1;
                    self.last_leader_term = self.last_leader_term.max(standing.term);
                }
                self.trace.step(self.now, &[20, slot as u64, standing.term, standing.leader], || {
                    format!("m{slot} {standing:?}")
                });
            }
            Notice::SnapshotInstalled { index } => {
                self.report.installs += 1;
                self.trace.step(self.now, &[21, slot as u64, *index], || format!("m{slot} installs {index}"));
                self.look_at_history(slot);
            }
            Notice::MembersChanged(change) => {
                self.report.changes += 1;
                self.trace.step(self.now, &[22, slot as u64, change.node_id()], || {
                    format!("m{slot} {:?} {:x}", change.r#type(), change.node_id())
                });
                let removes = change.r#type() == raftpb::ConfChangeType::ConfChangeRemoveNode;
                if removes && change.node_id() == self.machines[slot].member_id {
                    self.schedule.at(self.now + LEAVING, Event::Removed(slot));
                } else {
                    self.join(slot, change.node_id());
                }
            }
            other => self.trace.step(self.now, &[23, slot as u64], || format!("m{slot} {other:?}")),
        }
    }
}

/// A message in one line.
fn brief(message: &raftpb::Message) -> String {
    format!(
        "{:?} from {:x} term {} log {}@{} +{} commit {} reject {}",
        message.r#type(),
        message.from(),
        message.term(),
        message.index(),
        message.log_term(),
        message.entries.len(),
        message.commit(),
        message.reject(),
    )
}
