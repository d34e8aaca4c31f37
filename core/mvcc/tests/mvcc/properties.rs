//! Random histories against the model: writes, deletes, compactions, scans held open, commits, restarts and crashes.

use crate::{
    model::Model,
    world::{World, range},
};
use bytes::Bytes;
use mvcc::{CompactionStep, KeyRange, Reject, Scan};
use proptest::{prelude::*, sample::select};

const KEYS: [&str; 7] = ["a", "aa", "ab", "b", "b\0", "c", "a key that is too long to be kept inline"];
const ENDS: [&str; 6] = ["", "\0", "b", "c", "ab", "a"];

#[derive(Clone, Debug)]
enum Change {
    Put { key: &'static str, value: String, lease: i64 },
    Delete { key: &'static str, end: &'static str },
}

#[derive(Clone, Debug)]
enum Op {
    Write(Vec<Change>),
    /// Revisions back from the current one.
    Compact(i64),
    Step,
    Finish,
    Seal,
    Commit,
    Restart,
    Crash,
    BeginScan {
        key: &'static str,
        end: &'static str,
        back: i64,
    },
    StepScan,
    EndScan,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (select(&KEYS[..]), "[xy]{0,3}", prop_oneof![Just(0), 1..4i64])
            .prop_map(|(key, value, lease)| Change::Put { key, value, lease }),
        1 => (select(&KEYS[..]), select(&ENDS[..])).prop_map(|(key, end)| Change::Delete { key, end }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => prop::collection::vec(change(), 1..4).prop_map(Op::Write),
        3 => (0..6i64).prop_map(Op::Compact),
        6 => Just(Op::Step),
        1 => Just(Op::Finish),
        3 => Just(Op::Seal),
        3 => Just(Op::Commit),
        1 => Just(Op::Restart),
        1 => Just(Op::Crash),
        2 => (select(&KEYS[..]), select(&ENDS[..]), 0..6i64)
            .prop_map(|(key, end, back)| Op::BeginScan { key, end, back }),
        4 => Just(Op::StepScan),
        2 => Just(Op::EndScan),
    ]
}

struct Pair {
    world: Option<World>,
    model: Model,
    /// The model as of the last commit, with the number of the batch it belongs to.
    sealed: Vec<Model>,
    durable: Model,
    scans: Vec<(Scan, KeyRange)>,
    /// Whether one transaction may change a key twice. etcd forbids it but for corner cases, and its compaction
    /// loses rows then, so there is nothing to compare the rows with.
    repeats: bool,
    previous_compactions: Vec<(i64, bool)>,
    finished: i64,
}

impl Pair {
    fn new(repeats: bool) -> Pair {
        Pair {
            world: Some(World::new()),
            model: Model::new(),
            sealed: Vec::new(),
            durable: Model::new(),
            scans: Vec::new(),
            repeats,
            previous_compactions: Vec::new(),
            finished: -1,
        }
    }

    fn world(&mut self) -> &mut World {
        self.world.as_mut().unwrap()
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Write(changes) => self.write(changes),
            Op::Compact(back) => self.compact(self.model.current - back),
            Op::Step => {
                let step = self.world().step();
                self.stepped(step);
            }
            Op::Finish => self.finish(),
            Op::Seal => {
                if self.world().buffer.pending() > 0 {
                    self.sealed.push(self.model.clone());
                }
                self.world().seal();
            }
            Op::Commit => self.commit(),
            Op::Restart => {
                self.commit_all();
                self.reopen();
            }
            Op::Crash => {
                self.model = self.durable.clone();
                self.reopen();
            }
            Op::BeginScan { key, end, back } => self.begin_scan(range(key, end), self.model.current - back),
            Op::StepScan => self.step_scans(),
            Op::EndScan => self.end_scan(),
        }
    }

    fn write(&mut self, changes: &[Change]) {
        let world = self.world.as_mut().unwrap();
        let mut write = world.mvcc.write(&mut world.buffer);
        let mut changed: Vec<&str> = Vec::new();
        let mut sub = 0;
        for change in changes {
            let main = self.model.current + i64::from(sub > 0);
            assert_eq!(write.revision(), main);
            match change {
                Change::Put { key, value, lease } => {
                    if !self.repeats && changed.contains(key) {
                        continue;
                    }
                    write.put(key.as_bytes().into(), Bytes::copy_from_slice(value.as_bytes()), *lease);
                    self.model.put(sub, key, value, *lease);
                    changed.push(key);
                    sub += 1;
                }
                Change::Delete { key, end } => {
                    let range = range(key, end);
                    let live: Vec<_> =
                        self.model.range(&range, self.model.current + 1).into_iter().cloned().collect();
                    if !self.repeats && live.iter().any(|row| changed.contains(&row.key.as_str())) {
                        continue;
                    }
                    let deleted = write.delete_range(&range);
                    assert_eq!(deleted.len(), live.len());
                    for (info, row) in deleted.iter().zip(&live) {
                        assert_eq!((&info.key[..], info.modified), (row.key.as_bytes(), row.at));
                        self.model.delete(sub, &row.key);
                        changed.extend(KEYS.iter().find(|k| **k == row.key));
                        sub += 1;
                    }
                }
            }
            let seen = write.find(KEYS[0].as_bytes()).map(|info| info.modified);
            assert_eq!(seen, self.model.at(KEYS[0], self.model.current + 1).map(|row| row.at));
        }
        let changes = write.end();
        let rows = self.model.rows.iter().filter(|row| row.at.main > self.model.current);
        assert_eq!(changes.len(), sub as usize);
        for (change, row) in changes.iter().zip(rows) {
            assert_eq!((change.revision, &change.key[..]), (row.at, row.key.as_bytes()));
            assert_eq!(change.kv, row.encode().1);
            assert_eq!(change.tombstone, row.state.is_none());
            assert_eq!(change.created, row.state.as_ref().is_some_and(|s| s.created == row.at.main));
        }
        self.model.current += i64::from(sub > 0);
        assert_eq!(self.world().mvcc.revision(), self.model.current);
    }

    fn compact(&mut self, revision: i64) {
        let (compacted, finished) = (self.model.compacted, self.finished);
        let world = self.world();
        let result = world.mvcc.compact(&mut world.buffer, revision);
        if revision <= compacted {
            assert_eq!(result, Err(Reject::Compacted));
            return;
        }
        result.unwrap();
        self.previous_compactions.push((compacted, finished == compacted));
        self.model.compacted = revision;
    }

    fn stepped(&mut self, step: CompactionStep) {
        if let CompactionStep::Finished { revision, hash, .. } = step {
            let (previous, hashed) = self.previous_compactions.remove(0);
            if !self.repeats && hashed {
                assert_eq!(hash, self.model.compaction_hash(revision, previous), "compaction at {revision}");
            }
            self.finished = revision;
            self.model.remove_compacted(revision);
            for model in self.sealed.iter_mut().chain([&mut self.durable]) {
                model.remove_compacted(revision);
            }
        }
    }

    fn finish(&mut self) {
        while !self.scans.is_empty() {
            self.end_scan();
        }
        self.commit_all();
        while let Some(finished) = self.world().finish_compaction() {
            self.stepped(finished);
        }
        self.commit_all();
        self.check_rows();
    }

    fn commit(&mut self) {
        self.world().commit();
        if !self.sealed.is_empty() {
            self.durable = self.sealed.remove(0);
        }
    }

    fn commit_all(&mut self) {
        self.world().commit_all();
        self.sealed.clear();
        self.durable = self.model.clone();
    }

    fn reopen(&mut self) {
        self.scans.clear();
        self.sealed.clear();
        self.world = Some(self.world.take().unwrap().crash());
        let model = &mut self.model;
        let world = self.world.as_ref().unwrap();
        self.previous_compactions.clear();
        if world.mvcc.compactions_queued() > 0 {
            // Resumed: it stands for all that were queued, and is not hashed.
            self.previous_compactions.push((-1, false));
        } else if self.finished != model.compacted {
            // Its mark was committed before the end was told.
            self.finished = model.compacted;
            model.remove_compacted(model.compacted);
        }
        assert_eq!(world.mvcc.revision(), model.current);
        assert_eq!(world.mvcc.compact_revision(), model.compacted);
        let leases: Vec<_> =
            world.leases.iter().map(|(k, l)| (String::from_utf8(k.to_vec()).unwrap(), *l)).collect();
        assert_eq!(leases, model.leases());
        self.durable = model.clone();
    }

    fn check_rows(&self) {
        if self.repeats {
            return;
        }
        let rows: Vec<_> = self.world.as_ref().unwrap().row_keys();
        let expected: Vec<_> = self.model.present().iter().map(|row| row.encode().0).collect();
        assert_eq!(rows, expected);
    }

    fn begin_scan(&mut self, range: KeyRange, revision: i64) {
        let expected =
            if revision > 0 && revision < self.model.compacted { Err(Reject::Compacted) } else { Ok(()) };
        let scan = self.world().mvcc.begin_scan(range.clone(), revision, 3, false);
        assert_eq!(scan.as_ref().map(|_| ()).map_err(|e| *e), expected);
        self.scans.extend(scan.ok().map(|scan| (scan, range)));
    }

    fn step_scans(&mut self) {
        let world = self.world.as_ref().unwrap();
        for (scan, _) in &mut self.scans {
            world.mvcc.step_scan(scan, 1);
        }
    }

    fn end_scan(&mut self) {
        if self.scans.is_empty() {
            return;
        }
        let (mut scan, range) = self.scans.remove(0);
        let world = self.world.as_mut().unwrap();
        while !scan.done {
            world.mvcc.step_scan(&mut scan, 1);
        }
        let view = world.buffer.view();
        world.mvcc.end_scan(&scan);
        let expected = self.model.range(&range, scan.revision);
        assert_eq!(scan.count as usize, expected.len(), "{range:?} at {}", scan.revision);
        assert_eq!(scan.found.len(), expected.len().min(3));
        let revisions: Vec<_> = scan.found.iter().map(|info| info.modified).collect();
        let values = mvcc::values(&view, &revisions).unwrap();
        for ((info, value), row) in scan.found.iter().zip(values).zip(expected) {
            let state = row.state.as_ref().unwrap();
            assert_eq!((&info.key[..], info.modified), (row.key.as_bytes(), row.at));
            assert_eq!((info.created.main, info.version), (state.created, state.version));
            assert_eq!(value, row.encode().1);
            assert_eq!(world.mvcc.value(&world.buffer, info.modified).unwrap(), value);
        }
    }

    /// Reads and hashes at every revision that may be read.
    fn check_all(&mut self) {
        let all = range("\0", "\0");
        let world = self.world.as_mut().unwrap();
        let settled = world.mvcc.compactions_queued() == 0;
        for revision in self.model.compacted.max(1)..=self.model.current {
            let found: Vec<_> =
                world.range(&all, revision).unwrap().iter().map(|info| info.modified).collect();
            let expected: Vec<_> = self.model.range(&all, revision).iter().map(|row| row.at).collect();
            assert_eq!(found, expected, "at {revision}");
            if self.repeats || revision == self.model.compacted {
                continue;
            }
            if let Some(expected) = self.model.hash(revision, self.model.compacted, settled) {
                let hash = world.hash(revision).unwrap();
                assert_eq!(hash.hash, expected, "hash at {revision}");
                assert_eq!(hash.compact_revision, self.model.compacted);
            }
        }
        assert_eq!(world.mvcc.keys_live(), self.model.range(&all, self.model.current).len());
        assert_eq!(world.range(&all, self.model.current + 1).err(), Some(Reject::FutureRevision));
        self.check_history();
    }

    fn check_history(&mut self) {
        let from = self.model.compacted.max(1);
        let to = self.model.current + 1;
        let expected = self
            .model
            .rows
            .iter()
            .filter(|row| row.at.main > from || (row.at.main == from && self.model.compacted < from));
        let expected: Vec<_> = expected.map(|row| (row.at, row.encode().1)).collect();
        let view = self.world().buffer.view();
        let (mut next, mut changes) = (from + i64::from(self.model.compacted == from), Vec::new());
        while next < to {
            let (some, after) = mvcc::history(&view, next, to, 2).unwrap();
            assert!(after > next);
            changes.extend(some.into_iter().map(|change| (change.revision, change.kv.to_vec())));
            next = after;
        }
        assert_eq!(changes, expected);
    }
}

fn run(ops: &[Op], repeats: bool) {
    let mut pair = Pair::new(repeats);
    for op in ops {
        pair.apply(op);
    }
    pair.check_all();
    pair.finish();
    pair.check_all();
    let hashes: Vec<_> =
        (pair.model.compacted.max(1) + 1..=pair.model.current).map(|r| pair.world().hash(r)).collect();
    pair.reopen();
    pair.check_all();
    let after: Vec<_> =
        (pair.model.compacted.max(1) + 1..=pair.model.current).map(|r| pair.world().hash(r)).collect();
    assert_eq!(hashes, after);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_history_reads_as_the_list_of_versions(ops in prop::collection::vec(op(), 1..60)) {
        run(&ops, false);
    }

    #[test]
    fn reads_are_right_even_where_etcd_loses_rows(ops in prop::collection::vec(op(), 1..60)) {
        run(&ops, true);
    }
}
