//! Rewrites the file without free pages.
//!
//! It never touches the old file, so a crash at any moment leaves the old or the new one whole under its name.

use crate::{Error, Result, Store, store::parent};
use disk::{LockKind, OpenMode};
use std::path::PathBuf;

/// Added to the file's name for the new file; at startup such a file is an orphan.
const TARGET_SUFFIX: &str = ".tmp.defrag";
/// Keys copied in one transaction, at most.
const BATCH_KEYS_MAX: usize = 10_000;
/// Bytes of keys and values copied in one transaction, about.
const BATCH_BYTES: usize = 16 << 20;

impl Store {
    /// Copies every bucket into a new file at fill 0.9, renames it over `path`, and goes on with the new file.
    /// Readers taken before keep the old file.
    pub fn defragment(&mut self) -> Result<()> {
        self.attempt(|store| {
            let mut name = store.path.clone().into_os_string();
            name.push(TARGET_SUFFIX);
            let target = PathBuf::from(name);
            let copy = store.copy_to(&target)?;
            store.disk.rename(&target, &store.path)?;
            store.disk.sync_dir(parent(&store.path))?;
            store.replace(copy);
            Ok(())
        })
    }

    /// A new, durable file with the same buckets.
    fn copy_to(&self, target: &std::path::Path) -> Result<Store> {
        // The file must be empty; opening then takes the lock that holds once it has its final name.
        let emptied = self.disk.open(target, OpenMode::Truncate)?;
        if !emptied.try_lock(LockKind::Flock)? {
            return Err(std::io::Error::from(std::io::ErrorKind::WouldBlock).into());
        }
        drop(emptied);
        let page_size = self.root().meta.page_size;
        // Nothing needs to be durable before the rename.
        let options = crate::Options { no_sync: true, page_size, ..self.options.clone() };
        let mut copy = Store::open(self.disk.clone(), target, options)?;
        for bucket in self.reader().buckets()? {
            self.copy_bucket(&bucket, &mut copy)?;
        }
        copy.root().file.file.sync_data()?;
        Ok(copy)
    }

    fn copy_bucket(&self, name: &[u8], copy: &mut Store) -> Result<()> {
        let root = self.root();
        let bucket =
            root.bucket(name)?.ok_or_else(|| Error::NoBucket(String::from_utf8_lossy(name).into()))?;
        let mut cursor = self.reader().cursor(name)?;
        let mut done = false;
        while !done {
            let mut tx = copy.begin();
            tx.create_bucket_with(name, bucket.sequence)?;
            let mut bytes = 0;
            for _ in 0..BATCH_KEYS_MAX {
                let Some((key, value)) = cursor.next_plain()? else {
                    done = true;
                    break;
                };
                tx.put(name, &key, &value, true)?;
                bytes += key.len() + value.len();
                if bytes >= BATCH_BYTES {
                    break;
                }
            }
            tx.commit()?;
        }
        Ok(())
    }
}
