//! The end of a simulation: everything is mended, the cluster must come to rest, and all that is known is judged.

use super::World;
use crate::{network::Weather, process, scene::Actor, schedule::SECOND};
use disk::sim::Crash;
use history::{lease, linear, order, watch};

/// How long a cluster may take to come to rest: several elections, leases that run out, retries.
const REST: u64 = 60 * SECOND;

/// Steps for the search for an order that uses no history.
const SEARCH_STEPS_MAX: u64 = 100_000;

impl World {
    pub(super) fn close(&mut self) {
        self.mend_everything();
        self.until(REST, "at rest", World::at_rest);
        self.compare_hashes();
        self.compare_states();
        self.read_everywhere();
        let revision = self.evidence.revisions.last();
        for slot in 0..self.machines.len() {
            if self.machines[slot].process.is_some() {
                self.stop(slot, Crash::DropUnsynced, Some(SECOND));
            }
        }
        self.until(REST, "at rest after a loss of power", World::at_rest);
        self.compare_hashes();
        self.compare_states();
        self.read_everywhere();
        if self.evidence.revisions.last() != revision {
            self.evidence.blame("the history went on though nobody wrote");
        }
        self.judge();
    }

    fn mend_everything(&mut self) {
        self.trace.step(self.now, &[50], || "everything is mended".to_owned());
        self.network.mend();
        self.network.set_weather(Weather::CALM);
        for slot in 0..self.machines.len() {
            self.free_space(slot);
            self.machines[slot].paused_until = 0;
            self.start(slot);
        }
    }

    /// Machines of members, as the leader knows them: a removed one may not know it yet.
    fn members(&self) -> Vec<usize> {
        let leader = self.leader().and_then(|leader| self.machines[leader].process.as_ref());
        let members = leader.map(|process| process.member.state().members());
        let ids = members.into_iter().flat_map(|members| members.iter().map(|member| member.id));
        ids.filter_map(|id| self.slot_of(id)).collect()
    }

    /// Nobody waits, every member has applied all there is, watchers have seen it, leases have ended.
    fn at_rest(&self) -> Result<(), String> {
        let leader = self.leader().ok_or("there is no leader")?;
        let Some(process) = &self.machines[leader].process else { return Err("no process".into()) };
        let last = process.member.consensus().node().last_index();
        for member in process.member.state().members().iter() {
            let Some(slot) = self.slot_of(member.id) else { continue };
            let Some(process) = &self.machines[slot].process else {
                return Err(format!("m{slot} is down"));
            };
            if member.attributes.client_urls.is_empty() {
                return Err(format!("m{slot} has not published its name"));
            }
            let applied = process.member.applied_index();
            if applied != last || process.member.state().buffer_pending() != 0 {
                return Err(format!("m{slot} has applied {applied} of {last}"));
            }
        }
        let version = process.member.state().members().version();
        if version != Some(process::release()) {
            return Err(format!("the cluster version is {version:?}"));
        }
        if !process.member.state().leases().is_empty() {
            return Err("there are leases".into());
        }
        if !self.calls.is_empty() {
            return Err("there are open calls".into());
        }
        let revision = process.member.state().revision();
        let slow = self.watchers.iter().find(|watcher| watcher.next() <= revision);
        slow.map_or(Ok(()), |watcher| {
            Err(format!("{} waits for {} of {revision}", watcher.watched.name, watcher.next()))
        })
    }

    /// A linearizable read of everything on each member.
    fn read_everywhere(&mut self) {
        if self.evidence.violation().is_some() {
            return;
        }
        for slot in self.members() {
            let Some(process) = &self.machines[slot].process else { continue };
            let own = process.member.state().members().get(self.machines[slot].member_id);
            if own.is_none_or(|own| own.is_learner) {
                continue;
            }
            self.with_scene(Actor::Client(0), |world, scene| world.clients[0].read_all(slot, scene));
            self.until(REST, "answered", |world| {
                if world.clients[0].is_idle() { Ok(()) } else { Err("a read is open".into()) }
            });
        }
    }

    /// Members, leases, alarms and versions are the same on all; the files are sound.
    fn compare_states(&mut self) {
        let mut first: Option<(String, String)> = None;
        for slot in self.members() {
            let name = self.machines[slot].name.clone();
            let Some(process) = &self.machines[slot].process else { continue };
            let state = process.member.state();
            match state.root().check() {
                Ok(problems) if problems.is_empty() => {}
                found => return self.evidence.blame(format!("{name}: the file is damaged: {found:?}")),
            }
            let leases: Vec<_> = state.leases().iter().collect();
            let text = format!(
                "revision {} members {:?} leases {leases:?} alarms {:?} index {}",
                state.revision(),
                state.members(),
                state.alarms(),
                state.consistent_index(),
            );
            match &first {
                None => first = Some((name, text)),
                Some((_, same)) if *same == text => {}
                Some((other, differs)) => {
                    let text = format!("states differ:\n  {other}: {differs}\n  {name}: {text}");
                    return self.evidence.blame(text);
                }
            }
        }
    }

    fn judge(&mut self) {
        if self.evidence.violation().is_some() {
            return;
        }
        let operations = self.evidence.recorder.operations().to_vec();
        let checked = order::check(&operations, &self.evidence.revisions);
        self.evidence.check(checked);
        let checked = linear::check_within(&operations, SEARCH_STEPS_MAX).map(drop);
        self.evidence.check(checked);
        let last = self.evidence.revisions.last();
        for watcher in &mut self.watchers {
            watcher.watched.through = last;
            for watched in watcher.past.iter().chain([&watcher.watched]) {
                let checked = watch::check(watched, &self.evidence.revisions);
                self.evidence.check(checked);
            }
        }
        // A clock that runs slow is the recorder's running fast: both together.
        let fast_ppm = 2 * self.plan.drift_ppm_max;
        let leases: Vec<lease::Watched> = self.evidence.leases.values().cloned().collect();
        for lease in leases {
            self.evidence.check(lease::check(&lease, fast_ppm));
        }
    }
}
