//! The `meta` bucket: where replication and compaction stand.
//!
//! Values: indexes and terms are eight bytes big endian; compaction marks are a put's row key with sub 0; the
//! configuration state is JSON and the storage version text, both left to their owners.

use crate::{
    Bucket, Buffer, Error, ReadTx, Result,
    row_key::{self, RowKey},
};
use bytes::Bytes;

/// Index of the last entry whose changes are in the file; never written as 0.
pub const CONSISTENT_INDEX: &[u8] = b"consistent_index";
/// Term of that entry; absent if 0 or written by a release before 3.5.
pub const TERM: &[u8] = b"term";
pub const CONF_STATE: &[u8] = b"confState";
/// `major.minor.0`; since 3.6.
pub const STORAGE_VERSION: &[u8] = b"storageVersion";
pub const SCHEDULED_COMPACT: &[u8] = b"scheduledCompactRev";
pub const FINISHED_COMPACT: &[u8] = b"finishedCompactRev";

/// A number stored under [`CONSISTENT_INDEX`] or [`TERM`]; 0 if absent.
pub fn number(root: &ReadTx, key: &[u8]) -> Result<u64> {
    let Some(value) = root.get(Bucket::Meta.name(), key)? else { return Ok(0) };
    let value = <[u8; 8]>::try_from(&value[..]).map_err(|_| invalid(key, &value))?;
    Ok(u64::from_be_bytes(value))
}

/// A revision stored under [`SCHEDULED_COMPACT`] or [`FINISHED_COMPACT`].
pub fn compaction_mark(root: &ReadTx, key: &[u8]) -> Result<Option<i64>> {
    let Some(value) = root.get(Bucket::Meta.name(), key)? else { return Ok(None) };
    let mark = RowKey::decode(&value).ok_or_else(|| invalid(key, &value))?;
    Ok(Some(mark.main))
}

/// Stores a compaction mark.
pub fn put_compaction_mark(buffer: &mut Buffer, key: &'static [u8], revision: i64) {
    let value = Bytes::copy_from_slice(&row_key::encode_put(revision, 0));
    buffer.put(Bucket::Meta, Bytes::from_static(key), value);
}

fn invalid(key: &[u8], value: &[u8]) -> Error {
    Error::Invalid(format!("meta bucket: {} holds {value:02x?}", key.escape_ascii()))
}
