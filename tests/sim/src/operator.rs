//! Whoever runs the cluster: adds learners, promotes them, removes members, moves leadership, compacts, defragments, compares.

use crate::{
    rpc::{CallId, Request, Response},
    scene::{Act, Scene, change},
    schedule::{MS, SECOND},
};
use proto::raftpb::ConfChangeType;
use state::member::{Member, add_context, member_id, promote_context};

/// Machines there may be, founders and joiners, removed ones included.
const MACHINES_MAX: usize = 7;

#[derive(Debug)]
pub struct Operator {
    reconfigures: bool,
    compacts: bool,
    added: usize,
    current: Option<CallId>,
    /// A change was given up and may still be made.
    unsure: bool,
}

impl Operator {
    pub fn new(reconfigures: bool, compacts: bool) -> Operator {
        Operator { reconfigures, compacts, added: 0, current: None, unsure: false }
    }

    pub fn wake(&mut self, scene: &mut Scene<'_>) {
        if self.current.is_some() || scene.closing {
            return;
        }
        match scene.draw.below(10) {
            0..=3 if self.reconfigures => self.reconfigure(scene),
            4 => self.transfer(scene),
            5..=6 if self.compacts => self.compact(scene),
            7 => {
                let slot = scene.any_up();
                scene.acts.extend(slot.map(Act::Defragment));
            }
            _ => scene.acts.push(Act::CompareHashes),
        }
        let pause = scene.draw.between(200 * MS, 2 * SECOND);
        scene.wake(pause);
    }

    fn reconfigure(&mut self, scene: &mut Scene<'_>) {
        let Some(slot) = scene.any_up() else { return };
        if let Some(learner) = scene.slots.iter().find(|seen| seen.up && seen.learner) {
            let id = learner.member_id;
            let leader = scene.leader().unwrap_or(slot);
            let promotion = change(ConfChangeType::ConfChangeAddNode, id, Some(promote_context(id)));
            self.current = Some(scene.call(leader, Request::Change(promotion), 3 * SECOND));
        } else if scene.slots.len() < MACHINES_MAX && scene.draw.percent(60) {
            self.add(slot, scene);
        } else {
            self.remove(slot, scene);
        }
    }

    /// Never one of two voters: if it is the leader and stops before the other has heard that it is removed, the other
    /// waits for it for good. That is raft's, and an operator's to avoid.
    fn remove(&mut self, slot: usize, scene: &mut Scene<'_>) {
        if scene.voters < 3 || self.unsure {
            return;
        }
        let up = scene.slots.iter().filter(|seen| seen.up);
        let ids: Vec<u64> = up.map(|seen| seen.member_id).collect();
        if let Some(id) = scene.draw.pick(&ids).copied() {
            let removal = change(ConfChangeType::ConfChangeRemoveNode, id, None);
            self.current = Some(scene.call(slot, Request::Change(removal), 3 * SECOND));
        }
    }

    /// Mostly as a learner, as etcd advises. Its machine starts when the change is applied somewhere.
    fn add(&mut self, slot: usize, scene: &mut Scene<'_>) {
        self.added += 1;
        let peer_urls = vec![format!("http://j{}:2380", self.added)];
        let id = member_id(&peer_urls, "", Some(self.added as i64));
        let is_learner = scene.draw.percent(80);
        let member = Member { id, peer_urls, is_learner, ..Member::default() };
        let kind = if is_learner {
            ConfChangeType::ConfChangeAddLearnerNode
        } else {
            ConfChangeType::ConfChangeAddNode
        };
        let addition = change(kind, id, Some(add_context(&member)));
        self.current = Some(scene.call(slot, Request::Change(addition), 3 * SECOND));
    }

    fn transfer(&self, scene: &mut Scene<'_>) {
        let Some(from) = scene.leader() else { return };
        let voters: Vec<u64> =
            scene.slots.iter().filter(|seen| seen.up && !seen.learner).map(|seen| seen.member_id).collect();
        if let Some(to) = scene.draw.pick(&voters).copied() {
            scene.acts.push(Act::TransferLeader { from, to });
        }
    }

    fn compact(&mut self, scene: &mut Scene<'_>) {
        let Some(slot) = scene.any_up() else { return };
        let revision = scene.slots[slot].revision - scene.draw.below(30) as i64;
        if revision > 1 {
            self.current = Some(scene.call(slot, Request::Compact(revision), 3 * SECOND));
        }
    }

    pub fn answered(&mut self, call: CallId, response: &Response) {
        if self.current.take_if(|current| *current == call).is_some() {
            self.unsure |= matches!(response, Response::Lost);
        }
    }

    pub fn gave_up(&mut self, call: CallId) {
        self.answered(call, &Response::Lost);
    }
}
