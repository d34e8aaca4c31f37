//! The log as its users see it: Go's files read and written, damage, and crashes.

mod crash;
mod damage;
mod golden;
mod segments;
mod snap_files;

use bytes::Bytes;
use disk::{Disk, OpenMode, RealDisk};
use proto::{
    etcdserverpb,
    raftpb::{Entry, EntryType},
    walpb,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

/// An empty directory for one test.
fn scratch(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wal").join(test);
    if RealDisk.exists(&dir).unwrap() {
        RealDisk.remove_dir_all(&dir).unwrap();
    }
    RealDisk.create_dir_all(&dir).unwrap();
    dir
}

fn read(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
    disk.open(path, OpenMode::Truncate).unwrap().write_at(bytes, 0).unwrap();
}

/// Copies the files of a golden directory to where they may be changed.
fn copy_golden(name: &str, to: &Path) {
    let from = golden(name);
    RealDisk.create_dir_all(to).unwrap();
    for file in RealDisk.list(&from).unwrap() {
        write(&RealDisk, &to.join(&file), &read(&RealDisk, &from.join(&file)));
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn metadata() -> etcdserverpb::Metadata {
    etcdserverpb::Metadata { node_id: Some(7), cluster_id: Some(8) }
}

fn entry(term: u64, index: u64, data: Vec<u8>) -> Entry {
    Entry::new(EntryType::EntryNormal, term, index, Bytes::from(data))
}

fn snapshot(index: u64, term: u64) -> walpb::Snapshot {
    walpb::Snapshot { index: Some(index), term: Some(term), conf_state: None }
}
