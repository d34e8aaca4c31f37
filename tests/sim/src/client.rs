//! A client of keys: one operation after the other, each recorded, on the member it is connected to.

use crate::{
    draw::Draw,
    rpc::{CallId, Request, Response},
    scene::Scene,
    schedule::{MS, Micros, SECOND},
};
use bytes::Bytes;
use history::{Answer, Call, Keys, Kv, OperationId, Outcome, Seen};
use proto::{
    etcdserverpb::{self as pb, compare, request_op, response_op},
    mvccpb,
};
use state::Reply;
use std::collections::BTreeMap;

const KEYS: u64 = 5;

#[derive(Debug)]
pub struct Client {
    id: u64,
    slot: usize,
    puts: u64,
    think_max: Micros,
    current: Option<(CallId, OperationId)>,
    /// Mod revisions last seen, for transactions.
    known: BTreeMap<Bytes, i64>,
}

impl Client {
    pub fn new(id: u64, draw: &mut Draw) -> Client {
        let think_max = [2, 20, 100, 300][draw.below(4) as usize] * MS;
        Client { id, slot: 0, puts: 0, think_max, current: None, known: BTreeMap::new() }
    }

    pub fn is_idle(&self) -> bool {
        self.current.is_none()
    }

    pub fn wake(&mut self, scene: &mut Scene<'_>) {
        if self.current.is_some() || scene.closing {
            return;
        }
        let connected = scene.slots.get(self.slot).is_some_and(|slot| slot.up && !slot.learner);
        if !connected || scene.draw.percent(5) {
            let Some(slot) = scene.any_up() else { return scene.wake(100 * MS) };
            self.slot = slot;
        }
        let call = self.next_call(scene.draw);
        self.begin(call, scene);
    }

    /// Makes one operation at once, on this member: to look at what is there in the end.
    pub fn read_all(&mut self, slot: usize, scene: &mut Scene<'_>) {
        self.slot = slot;
        self.begin(Call::Get { keys: Keys::all(), revision: 0, serializable: false }, scene);
    }

    fn begin(&mut self, call: Call, scene: &mut Scene<'_>) {
        let request = request(&call);
        let operation = scene.evidence.recorder.call(self.id, call, scene.now);
        let patience = scene.draw.between(1, 5) * SECOND;
        self.current = Some((scene.call(self.slot, request, patience), operation));
    }

    fn next_call(&mut self, draw: &mut Draw) -> Call {
        let key = Bytes::from(format!("k{}", draw.below(KEYS)));
        self.puts += 1;
        let value = Bytes::from(format!("{}.{}", self.id, self.puts));
        match draw.below(20) {
            0..=7 => Call::Put { key, value, lease: 0 },
            8 => Call::Delete { keys: Keys::One(key) },
            9 => Call::Delete { keys: Keys::Between(key, "k3".into()) },
            10..=12 => {
                let expected = self.known.get(&key).copied().unwrap_or(0);
                Call::Swap { key, expected, value }
            }
            13..=16 => Call::Get { keys: Keys::One(key), revision: 0, serializable: false },
            17 => Call::Get { keys: Keys::all(), revision: 0, serializable: false },
            18 => Call::Get { keys: Keys::all(), revision: 0, serializable: true },
            _ => Call::Get { keys: Keys::One(key), revision: 0, serializable: true },
        }
    }

    pub fn answered(&mut self, call: CallId, response: Response, scene: &mut Scene<'_>) {
        let Some((_, operation)) = self.current.take_if(|(current, _)| *current == call) else { return };
        let outcome = outcome(response);
        if let Outcome::Answered(Answer { revision, seen }) = &outcome {
            self.learn(*revision, seen, operation, scene);
        } else {
            // Somewhere else is better, perhaps.
            self.slot = scene.any_up().unwrap_or(self.slot);
        }
        scene.evidence.recorder.end(operation, outcome, scene.now);
        let think = scene.draw.between(0, self.think_max);
        scene.wake(think);
    }

    pub fn gave_up(&mut self, call: CallId, scene: &mut Scene<'_>) {
        self.answered(call, Response::Lost, scene);
    }

    fn learn(&mut self, revision: i64, seen: &Seen, operation: OperationId, scene: &Scene<'_>) {
        match seen {
            Seen::Found(kvs) => {
                self.known.extend(kvs.iter().map(|kv| (kv.key.clone(), kv.mod_revision)));
            }
            Seen::NotSwapped(Some(kv)) => drop(self.known.insert(kv.key.clone(), kv.mod_revision)),
            Seen::Put | Seen::Swapped => {
                if let Some((key, _)) = scene.evidence.recorder.get(operation).puts() {
                    self.known.insert(key.clone(), revision);
                }
            }
            Seen::NotSwapped(None) | Seen::Deleted(_) => self.known.clear(),
        }
    }
}

fn range_end(keys: &Keys) -> (Bytes, Bytes) {
    match keys {
        Keys::One(key) => (key.clone(), Bytes::new()),
        Keys::Between(first, end) => (first.clone(), end.clone()),
        Keys::From(first) => (first.clone(), Bytes::from_static(b"\0")),
    }
}

/// The request that a recorded call stands for.
pub fn request(call: &Call) -> Request {
    match call.clone() {
        Call::Put { key, value, lease } => {
            Request::Put(pb::PutRequest { key, value, lease, ..Default::default() })
        }
        Call::Delete { keys } => {
            let (key, range_end) = range_end(&keys);
            Request::Delete(pb::DeleteRangeRequest { key, range_end, prev_kv: false })
        }
        Call::Get { keys, revision, serializable } => {
            let (key, range_end) = range_end(&keys);
            Request::Range(pb::RangeRequest { key, range_end, revision, serializable, ..Default::default() })
        }
        Call::Swap { key, expected, value } => Request::Txn(swap(key, expected, value)),
    }
}

fn swap(key: Bytes, expected: i64, value: Bytes) -> pb::TxnRequest {
    let compare = pb::Compare {
        result: compare::CompareResult::Equal as i32,
        target: compare::CompareTarget::Mod as i32,
        key: key.clone(),
        target_union: Some(compare::TargetUnion::ModRevision(expected)),
        ..Default::default()
    };
    let put = pb::PutRequest { key: key.clone(), value, ..Default::default() };
    let get = pb::RangeRequest { key, ..Default::default() };
    let op = |request| vec![pb::RequestOp { request: Some(request) }];
    pb::TxnRequest {
        compare: vec![compare],
        success: op(request_op::Request::RequestPut(put)),
        failure: op(request_op::Request::RequestRange(get)),
    }
}

/// What the response means for the record.
pub fn outcome(response: Response) -> Outcome {
    let answer = match response {
        Response::Lost => return Outcome::Unknown,
        Response::Rejected(_) | Response::NotDone(_) => return Outcome::Failed,
        Response::Found { revision, kvs } => {
            Answer { revision, seen: Seen::Found(kvs.into_iter().map(kv).collect()) }
        }
        Response::Done(Reply::Put { revision }) => Answer { revision, seen: Seen::Put },
        Response::Done(Reply::DeleteRange(reply)) => {
            Answer { revision: revision(reply.header), seen: Seen::Deleted(reply.deleted as u64) }
        }
        Response::Done(Reply::Txn(reply)) => {
            let found = || match reply.responses.first().and_then(|op| op.response.clone()) {
                Some(response_op::Response::ResponseRange(range)) => range.kvs.into_iter().next().map(kv),
                other => panic!("a range was asked for, not {other:?}"),
            };
            let seen = if reply.succeeded { Seen::Swapped } else { Seen::NotSwapped(found()) };
            Answer { revision: revision(reply.header), seen }
        }
        other => panic!("no answer to an operation on keys: {other:?}"),
    };
    Outcome::Answered(answer)
}

fn revision(header: Option<pb::ResponseHeader>) -> i64 {
    header.map_or(0, |header| header.revision)
}

fn kv(kv: mvccpb::KeyValue) -> Kv {
    let mvccpb::KeyValue { key, value, create_revision, mod_revision, version, lease } = kv;
    Kv { key, value, create_revision, mod_revision, version, lease }
}
