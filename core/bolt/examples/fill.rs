//! Loads to be timed from outside (`time`): `load PATH append|scan|get|small ROWS [sync]`.
//!
//! `append` puts ROWS rows (17-byte ascending keys, 256-byte values) in transactions of 10,000; `small` puts one row in
//! each of ROWS transactions; `scan` and `get` read what `append` left, `get` ROWS times at scattered keys; `compact`
//! deletes every second of the first ROWS rows in transactions of 1,000; `check` and `defragment` take all there is.

use bolt::{Options, Store};
use disk::RealDisk;
use std::{env, error::Error, path::Path, sync::Arc};

const BATCH: u64 = 10_000;

fn key(revision: u64) -> [u8; 17] {
    let mut key = [0; 17];
    key[..8].copy_from_slice(&revision.to_be_bytes());
    key[8] = b'_';
    key
}

fn put_rows(store: &mut Store, first: u64, rows: u64) -> bolt::Result<()> {
    let mut tx = store.begin();
    tx.create_bucket_if_missing(b"key")?;
    tx.create_bucket_if_missing(b"meta")?;
    for revision in first..first + rows {
        tx.put(b"key", &key(revision), &[revision as u8; 256], true)?;
    }
    tx.put(b"meta", b"consistent_index", &(first + rows).to_be_bytes(), false)?;
    tx.commit()
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let [_, path, load, rows, rest @ ..] = &args[..] else { return Err("load PATH LOAD ROWS [sync]".into()) };
    let rows: u64 = rows.parse()?;
    let no_sync = rest.first().is_none_or(|word| word != "sync");
    let mut store =
        Store::open(Arc::new(RealDisk), Path::new(path), Options { no_sync, ..Options::default() })?;
    match load.as_str() {
        "append" => {
            for first in (0..rows).step_by(BATCH as usize) {
                put_rows(&mut store, first, BATCH.min(rows - first))?;
            }
        }
        "small" => {
            for first in 0..rows {
                put_rows(&mut store, first, 1)?;
            }
        }
        "scan" => {
            let mut cursor = store.reader().cursor(b"key")?;
            let mut seen = 0;
            while let Some((_, value)) = cursor.next()? {
                seen += value.len();
            }
            println!("{seen} bytes");
        }
        "get" => {
            let reader = store.reader();
            let mut last = reader.cursor(b"key")?;
            last.seek_last()?;
            let (last, _) = last.next()?.ok_or("empty")?;
            let count = u64::from_be_bytes(last[..8].try_into()?) + 1;
            let mut seen = 0;
            for n in 0..rows {
                let revision = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % count;
                seen += reader.get(b"key", &key(revision))?.map_or(0, |value| value.len());
            }
            println!("{seen} bytes");
        }
        "compact" => {
            for first in (0..rows).step_by(2000) {
                let mut tx = store.begin();
                for revision in (first..rows.min(first + 2000)).step_by(2) {
                    tx.delete(b"key", &key(revision))?;
                }
                tx.commit()?;
            }
        }
        "check" => println!("{:?}", store.reader().check()?),
        "defragment" => store.defragment()?,
        other => return Err(format!("unknown load {other}").into()),
    }
    let reader = store.reader();
    println!("size {} in use {}", reader.size(), reader.size_in_use());
    Ok(())
}
