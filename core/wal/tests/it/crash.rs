//! Power lost at every moment: what was synced is there, and what follows is a prefix of what was appended.

use super::*;
use disk::sim::{Crash, Fault, FaultOn, SimDisk};
use proptest::prelude::*;
use proto::raftpb::HardState;
use wal::{Error, PENDING_MAX_BYTES, Wal, prepare_segment_sized};

const SEGMENT: u64 = 8192;
const DIR: &str = "member/wal";
/// More than any run makes.
const CRASH_POINTS_MAX: usize = 2000;

/// A disk with the log's parent directory, durably.
fn empty_disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("member")).unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    disk
}

/// What a user of the log does.
#[derive(Clone, Debug)]
enum Step {
    /// An entry `back` indexes below the next one (a new leader overwrites), and its data.
    Entry {
        back: u64,
        data: Vec<u8>,
    },
    State,
    Sync,
    /// The background job is done.
    Prepare,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Zeroes matter: what a lost sector holds looks like them.
    let byte = prop_oneof![Just(0u8), any::<u8>()];
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(byte, 0..3000),
        (0usize..3000).prop_map(|len| vec![0; len]),
    ];
    let back = prop_oneof![9 => Just(0u64), 1 => 1u64..4];
    let step = prop_oneof![
        6 => (back, data).prop_map(|(back, data)| Step::Entry { back, data }),
        2 => Just(Step::State),
        3 => Just(Step::Sync),
        1 => Just(Step::Prepare),
    ];
    prop::collection::vec(step, 1..50)
}

/// What a log must hold after some number of appends.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: Vec<Entry>,
    state: HardState,
}

/// A run: the model after each append (the first is the empty log), and the progress at each sync.
struct Run {
    models: Vec<Model>,
    /// Changing calls of the disk when a sync began, when it had returned, and appends by then.
    syncs: Vec<(u64, u64, usize)>,
}

fn play(disk: &SimDisk, steps: &[Step]) -> Run {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut wal = Wal::create_sized(shared, Path::new(DIR), &metadata(), SEGMENT).unwrap();
    let mut run = Run { models: vec![Model::default()], syncs: vec![(0, disk.changes(), 0)] };
    for (term, step) in steps.iter().enumerate() {
        let mut model = run.models.last().unwrap().clone();
        match step {
            Step::Entry { back, data } => {
                let keep = model.entries.len().saturating_sub(*back as usize);
                model.entries.truncate(keep);
                let entry = entry(term as u64 + 1, keep as u64 + 1, data.clone());
                wal.append_entry(&entry);
                model.entries.push(entry);
                run.models.push(model);
            }
            Step::State => {
                model.state = HardState::new(term as u64 + 1, 7, model.entries.len() as u64);
                wal.append_state(&model.state);
                run.models.push(model);
            }
            Step::Sync => {
                let began = disk.changes();
                wal.sync().unwrap();
                run.syncs.push((began, disk.changes(), run.models.len() - 1));
            }
            Step::Prepare => {
                if let Some(path) = wal.wants_segment() {
                    prepare_segment_sized(disk, &path, SEGMENT).unwrap();
                    wal.segment_ready();
                }
            }
        }
    }
    run
}

impl Run {
    /// How many appends must be, and may be, in a log that lost power after `changes` changing calls.
    fn bounds(&self, changes: u64) -> (usize, usize) {
        let done = self.syncs.iter().rev().find(|(_, end, _)| *end <= changes).map_or(0, |sync| sync.2);
        let begun = self.syncs.iter().rev().find(|(begin, _, _)| *begin <= changes).map_or(0, |sync| sync.2);
        (done, begun)
    }

    /// Opens what is left on `disk`, and says what is wrong with it.
    fn check(&self, disk: &SimDisk, changes: u64) -> Result<(), TestCaseError> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let dir = Path::new(DIR);
        let (must, may) = self.bounds(changes);
        let opened = Wal::open_sized(shared, dir, &snapshot(0, 0), SEGMENT);
        let (mut wal, replay) =
            opened.map_err(|error| TestCaseError::fail(format!("after {changes} calls: {error}")))?;
        let found = Model { entries: replay.entries, state: replay.hard_state };
        let at = (must..=may).find(|appends| self.models[*appends] == found);
        prop_assert!(at.is_some(), "after {changes} calls: none of prefixes {must}..={may} but {found:?}");
        prop_assert_eq!(replay.metadata, metadata());

        // And it goes on from there, even if power is lost again.
        let next = entry(99, found.entries.len() as u64 + 1, vec![0xab; 700]);
        wal.append_entry(&next);
        wal.sync().unwrap();
        drop(wal);
        disk.crash(Crash::DropUnsynced);
        let (_, again) =
            Wal::open_sized(Arc::new(disk.clone()), dir, &snapshot(0, 0), SEGMENT).expect("second opening");
        prop_assert!(!again.repaired);
        prop_assert_eq!(again.entries.last(), Some(&next));
        prop_assert_eq!(&again.entries[..found.entries.len()], &found.entries[..]);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn power_lost_at_every_call(steps in steps(), seed in any::<u64>()) {
        let disk = empty_disk();
        disk.record_crash_points(CRASH_POINTS_MAX);
        let run = play(&disk, &steps);
        let created = run.syncs[0].1;
        let points = disk.take_crash_points();
        prop_assert!(points.len() < CRASH_POINTS_MAX);
        for (changes, point) in points.into_iter().filter(|(changes, _)| *changes >= created) {
            let seeds = (0..4).map(|n| Crash::Torn { seed: seed.wrapping_add(changes * 4 + n) });
            for crash in [Crash::DropUnsynced, Crash::KeepUnsynced].into_iter().chain(seeds) {
                let left = point.fork();
                left.crash(crash);
                run.check(&left, changes)?;
            }
        }
    }

    /// A process killed at every call; the next one reads its log; then power is lost. What was read is still there.
    #[test]
    fn what_a_killed_process_left_is_durable_once_read(steps in steps()) {
        let disk = empty_disk();
        disk.record_crash_points(CRASH_POINTS_MAX);
        let created = play(&disk, &steps).syncs[0].1;
        let points = disk.take_crash_points();
        for (changes, point) in points.into_iter().filter(|(changes, _)| *changes >= created) {
            point.crash(Crash::Killed);
            let shared: Arc<dyn Disk> = Arc::new(point.clone());
            let (_, first) = Wal::open_sized(shared.clone(), Path::new(DIR), &snapshot(0, 0), SEGMENT).unwrap();
            point.crash(Crash::DropUnsynced);
            let second = Wal::open_sized(shared, Path::new(DIR), &snapshot(0, 0), SEGMENT);
            let (_, second) = second.unwrap_or_else(|error| panic!("call {changes}: {error}"));
            prop_assert_eq!(&first.entries, &second.entries, "call {}", changes);
            prop_assert_eq!(first.hard_state, second.hard_state);
        }
    }

    /// Power lost while a damaged log is being repaired: the next opening finishes it.
    #[test]
    fn power_lost_during_repair(steps in steps(), seed in any::<u64>()) {
        let disk = empty_disk();
        let run = play(&disk, &steps);
        let changes = disk.changes();
        disk.crash(Crash::Torn { seed });
        disk.record_crash_points(CRASH_POINTS_MAX);
        let opened = Wal::open_sized(Arc::new(disk.clone()), Path::new(DIR), &snapshot(0, 0), SEGMENT);
        prop_assert!(opened.is_ok());
        for (n, point) in disk.take_crash_points() {
            point.crash(Crash::Torn { seed: seed.wrapping_add(n) });
            run.check(&point, changes)?;
        }
    }
}

/// A log that is being made is there whole or can be made again.
#[test]
fn creation_is_atomic() {
    let disk = empty_disk();
    disk.record_crash_points(CRASH_POINTS_MAX);
    play(&disk, &[]);
    let points = disk.take_crash_points();
    assert!(points.len() > 5, "{}", points.len());
    for (changes, point) in points {
        for seed in 0..50 {
            let left = point.fork();
            left.crash(Crash::Torn { seed });
            let shared: Arc<dyn Disk> = Arc::new(left.clone());
            if !Wal::exists(&left, Path::new(DIR)).unwrap() {
                Wal::create_sized(shared.clone(), Path::new(DIR), &metadata(), SEGMENT).unwrap();
            }
            let (_, replay) = Wal::open_sized(shared, Path::new(DIR), &snapshot(0, 0), SEGMENT)
                .unwrap_or_else(|error| panic!("call {changes}, seed {seed}: {error}"));
            assert_eq!(replay.metadata, metadata());
            assert!(!replay.repaired);
        }
    }
}

/// However names that were not synced get lost, no segment is missing between two others.
#[test]
fn a_purge_leaves_no_hole() {
    let disk = empty_disk();
    disk.create_dir_all(Path::new(DIR)).unwrap();
    let names: Vec<String> = (0..5).map(|seq| format!("{seq:016x}-{:016x}.wal", seq * 10)).collect();
    for name in &names {
        disk.open(&Path::new(DIR).join(name), OpenMode::Create).unwrap();
    }
    disk.sync_dir(Path::new("member")).unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    disk.record_crash_points(CRASH_POINTS_MAX);
    assert_eq!(wal::purge(&disk, Path::new(DIR), "wal", 1).unwrap(), names[..4]);
    for (_, point) in disk.take_crash_points() {
        for seed in 0..20 {
            let left = point.fork();
            left.crash(Crash::Torn { seed });
            let found = left.list(Path::new(DIR)).unwrap();
            assert_eq!(found, names[names.len() - found.len()..]);
        }
    }
}

#[test]
fn nothing_is_acknowledged_after_a_failure() {
    for on in [FaultOn::Write, FaultOn::Sync] {
        let disk = SimDisk::new();
        let mut wal =
            Wal::create_sized(Arc::new(disk.clone()), Path::new(DIR), &metadata(), SEGMENT).unwrap();
        disk.inject(Fault { on, after: 0, error: std::io::ErrorKind::StorageFull, lasting: false });
        wal.append_entry(&entry(1, 1, vec![1; 3000]));
        assert!(
            matches!(wal.sync(), Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::StorageFull)
        );
        // The disk would work again; what it holds is unknown, so nothing may be promised.
        wal.append_entry(&entry(1, 2, vec![]));
        let again = wal.sync().unwrap_err().to_string();
        assert!(again.contains("an earlier write of the log failed"), "{again}");
    }
}

/// Entries that nobody syncs do not fill the memory; a failure to write them is not lost.
#[test]
fn a_large_batch_is_written_before_its_sync() {
    let disk = empty_disk();
    let mut wal = Wal::create(Arc::new(disk.clone()), Path::new(DIR), &metadata()).unwrap();
    let calls = disk.changes();
    let data = vec![1; 1 << 20];
    let count = (PENDING_MAX_BYTES >> 20) as u64;
    for index in 1..count {
        wal.append_entry(&entry(1, index, data.clone()));
    }
    assert_eq!(disk.changes(), calls);
    wal.append_entry(&entry(1, count, data.clone()));
    assert_eq!(disk.changes(), calls + 1);
    wal.append_entry(&entry(1, count + 1, data.clone()));
    wal.sync().unwrap();
    assert_eq!(disk.changes(), calls + 3, "one more write, one sync");
    disk.crash(Crash::DropUnsynced);
    drop(wal);
    let (mut wal, replay) = Wal::open(Arc::new(disk.clone()), Path::new(DIR), &snapshot(0, 0)).unwrap();
    assert_eq!(replay.entries.len() as u64, count + 1);

    disk.inject(Fault {
        on: FaultOn::Write,
        after: 0,
        error: std::io::ErrorKind::StorageFull,
        lasting: false,
    });
    for index in count + 2..2 * count + 3 {
        wal.append_entry(&entry(1, index, data.clone()));
    }
    assert!(wal.sync().is_err());
}

/// One write and one sync for a batch, and none when there is nothing to sync.
#[test]
fn a_batch_costs_one_write_and_one_sync() {
    let disk = SimDisk::new();
    let mut wal = Wal::create_sized(Arc::new(disk.clone()), Path::new(DIR), &metadata(), SEGMENT).unwrap();
    for index in 1..=10 {
        wal.append_entry(&entry(1, index, vec![1; 300]));
    }
    wal.append_state(&HardState::new(1, 7, 9));
    wal.append_state(&HardState::default());
    let calls = disk.changes();
    wal.sync().unwrap();
    assert_eq!(disk.changes(), calls + 2);
    wal.sync().unwrap();
    assert_eq!(disk.changes(), calls + 2);
}
