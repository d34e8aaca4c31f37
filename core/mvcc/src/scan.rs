//! Reads over the index that may be taken in turns.

use crate::{Error, KeyInfo, KeyRange, Mvcc, RangeEnd, Reject, Revision, error::corrupt, key::Key};
use backend::{Buffer, View};
use bytes::Bytes;

/// A range over the index that may be taken in turns, so that a long one never holds up applies.
#[derive(Debug)]
pub struct Scan {
    /// The revision read at; fixed when the scan begins, so turns see one state.
    pub revision: i64,
    /// Keys found so far, ascending; at most `limit`.
    pub found: Vec<KeyInfo>,
    /// Keys in the range so far, found or beyond the limit.
    pub count: i64,
    /// True when the range has been walked to its end.
    pub done: bool,
    range: KeyRange,
    /// The last key walked; `None` before the first.
    resume: Option<Key>,
    /// `usize::MAX` if there is none, 0 to count only.
    limit: usize,
}

impl Mvcc {
    /// Begins a scan; `limit` 0 = no limit. Walks nothing yet. While it lives (until [`Mvcc::end_scan`]) compaction
    /// keeps what its revision needs.
    pub fn begin_scan(
        &mut self,
        range: KeyRange,
        revision: i64,
        limit: usize,
        count_only: bool,
    ) -> Result<Scan, Reject> {
        let revision = self.readable(revision)?;
        *self.pins.entry(revision).or_default() += 1;
        let limit = match (count_only, limit) {
            (true, _) => 0,
            (false, 0) => usize::MAX,
            (false, limit) => limit,
        };
        Ok(Scan { revision, found: Vec::new(), count: 0, done: false, range, resume: None, limit })
    }

    /// Walks at most `keys` index keys of the scan.
    pub fn step_scan(&self, scan: &mut Scan, keys: usize) {
        if scan.done {
            return;
        }
        let Scan { revision, found, count, range, limit, .. } = scan;
        if range.end == RangeEnd::Single {
            let hit = self.index.find(&range.key, *revision);
            *count = i64::from(hit.is_some());
            if *limit > 0 {
                found.extend(hit.map(|hit| KeyInfo::new(range.key.clone(), hit)));
            }
            scan.done = true;
            return;
        }
        let resume = self.index.walk(range, scan.resume.as_ref(), keys, |key, versions| {
            let Some(hit) = versions.find(*revision) else { return };
            *count += 1;
            if found.len() < *limit {
                found.push(KeyInfo::new(Bytes::copy_from_slice(key.as_slice()), hit));
            }
        });
        scan.done = resume.is_none();
        scan.resume = resume;
    }

    /// Ends a scan, finished or not. Each scan is ended once. Values it found are fetched before, or from a view
    /// taken before.
    pub fn end_scan(&mut self, scan: &Scan) {
        let pins = self.pins.get_mut(&scan.revision).expect("a scan ends once");
        *pins -= 1;
        if *pins == 0 {
            self.pins.remove(&scan.revision);
        }
    }

    /// One key at a readable revision.
    pub fn find(&self, key: &[u8], revision: i64) -> Option<KeyInfo> {
        let found = self.index.find(key, revision)?;
        Some(KeyInfo::new(Bytes::copy_from_slice(key), found))
    }

    /// The whole range at a readable revision, in one turn: the first `limit` keys (0 = all) and the count of all.
    pub(crate) fn range(&self, range: &KeyRange, revision: i64, limit: usize) -> (Vec<KeyInfo>, i64) {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let (mut found, mut count) = (Vec::new(), 0);
        let end = self.index.walk(range, None, usize::MAX, |key, versions| {
            let Some(hit) = versions.find(revision) else { return };
            count += 1;
            if found.len() < limit {
                found.push(KeyInfo::new(Bytes::copy_from_slice(key.as_slice()), hit));
            }
        });
        debug_assert!(end.is_none());
        (found, count)
    }

    /// The encoded `mvccpb.KeyValue` of a row that the index named.
    pub fn value(&self, buffer: &Buffer, revision: Revision) -> Result<Bytes, Error> {
        Ok(buffer.row(&revision.row_key())?.ok_or_else(|| missing(revision))?)
    }
}

/// The encoded `mvccpb.KeyValue`s of rows that the index named, in the same order. For reader threads.
pub fn values(view: &View, revisions: &[Revision]) -> Result<Vec<Bytes>, Error> {
    let value = |at: &Revision| Ok(view.row(&at.row_key())?.ok_or_else(|| missing(*at))?);
    revisions.iter().map(value).collect()
}

fn missing(at: Revision) -> backend::Error {
    corrupt(format!("the row of revision {}.{} is missing", at.main, at.sub))
}
