//! Crashes at every write and sync, and failing calls: afterwards the file holds the last commit or the one under way,
//! whole, and can be written again.
use crate::history::{After, Change, Model, Step, assert_sound, content, histories, open, transact};
use disk::sim::{Crash, Fault, FaultOn, SimDisk};
use proptest::{prelude::*, test_runner::Config};
use std::io;

const CRASH_POINTS_MAX: usize = 4000;
const CACHE_BYTES: usize = 64 << 10;

/// The state after each commit, with the changing calls made until then.
fn run(disk: &SimDisk, history: &[Step]) -> bolt::Result<Vec<(u64, Model)>> {
    let mut states = vec![(0, Model::new())];
    let mut model = Model::new();
    let mut store = open(disk, CACHE_BYTES)?;
    for (salt, step) in history.iter().enumerate() {
        transact(&mut store, &mut model, step, salt)?;
        match step.after {
            After::Defragment => store.defragment()?,
            After::Reopen => {
                drop(store);
                store = open(disk, CACHE_BYTES)?;
            }
            _ => {}
        }
        states.push((disk.changes(), model.clone()));
    }
    Ok(states)
}

/// Reopens after a crash and returns what is there, having shown that it is sound and can be written.
fn reopened(disk: &SimDisk) -> Model {
    let mut store = open(disk, CACHE_BYTES).unwrap();
    let found = content(&store.reader());
    assert_sound(&store.reader());
    let change = Change::PutMany { bucket: 1, first: 100, count: 60, len: 30, append: false };
    let step = Step { changes: vec![change], commit: true, after: After::Nothing };
    let mut model = found.clone();
    transact(&mut store, &mut model, &step, 77).unwrap();
    drop(store);
    let store = open(disk, CACHE_BYTES).unwrap();
    assert_eq!(content(&store.reader()), model);
    assert_sound(&store.reader());
    found
}

fn crash_everywhere(history: &[Step], seed: u64) {
    let disk = SimDisk::new();
    disk.record_crash_points(CRASH_POINTS_MAX);
    let states = run(&disk, history).unwrap();
    let points = disk.take_crash_points();
    assert_eq!(points.len() as u64, disk.changes(), "every changing call is a crash point");
    for (made, point) in points {
        // Commits finished at this moment, and the one under way.
        let last = states.iter().rposition(|(until, _)| *until <= made).unwrap();
        let allowed = &states[last..states.len().min(last + 2)];
        for crash in [
            Crash::DropUnsynced,
            Crash::KeepUnsynced,
            Crash::Torn { seed },
            Crash::Torn { seed: seed.wrapping_add(made).rotate_left(17) },
        ] {
            let disk = point.fork();
            disk.crash(crash);
            let found = reopened(&disk);
            assert!(
                allowed.iter().any(|(_, model)| *model == found),
                "after call {made}, {crash:?}: neither the last commit nor the next"
            );
        }
    }
}

/// A process is killed at every call; the next one opens what is in memory and commits; power is lost meanwhile.
fn killed_everywhere(history: &[Step], seed: u64) {
    let disk = SimDisk::new();
    disk.record_crash_points(CRASH_POINTS_MAX);
    run(&disk, history).unwrap();
    for (made, point) in disk.take_crash_points() {
        point.crash(Crash::Killed);
        point.record_crash_points(CRASH_POINTS_MAX);
        let mut store = open(&point, CACHE_BYTES).unwrap();
        let found = content(&store.reader());
        let opened = point.changes();
        let change = Change::PutMany { bucket: 1, first: 100, count: 60, len: 30, append: false };
        let step = Step { changes: vec![change], commit: true, after: After::Nothing };
        let mut next = found.clone();
        transact(&mut store, &mut next, &step, 77).unwrap();
        drop(store);
        for (later, point) in point.take_crash_points() {
            point.crash(Crash::Torn { seed: seed.wrapping_add(made * 31 + later) });
            let there = content(&open(&point, CACHE_BYTES).unwrap().reader());
            let known = there == found || there == next;
            assert!(known || later < opened, "killed after call {made}, power lost after {later}");
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 60, failure_persistence: None, ..Config::default() })]

    #[test]
    fn killed_at_every_call(history in histories(1..6), seed: u64) {
        killed_everywhere(&history, seed);
    }
}

proptest! {
    #![proptest_config(Config { cases: 250, failure_persistence: None, ..Config::default() })]

    #[test]
    fn crash_at_every_call(history in histories(1..7), seed: u64) {
        crash_everywhere(&history, seed);
    }

    /// A disk that fails once, or stays full, at some call: the commit is refused, so are later ones, and a restart
    /// finds a whole state.
    #[test]
    fn failing_calls(history in histories(1..8), after in 0u64..60, full: bool, lasting: bool) {
        let disk = SimDisk::new();
        let (on, error) = if full {
            (FaultOn::Write, io::ErrorKind::StorageFull)
        } else {
            (FaultOn::Change, io::ErrorKind::Other)
        };
        let sound = SimDisk::new();
        let states = run(&sound, &history).unwrap();
        disk.inject(Fault { on, after, error, lasting });
        match run(&disk, &history) {
            Ok(reached) => prop_assert_eq!(reached.last(), states.last()),
            Err(bolt::Error::Io(reason)) => {
                prop_assert_eq!(reason.kind(), error);
                disk.crash(Crash::KeepUnsynced);
                let found = reopened(&disk);
                prop_assert!(states.iter().any(|(_, model)| *model == found));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn a_store_refuses_to_go_on_after_a_failed_commit() {
    let disk = SimDisk::new();
    let mut store = open(&disk, CACHE_BYTES).unwrap();
    let mut model = Model::new();
    let change = Change::Put { bucket: 0, key: 1, len: 1, append: false };
    let step = Step { changes: vec![change], commit: true, after: After::Nothing };
    disk.inject(Fault { on: FaultOn::Sync, after: 0, error: io::ErrorKind::Other, lasting: false });
    assert!(matches!(transact(&mut store, &mut model, &step, 0), Err(bolt::Error::Io(_))));
    assert!(matches!(transact(&mut store, &mut model, &step, 0), Err(bolt::Error::Invalid(_))));
    assert!(store.defragment().is_err());
    assert_eq!(content(&store.reader()), Model::new(), "readers keep the last committed state");
}
