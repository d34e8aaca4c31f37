//! A correct store and clients that use it at the same time: random histories that every checker must accept.
//!
//! Each operation takes effect at one moment between its call and its end; some never do, some lose their answer.

use bytes::Bytes;
use history::{Answer, Call, Change, Keys, Kv, Operation, Outcome, Recorder, Revisions, Seen};
use std::collections::BTreeMap;

/// A stream of numbers from a seed (splitmix64).
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[derive(Default)]
struct Store {
    keys: BTreeMap<Bytes, Kv>,
    revisions: Revisions,
}

impl Store {
    fn revision(&self) -> i64 {
        self.revisions.last()
    }

    fn put(&mut self, key: &Bytes, value: &Bytes) {
        let revision = self.revision() + 1;
        let change = Change::put(key.clone(), value.clone(), 0);
        self.revisions.note("reference", revision, vec![change]).unwrap();
        let kv = self.keys.entry(key.clone()).or_insert_with(|| Kv {
            key: key.clone(),
            value: Bytes::new(),
            create_revision: revision,
            mod_revision: 0,
            version: 0,
            lease: 0,
        });
        kv.value = value.clone();
        kv.mod_revision = revision;
        kv.version += 1;
    }

    fn find(&self, keys: &Keys) -> Vec<Kv> {
        self.keys.values().filter(|kv| keys.hold(&kv.key)).cloned().collect()
    }

    fn execute(&mut self, call: &Call) -> Answer {
        let seen = match call {
            Call::Put { key, value, .. } => {
                self.put(key, value);
                Seen::Put
            }
            Call::Delete { keys } => {
                let found = self.find(keys);
                let changes: Vec<Change> = found.iter().map(|kv| Change::delete(kv.key.clone())).collect();
                if !changes.is_empty() {
                    self.revisions.note("reference", self.revision() + 1, changes).unwrap();
                }
                self.keys.retain(|key, _| !keys.hold(key));
                Seen::Deleted(found.len() as u64)
            }
            Call::Get { keys, .. } => Seen::Found(self.find(keys)),
            Call::Swap { key, expected, value } => {
                if self.keys.get(key).map_or(0, |kv| kv.mod_revision) == *expected {
                    self.put(key, value);
                    Seen::Swapped
                } else {
                    Seen::NotSwapped(self.keys.get(key).cloned())
                }
            }
        };
        Answer { revision: self.revision(), seen }
    }
}

/// What a client has under way.
struct Open {
    id: history::OperationId,
    call: Call,
    answer: Option<Answer>,
    /// It will have no effect.
    lost: bool,
}

fn call(draw: &mut Draw, number: u64, keys: u64, store: &Store) -> Call {
    let key = Bytes::from(format!("k{}", draw.below(keys)));
    let value = Bytes::from(format!("v{number}"));
    match draw.below(10) {
        0..=3 => Call::Put { key, value, lease: 0 },
        4 => Call::Delete { keys: Keys::One(key) },
        5 if draw.one_in(4) => Call::Delete { keys: Keys::Between(key, "k2".into()) },
        5 | 6 => {
            let expected = store.keys.get(&key).map_or(0, |kv| kv.mod_revision);
            Call::Swap { key, expected, value }
        }
        7 => Call::Get { keys: Keys::all(), revision: 0, serializable: false },
        _ => Call::Get { keys: Keys::One(key), revision: 0, serializable: false },
    }
}

/// A valid history: `clients` at a time, `count` operations, one in `lossy` without an answer.
pub fn history(seed: u64, clients: u64, keys: u64, count: u64, lossy: u64) -> (Vec<Operation>, Revisions) {
    let mut draw = Draw(seed);
    let mut store = Store::default();
    let mut recorder = Recorder::default();
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    let mut late: Vec<Call> = Vec::new();
    let (mut now, mut number) = (0, 0);
    while number < count || !open.is_empty() {
        now += draw.below(3);
        if !late.is_empty() && draw.one_in(8) {
            store.execute(&late.swap_remove(0));
        }
        let client = draw.below(clients);
        match open.remove(&client) {
            None if number < count => {
                number += 1;
                let call = call(&mut draw, number, keys, &store);
                let id = recorder.call(client, call.clone(), now);
                open.insert(client, Open { id, call, answer: None, lost: draw.one_in(lossy) });
            }
            None => {}
            Some(open) if open.lost => {
                let outcome = if draw.one_in(2) { Outcome::Failed } else { Outcome::Unknown };
                recorder.end(open.id, outcome, now);
            }
            Some(mut running) if running.answer.is_none() => {
                if draw.one_in(lossy) {
                    late.push(running.call);
                    recorder.end(running.id, Outcome::Unknown, now);
                    continue;
                }
                running.answer = Some(store.execute(&running.call));
                open.insert(client, running);
            }
            Some(open) => {
                let answer = open.answer.expect("checked before");
                let outcome = if draw.one_in(lossy) { Outcome::Unknown } else { Outcome::Answered(answer) };
                recorder.end(open.id, outcome, now);
            }
        }
    }
    (recorder.operations().to_vec(), store.revisions)
}
