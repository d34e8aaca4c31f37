//! Readers on other threads, on the real disk.
use bolt::{Options, ReadTx, Store};
use disk::RealDisk;
use std::{fs, path::PathBuf, sync::Arc, sync::mpsc, thread};

const ROWS: u16 = 300;
const COMMITS: u32 = 200;
const READERS: usize = 3;

/// Every commit writes one number under all keys, so a reader that sees two numbers saw a page that was reused.
fn assert_one_commit(reader: &ReadTx, wanted: u32) {
    let mut cursor = reader.cursor(b"key").unwrap();
    let mut rows = 0;
    while let Some((_, value)) = cursor.next().unwrap() {
        assert_eq!(value[..4], wanted.to_le_bytes());
        rows += 1;
    }
    assert_eq!(rows, ROWS);
}

fn is_shared<T: Send + Sync + Clone>(_: &T) {}

#[test]
fn readers_see_one_commit_each() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("threads.db");
    let _ = fs::remove_file(&path);
    let options = Options { cache_bytes: 32 << 10, page_size: 1024, no_sync: true };
    let mut store = Store::open(Arc::new(RealDisk), &path, options).unwrap();
    thread::scope(|scope| {
        let mut senders = Vec::new();
        for _ in 0..READERS {
            let (sender, receiver) = mpsc::sync_channel::<(ReadTx, u32)>(4);
            senders.push(sender);
            scope.spawn(move || {
                for (reader, commit) in receiver {
                    assert_one_commit(&reader, commit);
                    assert_eq!(reader.check().unwrap(), Vec::<String>::new());
                }
            });
        }
        for commit in 0..COMMITS {
            let mut tx = store.begin();
            tx.create_bucket_if_missing(b"key").unwrap();
            for row in 0..ROWS {
                let value = [&commit.to_le_bytes()[..], &[0; 60]].concat();
                tx.put(b"key", &row.to_be_bytes(), &value, false).unwrap();
            }
            tx.commit().unwrap();
            is_shared(&store.reader());
            if commit == COMMITS / 2 {
                store.defragment().unwrap();
            }
            senders[commit as usize % READERS].send((store.reader(), commit)).unwrap();
        }
    });
    fs::remove_file(&path).unwrap();
}
