//! Past changes read back from rows, for watchers that catch up.

use crate::{Change, Error, Revision, error::corrupt, row::KeyValueRef};
use backend::{View, row_key::RowKey};
use bytes::Bytes;

/// All changes with `from <= main < to`, in order, but of at most `revisions_max` distinct main revisions; and the
/// main revision to go on from: `to` when all are returned. Runs on any thread.
///
/// `from` must not be below the compacted revision of when the view was taken: what compaction removed is not seen.
pub fn history(view: &View, from: i64, to: i64, revisions_max: usize) -> Result<(Vec<Change>, i64), Error> {
    let mut rows = view.rows(from.max(0), 0)?;
    let mut changes: Vec<Change> = Vec::new();
    let mut revisions = 0;
    while let Some((key, kv)) = rows.next()? {
        let at = decode_row_key(&key)?;
        if at.main >= to {
            break;
        }
        if changes.last().is_none_or(|last| last.revision.main != at.main) {
            if revisions == revisions_max {
                return Ok((changes, at.main));
            }
            revisions += 1;
        }
        changes.push(change(at, kv)?);
    }
    Ok((changes, to))
}

/// The key of a row, which came from a file.
pub(crate) fn decode_row_key(key: &[u8]) -> Result<RowKey, backend::Error> {
    RowKey::decode(key).ok_or_else(|| corrupt(format!("{key:02x?} is not a revision")))
}

fn change(at: RowKey, kv: Bytes) -> Result<Change, Error> {
    let state = KeyValueRef::decode(&kv)?;
    let created = !at.tombstone && state.create_revision == state.mod_revision;
    let key = if state.key.is_empty() { Bytes::new() } else { kv.slice_ref(state.key) };
    Ok(Change { revision: Revision::from(at), tombstone: at.tombstone, key, kv, created })
}
