//! Whether all members hold the same data: the leader compares hashes, from time to time and of every compaction, and
//! names the members that differ.
//!
//! It asks nobody and raises nothing itself: each step says what to find out next ([`Ask`]), or ends with the members
//! to raise a CORRUPT alarm for. Rules and order are those of etcd's corruption monitor. One round runs at a time.

use mvcc::{CompactionHash, HashKv};
use std::collections::BTreeMap;

/// Alarm for the cluster as a whole: nobody can say who is wrong.
pub const NOBODY: u64 = 0;

/// What the members answer to `GET /members/hashkv`; `None`: no usable answer.
pub type PeerHashes = BTreeMap<u64, Option<HashKv>>;

/// What a round needs to know next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// This member's hash at its current revision.
    OwnHash,
    /// Every other member's hash at this revision.
    PeerHashes { revision: i64 },
    /// A linearizable read: everything committed before is applied then.
    Read,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Next(Ask),
    /// The round is over; these members differ.
    Over {
        corrupt: Vec<u64>,
        checked: usize,
        kind: Kind,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Periodic,
    Compaction,
}

#[derive(Debug)]
enum Round {
    /// Waits for the own hash before the others are asked.
    First,
    Peers(HashKv),
    Reading(HashKv, PeerHashes),
    /// Waits for the own hash after them.
    Second(HashKv, PeerHashes),
    /// Hashes of compactions, newest first; how many were compared.
    Compactions {
        left: Vec<CompactionHash>,
        checked: usize,
    },
}

/// When rounds run. `None`: never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intervals {
    pub periodic_ms: Option<u64>,
    pub compaction_ms: Option<u64>,
}

#[derive(Debug)]
pub struct Corruption {
    own: u64,
    intervals: Intervals,
    next_periodic_ms: u64,
    next_compaction_ms: u64,
    round: Option<Round>,
    /// Compactions up to this revision agree everywhere.
    agreed_revision: i64,
}

impl Corruption {
    pub fn new(own: u64, intervals: Intervals, now_ms: u64) -> Corruption {
        Corruption {
            own,
            intervals,
            next_periodic_ms: now_ms + intervals.periodic_ms.unwrap_or(0),
            next_compaction_ms: now_ms + intervals.compaction_ms.unwrap_or(0),
            round: None,
            agreed_revision: 0,
        }
    }

    /// Begins a round if one is due; only a leader with other members does. `compactions`: what this member's hashed.
    pub fn poll(&mut self, now_ms: u64, leads_others: bool, compactions: &[CompactionHash]) -> Option<Ask> {
        let due = |interval: Option<u64>, next: &mut u64| {
            let due = interval.is_some() && now_ms >= *next;
            if due {
                *next = now_ms + interval.unwrap_or(0);
            }
            due
        };
        let periodic = due(self.intervals.periodic_ms, &mut self.next_periodic_ms);
        let compaction = due(self.intervals.compaction_ms, &mut self.next_compaction_ms);
        if self.round.is_some() || !leads_others {
            return None;
        }
        if periodic {
            self.round = Some(Round::First);
            return Some(Ask::OwnHash);
        }
        if !compaction {
            return None;
        }
        let mut left: Vec<_> =
            compactions.iter().copied().filter(|hash| hash.revision > self.agreed_revision).collect();
        left.sort_by_key(|hash| std::cmp::Reverse(hash.revision));
        let revision = left.first()?.revision;
        self.round = Some(Round::Compactions { left, checked: 0 });
        Some(Ask::PeerHashes { revision })
    }

    /// The round cannot go on: what it asked for is not to be had.
    pub fn give_up(&mut self) {
        self.round = None;
    }

    pub fn own_hash(&mut self, hash: HashKv) -> Option<Step> {
        match self.round.take()? {
            Round::First => {
                self.round = Some(Round::Peers(hash));
                Some(Step::Next(Ask::PeerHashes { revision: hash.hash_revision }))
            }
            Round::Second(first, peers) => {
                let checked = peers.values().flatten().count();
                let corrupt = judge(self.own, &first, &hash, &peers).into_iter().collect();
                Some(Step::Over { corrupt, checked, kind: Kind::Periodic })
            }
            other => {
                self.round = Some(other);
                None
            }
        }
    }

    pub fn peer_hashes(&mut self, peers: PeerHashes) -> Option<Step> {
        match self.round.take()? {
            Round::Peers(first) => {
                self.round = Some(Round::Reading(first, peers));
                Some(Step::Next(Ask::Read))
            }
            Round::Compactions { left, checked } => Some(self.compare(left, checked + 1, &peers)),
            other => {
                self.round = Some(other);
                None
            }
        }
    }

    pub fn read(&mut self) -> Option<Step> {
        match self.round.take()? {
            Round::Reading(first, peers) => {
                self.round = Some(Round::Second(first, peers));
                Some(Step::Next(Ask::OwnHash))
            }
            other => {
                self.round = Some(other);
                None
            }
        }
    }

    /// One compaction's hash with the others'. Where some could not be compared, the next older one is tried.
    fn compare(&mut self, mut left: Vec<CompactionHash>, checked: usize, peers: &PeerHashes) -> Step {
        let over = |corrupt| Step::Over { corrupt, checked, kind: Kind::Compaction };
        let own = left.remove(0);
        let comparable: Vec<(u64, u32)> = peers
            .iter()
            .filter_map(|(id, hash)| {
                let hash = hash.as_ref().filter(|hash| hash.compact_revision == own.compact_revision)?;
                Some((*id, hash.hash))
            })
            .collect();
        if comparable.iter().any(|(_, hash)| *hash != own.hash) {
            let mut holders: BTreeMap<u32, Vec<u64>> = BTreeMap::from([(own.hash, vec![self.own])]);
            for (id, hash) in comparable {
                holders.entry(hash).or_default().push(id);
            }
            return over(minority(&holders, peers.len() + 1));
        }
        if comparable.len() == peers.len() {
            self.agreed_revision = own.revision;
            return over(Vec::new());
        }
        match left.first().map(|hash| hash.revision) {
            Some(revision) => {
                self.round = Some(Round::Compactions { left, checked });
                Step::Next(Ask::PeerHashes { revision })
            }
            None => over(Vec::new()),
        }
    }
}

/// The first member that a periodic round finds wrong: this one, or one that is ahead of what this one read, or one
/// that differs.
fn judge(own: u64, first: &HashKv, second: &HashKv, peers: &PeerHashes) -> Option<u64> {
    let same_moment =
        first.hash_revision == second.hash_revision && first.compact_revision == second.compact_revision;
    if same_moment && first.hash != second.hash {
        return Some(own);
    }
    let wrong = |peer: &HashKv| {
        peer.current_revision > second.current_revision
            || peer.compact_revision > second.compact_revision
            || (peer.compact_revision == first.compact_revision && peer.hash != first.hash)
    };
    peers.iter().find(|(_, peer)| peer.as_ref().is_some_and(wrong)).map(|(id, _)| *id)
}

/// Whoever does not hold what a majority of all members holds; [`NOBODY`] if there is no majority.
fn minority(holders: &BTreeMap<u32, Vec<u64>>, members: usize) -> Vec<u64> {
    let Some((right, _)) = holders.iter().find(|(_, ids)| ids.len() > members / 2) else {
        return vec![NOBODY];
    };
    holders.iter().filter(|(hash, _)| *hash != right).flat_map(|(_, ids)| ids.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(hash: u32, revision: i64, compact: i64) -> HashKv {
        HashKv { hash, hash_revision: revision, compact_revision: compact, current_revision: revision }
    }

    fn compaction(hash: u32, revision: i64) -> CompactionHash {
        CompactionHash { hash, revision, compact_revision: revision - 10 }
    }

    /// A periodic round to its end; who is named.
    fn periodic(first: HashKv, second: HashKv, peers: PeerHashes) -> Vec<u64> {
        let mut checks = Corruption::new(1, Intervals { periodic_ms: Some(100), compaction_ms: None }, 0);
        assert_eq!(checks.poll(99, true, &[]), None);
        assert_eq!(checks.poll(100, true, &[]), Some(Ask::OwnHash));
        assert_eq!(checks.poll(500, true, &[]), None, "one round at a time");
        let revision = first.hash_revision;
        assert_eq!(checks.own_hash(first), Some(Step::Next(Ask::PeerHashes { revision })));
        assert_eq!(checks.peer_hashes(peers), Some(Step::Next(Ask::Read)));
        assert_eq!(checks.read(), Some(Step::Next(Ask::OwnHash)));
        match checks.own_hash(second) {
            Some(Step::Over { corrupt, .. }) => corrupt,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_periodic_round_finds() {
        let peers = |two: HashKv| PeerHashes::from([(2, Some(two)), (3, None)]);
        let (now, later) = (hash(7, 50, 10), hash(9, 60, 10));
        assert_eq!(periodic(now, later, peers(hash(7, 50, 10))), [] as [u64; 0]);
        assert_eq!(periodic(now, hash(8, 50, 10), peers(hash(7, 50, 10))), [1]);
        assert_eq!(periodic(now, later, peers(hash(8, 50, 10))), [2]);
        assert_eq!(periodic(now, later, peers(hash(8, 50, 5))), [] as [u64; 0], "not comparable");
        assert_eq!(periodic(now, later, peers(hash(7, 61, 10))), [2], "ahead of what was committed");
        assert_eq!(periodic(now, later, peers(hash(7, 50, 11))), [2], "compacted further");
    }

    fn compactions(peers: &[(u64, Option<u32>)]) -> Vec<u64> {
        let mut checks = Corruption::new(1, Intervals { periodic_ms: None, compaction_ms: Some(100) }, 0);
        let own = [compaction(7, 20), compaction(8, 40)];
        assert_eq!(checks.poll(100, true, &own), Some(Ask::PeerHashes { revision: 40 }));
        let answer = |(id, value): &(u64, Option<u32>)| (*id, value.map(|value| hash(value, 40, 30)));
        match checks.peer_hashes(peers.iter().map(answer).collect()) {
            Some(Step::Over { corrupt, .. }) => {
                if corrupt.is_empty() {
                    assert_eq!(checks.poll(300, true, &own), None, "what agrees is not asked again");
                }
                corrupt
            }
            Some(Step::Next(ask)) => {
                assert_eq!(ask, Ask::PeerHashes { revision: 20 });
                vec![99]
            }
            None => panic!("no step"),
        }
    }

    #[test]
    fn what_compactions_show() {
        assert_eq!(compactions(&[(2, Some(8)), (3, Some(8))]), [] as [u64; 0]);
        assert_eq!(compactions(&[(2, Some(8)), (3, Some(9))]), [3]);
        assert_eq!(compactions(&[(2, Some(9)), (3, Some(9))]), [1]);
        assert_eq!(compactions(&[(2, Some(9)), (3, Some(10))]), [NOBODY]);
        assert_eq!(compactions(&[(2, Some(9)), (3, None)]), [NOBODY]);
        assert_eq!(compactions(&[(2, Some(8)), (3, None)]), [99], "tries an older one");
    }

    #[test]
    fn only_a_leader_of_others_asks() {
        let intervals = Intervals { periodic_ms: Some(100), compaction_ms: Some(100) };
        let mut checks = Corruption::new(1, intervals, 0);
        assert_eq!(checks.poll(1000, false, &[compaction(1, 20)]), None);
        let mut off = Corruption::new(1, Intervals::default(), 0);
        assert_eq!(off.poll(1000, true, &[compaction(1, 20)]), None);
    }
}
