//! The hash of a whole file: what `Maintenance.Hash` and `snapshot status` answer.
//!
//! CRC-32C, seed 0, over every bucket in order: its name, then each key and value. Not comparable between releases,
//! since it covers the configuration state's JSON.

use crate::{Bucket, ReadTx, Result, meta};
use crc32c::crc32c_append;

/// What the hash leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashScope {
    /// `Maintenance.Hash`: the `meta` keys that differ between healthy members are skipped.
    Comparable,
    /// `snapshot status`: nothing is skipped.
    Everything,
}

/// Walks the whole file, so it belongs on a reader thread. Uncommitted changes are not covered: commit before.
pub fn hash(root: &ReadTx, scope: HashScope) -> Result<u32> {
    let mut hash = 0;
    for bucket in root.buckets()? {
        hash = crc32c_append(hash, &bucket);
        let skips = scope == HashScope::Comparable && bucket == Bucket::Meta.name();
        let mut cursor = root.cursor(&bucket)?;
        while let Some((key, value)) = cursor.next()? {
            if skips && [meta::CONSISTENT_INDEX, meta::TERM, meta::STORAGE_VERSION].contains(&&key[..]) {
                continue;
            }
            hash = crc32c_append(crc32c_append(hash, &key), &value);
        }
    }
    Ok(hash)
}
