//! Deadlines under a clock that the test moves.

use super::*;

const CHECKPOINTS: Timing = Timing { retry_ms: 7000, checkpoint_ms: Some(300_000) };

fn leases(ttls: &[(i64, i64)]) -> Leases {
    let mut leases = Leases::default();
    for &(id, ttl) in ttls {
        leases.by_id.insert(id, Lease { id, ttl, remaining_ttl: 0, keys: BTreeSet::new() });
    }
    leases
}

fn granted(id: i64) -> Event {
    Event::Granted { id, ttl: 0 }
}

#[test]
fn only_the_leader_ends_leases() {
    let leases = leases(&[(1, 10)]);
    let mut deadlines = Deadlines::new(Timing::default());
    deadlines.observe(&granted(1), &leases, 0);
    assert_eq!((deadlines.next_ms(), deadlines.remaining(1, 0)), (None, None));
    assert_eq!(deadlines.renew(&leases, 1, 0), Renewal::NotPrimary);
    deadlines.promote(&leases, 1000, 500);
    assert_eq!(deadlines.next_ms(), Some(11_500));
    assert!(deadlines.expired(11_499).is_empty());
    assert_eq!(deadlines.expired(11_500), [1]);
    deadlines.demote();
    assert!(deadlines.expired(u64::MAX).is_empty());
}

#[test]
fn an_expired_lease_is_given_out_again_until_it_is_gone() {
    let leases = leases(&[(-5, 2)]);
    let mut deadlines = Deadlines::new(Timing::default());
    deadlines.promote(&leases, 0, 0);
    assert_eq!(deadlines.expired(2000), [-5]);
    assert!(deadlines.expired(8999).is_empty());
    assert_eq!(deadlines.expired(9000), [-5]);
    assert_eq!(deadlines.renew(&leases, -5, 9000), Renewal::Expired);
    assert_eq!(deadlines.remaining(-5, 9000), Some(-7));
    deadlines.observe(&Event::Revoked { id: -5 }, &Leases::default(), 9000);
    assert_eq!(deadlines.next_ms(), None);
    assert_eq!(deadlines.renew(&Leases::default(), -5, 9000), Renewal::NotFound);
}

#[test]
fn renewal_starts_the_ttl_anew() {
    let leases = leases(&[(1, 10), (2, 5)]);
    let mut deadlines = Deadlines::new(Timing::default());
    deadlines.promote(&leases, 0, 0);
    assert_eq!(deadlines.by_remaining(&leases), [2, 1]);
    assert_eq!(deadlines.renew(&leases, 1, 3000), Renewal::Renewed { ttl: 10 });
    assert_eq!(deadlines.renew(&leases, 2, 4999), Renewal::Renewed { ttl: 5 });
    assert_eq!((deadlines.remaining(1, 3000), deadlines.remaining(1, 3001)), (Some(10), Some(9)));
    assert!(deadlines.expired(9998).is_empty());
    assert_eq!(deadlines.renew(&leases, 3, 0), Renewal::NotFound);
}

#[test]
fn at_most_500_are_given_out_at_once() {
    let all: Vec<(i64, i64)> = (1..=900).map(|id| (id, 2)).collect();
    let leases = leases(&all);
    let mut deadlines = Deadlines::new(Timing::default());
    deadlines.promote(&leases, 0, 0);
    assert_eq!(deadlines.expired(2000).len(), EXPIRED_MAX);
    assert_eq!(deadlines.expired(2000).len(), 400);
    assert_eq!(deadlines.expired(2000).len(), 0);
}

#[test]
fn a_new_leader_spreads_many_deadlines() {
    let all: Vec<(i64, i64)> = (1..=3000).map(|id| (id, 10)).collect();
    let leases = leases(&all);
    let mut deadlines = Deadlines::new(Timing::default());
    deadlines.promote(&leases, 0, 1000);
    let per_second = |second: u64| {
        deadlines.by_time.range((second * 1000, i64::MIN)..((second + 1) * 1000, i64::MIN)).count()
    };
    let counts: Vec<usize> = (11..17).map(per_second).collect();
    assert_eq!(counts.iter().sum::<usize>(), 3000);
    assert!(counts.iter().all(|&count| count <= SPREAD_PER_S as usize + 1), "{counts:?}");
    // 999 leases are few.
    let few = all[..999].to_vec();
    let mut deadlines = Deadlines::new(Timing::default());
    deadlines.promote(&super::tests::leases(&few), 0, 0);
    assert_eq!(deadlines.by_time.last().unwrap().0, 10_000);
}

#[test]
fn checkpoints_note_what_is_left() {
    let mut leases = leases(&[(1, 3600), (2, 300), (3, 3600)]);
    let mut deadlines = Deadlines::new(CHECKPOINTS);
    deadlines.promote(&leases, 0, 1000);
    // 300 s are not longer than the period.
    assert!(deadlines.checkpoints_due(&leases, 299_999).is_empty());
    assert_eq!(deadlines.renew(&leases, 3, 299_500), Renewal::Renewed { ttl: 3600 });
    // Lease 3 was just renewed: its TTL is nearly whole.
    assert_eq!(deadlines.checkpoints_due(&leases, 300_000), [(1, 3301)]);
    // Applied: the next one is planned, and a renewal must clear it first.
    leases.by_id.get_mut(&1).unwrap().remaining_ttl = 3301;
    deadlines.observe(&Event::Checkpointed { ids: vec![1] }, &leases, 300_010);
    assert_eq!(deadlines.renew(&leases, 1, 300_020), Renewal::ClearCheckpoint);
    assert_eq!(deadlines.checkpoints_due(&leases, 600_010), [(1, 3001)]);
    // The next leader goes on from there.
    let mut next = Deadlines::new(CHECKPOINTS);
    next.promote(&leases, 0, 1000);
    assert_eq!(next.remaining(1, 0), Some(3302));
}

#[test]
fn what_revoked_leases_leave_behind() {
    let all = leases(&[(1, 3600)]);
    let mut deadlines = Deadlines::new(CHECKPOINTS);
    deadlines.promote(&all, 0, 0);
    deadlines.observe(&Event::Revoked { id: 1 }, &Leases::default(), 5);
    deadlines.observe(&Event::Revoked { id: 1 }, &Leases::default(), 5);
    assert_eq!(deadlines.next_ms(), None);
    assert!(deadlines.by_id.is_empty() && deadlines.checkpoints.is_empty());
}
