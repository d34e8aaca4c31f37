//! What an actor (a client, a watcher, a lease's keeper, the operator) sees of the world, and what it can do.
//!
//! It never lets an actor look inside a member: only at what a client of the cluster could know, and at who is up.

use crate::{
    draw::Draw,
    evidence::Evidence,
    rpc::{CallId, Request},
    schedule::Micros,
};
use mvcc::watch::Create;
use proto::raftpb;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    Client(usize),
    Watcher(usize),
    Keeper(usize),
    Operator,
}

/// A machine as seen from outside.
#[derive(Clone, Debug)]
pub struct Seen {
    pub member_id: u64,
    pub life: u64,
    pub up: bool,
    pub leads: bool,
    /// It leads, and no other has led in a later term.
    pub leads_last: bool,
    pub learner: bool,
    /// Of its store; 0 when it is down.
    pub revision: i64,
}

#[derive(Debug)]
pub enum Act {
    Wake(Micros),
    /// The answer comes within `patience`, or the caller gives up.
    Call {
        call: CallId,
        slot: usize,
        request: Request,
        patience: Micros,
    },
    Watch {
        slot: usize,
        stream: u64,
        create: Create,
    },
    /// The stream's client reads again, or stops reading for a while.
    Block {
        slot: usize,
        stream: u64,
        blocked: bool,
    },
    AskProgress {
        slot: usize,
        stream: u64,
    },
    CloseStream {
        slot: usize,
        stream: u64,
    },
    TransferLeader {
        from: usize,
        to: u64,
    },
    Defragment(usize),
    CompareHashes,
}

#[derive(Debug)]
pub struct Scene<'a> {
    pub now: Micros,
    pub draw: &'a mut Draw,
    pub evidence: &'a mut Evidence,
    pub slots: &'a [Seen],
    /// Voters, as the leader says; 0 without one.
    pub voters: usize,
    /// No new work: everything is about to be checked.
    pub closing: bool,
    pub acts: Vec<Act>,
    pub next_call: &'a mut CallId,
}

impl Scene<'_> {
    pub fn wake(&mut self, after: Micros) {
        self.acts.push(Act::Wake(after));
    }

    pub fn call(&mut self, slot: usize, request: Request, patience: Micros) -> CallId {
        *self.next_call += 1;
        self.acts.push(Act::Call { call: *self.next_call, slot, request, patience });
        *self.next_call
    }

    /// A machine that is up and may take writes, if there is one.
    pub fn any_up(&mut self) -> Option<usize> {
        let up: Vec<usize> =
            (0..self.slots.len()).filter(|s| self.slots[*s].up && !self.slots[*s].learner).collect();
        self.draw.pick(&up).copied()
    }

    pub fn leader(&self) -> Option<usize> {
        self.slots.iter().position(|slot| slot.up && slot.leads)
    }
}

/// A configuration change by its type.
pub fn change(kind: raftpb::ConfChangeType, node: u64, context: Option<bytes::Bytes>) -> raftpb::ConfChange {
    raftpb::ConfChange { id: None, r#type: Some(kind as i32), node_id: Some(node), context }
}
