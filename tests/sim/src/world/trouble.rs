//! Trouble: what goes wrong, where, and for how long.

use super::{Event, World};
use crate::{
    machine::DiskTrouble,
    network::Slow,
    plan::{Plan, Trouble},
    schedule::{MS, SECOND},
};
use disk::sim::{Crash, Fault, FaultOn};
use member::raft::Role;
use std::io::ErrorKind;

impl World {
    /// The next piece of trouble, and when the one after it comes.
    pub(super) fn trouble(&mut self) {
        if self.closing {
            return;
        }
        let pause = self.draw.between(self.plan.pause_between_troubles / 4, self.plan.pause_between_troubles);
        self.schedule.at(self.now + pause, Event::Trouble);
        let Some(trouble) = self.draw.pick(&self.plan.troubles).copied() else { return };
        let slot = self.draw.below(self.machines.len() as u64) as usize;
        *self.report.troubles.entry(trouble).or_default() += 1;
        self.trace
            .step(self.now, &[40, trouble as u64, slot as u64], || format!("trouble: {trouble:?} m{slot}"));
        let down = self.draw.between(1, 3000) * MS;
        match trouble {
            Trouble::Kill => self.stop_if_up(slot, Crash::Killed, down),
            Trouble::PowerLoss => {
                let crash = self.power_loss();
                self.stop_if_up(slot, crash, down);
            }
            Trouble::PowerLossEverywhere => {
                for slot in 0..self.machines.len() {
                    let (crash, down) = (self.power_loss(), self.draw.between(1, 1000) * MS);
                    self.stop_if_up(slot, crash, down);
                }
            }
            Trouble::PowerLossWhileWriting => {
                self.machines[slot].disk_trouble = Some(DiskTrouble::PowerLoss);
                let after = self.draw.below(30);
                self.machines[slot].disk.halt_after(after);
            }
            Trouble::Partition => self.partition(),
            Trouble::BrokenLink => {
                let other = self.draw.below(self.machines.len() as u64) as usize;
                self.network.cut((slot, other));
                self.network.cut((other, slot));
                self.mend_later();
            }
            Trouble::OneWay => {
                let inwards = self.draw.percent(50);
                self.cut_off(slot, inwards, !inwards);
            }
            Trouble::IsolateLeader => {
                let leader = self.leader().unwrap_or(slot);
                let ways = self.draw.below(3);
                self.cut_off(leader, ways != 1, ways != 2);
            }
            Trouble::SlowLinks => {
                let slow = Slow::By(self.draw.between(100, 3000) * MS);
                let inwards = self.draw.percent(50);
                for other in 0..self.machines.len() {
                    self.network.slow_down(if inwards { (other, slot) } else { (slot, other) }, slow);
                }
                self.mend_later();
            }
            Trouble::LateAndMute => {
                let leader = self.leader().unwrap_or(slot);
                for other in 0..self.machines.len() {
                    self.network.slow_down((other, leader), Slow::More { since: self.now });
                }
                let mute = self.now + self.draw.between(4, 7) * SECOND;
                self.schedule.at(mute, Event::Mute(leader));
            }
            Trouble::Pause => {
                let pause = self.draw.between(50, 4000) * MS;
                self.machines[slot].paused_until = self.now + pause;
            }
            Trouble::FullDisk => self.fill_disk(slot),
            Trouble::Weather => {
                let weather = Plan::weather(&mut self.draw);
                self.network.set_weather(weather);
            }
        }
    }

    fn stop_if_up(&mut self, slot: usize, crash: Crash, down: u64) {
        if self.machines[slot].process.is_some() {
            self.stop(slot, crash, Some(down));
        }
    }

    /// What a loss of power leaves.
    pub(super) fn power_loss(&mut self) -> Crash {
        match self.draw.below(10) {
            0..=3 => Crash::DropUnsynced,
            4 => Crash::KeepUnsynced,
            _ => Crash::Torn { seed: self.draw.number() },
        }
    }

    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |machine: &crate::machine::Machine| {
            let process = machine.process.as_ref();
            process.map(|process| process.member.consensus().standing())
        };
        let leaders = self.machines.iter().enumerate().filter_map(|(slot, machine)| {
            leads(machine)
                .filter(|standing| standing.role == Role::Leader)
                .map(|standing| (standing.term, slot))
        });
        leaders.max().map(|(_, slot)| slot)
    }

    fn mend_later(&mut self) {
        let at = self.now + self.draw.between(300 * MS, 4 * SECOND);
        self.schedule.at(at, Event::Mend);
    }

    fn partition(&mut self) {
        let sides: Vec<bool> = (0..self.machines.len()).map(|_| self.draw.percent(50)).collect();
        for from in 0..sides.len() {
            for to in 0..sides.len() {
                if sides[from] != sides[to] {
                    self.network.cut((from, to));
                }
            }
        }
        self.mend_later();
    }

    pub(super) fn cut_off(&mut self, slot: usize, inwards: bool, outwards: bool) {
        for other in (0..self.machines.len()).filter(|other| *other != slot) {
            if inwards {
                self.network.cut((other, slot));
            }
            if outwards {
                self.network.cut((slot, other));
            }
        }
        self.mend_later();
    }

    fn fill_disk(&mut self, slot: usize) {
        self.machines[slot].disk_trouble = Some(DiskTrouble::Full);
        let after = self.draw.below(20);
        let full = Fault { on: FaultOn::Write, after, error: ErrorKind::StorageFull, lasting: true };
        self.machines[slot].disk.inject(full);
        let at = self.now + self.draw.between(500, 3000) * MS;
        self.schedule.at(at, Event::SpaceFreed(slot));
    }

    pub(super) fn free_space(&mut self, slot: usize) {
        self.machines[slot].disk.clear_faults();
        self.machines[slot].disk_trouble = None;
    }
}
