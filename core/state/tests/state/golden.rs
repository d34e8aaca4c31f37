//! Logs and databases of Go's etcd (`golden/make.sh`): the same log leads to the same rows.

use crate::world::World;
use backend::{Bucket, Committer};
use bytes::{Buf, Bytes};
use proto::{Message, raftpb};
use state::{Error, Options, State, Version};
use std::{path::Path, sync::Arc};

/// Slices after which a compaction must have ended in a test.
const SLICES_MAX: usize = 1000;

fn open(image: &[u8]) -> Committer {
    let disk: Arc<dyn disk::Disk> = Arc::new(disk::sim::SimDisk::new());
    let path = Path::new("db");
    disk.open(path, disk::OpenMode::Create).unwrap().write_at(image, 0).unwrap();
    Committer::open(disk, path, bolt::Options::default()).unwrap()
}

fn entries(log: &'static [u8]) -> Vec<raftpb::Entry> {
    let mut log = Bytes::from_static(log);
    let mut entries = Vec::new();
    while log.has_remaining() {
        entries.push(raftpb::Entry::decode_length_delimited(&mut log).unwrap());
    }
    entries
}

fn text(rows: Vec<(Bytes, Bytes)>) -> Vec<String> {
    rows.into_iter()
        .map(|(key, value)| format!("{} = {}", key.escape_ascii(), value.escape_ascii()))
        .collect()
}

fn rows(root: &backend::ReadTx, bucket: Bucket) -> Vec<String> {
    let mut cursor = root.cursor(bucket.name()).unwrap();
    let mut rows = Vec::new();
    while let Some(row) = cursor.next().unwrap() {
        rows.push(row);
    }
    text(rows)
}

fn apply(world: &mut World, entries: &[raftpb::Entry]) {
    for entry in entries {
        world.state.apply(entry, &world.context).unwrap();
        // As the member does when the cluster version is known.
        if let Some(target) = world.state.storage_target()
            && target >= Version::new(3, 6)
        {
            world.state.migrate_storage(target, None).unwrap();
        }
    }
    for _ in 0..SLICES_MAX {
        if world.state.compaction_step().unwrap() == mvcc::CompactionStep::Idle {
            break;
        }
        world.commit();
    }
    world.commit();
}

fn hash(world: &mut World) -> (u32, i64) {
    let hash = match world.state.hash_kv(0).unwrap() {
        mvcc::HashJob::Done(hash) => hash,
        mvcc::HashJob::Work(work) => work.run().unwrap(),
    };
    (hash.hash, hash.compact_revision)
}

#[test]
fn the_log_of_3_7_leads_to_its_rows() {
    let image = open(include_bytes!("../../golden/etcd-3.7.1.db"));
    let entries = entries(include_bytes!("../../golden/etcd-3.7.1.log"));
    let mut world = World::new(Options::default());
    apply(&mut world, &entries);
    for bucket in Bucket::ALL {
        assert_eq!(text(world.rows(bucket)), rows(&image.reader(), bucket), "{bucket:?}");
    }
    assert_eq!(hash(&mut world), (2350383833, 8));
}

#[test]
fn a_database_of_3_7_is_opened() {
    let image = open(include_bytes!("../../golden/etcd-3.7.1.db"));
    let before = image.reader();
    let mut world = World::open(image, Options::default());
    assert_eq!(world.state.consistent_index(), 40);
    assert_eq!(world.state.storage_version(), Some(Version::new(3, 7)));
    assert_eq!(hash(&mut world), (2350383833, 8));
    let leases: Vec<(i64, usize)> = world.state.leases().iter().map(|l| (l.ttl, l.keys.len())).collect();
    assert_eq!(leases, [(500, 1)]);
    // Replaying changes nothing.
    apply(&mut world, &entries(include_bytes!("../../golden/etcd-3.7.1.log")));
    for bucket in Bucket::ALL {
        assert_eq!(text(world.rows(bucket)), rows(&before, bucket), "{bucket:?}");
    }
}

#[test]
fn the_log_of_3_4_leads_to_its_rows() {
    let image = open(include_bytes!("../../golden/etcd-3.4.23.db"));
    let mut world = World::new(Options::default());
    apply(&mut world, &entries(include_bytes!("../../golden/etcd-3.4.23.log")));
    // 3.4 stores neither term nor configuration in `meta`.
    for bucket in Bucket::ALL.into_iter().filter(|bucket| *bucket != Bucket::Meta) {
        assert_eq!(text(world.rows(bucket)), rows(&image.reader(), bucket), "{bucket:?}");
    }
    assert_eq!(hash(&mut world), (3368564079, 5));
}

#[test]
fn a_database_of_3_4_is_opened() {
    let image = open(include_bytes!("../../golden/etcd-3.4.23.db"));
    assert!(state::is_legacy(&image.reader()).unwrap());
    let v2_store = Some(Bytes::from_static(include_bytes!("../../golden/etcd-3.4.23.v2store.json")));
    let mut world = World::open(image, Options { replay_from: 11, v2_store, ..Options::default() });
    let entries = entries(include_bytes!("../../golden/etcd-3.4.23.log"));
    apply(&mut world, &entries[11..]);
    let mut replayed = World::new(Options::default());
    apply(&mut replayed, &entries);
    assert_eq!(world.state.members(), replayed.state.members());
    assert_eq!(hash(&mut world), (3368564079, 5));
    let leases = |world: &World| world.state.leases().iter().cloned().collect::<Vec<_>>();
    assert_eq!(leases(&world), leases(&replayed));
    assert_eq!(world.state.leases().iter().next().unwrap().keys.len(), 7);
}

#[test]
fn a_gap_in_the_log_is_a_fault() {
    let entries = entries(include_bytes!("../../golden/etcd-3.7.1.log"));
    let mut state = State::open(crate::world::new_committer().reader(), Options::default()).unwrap();
    let context = World::new(Options::default()).context;
    state.apply(&entries[0], &context).unwrap();
    assert!(matches!(state.apply(&entries[2], &context), Err(Error::Entry { index: 3, .. })));
}
