//! Damaged and hostile files: an error or a wrong answer, never a panic or an endless walk.
use crate::golden::{disk_with, load, open};
use bolt::Store;
use disk::{Disk, OpenMode, sim::SimDisk};
use proptest::{prelude::*, test_runner::Config};
use std::{io, path::Path};

/// Everything that can be done with a store; errors are fine.
fn exercise(store: &mut Store) -> bolt::Result<()> {
    let reader = store.reader();
    reader.check()?;
    for bucket in reader.buckets()? {
        let mut cursor = reader.cursor(&bucket)?;
        let mut keys = Vec::new();
        while let Some((key, _)) = cursor.next()? {
            keys.push(key);
        }
        cursor.seek_last()?;
        cursor.next()?;
        for key in &keys {
            reader.get(&bucket, key)?;
        }
        let mut tx = store.begin();
        for key in keys.iter().step_by(2) {
            tx.delete(&bucket, key)?;
            tx.put(&bucket, &[key, &b"x"[..]].concat(), b"value", false)?;
        }
        tx.commit()?;
    }
    store.reader().check()?;
    store.defragment()
}

/// What to damage: mostly headers and elements, where the structure is.
fn damage() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(2), Just(0xff), any::<u8>()];
    prop::collection::vec((0usize..200, prop_oneof![4 => 0usize..128, 1 => 0usize..4096], byte), 1..6)
}

proptest! {
    #![proptest_config(Config { cases: 3000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_damage_panics(name in prop::sample::select(vec!["unsynced", "synced", "page1k", "etcd371"]), damage in damage()) {
        let mut bytes = load(name);
        let page_size = if name == "page1k" { 1024 } else { 4096 };
        let pages = bytes.len() / page_size;
        for (page, at, byte) in damage {
            // The metas are protected by checksums; spare them, so that the damage behind is reached.
            let at = (2 + page % (pages - 2)) * page_size + at % page_size;
            bytes[at] = byte;
        }
        if let Ok(mut store) = open(&disk_with(&bytes)) {
            let _ = exercise(&mut store);
        }
    }
}

#[test]
fn a_lost_meta_falls_back_to_the_other() {
    for (name, page_size) in [("unsynced", 4096), ("page1k", 1024), ("page16k", 16384)] {
        for lost in 0..2 {
            let mut bytes = load(name);
            bytes[lost * page_size + 40] ^= 1;
            let store = open(&disk_with(&bytes)).unwrap();
            assert_eq!(store.reader().page_size(), page_size, "{name}");
        }
        let mut bytes = load(name);
        bytes[40] ^= 1;
        bytes[page_size + 40] ^= 1;
        let error = open(&disk_with(&bytes)).unwrap_err();
        assert!(
            matches!(&error, bolt::Error::Invalid(reason) if reason == "checksum mismatch"),
            "{name}: {error}"
        );
    }
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    for bytes in [&b"x"[..], &[7; 5000], &[0; 40_000]] {
        let disk = disk_with(bytes);
        assert!(matches!(open(&disk), Err(bolt::Error::Invalid(_))), "{} bytes", bytes.len());
        let file = disk.open(Path::new("db"), OpenMode::Read).unwrap();
        let mut after = vec![1; bytes.len()];
        file.read_at(&mut after, 0).unwrap();
        assert_eq!((file.len().unwrap(), &after[..]), (bytes.len() as u64, bytes));
    }
    let mut cut = load("unsynced");
    cut.truncate(cut.len() - 4096);
    assert!(matches!(open(&disk_with(&cut)), Err(bolt::Error::Invalid(_))));
}

#[test]
fn a_second_owner_is_refused() {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    let reader = store.reader();
    let refused =
        || matches!(open(&disk), Err(bolt::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock);
    assert!(refused());
    drop(store);
    assert!(refused(), "a reader still holds the file");
    drop(reader);
    assert!(open(&disk).is_ok());
}

#[test]
fn misuse_is_refused() {
    let disk = SimDisk::new();
    let mut store = open(&disk).unwrap();
    let mut tx = store.begin();
    assert!(matches!(tx.put(b"none", b"k", b"v", false), Err(bolt::Error::NoBucket(name)) if name == "none"));
    assert!(matches!(tx.delete(b"none", b"k"), Err(bolt::Error::NoBucket(_))));
    assert_eq!(tx.get(b"none", b"k").unwrap(), None);
    assert!(tx.create_bucket_if_missing(b"").is_err());
    tx.create_bucket_if_missing(b"b").unwrap();
    assert!(tx.put(b"b", b"", b"v", false).is_err());
    assert!(tx.put(b"b", &[1; 32769], b"v", false).is_err());
    tx.put(b"b", &[1; 32768], b"v", false).unwrap();
    tx.commit().unwrap();
    assert_eq!(store.reader().get(b"b", &[1; 32768]).unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(store.reader().cursor(b"none").unwrap().next().unwrap(), None);
}
