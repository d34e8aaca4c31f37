//! Directories of releases up to 3.5: members come from the v2 store and the log.

use crate::world::{World, new_committer};
use backend::{Batch, Bucket, meta};
use bytes::Bytes;
use proto::{Message, raftpb};
use state::{Options, Reply, Version, member};

const VOTER: u64 = 0x8e9e05c52164694d;
const LEARNER: u64 = 0xb44574a5dec2655f;
const REMOVED: u64 = 0xed14db9acd3eb028;

fn v2_store() -> Option<Bytes> {
    Some(Bytes::from_static(include_bytes!("../../golden/etcd-3.4.23.v2store.json")))
}

/// A database with a consistent index and damaged member rows, as 3.4 could leave them: a removed member that is
/// still there, a learner that is none any more.
fn damaged() -> backend::Committer {
    let mut batch = Batch::default();
    let index = Bytes::copy_from_slice(&13_u64.to_be_bytes());
    batch.put(Bucket::Meta, Bytes::from_static(meta::CONSISTENT_INDEX), index);
    for (id, json) in [
        (REMOVED, format!(r#"{{"id":{REMOVED},"peerURLs":["http://127.0.0.1:1"],"isLearner":true}}"#)),
        (LEARNER, format!(r#"{{"id":{LEARNER},"peerURLs":["http://127.0.0.1:2"]}}"#)),
    ] {
        batch.put(Bucket::Members, format!("{id:x}").into(), json.into());
    }
    let mut committer = new_committer();
    committer.commit(&batch).unwrap();
    committer
}

fn entry(index: u64, kind: raftpb::EntryType, data: Vec<u8>) -> raftpb::Entry {
    raftpb::Entry::new(kind, 2, index, data.into())
}

fn promote(id: u64) -> Vec<u8> {
    let change = raftpb::ConfChange {
        id: Some(1),
        r#type: Some(raftpb::ConfChangeType::ConfChangeAddNode as i32),
        node_id: Some(id),
        context: Some(member::promote_context(id)),
    };
    change.encode_to_vec()
}

/// A bare v2 request as 3.4 writes it.
fn v2_put(path: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0x08, 0x2a, 0x12, 3, b'P', b'U', b'T', 0x1a, path.len() as u8];
    bytes.extend_from_slice(path.as_bytes());
    bytes.extend_from_slice(&[0x22, value.len() as u8]);
    bytes.extend_from_slice(value.as_bytes());
    bytes.extend_from_slice(&[
        0x28, 0, 0x32, 0, 0x38, 0, 0x48, 0, 0x50, 0, 0x58, 0, 0x60, 0, 0x68, 0, 0x70, 0, 0x78, 0,
    ]);
    bytes.extend_from_slice(&[0x80, 1, 0]);
    bytes
}

#[test]
fn the_v2_store_and_the_log_decide() {
    let options = Options { replay_from: 11, v2_store: v2_store(), ..Options::default() };
    let mut world = World::open(damaged(), options);
    assert!(state::is_legacy(world.state.root()).unwrap());
    let learners = |world: &World| world.state.members().conf_state().learners;
    assert_eq!(learners(&world), [LEARNER]);
    assert!(world.state.members().is_removed(REMOVED));

    // Replayed: the entries are in the backend, but change the members.
    for (index, data, kind) in [
        (12, promote(LEARNER), raftpb::EntryType::EntryConfChange),
        (13, v2_put("/0/version", "3.5.0"), raftpb::EntryType::EntryNormal),
        (
            14,
            v2_put(&format!("/0/members/{LEARNER:x}/attributes"), r#"{"name":"m2"}"#),
            raftpb::EntryType::EntryNormal,
        ),
    ] {
        let applied = world.state.apply(&entry(index, kind, data), &world.context).unwrap();
        assert_eq!(applied.fresh, index > 13);
        assert!(applied.result.is_ok());
    }
    assert!(learners(&world).is_empty());
    assert_eq!(world.state.members().version(), Some(Version::new(3, 5)));
    assert_eq!(world.state.members().get(LEARNER).unwrap().attributes.name, "m2");

    world.commit();
    let text = |rows: Vec<(Bytes, Bytes)>| -> Vec<String> {
        rows.iter().map(|(key, value)| format!("{} {}", key.escape_ascii(), value.escape_ascii())).collect()
    };
    assert_eq!(
        text(world.rows(Bucket::Members)),
        [
            format!(
                "{VOTER:x} {}",
                r#"{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default","clientURLs":["http://127.0.0.1:21500"]}"#
                    .escape_debug()
            ),
            format!(
                "{LEARNER:x} {}",
                format!(r#"{{"id":{LEARNER},"peerURLs":["http://127.0.0.1:2"],"name":"m2"}}"#).escape_debug()
            ),
        ]
    );
    assert_eq!(text(world.rows(Bucket::MembersRemoved)), [format!("{REMOVED:x} removed")]);
    assert_eq!(text(world.rows(Bucket::Cluster)), ["clusterVersion 3.5.0"]);
}

#[test]
fn later_releases_trust_their_rows() {
    let mut committer = damaged();
    let mut batch = Batch::default();
    batch.put(Bucket::Meta, Bytes::from_static(meta::STORAGE_VERSION), "3.6.0".into());
    committer.commit(&batch).unwrap();
    let options = Options { replay_from: 11, v2_store: v2_store(), ..Options::default() };
    let mut world = World::open(committer, options);
    assert!(!state::is_legacy(world.state.root()).unwrap());
    assert_eq!(world.state.members().conf_state().voters, [LEARNER]);
    // A replayed change is no change, and raft is told of none.
    let replayed = entry(12, raftpb::EntryType::EntryConfChange, promote(LEARNER));
    let applied = world.state.apply(&replayed, &world.context).unwrap();
    assert!(matches!(applied.result, Ok(Reply::Members(_))));
    let Some(state::Effect::ConfChange(change)) = applied.effect else { panic!("no configuration change") };
    assert_eq!(change.node_id(), 0);
    assert_eq!(world.state.members().conf_state().learners, [REMOVED]);
}

#[test]
fn unknown_schemas_are_refused() {
    for (version, good) in [("3.7.0", true), ("3.8.0", false), ("4.0.0", false), ("3.x", false)] {
        let mut committer = new_committer();
        let mut batch = Batch::default();
        batch.put(Bucket::Meta, Bytes::from_static(meta::STORAGE_VERSION), version.into());
        let root = committer.commit(&batch).unwrap();
        assert_eq!(state::State::open(root, Options::default()).is_ok(), good, "{version}");
    }
}
