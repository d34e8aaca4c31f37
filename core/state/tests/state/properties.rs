//! Transactions against a model: done whole, or not at all.

use crate::{parse, world::World};
use proptest::prelude::*;
use proto::etcdserverpb as pb;
use state::{Options, Reject, Reply};
use std::collections::BTreeMap;

const LEASE: i64 = 7;

/// Key to value and lease.
type Model = BTreeMap<String, (String, i64)>;

#[derive(Clone, Debug)]
enum Op {
    Put { key: String, value: String, lease: i64, keep_value: bool },
    Delete { key: String, end: String },
}

impl Op {
    fn script(&self) -> String {
        match self {
            Op::Put { key, keep_value: true, .. } => format!("put {key} ignore-value"),
            Op::Put { key, value, lease, .. } => format!("put {key} {value} lease={lease}"),
            Op::Delete { key, end } => format!("del {key} {end}"),
        }
    }

    /// What refuses it, seen before the transaction.
    fn refusal(&self, model: &Model) -> Option<Reject> {
        match self {
            Op::Put { lease, keep_value: false, .. } if *lease != 0 && *lease != LEASE => {
                Some(Reject::LeaseNotFound)
            }
            Op::Put { key, keep_value: true, .. } if !model.contains_key(key) => Some(Reject::KeyNotFound),
            Op::Put { .. } | Op::Delete { .. } => None,
        }
    }

    fn apply(&self, model: &mut Model) -> usize {
        match self {
            Op::Put { key, keep_value: true, .. } => {
                let value = model.get(key).map_or_else(String::new, |(value, _)| value.clone());
                model.insert(key.clone(), (value, 0));
                1
            }
            Op::Put { key, value, lease, .. } => {
                model.insert(key.clone(), (value.clone(), *lease));
                1
            }
            Op::Delete { key, end } => {
                let before = model.len();
                model.retain(|k, _| if end == "0" { k < key } else { k < key || k >= end });
                before - model.len()
            }
        }
    }
}

fn any_op() -> impl Strategy<Value = Op> {
    let key = "[a-f]";
    prop_oneof![
        5 => (key, "[xyz]", prop_oneof![8 => Just(0), 3 => Just(LEASE), 1 => Just(8)])
            .prop_map(|(key, value, lease)| Op::Put { key, value, lease, keep_value: false }),
        1 => key.prop_map(|key| Op::Put { key, value: String::new(), lease: 0, keep_value: true }),
        2 => (key, "[b-g]|0").prop_map(|(key, end)| Op::Delete { key, end }),
    ]
}

/// A compare, and the two branches.
type Txn = (String, Vec<Op>, Vec<Op>);

fn any_txn() -> impl Strategy<Value = Txn> {
    let ops = || prop::collection::vec(any_op(), 0..5);
    ("[a-f]", ops(), ops())
}

fn request(text: &str) -> pb::InternalRaftRequest {
    pb::InternalRaftRequest {
        header: Some(pb::RequestHeader::default()),
        txn: Some(parse::txn(text)),
        ..Default::default()
    }
}

fn contents(world: &mut World) -> Model {
    let reply = world.range(parse::range("a g")).unwrap();
    let kvs = reply.kvs.into_iter().map(|kv| proto::Message::decode(kv).unwrap());
    kvs.map(|kv: proto::mvccpb::KeyValue| {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&kv.key), (text(&kv.value), kv.lease))
    })
    .collect()
}

fn attached(world: &World) -> Vec<String> {
    let lease = world.state.leases().get(LEASE).unwrap();
    lease.keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn transactions_are_atomic(txns in prop::collection::vec(any_txn(), 1..12), nested in any::<bool>()) {
        let mut world = World::new(Options::default());
        let mut model = Model::new();
        world.apply(pb::InternalRaftRequest {
            lease_grant: Some(pb::LeaseGrantRequest { ttl: 60, id: LEASE }),
            ..Default::default()
        }).unwrap();
        for (step, (key, success, failure)) in txns.iter().enumerate() {
            let list = |ops: &[Op]| ops.iter().map(Op::script).collect::<Vec<_>>().join("; ");
            let mut text = format!("ver({key}) > 0 then {{ {} }} else {{ {} }}", list(success), list(failure));
            if nested {
                text = format!("then {{ txn {text} }} else {{ }}");
            }
            let revision = world.state.revision();
            let applied = world.apply(request(&text)).unwrap();
            let ops = if model.contains_key(key) { success } else { failure };
            match ops.iter().find_map(|op| op.refusal(&model)) {
                Some(reject) => {
                    prop_assert!(matches!(applied.result, Err(found) if found == reject), "{text}");
                    prop_assert!(applied.changes.is_empty());
                    prop_assert_eq!(applied.revision, revision);
                }
                None => {
                    let changes: usize = ops.iter().map(|op| op.apply(&mut model)).sum();
                    prop_assert!(matches!(applied.result, Ok(Reply::Txn(_))), "{text}");
                    prop_assert_eq!(applied.changes.len(), changes, "{}", text);
                    prop_assert_eq!(applied.revision, revision + i64::from(changes > 0));
                    for (sub, change) in (0..).zip(&applied.changes) {
                        prop_assert_eq!((change.revision.main, change.revision.sub), (revision + 1, sub));
                    }
                }
            }
            prop_assert_eq!(&contents(&mut world), &model, "{}", text);
            let leased: Vec<String> = model.iter().filter(|(_, kv)| kv.1 == LEASE).map(|(k, _)| k.clone()).collect();
            prop_assert_eq!(attached(&world), leased);
            match step % 5 {
                1 => world.commit(),
                3 => world.crash(),
                _ => {}
            }
        }
        world.crash();
        prop_assert_eq!(contents(&mut world), model);
    }
}
