//! The revisions of one key that are still kept, in generations.
//!
//! A generation runs from the put that creates the key to the tombstone that ends it:
//!
//! ```text
//! put(2) put(3) delete(5) put(8)      closed: [2 3 5t]   open: [8]
//! ```
//!
//! Almost every key is alive with one kept revision, so that case is held inline ([`Versions::Single`]) and only the
//! others pay for lists. It never touches rows. Invariants: revisions ascend, within and across generations; a closed
//! generation is not empty and its last revision is its tombstone; a key without any generation is not in the index.

use crate::Revision;
use std::num::NonZeroU32;

/// What a key was at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub modified: Revision,
    /// Main revision of the put that created the key.
    pub created: i64,
    pub version: i64,
}

#[derive(Clone, Debug)]
pub(crate) enum Versions {
    Single { modified: i64, created: i64, sub: u32, version: NonZeroU32 },
    Many(Box<Generations>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Generations {
    /// Oldest first.
    closed: Vec<Generation>,
    /// Empty while the key is deleted.
    open: Generation,
}

#[derive(Clone, Debug, Default)]
struct Generation {
    created: i64,
    /// Version of the last revision.
    version: i64,
    revisions: Vec<Revision>,
}

impl Versions {
    /// A key whose oldest kept row is a put.
    pub fn put(at: Revision, created: i64, version: i64) -> Versions {
        let single = || {
            let version = NonZeroU32::new(u32::try_from(version).ok()?)?;
            Some(Versions::Single { modified: at.main, created, sub: u32::try_from(at.sub).ok()?, version })
        };
        single().unwrap_or_else(|| {
            let open = Generation { created, version, revisions: vec![at] };
            Versions::Many(Box::new(Generations { closed: Vec::new(), open }))
        })
    }

    /// A key whose oldest kept row is a tombstone: when it was created is not known any more, nor asked.
    pub fn tombstone(at: Revision) -> Versions {
        let closed = vec![Generation { created: 0, version: 1, revisions: vec![at] }];
        Versions::Many(Box::new(Generations { closed, open: Generation::default() }))
    }

    /// Adds a put: what the key is now. Panics if `at` does not ascend.
    pub fn push(&mut self, at: Revision) -> Found {
        let open = &mut self.spread().open;
        if open.revisions.is_empty() {
            *open = Generation { created: at.main, version: 0, revisions: Vec::with_capacity(1) };
        }
        assert!(open.revisions.last().is_none_or(|last| *last < at), "revision {at:?} does not ascend");
        open.revisions.push(at);
        open.version += 1;
        Found { modified: at, created: open.created, version: open.version }
    }

    /// Adds a tombstone: what the key was; `None` if it was deleted before, and then nothing changes.
    pub fn close(&mut self, at: Revision) -> Option<Found> {
        let last = self.current()?;
        assert!(last.modified < at, "revision {at:?} does not ascend");
        let generations = self.spread();
        let mut generation = std::mem::take(&mut generations.open);
        generation.revisions.push(at);
        generation.version += 1;
        generations.closed.push(generation);
        Some(last)
    }

    /// What the key is now; `None` if it is deleted.
    pub fn current(&self) -> Option<Found> {
        match self {
            Versions::Single { .. } => self.single(),
            Versions::Many(generations) => generations.open.last(),
        }
    }

    pub fn is_live(&self) -> bool {
        match self {
            Versions::Single { .. } => true,
            Versions::Many(generations) => !generations.open.revisions.is_empty(),
        }
    }

    /// What the key was at `revision`; `None` if it did not exist.
    pub fn find(&self, revision: i64) -> Option<Found> {
        match self {
            Versions::Single { modified, .. } => self.single().filter(|_| *modified <= revision),
            Versions::Many(generations) => generations.find(revision),
        }
    }

    /// Drops what a compaction at `revision` makes unreachable, and names every revision `<=` it that stays (normally
    /// one at most). True if nothing is left of the key.
    ///
    /// Which stays is etcd's rule (3.5.16 and later): in the first generation that ends at or after `revision`, else
    /// the open one, the newest revision up to it; so a tombstone exactly at `revision` stays. Unlike etcd it also
    /// keeps rows when one transaction deletes a key and puts it again at exactly `revision`: etcd's index goes on
    /// naming the new row, but its compaction deletes it.
    pub fn compact(&mut self, revision: i64, mut keep: impl FnMut(Revision)) -> bool {
        let Versions::Many(generations) = self else {
            if let Some(found) = self.find(revision) {
                keep(found.modified);
            }
            return false;
        };
        generations.compact(revision);
        let kept = generations.closed.iter().chain([&generations.open]);
        kept.flat_map(|g| &g.revisions).take_while(|at| at.main <= revision).for_each(|at| keep(*at));
        if !generations.closed.is_empty() {
            return false;
        }
        match &generations.open.revisions[..] {
            [] => true,
            [only] => {
                *self = Versions::put(*only, generations.open.created, generations.open.version);
                false
            }
            _ => false,
        }
    }

    fn single(&self) -> Option<Found> {
        match *self {
            Versions::Single { modified, created, sub, version } => Some(Found {
                modified: Revision { main: modified, sub: i64::from(sub) },
                created,
                version: i64::from(version.get()),
            }),
            Versions::Many(_) => None,
        }
    }

    fn spread(&mut self) -> &mut Generations {
        if let Some(only) = self.single() {
            let mut revisions = Vec::with_capacity(2);
            revisions.push(only.modified);
            let open = Generation { created: only.created, version: only.version, revisions };
            *self = Versions::Many(Box::new(Generations { closed: Vec::new(), open }));
        }
        match self {
            Versions::Many(generations) => generations,
            Versions::Single { .. } => unreachable!("a single revision has just been spread"),
        }
    }
}

impl Generations {
    fn find(&self, revision: i64) -> Option<Found> {
        if self.open.revisions.first().is_some_and(|first| first.main <= revision) {
            return self.open.find(revision);
        }
        let begun = self.closed.partition_point(|g| g.revisions[0].main <= revision);
        let generation = &self.closed[begun.checked_sub(1)?];
        if generation.end() <= revision { None } else { generation.find(revision) }
    }

    fn compact(&mut self, revision: i64) {
        let ended = self.closed.partition_point(|g| g.end() < revision);
        self.closed.drain(..ended);
        self.closed.first_mut().unwrap_or(&mut self.open).compact(revision);
        if self.closed.is_empty() {
            self.closed.shrink_to_fit();
        }
    }
}

impl Generation {
    /// Main revision of the tombstone of a closed generation.
    fn end(&self) -> i64 {
        self.revisions[self.revisions.len() - 1].main
    }

    fn last(&self) -> Option<Found> {
        let modified = *self.revisions.last()?;
        Some(Found { modified, created: self.created, version: self.version })
    }

    fn find(&self, revision: i64) -> Option<Found> {
        let index = self.revisions.partition_point(|at| at.main <= revision).checked_sub(1)?;
        let later = self.revisions.len() - 1 - index;
        Some(Found {
            modified: self.revisions[index],
            created: self.created,
            version: self.version - later as i64,
        })
    }

    fn compact(&mut self, revision: i64) {
        let newest = self.revisions.partition_point(|at| at.main <= revision).saturating_sub(1);
        if newest > 0 {
            self.revisions.drain(..newest);
            self.revisions.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `2 3 5t 8`: puts, and tombstones marked `t`; a sub-revision after a dot.
    fn versions(script: &str) -> Versions {
        let mut built: Option<Versions> = None;
        for word in script.split(' ') {
            let (number, tombstone) = word.strip_suffix('t').map_or((word, false), |n| (n, true));
            let (main, sub) = number.split_once('.').unwrap_or((number, "0"));
            let at = Revision { main: main.parse().unwrap(), sub: sub.parse().unwrap() };
            match &mut built {
                None if tombstone => built = Some(Versions::tombstone(at)),
                None => built = Some(Versions::put(at, at.main, 1)),
                Some(built) if tombstone => assert!(built.close(at).is_some()),
                Some(built) => _ = built.push(at),
            }
        }
        built.unwrap()
    }

    fn show(versions: &Versions) -> String {
        let name =
            |r: &Revision| if r.sub == 0 { format!("{}", r.main) } else { format!("{}.{}", r.main, r.sub) };
        match versions {
            Versions::Single { modified, sub, .. } => {
                name(&Revision { main: *modified, sub: i64::from(*sub) })
            }
            Versions::Many(g) => {
                let list = |g: &Generation| g.revisions.iter().map(name).collect::<Vec<_>>().join(" ");
                let closed: String = g.closed.iter().map(|g| list(g) + "t|").collect();
                closed + &list(&g.open)
            }
        }
    }

    #[test]
    fn a_key_with_one_version_costs_24_bytes() {
        assert_eq!(size_of::<Versions>(), 24);
    }

    #[test]
    fn finds_the_state_at_every_revision() {
        let key = versions("2 3 5t 8 8.1 9t 9.1");
        let expected = [
            (1, None),
            (2, Some((2, 0, 2, 1))),
            (3, Some((3, 0, 2, 2))),
            (4, Some((3, 0, 2, 2))),
            (5, None),
            (7, None),
            (8, Some((8, 1, 8, 2))),
            (9, Some((9, 1, 9, 1))),
            (99, Some((9, 1, 9, 1))),
        ];
        for (revision, state) in expected {
            let found = key.find(revision).map(|f| (f.modified.main, f.modified.sub, f.created, f.version));
            assert_eq!(found, state, "at {revision}");
        }
        assert_eq!(key.current(), key.find(i64::MAX));
        assert_eq!(versions("2 5t").current(), None);
    }

    /// The second and third columns are the list etcd's documentation and its tests agree on.
    #[test]
    fn compaction_keeps_what_etcd_keeps() {
        let table = [
            ("1 2 3t 4 5t", 0, "1 2 3t|4 5t|", ""),
            ("1 2 3t 4 5t", 1, "1 2 3t|4 5t|", "1"),
            ("1 2 3t 4 5t", 2, "2 3t|4 5t|", "2"),
            ("1 2 3t 4 5t", 3, "3t|4 5t|", "3"),
            ("1 2 3t 4 5t", 4, "4 5t|", "4"),
            ("1 2 3t 4 5t", 5, "5t|", "5"),
            ("1 2 3t 4 5t", 6, "", ""),
            ("1 2 3t 7", 5, "7", ""),
            ("1 2 3t 7", 7, "7", "7"),
            ("2", 1, "2", ""),
            ("2", 2, "2", "2"),
            ("2 4", 9, "4", "4"),
            ("5t", 5, "5t|", "5"),
            ("5t", 6, "", ""),
            ("2 5t 5.1 5.2t 5.3", 5, "5t|5.1 5.2t|5.3", "5 5.1 5.2 5.3"),
        ];
        for (script, revision, left, kept) in table {
            let mut key = versions(script);
            let mut keep = Vec::new();
            let empty = key.compact(revision, |at| keep.push(at));
            let keep = keep
                .iter()
                .map(|r| if r.sub == 0 { r.main.to_string() } else { format!("{}.{}", r.main, r.sub) });
            assert_eq!(show(&key), left, "{script} at {revision}");
            assert_eq!(keep.collect::<Vec<_>>().join(" "), kept, "{script} at {revision}");
            assert_eq!(empty, left.is_empty(), "{script} at {revision}");
        }
    }

    #[test]
    fn version_and_creation_survive_compaction() {
        let mut key = versions("2 3 4 7");
        key.compact(4, |_| {});
        assert_eq!(
            key.find(4),
            Some(Found { modified: Revision { main: 4, sub: 0 }, created: 2, version: 3 })
        );
        key.compact(7, |_| {});
        assert!(matches!(key, Versions::Single { .. }));
        assert_eq!(key.push(Revision { main: 9, sub: 0 }).version, 5);
    }

    #[test]
    fn what_does_not_fit_inline_is_kept_all_the_same() {
        let at = Revision { main: 9, sub: i64::from(u32::MAX) + 1 };
        for (sub, version) in [(at.sub, 1), (0, 0), (0, i64::from(u32::MAX) + 1)] {
            let found = Found { modified: Revision { main: 9, sub }, created: 3, version };
            let key = Versions::put(found.modified, 3, version);
            assert!(matches!(key, Versions::Many(_)));
            assert_eq!(key.current(), Some(found));
            assert_eq!(key.find(8), None);
        }
    }

    #[test]
    fn a_second_tombstone_changes_nothing() {
        let mut key = versions("2 5t");
        assert_eq!(key.close(Revision { main: 6, sub: 0 }), None);
        assert_eq!(show(&key), "2 5t|");
    }
}
