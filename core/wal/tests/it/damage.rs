//! Damaged logs: a torn last write is cut off and kept, anything else is refused.

use super::*;
use wal::{Error, Wal};

const SEGMENT: u64 = 16384;
const FIRST: &str = "0000000000000000-0000000000000000.wal";
const SECTOR: usize = 512;

/// Ten entries of 700 bytes; returns where each entry's frame ends.
fn ten_entries(dir: &Path) -> Vec<usize> {
    let mut wal = Wal::create_sized(real(), dir, &metadata(), SEGMENT).unwrap();
    let mut ends = Vec::new();
    for index in 1..=10 {
        wal.append_entry(&entry(1, index, vec![index as u8; 700]));
        wal.sync().unwrap();
        let bytes = read(&RealDisk, &dir.join(FIRST));
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        ends.push((last / 8 + 1) * 8);
    }
    wal.close().unwrap();
    ends
}

fn change(dir: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = read(&RealDisk, &dir.join(FIRST));
    edit(&mut bytes);
    write(&RealDisk, &dir.join(FIRST), &bytes);
}

fn reopen(dir: &Path) -> wal::Result<(Wal, wal::Replay)> {
    Wal::open_sized(real(), dir, &snapshot(0, 0), SEGMENT)
}

#[test]
fn a_zero_sector_in_the_last_record_is_torn() {
    let dir = scratch("torn").join("wal");
    let ends = ten_entries(&dir);
    let hole = (ends[8] / SECTOR + 1) * SECTOR;
    assert!(hole + SECTOR < ends[9]);
    change(&dir, |bytes| bytes[hole..hole + SECTOR].fill(0));
    let damaged = read(&RealDisk, &dir.join(FIRST));

    assert_eq!(Wal::read(&RealDisk, &dir, &snapshot(0, 0)).unwrap().entries.len(), 9);
    assert_eq!(read(&RealDisk, &dir.join(FIRST)), damaged, "reading repairs nothing");
    let (mut wal, replay) = reopen(&dir).unwrap();
    assert!(replay.repaired);
    assert_eq!(replay.entries.len(), 9);
    assert_eq!(read(&RealDisk, &dir.join(format!("{FIRST}.broken"))), damaged);
    let repaired = read(&RealDisk, &dir.join(FIRST));
    assert!(repaired[ends[8]..].iter().all(|byte| *byte == 0), "nothing of the torn record is left");
    wal.append_entry(&entry(2, 10, vec![9; 10]));
    wal.sync().unwrap();
    wal.close().unwrap();
    let (_, replay) = reopen(&dir).unwrap();
    assert!(!replay.repaired);
    assert_eq!(replay.entries.last(), Some(&entry(2, 10, vec![9; 10])));
}

#[test]
fn a_record_cut_short_by_the_files_end_is_torn() {
    for missing in [1, 4, 8, 300, 700] {
        let dir = scratch("short").join("wal");
        let ends = ten_entries(&dir);
        change(&dir, |bytes| bytes.truncate(ends[9] - missing));
        let (_, replay) = reopen(&dir).unwrap();
        assert!(replay.repaired, "{missing}");
        assert_eq!(replay.entries.len(), 9, "{missing}");
    }
    let dir = scratch("short-header").join("wal");
    let ends = ten_entries(&dir);
    change(&dir, |bytes| bytes.truncate(ends[8] + 5));
    assert_eq!(reopen(&dir).unwrap().1.entries.len(), 9);
}

#[test]
fn a_file_that_ends_at_a_frame_is_whole() {
    let dir = scratch("no-tail").join("wal");
    let ends = ten_entries(&dir);
    change(&dir, |bytes| bytes.truncate(ends[9]));
    let (wal, replay) = reopen(&dir).unwrap();
    assert!(!replay.repaired);
    assert_eq!(replay.entries.len(), 10);
    wal.close().unwrap();
    let file = RealDisk.open(&dir.join(FIRST), OpenMode::Read).unwrap();
    assert_eq!(file.len().unwrap(), SEGMENT, "room for appending again");
}

#[test]
fn bytes_after_the_end_are_zeroed() {
    let dir = scratch("garbage").join("wal");
    let ends = ten_entries(&dir);
    let from = ends[9].next_multiple_of(SECTOR);
    change(&dir, |bytes| bytes[from..from + 2000].fill(0xaa));
    let (wal, replay) = reopen(&dir).unwrap();
    assert!(!replay.repaired);
    assert_eq!(replay.entries.len(), 10);
    wal.close().unwrap();
    assert!(read(&RealDisk, &dir.join(FIRST))[ends[9]..].iter().all(|byte| *byte == 0));
}

#[test]
fn a_flipped_bit_is_refused() {
    for at_end in [true, false] {
        let dir = scratch("flipped").join("wal");
        let ends = ten_entries(&dir);
        let place = if at_end { ends[9] - 100 } else { ends[4] - 100 };
        change(&dir, |bytes| bytes[place] ^= 0x40);
        let damaged = read(&RealDisk, &dir.join(FIRST));
        assert!(matches!(reopen(&dir), Err(Error::CrcMismatch)));
        assert!(matches!(Wal::valid_snapshots(&RealDisk, &dir), Err(Error::CrcMismatch)));
        assert_eq!(read(&RealDisk, &dir.join(FIRST)), damaged);
        assert_eq!(RealDisk.list(&dir).unwrap(), [FIRST], "no repair was tried");
    }
}

#[test]
fn a_hole_in_an_older_segment_is_refused() {
    let dir = scratch("old-hole");
    copy_golden("steps-3.7.1/wal", &dir);
    change(&dir, |bytes| bytes[2048..2560].fill(0));
    let outcome = Wal::open_sized(real(), &dir, &snapshot(0, 0), 4096);
    assert!(matches!(outcome, Err(Error::CrcMismatch | Error::Corrupt(_))), "{outcome:?}");
}

#[test]
fn a_short_older_segment_is_refused() {
    let dir = scratch("old-short");
    copy_golden("steps-3.7.1/wal", &dir);
    change(&dir, |bytes| bytes.truncate(bytes.len() - 3));
    assert!(matches!(Wal::open_sized(real(), &dir, &snapshot(0, 0), 4096), Err(Error::Corrupt(_))));
}

#[test]
fn segments_that_do_not_fit_together_are_refused() {
    let second = "0000000000000001-0000000000000018.wal";
    let dir = scratch("missing");
    copy_golden("steps-3.7.1/wal", &dir);
    RealDisk.remove_file(&dir.join(second)).unwrap();
    assert!(matches!(Wal::open_sized(real(), &dir, &snapshot(0, 0), 4096), Err(Error::Corrupt(_))));

    let dir = scratch("foreign");
    copy_golden("steps-3.7.1/wal", &dir);
    let other = scratch("foreign-other").join("wal");
    ten_entries(&other);
    write(&RealDisk, &dir.join(second), &read(&RealDisk, &other.join(FIRST)));
    assert!(matches!(Wal::open_sized(real(), &dir, &snapshot(0, 0), 4096), Err(Error::CrcMismatch)));
}

#[test]
fn the_snapshot_must_be_the_logs() {
    let dir = scratch("snapshot");
    copy_golden("steps-3.7.1/wal", &dir);
    let open = |index, term| Wal::open_sized(real(), &dir, &snapshot(index, term), 4096).map(|_| ());
    assert!(matches!(open(0x16, 3), Err(Error::SnapshotMismatch)));
    assert!(matches!(open(0x17, 2), Err(Error::SnapshotNotFound)));
    assert!(open(0x16, 2).is_ok());
    let read = |index| Wal::read(&RealDisk, &dir, &snapshot(index, 2)).map(|_| ());
    assert!(matches!(read(0x17), Err(Error::SnapshotNotFound)));
    let empty = scratch("empty");
    assert!(matches!(Wal::valid_snapshots(&RealDisk, &empty), Err(Error::FileNotFound)));
}

#[test]
fn a_gap_between_entries_is_refused() {
    let dir = scratch("gap").join("wal");
    let mut wal = Wal::create_sized(real(), &dir, &metadata(), SEGMENT).unwrap();
    wal.append_entry(&entry(1, 1, vec![]));
    wal.append_entry(&entry(1, 3, vec![]));
    wal.sync().unwrap();
    drop(wal);
    assert!(matches!(reopen(&dir), Err(Error::SliceOutOfRange)));
}
