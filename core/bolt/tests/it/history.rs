//! Random histories of transactions, and the model they are checked against.
use bolt::{Options, ReadTx, Result, Store, WriteTx};
use disk::Disk;
use proptest::prelude::*;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// What a file should hold: buckets, keys, values.
pub type Model = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

pub const PATH: &str = "db";
pub const BUCKETS: [&[u8]; 3] = [b"alarm", b"key", b"meta"];
const KEYS: u16 = 400;

/// Small pages, so that few rows make a deep tree.
pub const PAGE_SIZE: usize = 1024;

#[derive(Clone, Debug)]
pub enum Change {
    Put { bucket: usize, key: u16, len: usize, append: bool },
    PutMany { bucket: usize, first: u16, count: u16, len: usize, append: bool },
    Delete { bucket: usize, key: u16 },
    DeleteMany { bucket: usize, first: u16, count: u16, step: u16 },
    Get { bucket: usize, key: u16 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    Nothing,
    Reopen,
    Defragment,
    OpenReader,
    CloseReader(usize),
    Seek { bucket: usize, key: u16 },
}

#[derive(Clone, Debug)]
pub struct Step {
    pub changes: Vec<Change>,
    pub commit: bool,
    pub after: After,
}

pub fn histories(steps: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), steps)
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![
        4 => Just(After::Nothing),
        2 => Just(After::Reopen),
        1 => Just(After::Defragment),
        3 => Just(After::OpenReader),
        2 => (0usize..4).prop_map(After::CloseReader),
        2 => (0..BUCKETS.len(), 0..KEYS).prop_map(|(bucket, key)| After::Seek { bucket, key }),
    ];
    (prop::collection::vec(change(), 0..6), prop::bool::weighted(0.85), after)
        .prop_map(|(changes, commit, after)| Step { changes, commit, after })
}

fn change() -> impl Strategy<Value = Change> {
    let bucket = || 0..BUCKETS.len();
    let len = || prop_oneof![8 => 0usize..60, 2 => 200usize..500, 1 => 1000usize..5000];
    prop_oneof![
        3 => (bucket(), 0..KEYS, len(), any::<bool>())
            .prop_map(|(bucket, key, len, append)| Change::Put { bucket, key, len, append }),
        3 => (bucket(), 0..KEYS, 1u16..150, 0usize..60, any::<bool>())
            .prop_map(|(bucket, first, count, len, append)| Change::PutMany { bucket, first, count, len, append }),
        2 => (bucket(), 0..KEYS).prop_map(|(bucket, key)| Change::Delete { bucket, key }),
        2 => (bucket(), 0..KEYS, 1u16..300, 1u16..4)
            .prop_map(|(bucket, first, count, step)| Change::DeleteMany { bucket, first, count, step }),
        1 => (bucket(), 0..KEYS).prop_map(|(bucket, key)| Change::Get { bucket, key }),
    ]
}

/// Keys of several lengths, in the order of their numbers.
pub fn key(number: u16) -> Vec<u8> {
    let mut key = number.to_be_bytes().to_vec();
    key.resize(2 + usize::from(number % 7) * 9, b'k');
    key
}

fn value(number: u16, len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|at| (usize::from(number) * 31 + at + salt) as u8).collect()
}

pub fn options(cache_bytes: usize) -> Options {
    Options { cache_bytes, page_size: PAGE_SIZE, no_sync: false }
}

pub fn open(disk: &(impl Disk + Clone + 'static), cache_bytes: usize) -> Result<Store> {
    Store::open(Arc::new(disk.clone()), Path::new(PATH), options(cache_bytes))
}

/// Everything a reader sees.
pub fn content(reader: &ReadTx) -> Model {
    let mut model = Model::new();
    for name in reader.buckets().unwrap() {
        let rows = model.entry(name.to_vec()).or_default();
        let mut cursor = reader.cursor(&name).unwrap();
        while let Some((key, value)) = cursor.next().unwrap() {
            assert!(rows.insert(key.to_vec(), value.to_vec()).is_none(), "a key came twice");
        }
    }
    model
}

pub fn assert_sound(reader: &ReadTx) {
    assert_eq!(reader.check().unwrap(), Vec::<String>::new());
    assert!(reader.size_in_use() <= reader.size());
}

/// Applies one change to the transaction and the model alike. `salt` makes values differ between steps.
pub fn apply(tx: &mut WriteTx<'_>, model: &mut Model, change: &Change, salt: usize) -> Result<()> {
    let mut put = |tx: &mut WriteTx<'_>, bucket: usize, number: u16, len: usize, append: bool| {
        let (key, value) = (key(number), value(number, len, salt));
        tx.put(BUCKETS[bucket], &key, &value, append)?;
        model.get_mut(BUCKETS[bucket]).unwrap().insert(key, value);
        Result::Ok(())
    };
    match *change {
        Change::Put { bucket, key, len, append } => put(tx, bucket, key, len, append),
        Change::PutMany { bucket, first, count, len, append } => {
            (first..first + count).try_for_each(|number| put(tx, bucket, number, len, append))
        }
        Change::Delete { bucket, key: number } => {
            model.get_mut(BUCKETS[bucket]).unwrap().remove(&key(number));
            tx.delete(BUCKETS[bucket], &key(number))
        }
        Change::DeleteMany { bucket, first, count, step } => {
            (first..first + count).step_by(usize::from(step)).try_for_each(|number| {
                model.get_mut(BUCKETS[bucket]).unwrap().remove(&key(number));
                tx.delete(BUCKETS[bucket], &key(number))
            })
        }
        Change::Get { bucket, key: number } => {
            let found = tx.get(BUCKETS[bucket], &key(number))?;
            assert_eq!(found.as_deref(), model[BUCKETS[bucket]].get(&key(number)).map(Vec::as_slice));
            Ok(())
        }
    }
}

/// Runs one step's transaction; on success the model is what the store now holds.
pub fn transact(store: &mut Store, model: &mut Model, step: &Step, salt: usize) -> Result<()> {
    let mut next = model.clone();
    let mut tx = store.begin();
    for bucket in BUCKETS {
        tx.create_bucket_if_missing(bucket)?;
        next.entry(bucket.to_vec()).or_default();
    }
    for change in &step.changes {
        apply(&mut tx, &mut next, change, salt)?;
    }
    if step.commit {
        tx.commit()?;
        *model = next;
    }
    Ok(())
}
