//! Segments come and go: cut, locked, released, purged.

use super::*;
use disk::LockKind;
use wal::{Error, Wal, prepare_segment_sized, purge};

const SEGMENT: u64 = 8192;

/// A log of `count` full segments and the one being written, five entries each.
fn full(dir: &Path, count: u64) -> Wal {
    let mut wal = Wal::create_sized(real(), dir, &metadata(), SEGMENT).unwrap();
    for index in 1..=count * 5 {
        wal.append_entry(&entry(1, index, vec![index as u8; 1800]));
        wal.sync().unwrap();
    }
    wal
}

fn names(dir: &Path) -> Vec<String> {
    RealDisk.list(dir).unwrap()
}

fn name(seq: u64, index: u64) -> String {
    format!("{seq:016x}-{index:016x}.wal")
}

#[test]
fn a_new_log_is_preallocated_and_replaces_an_unfinished_one() {
    let dir = scratch("new").join("wal");
    let unfinished = dir.with_extension("tmp");
    RealDisk.create_dir_all(&unfinished).unwrap();
    write(&RealDisk, &unfinished.join("rest"), b"of a creation that did not end");
    assert!(!Wal::exists(&RealDisk, &dir).unwrap());
    let wal = Wal::create(real(), &dir, &metadata()).unwrap();
    assert!(Wal::exists(&RealDisk, &dir).unwrap());
    assert_eq!(names(&dir), [name(0, 0)]);
    assert!(!RealDisk.exists(&unfinished).unwrap());
    let file = RealDisk.open(&dir.join(name(0, 0)), OpenMode::Read).unwrap();
    assert_eq!(file.len().unwrap(), wal::SEGMENT_BYTES);
    drop(wal);
    let again = Wal::create(real(), &dir, &metadata());
    assert!(
        matches!(again, Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::AlreadyExists),
        "a log is never overwritten"
    );
}

#[test]
fn full_segments_are_cut_at_their_exact_length() {
    let dir = scratch("cut");
    let wal_dir = dir.join("wal");
    let wal = full(&wal_dir, 3);
    assert_eq!(names(&wal_dir), [name(0, 0), name(1, 6), name(2, 11), name(3, 16)]);
    drop(wal);
    let first = read(&RealDisk, &wal_dir.join(name(0, 0)));
    assert!(first.len() as u64 >= SEGMENT);
    assert!(
        first[first.len() - 8..].iter().any(|byte| *byte != 0),
        "no zero tail, but the last frame's padding"
    );
    let (_, replay) = Wal::open_sized(real(), &wal_dir, &snapshot(0, 0), SEGMENT).unwrap();
    assert_eq!(replay.entries.len(), 15);
    assert_eq!(replay.metadata, metadata());
}

#[test]
fn the_spare_alternates_and_is_taken_only_when_ready() {
    let dir = scratch("spare").join("wal");
    let mut wal = Wal::create_sized(real(), &dir, &metadata(), SEGMENT).unwrap();
    let mut index = 0;
    let mut cut = |wal: &mut Wal| {
        index += 1;
        wal.append_entry(&entry(1, index, vec![1; SEGMENT as usize]));
        wal.sync().unwrap();
    };
    let wanted = wal.wants_segment().unwrap();
    assert_eq!(wanted, dir.join("0.tmp"));
    // A background job has begun, and is overtaken by a cut: its file must stay its own.
    write(&RealDisk, &wanted, b"half zeroed");
    cut(&mut wal);
    assert_eq!(read(&RealDisk, &wanted), b"half zeroed");
    assert_eq!(wal.wants_segment(), Some(wanted.clone()));
    prepare_segment_sized(&RealDisk, &wanted, SEGMENT).unwrap();
    wal.segment_ready();
    assert_eq!(wal.wants_segment(), None);
    cut(&mut wal);
    assert_eq!(wal.wants_segment(), Some(dir.join("1.tmp")));
    prepare_segment_sized(&RealDisk, &dir.join("1.tmp"), SEGMENT).unwrap();
    wal.segment_ready();
    wal.close().unwrap();
    assert!(names(&dir).iter().all(|name| name.ends_with(".wal")), "closing removes the spare");
    let (_, replay) = Wal::open_sized(real(), &dir, &snapshot(0, 0), SEGMENT).unwrap();
    assert_eq!(replay.entries.len(), 2);
}

#[test]
fn released_segments_are_purged_oldest_first() {
    let dir = scratch("purge").join("wal");
    let mut wal = full(&dir, 4);
    assert_eq!(purge(&RealDisk, &dir, "wal", 2).unwrap(), [""; 0], "all are locked");
    // Segments begin at 0, 6, 11, 16, 21: entry 11 is the first of the third, so only the first may go.
    wal.release_to(11).unwrap();
    assert_eq!(purge(&RealDisk, &dir, "wal", 1).unwrap(), [name(0, 0)]);
    wal.release_to(17).unwrap();
    assert_eq!(purge(&RealDisk, &dir, "wal", 3).unwrap(), [name(1, 6)], "no more than asked");
    assert_eq!(purge(&RealDisk, &dir, "wal", 0).unwrap(), [name(2, 11)]);
    wal.release_to(u64::MAX).unwrap();
    assert_eq!(purge(&RealDisk, &dir, "wal", 0).unwrap(), [name(3, 16)], "the last is being written");
    wal.append_entry(&entry(1, 21, vec![]));
    wal.append_snapshot(&snapshot(21, 1));
    wal.append_entry(&entry(1, 22, vec![]));
    wal.sync().unwrap();
    drop(wal);
    let beyond = Wal::open_sized(real(), &dir, &snapshot(20, 1), SEGMENT);
    assert!(matches!(beyond, Err(Error::Corrupt(_))), "entry 21 is in the oldest segment that is left");
    let (_, replay) = Wal::open_sized(real(), &dir, &snapshot(21, 1), SEGMENT).unwrap();
    assert_eq!(replay.entries, [entry(1, 22, vec![])]);
}

#[test]
fn a_log_has_one_owner() {
    let dir = scratch("owner").join("wal");
    let wal = full(&dir, 1);
    assert!(matches!(Wal::open_sized(real(), &dir, &snapshot(0, 0), SEGMENT), Err(Error::Locked)));
    let tail = RealDisk.open(&dir.join(name(1, 6)), OpenMode::ReadWrite).unwrap();
    assert!(!tail.try_lock(LockKind::OpenFileDescription).unwrap(), "a new segment is locked too");
    assert_eq!(
        Wal::read(&RealDisk, &dir, &snapshot(0, 0)).unwrap().entries.len(),
        5,
        "reading needs no lock"
    );
    drop(wal);
    drop(tail);
    assert!(Wal::open_sized(real(), &dir, &snapshot(0, 0), SEGMENT).is_ok());
}

#[test]
fn a_snapshot_moves_the_next_segments_name() {
    let dir = scratch("received").join("wal");
    let mut wal = full(&dir, 1);
    wal.append_snapshot(&snapshot(1000, 2));
    wal.append_entry(&entry(2, 1001, vec![1; SEGMENT as usize]));
    wal.sync().unwrap();
    drop(wal);
    assert_eq!(names(&dir), [name(0, 0), name(1, 6), name(2, 1002)]);
    let (_, replay) = Wal::open_sized(real(), &dir, &snapshot(1000, 2), SEGMENT).unwrap();
    assert_eq!(replay.entries.len(), 1);
}

/// Indexes and terms that a log gives back when it is opened at (`index`, `term`).
fn replayed(dir: &Path, index: u64, term: u64) -> Vec<(u64, u64)> {
    let (_, replay) = Wal::open(real(), dir, &snapshot(index, term)).unwrap();
    replay.entries.iter().map(|entry| (entry.index(), entry.term())).collect()
}

/// What a member gave up for a leader's log or snapshot must not come back with a restart: the tail of an older term
/// behind a newer one would let it vote for a leader that lacks what is committed.
#[test]
fn a_tail_that_was_given_up_stays_away() {
    let dir = scratch("tail");
    let received = dir.join("received");
    let mut wal = Wal::create(real(), &received, &metadata()).unwrap();
    for index in 1..=20 {
        wal.append_entry(&entry(1, index, vec![0]));
    }
    wal.append_snapshot(&snapshot(15, 2));
    wal.sync().unwrap();
    drop(wal);
    assert_eq!(replayed(&received, 15, 2), []);

    let overwritten = dir.join("overwritten");
    let mut wal = Wal::create(real(), &overwritten, &metadata()).unwrap();
    for index in 1..=20 {
        wal.append_entry(&entry(1, index, vec![0]));
    }
    for index in 10..=15 {
        wal.append_entry(&entry(2, index, vec![0]));
    }
    wal.append_snapshot(&snapshot(15, 2));
    wal.sync().unwrap();
    drop(wal);
    assert_eq!(replayed(&overwritten, 15, 2), []);

    let own = dir.join("own");
    let mut wal = Wal::create(real(), &own, &metadata()).unwrap();
    for index in 1..=20 {
        wal.append_entry(&entry(1, index, vec![0]));
    }
    wal.append_snapshot(&snapshot(15, 1));
    wal.sync().unwrap();
    drop(wal);
    assert_eq!(replayed(&own, 15, 1), (16..=20).map(|index| (index, 1)).collect::<Vec<_>>());
}
