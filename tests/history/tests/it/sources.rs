//! The history itself, watchers, hashes and leases.

use crate::reference;
use history::{
    Change, Hashes, Keys, Revisions, Violation, lease,
    watch::{self, Received, Watched},
};

#[test]
fn sources_must_agree_and_leave_no_gap() {
    let mut revisions = Revisions::default();
    let change = |value: &'static str| vec![Change::put("a".into(), value.into(), 0)];
    revisions.note("m1", 2, change("x")).unwrap();
    revisions.note("m2", 2, change("x")).unwrap();
    let violation = revisions.note("m2", 2, change("y")).unwrap_err();
    assert_eq!(violation.to_string(), "revision 2: m1 says put a=x, m2 says put a=y");
    revisions.note("m1", 4, change("z")).unwrap();
    assert_eq!(revisions.whole(), Err(Violation::Gap { revision: 3 }));
    revisions.note("m1", 3, change("y")).unwrap();
    assert_eq!((revisions.whole(), revisions.last()), (Ok(()), 4));
}

/// A watcher of `keys` that got all there was from `start` on.
fn faithful(revisions: &Revisions, keys: Keys, start: i64) -> Watched {
    let mut received = Vec::new();
    for (revision, changes) in revisions.iter().filter(|(revision, _)| *revision >= start) {
        for change in changes.iter().filter(|change| keys.hold(&change.key)) {
            received.push(Received::Event { revision, change: change.clone() });
        }
        if revision % 7 == 0 {
            received.push(Received::Progress { revision });
        }
    }
    Watched { name: "w".into(), keys, start, received, through: revisions.last() }
}

/// Each kind of damage to a faithful watcher's events, with a piece of what the report must say.
#[test]
fn a_watcher_gets_everything_once_and_in_order() {
    type Damage = fn(&mut Watched, usize);
    let damages: [(&str, Damage, &str); 7] = [
        ("nothing", |_, _| {}, ""),
        ("missing", |w, at| drop(w.received.remove(at)), "without revision"),
        ("twice", |w, at| w.received.insert(at + 1, w.received[at].clone()), "again or out of order"),
        ("swapped", |w, at| w.received.swap(at, at + 1), "without revision"),
        (
            "changed",
            |w, at| {
                if let Received::Event { change, .. } = &mut w.received[at] {
                    change.value = Some("other".into());
                }
            },
            "where the history says",
        ),
        ("cut off", |w, _| w.received.truncate(3), "never got"),
        (
            "early promise",
            |w, at| {
                let Received::Event { revision, .. } = w.received[at] else { unreachable!() };
                w.received.insert(at, Received::Progress { revision });
            },
            "was told before",
        ),
    ];
    for seed in 0..50 {
        let (_, revisions) = reference::history(seed, 4, 4, 120, 20);
        for keys in [Keys::all(), Keys::one("k1"), Keys::Between("k1".into(), "k3".into())] {
            let good = faithful(&revisions, keys, 2 + seed as i64 % 9);
            let is_event = |at: &usize| {
                matches!(good.received[*at..], [Received::Event { .. }, Received::Event { .. }, ..])
            };
            let Some(at) = (5..good.received.len()).find(is_event) else { continue };
            for (name, damage, expected) in damages {
                let mut watched = good.clone();
                damage(&mut watched, at);
                match watch::check(&watched, &revisions) {
                    Ok(()) => assert_eq!(name, "nothing", "seed {seed}"),
                    Err(violation) => {
                        let text = violation.to_string();
                        assert!(name != "nothing" && text.contains(expected), "seed {seed}, {name}: {text}");
                    }
                }
            }
        }
    }
}

/// A watcher that was ended early is judged by what it got.
#[test]
fn a_watcher_that_was_ended_need_not_have_all() {
    let (_, revisions) = reference::history(3, 4, 4, 120, 20);
    let mut watched = faithful(&revisions, Keys::all(), 2);
    watched.received.truncate(4);
    watched.through = 0;
    assert_eq!(watch::check(&watched, &revisions), Ok(()));
}

#[test]
fn equal_revisions_have_equal_hashes() {
    let mut hashes = Hashes::default();
    hashes.note("m1", 10, 5, 77).unwrap();
    hashes.note("m2", 10, 5, 77).unwrap();
    hashes.note("m2", 10, 6, 78).unwrap();
    hashes.note("m3", 11, 5, 79).unwrap();
    let violation = hashes.note("m3", 10, 5, 76).unwrap_err();
    assert_eq!(violation.to_string(), "hash at revision 10, compacted at 5: 77 on m1, 76 on m3");
}

/// Granted at 0 for 5000, renewed within [3000, 3100] and, if at all, after 9000; when may it be gone?
#[test]
fn a_lease_does_not_end_early() {
    let renewal = |called, answered| lease::Renewal { called, answered, ttl: 5000 };
    let watched = |revoke_called, seen_gone| lease::Watched {
        id: 7,
        renewals: vec![renewal(0, 10), renewal(3000, 3100), renewal(7900, 9000)],
        revoke_called,
        seen_gone,
    };
    for (revoked, gone, fast_ppm, good) in [
        (None, None, 0, true),
        (None, Some(8000), 0, true),
        (None, Some(7999), 0, false),
        (None, Some(5), 0, true),
        (None, Some(4000), 0, false),
        (Some(3900), Some(4000), 0, true),
        (Some(4100), Some(4000), 0, false),
        (None, Some(7800), 50_000, true),
        (None, Some(7700), 50_000, false),
        (None, Some(9100), 0, false),
        (None, Some(12_900), 0, true),
    ] {
        let checked = lease::check(&watched(revoked, gone), fast_ppm);
        assert_eq!(checked.is_ok(), good, "{revoked:?} {gone:?} {fast_ppm}: {checked:?}");
    }
}
