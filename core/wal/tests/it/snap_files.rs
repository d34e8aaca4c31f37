//! `.snap` files: which one is taken, and what happens to those that are no good.

use super::*;
use proto::raftpb::{self, ConfState, SnapshotMetadata};
use wal::snap;

fn save(dir: &Path, term: u64, index: u64) -> raftpb::Snapshot {
    let metadata = SnapshotMetadata {
        conf_state: Some(ConfState::simple(vec![1, 2, 3], vec![])),
        index: Some(index),
        term: Some(term),
    };
    let saved = raftpb::Snapshot { data: Some(Bytes::from(format!("{index}"))), metadata: Some(metadata) };
    snap::save(&RealDisk, dir, &saved).unwrap();
    saved
}

#[test]
fn the_newest_that_the_log_names_is_taken() {
    let dir = scratch("newest");
    let old = save(&dir, 2, 0x10);
    let new = save(&dir, 2, 0x20);
    save(&dir, 3, 0x18);
    save(&dir, 1, 0);
    write(&RealDisk, &dir.join("db"), b"not a snapshot");
    let names = ["0000000000000002-0000000000000010.snap", "0000000000000002-0000000000000020.snap"];
    assert_eq!(RealDisk.list(&dir).unwrap()[..2], names, "an empty snapshot is not written");
    let load = |records: &[walpb::Snapshot]| snap::load_newest(&RealDisk, &dir, records).unwrap();
    assert_eq!(load(&[snapshot(0x10, 2), snapshot(0x20, 2)]), Some(new));
    assert_eq!(load(&[snapshot(0x10, 2), snapshot(0x20, 3)]), Some(old), "the term counts");
    assert_eq!(load(&[]), None);
}

#[test]
fn unreadable_ones_are_set_aside() {
    let dir = scratch("broken");
    let good = save(&dir, 1, 1);
    save(&dir, 1, 2);
    let bytes = read(&RealDisk, &dir.join("0000000000000001-0000000000000002.snap"));
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cases: [(&str, &[u8]); 5] = [
        ("0000000000000002-0000000000000001.snap", b""),
        ("0000000000000002-0000000000000002.snap", b"\xff\xff\xff\xff\xff"),
        // CRC 0, then data: etcd takes a zero CRC for a missing one.
        ("0000000000000002-0000000000000003.snap", b"\x08\x00\x12\x01\x00"),
        ("0000000000000002-0000000000000004.snap", &flipped),
        ("0000000000000002-0000000000000005.snap", &bytes[..bytes.len() - 1]),
    ];
    for (name, bytes) in cases {
        write(&RealDisk, &dir.join(name), bytes);
    }
    let found = snap::load_newest(&RealDisk, &dir, &[snapshot(1, 1)]).unwrap();
    assert_eq!(found, Some(good));
    for (name, _) in cases {
        assert!(!RealDisk.exists(&dir.join(name)).unwrap(), "{name}");
        assert!(RealDisk.exists(&dir.join(format!("{name}.broken"))).unwrap(), "{name}");
    }
}
