//! How full pages are, and when they are used again.
use bolt::{Options, Store};
use disk::{Disk, OpenMode, sim::SimDisk};
use std::{path::Path, sync::Arc};

const PAGE_SIZE: u64 = 4096;
/// Bytes of one row: element, key, value.
const ROW: u64 = 16 + 17 + 100;

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone()), Path::new("db"), Options::default()).unwrap()
}

fn key(number: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn put(store: &mut Store, numbers: impl IntoIterator<Item = u64>, append: bool) {
    let mut tx = store.begin();
    tx.create_bucket_if_missing(b"key").unwrap();
    for number in numbers {
        tx.put(b"key", &key(number), &[7; 100], append).unwrap();
    }
    tx.commit().unwrap();
}

/// Rows per leaf if every leaf is filled to a tenth of `tenths`.
fn leaves(rows: u64, tenths: u64) -> u64 {
    rows.div_ceil((PAGE_SIZE * tenths / 10 - 16) / ROW)
}

fn pages_in_use(store: &Store) -> u64 {
    store.reader().size_in_use() / PAGE_SIZE
}

#[test]
fn growing_keys_fill_pages_to_nine_tenths() {
    for batch in [1, 7, 1000, 10_000] {
        let mut store = open(&SimDisk::new());
        let rows = if batch == 1 { 2000 } else { 10_000 };
        for first in (0..rows).step_by(batch as usize) {
            put(&mut store, first..first + batch.min(rows - first), true);
        }
        let (used, wanted) = (pages_in_use(&store), leaves(rows, 9));
        // Leaves, few branches, two metas and the root.
        assert!(
            (wanted..wanted + wanted / 40 + 8).contains(&used),
            "batches of {batch}: {used}, {wanted} leaves"
        );
    }
}

#[test]
fn other_keys_fill_pages_at_least_by_half() {
    let mut store = open(&SimDisk::new());
    let rows = 10_000;
    // A stride that is coprime to the number of rows reaches all of them, out of order.
    put(&mut store, (0..rows).map(|n| n * 7919 % rows), false);
    let (used, most) = (pages_in_use(&store), leaves(rows, 5));
    assert!((leaves(rows, 10)..most + most / 20 + 8).contains(&used), "{used}, at most {most} leaves");
}

/// However many there are, rows that fit a page never share one with overflow.
#[test]
fn small_rows_need_no_overflow() {
    for rows in 1..500 {
        let mut store = open(&SimDisk::new());
        put(&mut store, 0..rows, false);
        let reader = store.reader();
        let mut image = reader.image();
        while image.remaining() > 0 {
            let page = image.read(PAGE_SIZE as usize).unwrap();
            assert_eq!(page[12..16], [0; 4], "overflow of a page, {rows} rows");
        }
    }
}

#[test]
fn removal_merges_pages() {
    let mut store = open(&SimDisk::new());
    put(&mut store, 0..20_000, true);
    let full = pages_in_use(&store);
    let mut tx = store.begin();
    (0..20_000).filter(|n| n % 20 != 0).for_each(|n| tx.delete(b"key", &key(n)).unwrap());
    tx.commit().unwrap();
    assert!(pages_in_use(&store) < full / 5, "{} of {full} pages", pages_in_use(&store));
    let mut tx = store.begin();
    (0..20_000).for_each(|n| tx.delete(b"key", &key(n)).unwrap());
    tx.commit().unwrap();
    assert_eq!(pages_in_use(&store), 3, "two metas, and the root leaf with an inline bucket");
    assert_eq!(store.reader().check().unwrap(), Vec::<String>::new());
}

#[test]
fn free_pages_are_used_again() {
    let mut store = open(&SimDisk::new());
    put(&mut store, 0..1000, true);
    let size = store.reader().size();
    for round in 0..300 {
        put(&mut store, [round, 999 - round], false);
    }
    assert!(store.reader().size() <= size + 20 * PAGE_SIZE);
}

/// An old reader keeps what it can reach, not what came and went after it.
#[test]
fn an_old_reader_does_not_stop_reuse() {
    let mut store = open(&SimDisk::new());
    put(&mut store, 0..1000, true);
    let old = store.reader();
    let size = store.reader().size();
    for _ in 0..300 {
        put(&mut store, [500], false);
    }
    assert!(store.reader().size() <= size + 20 * PAGE_SIZE);
    assert_eq!(old.check().unwrap(), Vec::<String>::new());
    put(&mut store, 0..1000, false);
    drop(old);
    let grown = store.reader().size();
    put(&mut store, 0..1000, false);
    assert_eq!(store.reader().size(), grown, "what the old reader kept is free now");
}

#[test]
fn an_unchanged_transaction_writes_nothing() {
    let disk = SimDisk::new();
    let mut store = open(&disk);
    put(&mut store, 0..10, true);
    let changes = disk.changes();
    let mut tx = store.begin();
    tx.create_bucket_if_missing(b"key").unwrap();
    tx.delete(b"key", &key(77)).unwrap();
    tx.get(b"key", &key(1)).unwrap();
    tx.commit().unwrap();
    assert_eq!(disk.changes(), changes);
}

/// The meta of transaction T is page T mod 2, so that a torn meta page leaves the other.
#[test]
fn metas_alternate() {
    let disk = SimDisk::new();
    let mut store = open(&disk);
    let file = disk.open(Path::new("db"), OpenMode::Read).unwrap();
    for txid in 2u64..7 {
        put(&mut store, [txid], true);
        let txids = [0, 1].map(|page| {
            let mut bytes = [0; 8];
            file.read_at(&mut bytes, page * PAGE_SIZE + 64).unwrap();
            u64::from_le_bytes(bytes)
        });
        assert_eq!((txids[txid as usize % 2], txids[(txid as usize + 1) % 2]), (txid, txid - 1));
    }
}

/// Two writes and two syncs: neighbouring pages in one call, then the meta.
#[test]
fn a_batch_is_few_calls() {
    let disk = SimDisk::new();
    let mut store = open(&disk);
    put(&mut store, 0..1, true);
    let changes = disk.changes();
    put(&mut store, 1..5000, true);
    assert!(disk.changes() - changes <= 6, "{} calls", disk.changes() - changes);
}
