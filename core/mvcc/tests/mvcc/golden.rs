//! A Go member's file: we answer from it what the Go member answered, and compact it as the Go member did.

use crate::world::{World, open, range};
use backend::HashScope;
use disk::{Disk, OpenMode, sim::SimDisk};
use mvcc::{CompactionStep, HashJob, KeyValueRef};
use std::{path::Path, sync::Arc};

const HASHES: &str = include_str!("../../golden/hashes.tsv");
const RANGES: &str = include_str!("../../golden/ranges.tsv");
const STATUS: &str = include_str!("../../golden/status.tsv");

fn world(file: &[u8]) -> World {
    let disk = Arc::new(SimDisk::new());
    let path = Path::new("db");
    disk.open(path, OpenMode::Create).unwrap().write_at(file, 0).unwrap();
    World::restored(open(disk, path))
}

fn before() -> World {
    world(include_bytes!("../../golden/before.db"))
}

fn after() -> World {
    world(include_bytes!("../../golden/after.db"))
}

fn status(name: &str) -> i64 {
    let line = STATUS.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    line.unwrap().parse().unwrap()
}

fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split('\t').collect())
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().unwrap()
}

fn check_ranges(world: &mut World) {
    let all = range("\0", "\0");
    let mut ours = String::new();
    for revision in status("compacted")..=status("revision") {
        for info in world.range(&all, revision).unwrap() {
            let row = world.mvcc.value(&world.buffer, info.modified).unwrap();
            let state = KeyValueRef::decode(&row).unwrap();
            assert_eq!((state.key, state.mod_revision), (&info.key[..], info.modified.main));
            assert_eq!((state.create_revision, state.version), (info.created.main, info.version));
            let key = std::str::from_utf8(state.key).unwrap();
            let value: String = state.value.iter().map(|byte| format!("{byte:02x}")).collect();
            let KeyValueRef { create_revision, mod_revision, version, lease, .. } = state;
            ours += &format!(
                "{revision}\t{key}\t{create_revision}\t{mod_revision}\t{version}\t{lease}\t{value}\n"
            );
        }
    }
    assert_eq!(ours, RANGES);
}

/// The answers the Go member computed when asked. Those it kept from earlier compactions name another one.
fn check_hashes(world: &mut World) {
    let compacted = status("compacted");
    let mut checked = 0;
    for row in table(HASHES).filter(|row| number::<i64>(row[2]) == compacted) {
        let hash = world.hash(number(row[0])).unwrap();
        assert_eq!(hash.hash, number::<u32>(row[1]), "at {}", row[0]);
        assert_eq!((hash.compact_revision, hash.hash_revision), (compacted, number(row[3])));
        checked += 1;
    }
    assert!(checked > 10);
}

#[test]
fn a_restored_file_reads_as_its_member_did() {
    let mut world = after();
    assert_eq!(world.mvcc.revision(), status("revision"));
    assert_eq!(world.mvcc.compact_revision(), status("compacted"));
    check_ranges(&mut world);
    check_hashes(&mut world);
    let leases = table(RANGES).filter(|row| row[0] == status("revision").to_string() && row[5] != "0");
    let leases: Vec<_> =
        leases.map(|row| (bytes::Bytes::from(row[1].to_owned()), number::<i64>(row[5]))).collect();
    assert!(!leases.is_empty());
    assert_eq!(world.leases, leases);
}

#[test]
fn our_compaction_leaves_the_rows_and_the_hash_that_gos_left() {
    let mut world = before();
    assert!(world.mvcc.compact_revision() < status("compacted"));
    world.mvcc.compact(&mut world.buffer, status("compacted")).unwrap();
    let Some(CompactionStep::Finished { hash, removed, .. }) = world.finish_compaction() else { panic!() };
    assert!(removed > 10);
    assert_eq!(world.row_keys(), after().row_keys());
    check_ranges(&mut world);
    check_hashes(&mut world);

    // Go served the hash of the compaction itself at its revision.
    let served = table(HASHES).find(|row| row[0] == status("compacted").to_string()).unwrap();
    assert_eq!(hash, number::<u32>(served[1]));
    let HashJob::Done(kept) = world.mvcc.hash_kv(&mut world.buffer, status("compacted")).unwrap() else {
        panic!()
    };
    assert_eq!((kept.hash, kept.compact_revision), (hash, number(served[2])));
}

#[test]
fn the_hash_of_the_whole_file_is_gos() {
    let world = after();
    let hash = |scope| i64::from(backend::hash(world.buffer.root(), scope).unwrap());
    assert_eq!(hash(HashScope::Comparable), status("hash"));
    assert_eq!(hash(HashScope::Everything), status("status_hash"));
}
