//! The simulated disk: what survives a crash, and which calls fail.
use disk::{
    Disk, LockKind, OpenMode,
    sim::{Crash, Fault, FaultOn, SimDisk},
};
use std::{io, path::Path};

fn read(disk: &SimDisk, path: &str) -> Vec<u8> {
    let file = disk.open(Path::new(path), OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn write_synced(disk: &SimDisk, path: &str, bytes: &[u8]) {
    let file = disk.open(Path::new(path), OpenMode::Truncate).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
}

#[test]
fn unsynced_bytes_and_names_are_lost() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    write_synced(&disk, "/d/named", b"one");
    disk.sync_dir(Path::new("/d")).unwrap();
    write_synced(&disk, "/d/nameless", b"two");
    let file = disk.open(Path::new("/d/named"), OpenMode::ReadWrite).unwrap();
    file.write_at(b"changed", 0).unwrap();
    assert_eq!(read(&disk, "d/named"), b"changed");

    let killed = disk.fork();
    killed.crash(Crash::Killed);
    assert_eq!(killed.list(Path::new("/d")).unwrap(), ["named", "nameless"]);
    assert_eq!(read(&killed, "/d/named"), b"changed");
    killed.crash(Crash::DropUnsynced);
    assert_eq!(
        killed.list(Path::new("/d")).unwrap(),
        ["named"],
        "what a killed process wrote is no safer for it"
    );
    assert_eq!(read(&killed, "/d/named"), b"one");

    let kept = disk.fork();
    kept.crash(Crash::KeepUnsynced);
    assert_eq!(kept.list(Path::new("/d")).unwrap(), ["named", "nameless"]);
    assert_eq!(read(&kept, "/d/named"), b"changed");

    disk.crash(Crash::DropUnsynced);
    assert_eq!(disk.list(Path::new("/d")).unwrap(), ["named"]);
    assert_eq!(read(&disk, "/d/named"), b"one");
    assert!(file.sync_data().is_err(), "a handle does not outlive the crash");
}

#[test]
fn rename_and_removal_last_only_after_sync_dir() {
    let disk = SimDisk::new();
    write_synced(&disk, "a", b"a");
    write_synced(&disk, "b", b"b");
    disk.sync_dir(Path::new("")).unwrap();
    disk.rename(Path::new("a"), Path::new("b")).unwrap();
    assert_eq!(disk.list(Path::new("")).unwrap(), ["b"]);
    let before = disk.fork();
    before.crash(Crash::DropUnsynced);
    assert_eq!((read(&before, "a"), read(&before, "b")), (b"a".to_vec(), b"b".to_vec()));
    disk.sync_dir(Path::new("")).unwrap();
    disk.remove_file(Path::new("b")).unwrap();
    disk.crash(Crash::DropUnsynced);
    assert_eq!(disk.list(Path::new("")).unwrap(), ["b"]);
    assert_eq!(read(&disk, "b"), b"a");
}

#[test]
fn a_renamed_directory_keeps_its_files() {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("wal.tmp")).unwrap();
    write_synced(&disk, "wal.tmp/0", b"x");
    disk.sync_dir(Path::new("wal.tmp")).unwrap();
    disk.rename(Path::new("wal.tmp"), Path::new("wal")).unwrap();
    disk.sync_dir(Path::new(".")).unwrap();
    disk.crash(Crash::DropUnsynced);
    assert_eq!(read(&disk, "wal/0"), b"x");
    disk.remove_dir_all(Path::new("wal")).unwrap();
    assert!(!disk.exists(Path::new("wal/0")).unwrap());
}

#[test]
fn torn_writes_follow_the_seed() {
    let outcomes: Vec<Vec<u8>> = (0..50)
        .map(|seed| {
            let run = || {
                let disk = SimDisk::new();
                write_synced(&disk, "f", &[1; 4096]);
                disk.sync_dir(Path::new("")).unwrap();
                let file = disk.open(Path::new("f"), OpenMode::ReadWrite).unwrap();
                file.write_at(&[2; 4096], 0).unwrap();
                disk.crash(Crash::Torn { seed });
                read(&disk, "f")
            };
            let bytes = run();
            assert_eq!(bytes, run(), "seed {seed}");
            for sector in bytes.chunks(disk::sim::SECTOR_BYTES) {
                assert!(sector.iter().all(|b| *b == sector[0]), "seed {seed}: a sector was torn");
            }
            bytes
        })
        .collect();
    assert!(outcomes.contains(&vec![1; 4096]) && outcomes.contains(&vec![2; 4096]));
    assert!(outcomes.iter().any(|bytes| bytes.contains(&1) && bytes.contains(&2)));
}

#[test]
fn faults_strike_the_call_they_name() {
    let disk = SimDisk::new();
    let file = disk.open(Path::new("f"), OpenMode::Create).unwrap();
    disk.inject(Fault { on: FaultOn::Sync, after: 1, error: io::ErrorKind::Other, lasting: false });
    disk.inject(Fault { on: FaultOn::Write, after: 1, error: io::ErrorKind::StorageFull, lasting: true });
    file.write_at(&[1; 2048], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(file.write_at(&[2; 2048], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.set_len(1).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.sync_data().unwrap_err().kind(), io::ErrorKind::Other);
    file.sync_data().unwrap();
    let mut halves = vec![2; 1024];
    halves.resize(2048, 1);
    assert_eq!(read(&disk, "f"), halves, "a failed write may be half done");
    let sector = disk::sim::SECTOR_BYTES;
    assert!(file.write_at(&[3; 2000], 100).is_err());
    let whole = read(&disk, "f").iter().filter(|byte| **byte == 3).count();
    assert_eq!((100 + whole) % sector, 0, "what was done of it ends with a sector of the file");
    disk.clear_faults();
    disk.halt_after(1);
    file.write_at(b"x", 0).unwrap();
    assert!(file.write_at(b"y", 0).is_err() && file.read_at(&mut [0], 0).is_err());
    disk.crash(Crash::KeepUnsynced);
    assert_eq!(read(&disk, "f")[0], b'x');
}

#[test]
fn capacity_limits_blocks() {
    let disk = SimDisk::new();
    disk.set_capacity(Some(8192));
    let file = disk.open(Path::new("f"), OpenMode::Create).unwrap();
    file.allocate(1 << 40).unwrap();
    file.write_at(&[1; 8192], 0).unwrap();
    file.write_at(&[2; 4096], 100).unwrap();
    assert_eq!(file.write_at(&[3; 1], 8192).unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.set_capacity(None);
    file.write_at(&[3; 1], 8192).unwrap();
}

#[test]
fn crash_points_are_the_moments_before_each_change() {
    let disk = SimDisk::new();
    disk.record_crash_points(100);
    write_synced(&disk, "f", b"x");
    disk.sync_dir(Path::new("")).unwrap();
    let seen: Vec<(u64, bool)> = disk
        .take_crash_points()
        .into_iter()
        .map(|(calls, at)| {
            at.crash(Crash::KeepUnsynced);
            (calls, at.exists(Path::new("f")).unwrap() && read(&at, "f") == b"x")
        })
        .collect();
    // Create, write, sync, sync of the directory.
    assert_eq!(seen, [(0, false), (1, false), (2, true), (3, true)]);
    assert_eq!(disk.changes(), 4);
}

#[test]
fn locks_exclude_other_handles() {
    let disk = SimDisk::new();
    let first = disk.open(Path::new("f"), OpenMode::Create).unwrap();
    let second = disk.open(Path::new("f"), OpenMode::Create).unwrap();
    for kind in [LockKind::Flock, LockKind::OpenFileDescription] {
        assert!(first.try_lock(kind).unwrap() && !second.try_lock(kind).unwrap());
    }
    drop(first);
    assert!(second.try_lock(LockKind::Flock).unwrap());
    disk.crash(Crash::KeepUnsynced);
    let third = disk.open(Path::new("f"), OpenMode::Create).unwrap();
    assert!(third.try_lock(LockKind::Flock).unwrap());
    drop(second);
    assert!(third.try_lock(LockKind::Flock).unwrap());
}
