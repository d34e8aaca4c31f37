//! Operations: random valid histories pass, planted violations are found.

use crate::reference::{self, Draw};
use history::{
    Answer, Call, Change, Keys, Kv, Operation, Outcome, Revisions, Seen, Violation,
    linear::{self, Verdict},
    order,
};

const SEEDS: u64 = 300;

#[test]
fn valid_histories_pass() {
    for seed in 0..SEEDS {
        let (operations, revisions) = reference::history(seed, 5, 3, 150, 12);
        if let Err(violation) = order::check(&operations, &revisions) {
            panic!("seed {seed}: {violation}");
        }
        match linear::check(&operations) {
            Ok(verdict) => assert_eq!(verdict, Verdict::Linearizable, "seed {seed}"),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
}

/// Plants something into random valid histories, and counts how many of them the checkers then find wrong.
fn planted(
    plant: impl Fn(&mut Vec<Operation>, &mut Revisions, &mut Draw) -> bool,
    found: impl Fn(&Violation) -> bool,
) -> (u64, u64, u64) {
    let (mut tried, mut by_order, mut by_search) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (mut operations, mut revisions) = reference::history(seed, 4, 2, 80, 20);
        if !plant(&mut operations, &mut revisions, &mut Draw(seed)) {
            continue;
        }
        tried += 1;
        if let Err(violation) = order::check(&operations, &revisions) {
            assert!(found(&violation), "seed {seed}: {violation}");
            by_order += 1;
        }
        if let Err(violation) = linear::check(&operations) {
            let Violation::NotLinearizable { operations, .. } = &violation else { panic!("{violation}") };
            assert!(operations.len() <= 30, "seed {seed}: not few: {violation}");
            by_search += 1;
        }
    }
    (tried, by_order, by_search)
}

/// The last answered read of one key is answered with an older state, header and all.
fn make_stale(operations: &mut [Operation], honest_header: bool) -> bool {
    let of_one = |o: &Operation| match &o.call {
        Call::Get { keys: Keys::One(key), .. } => Some(key.clone()),
        _ => None,
    };
    for at in (0..operations.len()).rev() {
        let Some(key) = of_one(&operations[at]) else { continue };
        let called = operations[at].called;
        // An older read of the same key, with a write acknowledged between the two.
        let between = operations.iter().filter(|o| o.ended < called);
        let writes = between.filter(|o| o.puts().is_some_and(|(put, _)| *put == key));
        let Some(newest) = writes.filter_map(Operation::wrote_at).max() else { continue };
        let old = operations.iter().find_map(|o| {
            let answer = o.answer()?;
            (of_one(o).as_ref() == Some(&key) && answer.revision < newest).then(|| answer.clone())
        });
        let (Some(old), Some(new)) = (old, operations[at].answer().cloned()) else { continue };
        if old.seen == new.seen {
            continue;
        }
        let revision = if honest_header { old.revision } else { new.revision };
        operations[at].outcome = Outcome::Answered(Answer { revision, seen: old.seen });
        return true;
    }
    false
}

#[test]
fn a_stale_read_is_found() {
    let (tried, by_order, by_search) = planted(
        |operations, _, _| make_stale(operations, true),
        |violation| matches!(violation, Violation::OutOfOrder { .. }),
    );
    assert!(tried > SEEDS / 2 && by_order == tried && by_search == tried, "{tried} {by_order} {by_search}");
}

#[test]
fn a_stale_read_that_lies_about_its_revision_is_found() {
    let (tried, by_order, by_search) = planted(
        |operations, _, _| make_stale(operations, false),
        |violation| matches!(violation, Violation::WrongState { .. }),
    );
    // By values alone a late delete of unknown outcome may explain it.
    assert!(
        tried > SEEDS / 2 && by_order == tried && by_search > tried / 2,
        "{tried} {by_order} {by_search}"
    );
}

/// Rebuilds a history with one revision replaced.
fn rewritten(revisions: &Revisions, edit: impl Fn(i64, &[Change]) -> Vec<Vec<Change>>) -> Revisions {
    let mut out = Revisions::default();
    for (revision, changes) in revisions.iter() {
        for changes in edit(revision, changes) {
            out.note("edited", out.last() + 1, changes).unwrap();
        }
    }
    out
}

#[test]
fn a_lost_write_is_found() {
    let (tried, by_order, _) = planted(
        |operations, revisions, draw| {
            let writes: Vec<i64> = operations.iter().filter_map(Operation::wrote_at).collect();
            let lost = writes[draw.below(writes.len() as u64) as usize];
            *revisions = rewritten(revisions, |revision, changes| match revision == lost {
                true => Vec::new(),
                false => vec![changes.to_vec()],
            });
            true
        },
        |violation| matches!(violation, Violation::LostWrite { .. }),
    );
    assert_eq!((tried, by_order), (SEEDS, SEEDS));
}

#[test]
fn a_write_applied_twice_is_found() {
    let (tried, by_order, _) = planted(
        |operations, revisions, _| {
            let last = operations.iter().rev().find(|o| o.puts().is_some() && o.wrote_at().is_some());
            let Some(twice) = last.and_then(Operation::wrote_at) else { return false };
            let again = revisions.changes(twice).to_vec();
            revisions.note("edited", revisions.last() + 1, again).unwrap();
            true
        },
        |violation| matches!(violation, Violation::AppliedTwice { .. }),
    );
    assert!(tried > SEEDS / 2 && by_order == tried, "{tried} {by_order}");
}

#[test]
fn a_write_nobody_asked_for_is_found() {
    let (tried, by_order, _) = planted(
        |_, revisions, _| {
            let change = Change::put("k0".into(), "from nowhere".into(), 0);
            revisions.note("edited", revisions.last() + 1, vec![change]).unwrap();
            true
        },
        |violation| matches!(violation, Violation::Phantom { .. }),
    );
    assert_eq!((tried, by_order), (SEEDS, SEEDS));
}

#[test]
fn a_failed_write_that_was_done_is_found() {
    let (tried, by_order, _) = planted(
        |operations, _, _| {
            let done = operations.iter_mut().find(|o| o.puts().is_some() && o.wrote_at().is_some());
            done.map(|operation| operation.outcome = Outcome::Failed).is_some()
        },
        |violation| matches!(violation, Violation::FailedYetDone { .. }),
    );
    assert_eq!((tried, by_order), (SEEDS, SEEDS));
}

#[test]
fn two_swaps_of_the_same_revision_are_found() {
    let (tried, by_order, by_search) = planted(
        |operations, _, _| {
            // One that was refused says that it was done.
            let refused = operations.iter_mut().find_map(|o| match (&o.call, &mut o.outcome) {
                (Call::Swap { .. }, Outcome::Answered(answer)) => {
                    matches!(answer.seen, Seen::NotSwapped(_)).then_some(answer)
                }
                _ => None,
            });
            refused.map(|answer| answer.seen = Seen::Swapped).is_some()
        },
        |violation| matches!(violation, Violation::LostWrite { .. } | Violation::WrongState { .. }),
    );
    assert!(tried > SEEDS / 3 && by_order == tried && by_search > 0, "{tried} {by_order} {by_search}");
}

fn put(client: u64, span: (u64, u64), value: &'static str, revision: i64) -> Operation {
    let call = Call::Put { key: "a".into(), value: value.into(), lease: 0 };
    let outcome = Outcome::Answered(Answer { revision, seen: Seen::Put });
    Operation { client, call, called: span.0, ended: span.1, outcome }
}

fn got(client: u64, span: (u64, u64), value: &'static str, modified: i64, revision: i64) -> Operation {
    let call = Call::Get { keys: Keys::one("a"), revision: 0, serializable: false };
    let kv = Kv {
        key: "a".into(),
        value: value.into(),
        create_revision: 2,
        mod_revision: modified,
        version: modified - 1,
        lease: 0,
    };
    let outcome = Outcome::Answered(Answer { revision, seen: Seen::Found(vec![kv]) });
    Operation { client, call, called: span.0, ended: span.1, outcome }
}

/// The report of a stale read names the three operations that matter, out of many.
#[test]
fn the_explanation_is_small() {
    let mut operations = vec![put(1, (0, 1), "v0", 2)];
    for n in 0..50 {
        operations.push(got(2, (n * 10 + 2, n * 10 + 3), "v0", 2, 2));
    }
    operations.push(put(1, (600, 610), "v1", 3));
    operations.push(got(3, (620, 630), "v0", 2, 3));
    let Err(violation) = linear::check(&operations) else { panic!("a stale read passed") };
    let text = violation.to_string();
    assert_eq!(
        text,
        "no order of these operations explains what they saw of a:\n  \
         client 1 [0, 1] put a=v0 -> done at revision 2\n  \
         client 1 [600, 610] put a=v1 -> done at revision 3\n  \
         client 3 [620, 630] get a -> a=v0 (created 2, modified 2, version 1) at revision 3"
    );
}

/// An outcome that is not known explains a value that turns up later, but only after its call.
#[test]
fn unknown_outcomes_may_happen_late_but_not_early() {
    let mut unknown = put(2, (10, 20), "v1", 3);
    unknown.outcome = Outcome::Unknown;
    let late = [put(1, (0, 1), "v0", 2), unknown.clone(), got(1, (500, 510), "v1", 3, 3)];
    assert_eq!(linear::check(&late), Ok(Verdict::Linearizable));
    let early = [put(1, (0, 1), "v0", 2), got(1, (4, 6), "v1", 3, 3), unknown];
    assert!(linear::check(&early).is_err());
}

/// A search that is cut short says so.
#[test]
fn the_search_is_bounded() {
    let (operations, _) = reference::history(1, 5, 1, 100, 10);
    assert_eq!(linear::check_within(&operations, 3), Ok(Verdict::Undecided));
}
