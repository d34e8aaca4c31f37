//! The store against an ordered map, over random histories with readers held open.
use crate::history::{After, BUCKETS, Model, Step, assert_sound, content, histories, key, open, transact};
use bolt::{ReadTx, Store};
use disk::sim::SimDisk;
use proptest::{prelude::*, test_runner::Config};

/// Readers held open at once.
const READERS_MAX: usize = 4;

struct World {
    disk: SimDisk,
    cache_bytes: usize,
    store: Option<Store>,
    model: Model,
    readers: Vec<(ReadTx, Model)>,
}

impl World {
    fn new(cache_bytes: usize) -> World {
        let disk = SimDisk::new();
        let store = Some(open(&disk, cache_bytes).unwrap());
        World { disk, cache_bytes, store, model: Model::new(), readers: Vec::new() }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn run(&mut self, history: &[Step]) {
        for (salt, step) in history.iter().enumerate() {
            transact(self.store.as_mut().unwrap(), &mut self.model, step, salt).unwrap();
            self.after(step.after);
            assert_eq!(content(&self.store().reader()), self.model);
        }
        for (reader, seen) in &self.readers {
            assert_eq!(&content(reader), seen, "a reader no longer sees what it saw");
            assert_sound(reader);
        }
        assert_sound(&self.store().reader());
    }

    fn after(&mut self, after: After) {
        match after {
            After::Nothing => {}
            After::Reopen => {
                self.readers.clear();
                self.store = None;
                self.store = Some(open(&self.disk, self.cache_bytes).unwrap());
            }
            After::Defragment => {
                self.store().defragment().unwrap();
                let reader = self.store().reader();
                assert_eq!(self.model.is_empty(), reader.buckets().unwrap().is_empty());
            }
            After::OpenReader => {
                if self.readers.len() < READERS_MAX {
                    let reader = self.store().reader();
                    self.readers.push((reader, self.model.clone()));
                }
            }
            After::CloseReader(index) => {
                if index < self.readers.len() {
                    let (reader, seen) = self.readers.swap_remove(index);
                    assert_eq!(content(&reader), seen, "a reader no longer sees what it saw");
                }
            }
            After::Seek { bucket, key: number } => self.seek(BUCKETS[bucket], number),
        }
    }

    fn seek(&mut self, bucket: &[u8], number: u16) {
        let reader = self.store().reader();
        let empty = Default::default();
        let rows = self.model.get(bucket).unwrap_or(&empty);
        let key = key(number);
        assert_eq!(reader.get(bucket, &key).unwrap().as_deref(), rows.get(&key).map(Vec::as_slice));
        let mut cursor = reader.cursor(bucket).unwrap();
        cursor.seek(&key).unwrap();
        for (key, value) in rows.range(key..) {
            let (found, its_value) = cursor.next().unwrap().unwrap();
            assert_eq!((&found[..], &its_value[..]), (&key[..], &value[..]));
        }
        assert_eq!(cursor.next().unwrap(), None);
        cursor.seek_last().unwrap();
        let last = cursor.next().unwrap();
        let last = last.as_ref().map(|(key, value)| (&key[..], &value[..]));
        assert_eq!(last, rows.last_key_value().map(|(key, value)| (&key[..], &value[..])));
        assert_eq!(cursor.next().unwrap(), None);
    }
}

proptest! {
    #![proptest_config(Config { cases: 10_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn random_histories(history in histories(1..12), cache_bytes in prop_oneof![Just(0), Just(8 << 10), Just(1 << 20)]) {
        World::new(cache_bytes).run(&history);
    }
}

proptest! {
    #![proptest_config(Config { cases: 60, failure_persistence: None, ..Config::default() })]

    #[test]
    fn long_histories(history in histories(100..200)) {
        World::new(64 << 10).run(&history);
    }
}
