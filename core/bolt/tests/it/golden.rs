//! Files that Go wrote (`golden/`): read, streamed, written to.
use crate::history::{Model, assert_sound, content};
use bolt::{Options, ReadTx, Store};
use disk::{Disk, OpenMode, sim::SimDisk};
use sha2::{Digest, Sha256};
use std::{fs, path::Path, sync::Arc};

pub const FILES: [&str; 6] = ["new", "unsynced", "synced", "page16k", "page1k", "etcd371"];

pub fn load(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.db"))).unwrap()
}

pub fn disk_with(bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::new();
    disk.open(Path::new("db"), OpenMode::Create).unwrap().write_at(bytes, 0).unwrap();
    disk
}

pub fn open(disk: &SimDisk) -> bolt::Result<Store> {
    Store::open(Arc::new(disk.clone()), Path::new("db"), Options::default())
}

/// What a description says of a file.
struct Described {
    image_sum: String,
    bytes: u64,
    free_pages: u64,
    model: Model,
}

fn described(name: &str) -> Described {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(format!("{name}.txt"));
    let text = fs::read_to_string(path).unwrap();
    let (first, rows) = text.split_once('\n').unwrap();
    let words: Vec<&str> = first.split(' ').collect();
    let ["image", sum, "size", bytes, "free", free] = words[..] else { panic!("{first}") };
    Described {
        image_sum: sum.to_owned(),
        bytes: bytes.parse().unwrap(),
        free_pages: free.parse().unwrap(),
        model: parse(rows),
    }
}

/// Reads what `oracle dump` prints.
pub fn parse(dump: &str) -> Model {
    let mut model = Model::new();
    for line in dump.lines() {
        let mut words = line.split(' ').map(unhex);
        let bucket = model.entry(words.next().unwrap()).or_default();
        if let (Some(key), Some(value)) = (words.next(), words.next()) {
            bucket.insert(key, value);
        }
    }
    model
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The whole image, read in chunks of uneven size.
fn image(reader: &ReadTx) -> Vec<u8> {
    let mut image = reader.image();
    let mut bytes = Vec::new();
    loop {
        assert_eq!(image.remaining() + bytes.len() as u64, reader.size());
        let chunk = image.read(5000).unwrap();
        if chunk.is_empty() {
            return bytes;
        }
        bytes.extend_from_slice(&chunk);
    }
}

#[test]
fn reads_what_go_wrote() {
    for name in FILES {
        let store = open(&disk_with(&load(name))).unwrap();
        let reader = store.reader();
        let wanted = described(name);
        assert_eq!(content(&reader), wanted.model, "{name}");
        assert_sound(&reader);
        assert_eq!(hex(&Sha256::digest(image(&reader))), wanted.image_sum, "{name}: image");
        let free = (reader.size() - reader.size_in_use()) / reader.page_size() as u64;
        assert_eq!((reader.size(), free), (wanted.bytes, wanted.free_pages), "{name}");
    }
}

#[test]
fn goes_on_with_what_go_wrote() {
    for name in FILES {
        let disk = disk_with(&load(name));
        let mut store = open(&disk).unwrap();
        let mut model = described(name).model;
        for round in 0u8..4 {
            let before = (store.reader(), model.clone());
            let mut tx = store.begin();
            tx.create_bucket_if_missing(b"key").unwrap();
            let rows = model.entry(b"key".to_vec()).or_default();
            for row in 0u8..200 {
                let (key, value) = (vec![round, row], vec![row; 40]);
                tx.put(b"key", &key, &value, round % 2 == 0).unwrap();
                rows.insert(key, value);
            }
            for key in rows.keys().step_by(3).cloned().collect::<Vec<_>>() {
                tx.delete(b"key", &key).unwrap();
                rows.remove(&key);
            }
            tx.commit().unwrap();
            assert_eq!(content(&before.0), before.1, "{name}: an older reader");
            assert_eq!(content(&store.reader()), model, "{name}");
            assert_sound(&store.reader());
        }
        drop(store);
        let mut store = open(&disk).unwrap();
        assert_eq!(content(&store.reader()), model, "{name}: reopened");
        store.defragment().unwrap();
        assert_eq!(content(&store.reader()), model, "{name}: defragmented");
        // All but the few pages that the last transactions of the copy replaced.
        let slack = store.reader().size() - store.reader().size_in_use();
        assert!(slack <= 12 * store.reader().page_size() as u64, "{name}: {slack} bytes are free");
    }
}

/// An image is itself a database, and its two metas hold this commit and, by number, the one before.
#[test]
fn an_image_opens() {
    let disk = disk_with(&load("synced"));
    let mut store = open(&disk).unwrap();
    let mut tx = store.begin();
    tx.put(b"meta", b"k", b"v", false).unwrap();
    tx.commit().unwrap();
    let reader = store.reader();
    let copy = disk_with(&image(&reader));
    let mut copied = open(&copy).unwrap();
    assert_eq!(content(&copied.reader()), content(&reader));
    let mut tx = copied.begin();
    tx.put(b"meta", b"k", b"w", false).unwrap();
    tx.commit().unwrap();
    drop(copied);
    let copied = open(&copy).unwrap();
    assert_eq!(copied.reader().get(b"meta", b"k").unwrap().as_deref(), Some(&b"w"[..]));
}
