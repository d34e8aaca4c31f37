//! Buffer, committer and views together, on a file in memory.

use backend::{BATCH_CHANGES_MAX, Batch, Bucket, Buffer, Committer, Op, View, meta, row_key};
use bytes::Bytes;
use std::{path::Path, sync::Arc};

fn committer() -> Committer {
    Committer::open(Arc::new(disk::sim::SimDisk::new()), Path::new("db"), bolt::Options::default()).unwrap()
}

fn row(main: i64) -> (Bytes, Bytes) {
    let key = if main % 3 == 0 {
        row_key::encode_tombstone(main, 1).to_vec()
    } else {
        row_key::encode_put(main, 1).to_vec()
    };
    (key.into(), main.to_string().into())
}

fn put(buffer: &mut Buffer, main: i64) {
    let (key, value) = row(main);
    buffer.put(Bucket::Key, key, value);
}

fn mains(view: &View, from: i64) -> Vec<i64> {
    let mut rows = view.rows(from, 0).unwrap();
    let mut mains = Vec::new();
    while let Some((key, value)) = rows.next().unwrap() {
        assert_eq!((key.clone(), value), row(row_key::RowKey::decode(&key).unwrap().main));
        mains.push(row_key::RowKey::decode(&key).unwrap().main);
    }
    mains
}

/// Rows in the root, in a sealed batch, in segments that views froze, and in the tail: all are found, all in order.
#[test]
fn rows_are_readable_from_put_to_commit_and_after() {
    let mut committer = committer();
    let mut buffer = Buffer::new(committer.reader());
    let mut sealed = std::collections::VecDeque::<Batch>::new();
    let mut views = Vec::new();
    // Enough views within one batch to have their segments merged.
    for main in 1..=400 {
        put(&mut buffer, main);
        if main % 2 == 0 {
            views.push((buffer.view(), main));
        }
        if main % 150 == 0 {
            sealed.extend(buffer.seal());
        }
        if main % 170 == 0 {
            buffer.committed(committer.commit(&sealed.pop_front().unwrap()).unwrap());
        }
        for wanted in [1, main / 2, main - 1, main] {
            let (key, value) = row(wanted.max(1));
            assert_eq!(buffer.row(&key).unwrap(), Some(value.clone()));
            assert_eq!(
                buffer.uncommitted_row(&key),
                (buffer.first_uncommitted() <= Some(wanted.max(1))).then_some(value)
            );
        }
        assert_eq!(buffer.row(&row(main + 1).0).unwrap(), None);
    }
    assert_eq!(buffer.first_uncommitted(), Some(301));
    for (view, last) in views {
        for from in [0, last / 2, last, last + 1] {
            assert_eq!(mains(&view, from), (from.max(1)..=last).collect::<Vec<_>>());
        }
        assert_eq!(view.row(&row(last).0).unwrap(), Some(row(last).1));
        assert_eq!(view.row(&row(last + 1).0).unwrap(), None);
    }
}

#[test]
fn tickets_tell_when_a_batch_is_committed() {
    let mut committer = committer();
    let mut buffer = Buffer::new(committer.reader());
    let empty = buffer.ticket();
    assert!(buffer.is_committed(empty), "nothing is pending");
    put(&mut buffer, 2);
    let first = buffer.ticket();
    let batch = buffer.seal().unwrap();
    put(&mut buffer, 4);
    let second = buffer.ticket();
    assert!(first < second);
    assert_eq!((buffer.is_committed(first), buffer.is_committed(second)), (false, false));
    buffer.committed(committer.commit(&batch).unwrap());
    assert_eq!((buffer.is_committed(first), buffer.is_committed(second)), (true, false));
    let batch = buffer.seal().unwrap();
    assert!(buffer.seal().is_none());
    assert_eq!((buffer.sealed(), buffer.pending()), (1, 0));
    buffer.committed(committer.commit(&batch).unwrap());
    assert!(buffer.is_committed(second));
}

/// The consistent index is put with every entry, but costs one change per batch.
#[test]
fn a_meta_key_is_written_once_per_batch() {
    let mut committer = committer();
    let mut buffer = Buffer::new(committer.reader());
    let index = |n: u64| Bytes::copy_from_slice(&n.to_be_bytes());
    for n in 1..=5 {
        buffer.put(Bucket::Meta, Bytes::from_static(meta::CONSISTENT_INDEX), index(n));
        buffer.put(Bucket::Meta, Bytes::from_static(meta::TERM), index(2));
    }
    buffer.delete(Bucket::Meta, Bytes::from_static(meta::TERM));
    buffer.put(Bucket::Meta, Bytes::from_static(meta::TERM), index(3));
    assert!(buffer.has_delete());
    let batch = buffer.seal().unwrap();
    assert_eq!(batch.ops.len(), 4);
    let last = Op::Put { bucket: Bucket::Meta, key: Bytes::from_static(meta::TERM), value: index(3) };
    assert_eq!(batch.ops[3], last);
    buffer.committed(committer.commit(&batch).unwrap());
    assert_eq!(meta::number(buffer.root(), meta::CONSISTENT_INDEX).unwrap(), 5);
    assert_eq!(meta::number(buffer.root(), meta::TERM).unwrap(), 3);
    assert_eq!(meta::compaction_mark(buffer.root(), meta::FINISHED_COMPACT).unwrap(), None);
    meta::put_compaction_mark(&mut buffer, meta::FINISHED_COMPACT, 7);
    let batch = buffer.seal().unwrap();
    buffer.committed(committer.commit(&batch).unwrap());
    assert_eq!(meta::compaction_mark(buffer.root(), meta::FINISHED_COMPACT).unwrap(), Some(7));
    assert!(meta::number(buffer.root(), meta::FINISHED_COMPACT).is_err());
}

#[test]
fn a_file_has_all_buckets_and_keeps_its_rows_when_rewritten() {
    let mut committer = committer();
    let buckets = committer.reader().buckets().unwrap();
    assert!(buckets.iter().map(|b| &b[..]).eq(Bucket::ALL.map(Bucket::name)));
    let mut buffer = Buffer::new(committer.reader());
    for main in 1..=BATCH_CHANGES_MAX as i64 {
        put(&mut buffer, main);
    }
    let batch = buffer.seal().unwrap();
    buffer.committed(committer.commit(&batch).unwrap());
    for main in 1..=BATCH_CHANGES_MAX as i64 {
        if main % 5 != 0 {
            buffer.delete(Bucket::Key, row(main).0);
        }
    }
    let batch = buffer.seal().unwrap();
    buffer.committed(committer.commit(&batch).unwrap());
    let before = backend::hash(buffer.root(), backend::HashScope::Everything).unwrap();
    buffer.rewritten(committer.defragment().unwrap());
    assert_eq!(backend::hash(buffer.root(), backend::HashScope::Everything).unwrap(), before);
    assert_eq!(
        mains(&buffer.view(), 0),
        (1..=BATCH_CHANGES_MAX as i64).filter(|m| m % 5 == 0).collect::<Vec<_>>()
    );
}

#[test]
#[should_panic(expected = "does not ascend")]
fn rows_must_ascend() {
    let mut buffer = Buffer::new(committer().reader());
    put(&mut buffer, 4);
    put(&mut buffer, 2);
}
