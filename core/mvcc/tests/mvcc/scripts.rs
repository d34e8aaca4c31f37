//! Single situations, with the answers etcd gives.

use crate::world::{World, range};
use bytes::Bytes;
use mvcc::{CompactionStep, HashJob, Mvcc, Reject};

/// The list in the description of the hash: answers of a Go member (3.4.23) to the same commands.
#[test]
fn hash_kv_equals_gos_at_every_step() {
    let mut world = World::new();
    let hash = |world: &mut World, revision| {
        let hash = world.hash(revision).unwrap();
        (hash.hash, hash.compact_revision, hash.hash_revision)
    };
    assert_eq!(hash(&mut world, 0), (1_084_519_789, -1, 1));
    world.put("foo", "bar");
    assert_eq!(hash(&mut world, 2), (3_305_255_506, -1, 2));
    world.put("foo", "baz");
    assert_eq!(hash(&mut world, 3), (2_020_292_994, -1, 3));
    world.delete("foo", "");
    assert_eq!(hash(&mut world, 4), (3_153_096_970, -1, 4));
    world.put("a", "1");
    assert_eq!(hash(&mut world, 5), (1_967_179_850, -1, 5));
    world.mvcc.compact(&mut world.buffer, 3).unwrap();
    assert_eq!(hash(&mut world, 5), (3_151_081_578, 3, 5));
    // Nothing is alive at 4, so the answer depends on what is removed already.
    assert_eq!(hash(&mut world, 4), (3_153_096_970, 3, 4));
    assert!(matches!(
        world.finish_compaction(),
        Some(CompactionStep::Finished { revision: 3, removed: 1, .. })
    ));
    assert_eq!(hash(&mut world, 4), (588_758_777, 3, 4));
    assert_eq!(world.hash(2), Err(Reject::Compacted));
    assert_eq!(world.hash(6), Err(Reject::FutureRevision));
}

#[test]
fn rows_are_gos_bytes() {
    let mut world = World::new();
    let put = world.put("foo", "bar");
    assert_eq!(&put[0].kv[..], b"\x0a\x03foo\x10\x02\x18\x02\x20\x01\x2a\x03bar");
    let tombstone = world.delete("foo", "");
    assert_eq!(&tombstone[0].kv[..], b"\x0a\x03foo");
    world.commit_all();
    let keys = world.row_keys();
    assert_eq!(&keys[0][..], b"\0\0\0\0\0\0\0\x02_\0\0\0\0\0\0\0\0");
    assert_eq!(&keys[1][..], b"\0\0\0\0\0\0\0\x03_\0\0\0\0\0\0\0\0t");
}

/// `snapshot restore --bump-revision --mark-compacted` leaves a row whose value has no bytes.
#[test]
fn a_row_without_bytes_is_tolerated() {
    let mut world = World::new();
    world.put("foo", "bar");
    let raised = mvcc::Revision { main: 1000, sub: 0 };
    world.buffer.put(backend::Bucket::Key, Bytes::copy_from_slice(&raised.row_key()), Bytes::new());
    backend::meta::put_compaction_mark(&mut world.buffer, backend::meta::SCHEDULED_COMPACT, 1000);
    let mut world = world.restart();
    assert_eq!((world.mvcc.revision(), world.mvcc.compact_revision()), (1000, 1000));
    assert!(matches!(
        world.finish_compaction(),
        Some(CompactionStep::Finished { revision: 1000, removed: 0, .. })
    ));
    let found = world.mvcc.find(b"foo", 1000).unwrap();
    assert_eq!((found.modified.main, found.version), (2, 1));
    let mut world = world.restart();
    assert_eq!(world.mvcc.revision(), 1000);
    assert_eq!(world.put("foo", "baz")[0].revision.main, 1001);
}

/// A tombstone was the newest row and the compaction at it removed all: the revision must not fall back.
#[test]
fn the_revision_survives_the_removal_of_the_newest_rows() {
    let mut world = World::new();
    world.put("foo", "bar");
    world.delete("foo", "");
    world.put("a", "1");
    world.delete("a", "");
    world.mvcc.compact(&mut world.buffer, 5).unwrap();
    world.finish_compaction();
    let world = world.restart();
    assert_eq!((world.mvcc.revision(), world.mvcc.compact_revision()), (5, 5));
    assert_eq!(world.row_keys().len(), 1, "a tombstone at the compacted revision stays");
    assert_eq!(world.mvcc.index_len(), 1);
    assert_eq!(world.mvcc.keys_live(), 0);
}

#[test]
fn a_scan_holds_back_the_removal_but_not_the_compaction() {
    let mut world = World::new();
    world.put("a", "1");
    world.put("a", "2");
    world.put("b", "1");
    let mut scan = world.mvcc.begin_scan(range("a", "\0"), 2, 0, false).unwrap();
    world.mvcc.compact(&mut world.buffer, 3).unwrap();
    assert_eq!(world.mvcc.readable(2), Err(Reject::Compacted));
    assert_eq!(world.step(), CompactionStep::Pause);
    world.mvcc.step_scan(&mut scan, 10);
    assert!(scan.done);
    let value = world.mvcc.value(&world.buffer, scan.found[0].modified).unwrap();
    assert_eq!(&value[value.len() - 1..], b"1");
    world.mvcc.end_scan(&scan);
    assert!(matches!(world.finish_compaction(), Some(CompactionStep::Finished { removed: 1, .. })));
}

#[test]
fn the_last_ten_compaction_hashes_are_served() {
    let mut world = World::new();
    for _ in 0..12 {
        world.put("a", "x");
    }
    let mut hashes = Vec::new();
    for revision in 2..=13 {
        world.mvcc.compact(&mut world.buffer, revision).unwrap();
        let Some(CompactionStep::Finished { hash, .. }) = world.finish_compaction() else { panic!() };
        hashes.push(hash);
    }
    assert_eq!(world.mvcc.compaction_hashes().len(), mvcc::COMPACTION_HASHES_MAX);
    for revision in 4..=13 {
        let HashJob::Done(served) = world.mvcc.hash_kv(&mut world.buffer, revision).unwrap() else {
            panic!()
        };
        assert_eq!(served.hash, hashes[revision as usize - 2]);
        assert_eq!((served.compact_revision, served.current_revision), (revision - 1, 13));
    }
    assert_eq!(world.hash(3), Err(Reject::Compacted));
}

/// The resumed compaction cannot hash what the interrupted one removed.
#[test]
fn an_interrupted_compaction_is_resumed_and_not_hashed() {
    let mut world = World::new();
    for _ in 0..4 {
        world.put("a", "x");
    }
    world.mvcc.compact(&mut world.buffer, 4).unwrap();
    world.commit_all();
    let mut world = world.crash();
    assert_eq!(world.mvcc.compact_revision(), 4);
    assert!(matches!(
        world.finish_compaction(),
        Some(CompactionStep::Finished { revision: 4, removed: 2, .. })
    ));
    assert!(world.mvcc.compaction_hashes().is_empty());
    assert!(matches!(world.mvcc.hash_kv(&mut world.buffer, 4), Ok(HashJob::Work(_))));
    world.mvcc.compact(&mut world.buffer, 5).unwrap();
    world.finish_compaction();
    assert_eq!(world.mvcc.compaction_hashes().len(), 1);
}

#[test]
fn a_compaction_of_many_rows_pauses_between_batches() {
    let mut world = World::new();
    for _ in 0..25 {
        world.put("a", "x");
    }
    world.commit_all();
    world.mvcc.set_compaction_batch(10);
    world.mvcc.compact(&mut world.buffer, 26).unwrap();
    world.commit_all();
    let mut steps = Vec::new();
    loop {
        match world.step() {
            CompactionStep::NeedsCommit => world.commit_all(),
            CompactionStep::Finished { removed, .. } => break assert_eq!(removed, 24),
            step => steps.push((step, world.buffer.pending())),
        }
    }
    assert_eq!(
        steps,
        [(CompactionStep::Again, 0), (CompactionStep::Pause, 10), (CompactionStep::Pause, 20),]
    );
}

#[test]
fn counting_stops_at_no_limit() {
    let mut world = World::new();
    for n in 0..10 {
        world.put(&format!("k{n}"), "v");
    }
    let mut scan = world.mvcc.begin_scan(range("k", "l"), 0, 3, false).unwrap();
    world.mvcc.step_scan(&mut scan, 5);
    assert_eq!((scan.found.len(), scan.count, scan.done), (3, 5, false));
    world.mvcc.step_scan(&mut scan, 5);
    assert_eq!((scan.found.len(), scan.count, scan.done), (3, 10, true));
    world.mvcc.end_scan(&scan);
    let mut scan = world.mvcc.begin_scan(range("k2", "k5"), 0, 3, true).unwrap();
    world.mvcc.step_scan(&mut scan, 5);
    assert_eq!((scan.found.len(), scan.count, scan.done), (0, 3, true));
    world.mvcc.end_scan(&scan);
}

#[test]
#[should_panic(expected = "a write is ended, not dropped")]
fn a_write_must_be_ended() {
    let mut world = World::new();
    let mut write = world.mvcc.write(&mut world.buffer);
    write.put(Bytes::from_static(b"a"), Bytes::new(), 0);
}

#[test]
fn requested_revisions_are_resolved_or_refused() {
    let mut world = World::new();
    for _ in 0..4 {
        world.put("a", "x");
    }
    let readable = |mvcc: &Mvcc| (-1..=6).map(|r| mvcc.readable(r)).collect::<Vec<_>>();
    let future = Err(Reject::FutureRevision);
    assert_eq!(readable(&world.mvcc), [Ok(5), Ok(5), Ok(1), Ok(2), Ok(3), Ok(4), Ok(5), future]);
    assert_eq!(world.mvcc.compact(&mut world.buffer, 6), future.map(|_: i64| ()));
    world.mvcc.compact(&mut world.buffer, 0).unwrap();
    world.mvcc.compact(&mut world.buffer, 3).unwrap();
    let compacted = Err(Reject::Compacted);
    assert_eq!(world.mvcc.compact(&mut world.buffer, 3), compacted.map(|_: i64| ()));
    assert_eq!(readable(&world.mvcc), [Ok(5), Ok(5), compacted, compacted, Ok(3), Ok(4), Ok(5), future]);
}
