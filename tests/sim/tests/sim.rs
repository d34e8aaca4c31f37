//! A few hundred seeds, some of them twice, and the proof that the simulation finds what it looks for.

use sim::{Report, plan::Trouble, plant::Bug, run};
use std::{collections::BTreeSet, panic, thread};

/// Seeds of every run of the tests; `tests/sim/run.sh` runs many more.
const SEEDS: u64 = 400;

/// Runs a seed; a panic is a violation too.
fn report(seed: u64, bug: Option<Bug>) -> Report {
    panic::catch_unwind(|| run(seed, bug, false)).unwrap_or_else(|_| Report {
        violation: Some("a panic, printed above".to_owned()),
        ..Report::default()
    })
}

fn sound(seed: u64) -> Report {
    let report = report(seed, None);
    if let Some(violation) = &report.violation {
        panic!(
            "seed {seed}: {violation}\n  replay: cargo run --profile test -p sim -- --seed {seed} --trace"
        );
    }
    report
}

/// No seed breaks a promise; and what was meant to happen did happen, so that this says something.
#[test]
fn no_seed_breaks_a_promise() {
    let run_from = |first: u64| move || (first..SEEDS).step_by(2).map(sound).collect::<Vec<Report>>();
    let threads = [thread::spawn(run_from(0)), thread::spawn(run_from(1))];
    let reports: Vec<Report> =
        threads.into_iter().flat_map(|thread| thread.join().expect("a seed failed, see above")).collect();
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    let (operations, answered) = (sum(|r| r.operations), sum(|r| r.answered));
    assert!(operations > 50 * SEEDS, "{operations} operations");
    assert!(answered > operations / 2 && answered < operations, "{answered} of {operations} answered");
    assert!(sum(|r| r.leaders) > 2 * SEEDS, "leaders change");
    assert!(sum(|r| r.installs) > SEEDS / 20, "{} snapshots installed", sum(|r| r.installs));
    assert!(sum(|r| r.leases_ended) > SEEDS / 2, "leases end");
    assert!(sum(|r| r.changes) > 20 * SEEDS, "members come and go");
    let troubles: BTreeSet<Trouble> = reports.iter().flat_map(|r| r.troubles.keys().copied()).collect();
    assert_eq!(troubles, BTreeSet::from(Trouble::ALL), "every kind of trouble came");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..40 {
        let (first, second) = (sound(seed), sound(seed));
        assert_eq!((first.steps, first.trace), (second.steps, second.trace), "seed {seed}");
        assert_ne!(first.trace, sound(seed + 1000).trace);
    }
}

/// A planted bug must show within so many seeds. How it shows is left to it: seldom in the most direct way.
fn finds(bug: Bug, seeds: u64) {
    let violation = (0..seeds).find_map(|seed| report(seed, Some(bug)).violation.map(|text| (seed, text)));
    let Some((seed, text)) = violation else { panic!("{bug:?} was not found in {seeds} seeds") };
    println!("{bug:?} found by seed {seed}: {text}");
}

#[test]
fn a_skipped_sync_is_found() {
    finds(Bug::SkippedSync, 50);
}

#[test]
fn a_reused_read_context_is_found() {
    finds(Bug::ReusedReadContext, 400);
}

#[test]
fn a_lost_vote_is_found() {
    finds(Bug::LostVote, 800);
}

#[test]
fn entries_applied_twice_are_found() {
    finds(Bug::AppliedTwice, 50);
}

#[test]
fn a_stale_lease_expiry_is_found() {
    finds(Bug::StaleLeaseExpiry, 100);
}
