//! Reading and writing whole buckets other than `key`, whose rows are few and small.

use crate::Error;
use backend::{Bucket, ReadTx};
use bytes::Bytes;

/// 8 bytes, big endian: indexes, terms, lease IDs (two's complement).
pub(crate) fn be64(value: u64) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

/// Every row of a bucket, in key order; nothing if the bucket does not exist.
pub(crate) fn all(root: &ReadTx, bucket: Bucket) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let mut cursor = root.cursor(bucket.name())?;
    cursor.seek(b"")?;
    let mut rows = Vec::new();
    while let Some(row) = cursor.next()? {
        rows.push(row);
    }
    Ok(rows)
}

/// A row as text.
pub(crate) fn text(bucket: Bucket, row: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(row).map_err(|_| Error::row(bucket, "text is not UTF-8"))
}
