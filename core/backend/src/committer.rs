//! Turns batches into bolt transactions.

use crate::{Batch, Bucket, Op, ReadTx, Result};
use bolt::Store;
use disk::Disk;
use std::{path::Path, sync::Arc};

/// Owns the bolt store and commits batches to it. After an error the file's state is unknown: the process must stop.
#[derive(Debug)]
pub struct Committer {
    store: Store,
}

impl Committer {
    /// Opens or creates the file and makes sure all buckets exist.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, options: bolt::Options) -> Result<Committer> {
        let mut store = Store::open(disk, path, options)?;
        let present = store.reader().buckets()?;
        let missing: Vec<_> =
            Bucket::ALL.into_iter().filter(|b| !present.iter().any(|p| p == b.name())).collect();
        if !missing.is_empty() {
            let mut tx = store.begin();
            for bucket in missing {
                tx.create_bucket_if_missing(bucket.name())?;
            }
            tx.commit()?;
        }
        Ok(Committer { store })
    }

    /// The last committed state.
    pub fn reader(&self) -> ReadTx {
        self.store.reader()
    }

    /// One bolt transaction; the new committed state on success. An error is fatal.
    pub fn commit(&mut self, batch: &Batch) -> Result<ReadTx> {
        let mut tx = self.store.begin();
        for op in &batch.ops {
            match op {
                // Revisions grow, so the leaves of `key` can be filled.
                Op::Put { bucket, key, value } => {
                    tx.put(bucket.name(), key, value, *bucket == Bucket::Key)?
                }
                Op::Delete { bucket, key } => tx.delete(bucket.name(), key)?,
            }
        }
        tx.commit()?;
        Ok(self.store.reader())
    }

    /// Rewrites the file without free pages.
    pub fn defragment(&mut self) -> Result<ReadTx> {
        self.store.defragment()?;
        Ok(self.store.reader())
    }
}
