//! Logs written by Go etcd (`golden/README.md`): we read what it reads, and write the bytes it writes.

use super::*;
use proto::raftpb::{self, ConfState, HardState, SnapshotMetadata};
use wal::{Wal, snap};

struct Live {
    version: &'static str,
    conf_state: bool,
}

const LIVE: [Live; 3] = [
    Live { version: "3.4.23", conf_state: false },
    Live { version: "3.5.33", conf_state: true },
    Live { version: "3.7.1", conf_state: true },
];

#[test]
fn logs_of_servers_are_read() {
    for live in LIVE {
        let dir = scratch(&format!("live-{}", live.version));
        copy_golden(&format!("live-{}/wal", live.version), &dir.join("wal"));
        copy_golden(&format!("live-{}/snap", live.version), &dir.join("snap"));
        let wal_dir = dir.join("wal");
        let segment = wal_dir.join("0000000000000000-0000000000000000.wal");
        let before = read(&RealDisk, &segment);

        let records = Wal::valid_snapshots(&RealDisk, &wal_dir).unwrap();
        let positions: Vec<_> = records.iter().map(|record| (record.index(), record.term())).collect();
        assert_eq!(positions, [(0, 0), (0x15, 2)], "{}", live.version);
        assert_eq!(records[1].conf_state.is_some(), live.conf_state, "{}", live.version);
        let newest = snap::load_newest(&RealDisk, &dir.join("snap"), &records).unwrap().unwrap();
        assert_eq!(newest.metadata.unwrap().index(), 0x15);
        assert!(newest.data.unwrap().starts_with(b"{\"Root\":"));

        let (wal, replay) = Wal::open(real(), &wal_dir, &records[1]).unwrap();
        assert!(!replay.repaired);
        assert_eq!(replay.metadata, read_only(&wal_dir, &records[0]).metadata);
        assert!(replay.metadata.node_id() != 0 && replay.metadata.cluster_id() != 0);
        assert_eq!((replay.hard_state.term(), replay.hard_state.vote()), (2, replay.metadata.node_id()));
        let indexes: Vec<_> = replay.entries.iter().map(Entry::index).collect();
        assert_eq!(indexes, (0x16..=0x27).collect::<Vec<_>>(), "{}", live.version);
        assert_eq!(read_only(&wal_dir, &records[1]).entries, replay.entries);
        let text = String::from_utf8_lossy(replay.entries[0].data()).into_owned();
        assert!(text.contains("key"), "{text:?}");

        wal.close().unwrap();
        let after = read(&RealDisk, &segment);
        assert_eq!(after[..before.len()], before, "opening changes no record");
        assert!(after[before.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(after.len() as u64, wal::SEGMENT_BYTES);
    }
}

fn read_only(dir: &Path, from: &walpb::Snapshot) -> wal::Replay {
    Wal::read(&RealDisk, dir, from).unwrap()
}

/// `steps.txt` played through our log gives Go's files, byte for byte, whether the next segment was ready or not.
#[test]
fn same_records_same_bytes() {
    for prepared in [false, true] {
        let dir = scratch(&format!("steps-{prepared}"));
        play(&dir, prepared);
        for part in ["wal", "snap"] {
            let theirs = golden("steps-3.7.1").join(part);
            let names = RealDisk.list(&theirs).unwrap();
            let ours: Vec<_> = RealDisk.list(&dir.join(part)).unwrap();
            assert_eq!(ours, names);
            for name in names {
                let same =
                    read(&RealDisk, &theirs.join(&name)) == read(&RealDisk, &dir.join(part).join(&name));
                assert!(same, "{part}/{name}");
            }
        }
    }
}

const SMALL_SEGMENT: u64 = 4096;

fn play(dir: &Path, prepared: bool) {
    RealDisk.create_dir_all(&dir.join("snap")).unwrap();
    let steps = String::from_utf8(read(&RealDisk, &golden("steps.txt"))).unwrap();
    let mut log = None;
    for line in steps.lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let n: Vec<u64> = rest.split_whitespace().map(|number| number.parse().unwrap()).collect();
        if word == "create" {
            let ids = etcdserverpb::Metadata { node_id: Some(n[0]), cluster_id: Some(n[1]) };
            log = Some(Wal::create_sized(real(), &dir.join("wal"), &ids, SMALL_SEGMENT).unwrap());
            continue;
        }
        let wal = log.as_mut().expect("created first");
        match word {
            "entry" => {
                let kind = EntryType::try_from(n[0] as i32).unwrap();
                wal.append_entry(&Entry::new(kind, n[1], n[2], Bytes::from(data(n[3], n[4]))));
            }
            "state" => wal.append_state(&HardState::new(n[0], n[1], n[2])),
            "snapshot" => {
                let conf_state = ConfState::simple(vec![n[2], n[2] + 1], vec![n[2] + 2]);
                save_snap(dir, n[0], n[1], conf_state.clone());
                let (index, term) = (Some(n[0]), Some(n[1]));
                wal.append_snapshot(&walpb::Snapshot { index, term, conf_state: Some(conf_state) });
            }
            "save" => {}
            "sync" => {
                if let (true, Some(path)) = (prepared, wal.wants_segment()) {
                    wal::prepare_segment_sized(&RealDisk, &path, SMALL_SEGMENT).unwrap();
                    wal.segment_ready();
                }
                wal.sync().unwrap();
            }
            _ => panic!("unknown step {line}"),
        }
    }
    log.expect("created").close().unwrap();
}

fn save_snap(dir: &Path, index: u64, term: u64, conf_state: ConfState) {
    let metadata = SnapshotMetadata { conf_state: Some(conf_state), index: Some(index), term: Some(term) };
    let snapshot = raftpb::Snapshot { data: Some(Bytes::from(data(100, 3))), metadata: Some(metadata) };
    snap::save(&RealDisk, &dir.join("snap"), &snapshot).unwrap();
}

fn data(length: u64, seed: u64) -> Vec<u8> {
    (0..length).map(|i| (seed + 7 * i) as u8).collect()
}

/// Opening Go's log of several segments, and going on in it.
#[test]
fn a_log_of_several_segments_is_continued() {
    let dir = scratch("continued");
    copy_golden("steps-3.7.1/wal", &dir);
    let records = Wal::valid_snapshots(&RealDisk, &dir).unwrap();
    assert_eq!(records.len(), 2);
    let (mut wal, replay) = Wal::open_sized(real(), &dir, &records[1], SMALL_SEGMENT).unwrap();
    assert_eq!(replay.entries.first().unwrap().index(), 0x17);
    assert_eq!(replay.entries.last().unwrap().index(), 71);
    assert_eq!(replay.entries.len(), 71 - 0x16);
    assert_eq!(replay.hard_state.commit(), 71);
    let overwritten = replay.entries.iter().filter(|entry| entry.term() == 3).count();
    assert!(overwritten > 0 && overwritten < replay.entries.len());
    wal.append_entry(&entry(4, 72, data(5000, 1)));
    wal.append_entry(&entry(4, 73, data(10, 2)));
    wal.sync().unwrap();
    drop(wal);
    let (_, again) = Wal::open_sized(real(), &dir, &records[1], SMALL_SEGMENT).unwrap();
    assert_eq!(again.entries.len(), replay.entries.len() + 2);
    assert_eq!(again.entries[..replay.entries.len()], replay.entries);
    assert_eq!(again.entries.last().unwrap(), &entry(4, 73, data(10, 2)));
    assert!(RealDisk.list(&dir).unwrap().contains(&"0000000000000005-000000000000004a.wal".to_string()));
}
