//! Whoever runs the cluster: adds learners, promotes them, removes members, moves leadership, compacts, compares.

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
    joined: usize,
    /// The call under way, and whom it adds.
    current: Option<(CallId, Option<(String, u64)>)>,
}

impl Operator {
    pub fn new(reconfigures: bool, compacts: bool) -> Operator {
        Operator { reconfigures, compacts, joined: 0, current: None }
    }

    pub fn is_idle(&self) -> bool {
        self.current.is_none()
    }

    pub fn wake(&mut self, scene: &mut Scene<'_>) {
        if self.current.is_some() || scene.closing {
            return;
        }
        match scene.draw.below(10) {
            0..=3 if self.reconfigures => self.reconfigure(scene),
            4 => self.transfer(scene),
            5..=6 if self.compacts => self.compact(scene),
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
            let call = scene.call(leader, Request::Change(promotion), 3 * SECOND);
            self.current = Some((call, None));
        } else if scene.slots.len() < MACHINES_MAX && scene.draw.percent(60) {
            self.add(slot, scene);
        } else {
            let up: Vec<u64> = scene.slots.iter().filter(|seen| seen.up).map(|seen| seen.member_id).collect();
            let Some(id) = scene.draw.pick(&up).copied() else { return };
            let removal = change(ConfChangeType::ConfChangeRemoveNode, id, None);
            let call = scene.call(slot, Request::Change(removal), 3 * SECOND);
            self.current = Some((call, None));
        }
    }

    fn add(&mut self, slot: usize, scene: &mut Scene<'_>) {
        self.joined += 1;
        let name = format!("j{}", self.joined);
        let peer_urls = vec![format!("http://{name}:2380")];
        let id = member_id(&peer_urls, "", Some(self.joined as i64));
        let member = Member { id, peer_urls, is_learner: true, ..Member::default() };
        let addition = change(ConfChangeType::ConfChangeAddLearnerNode, id, Some(add_context(&member)));
        let call = scene.call(slot, Request::Change(addition), 3 * SECOND);
        self.current = Some((call, Some((name, id))));
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
            self.current = Some((scene.call(slot, Request::Compact(revision), 3 * SECOND), None));
        }
    }

    pub fn answered(&mut self, call: CallId, response: &Response, scene: &mut Scene<'_>) {
        let Some((_, added)) = self.current.take_if(|(current, _)| *current == call) else { return };
        if let (Some((name, member_id)), Response::Done(_)) = (added, response) {
            scene.acts.push(Act::Join { name, member_id });
        }
    }

    /// A change whose fate is not known may still have been made; its machine is then never started.
    pub fn gave_up(&mut self, call: CallId) {
        self.current.take_if(|(current, _)| *current == call);
    }
}
