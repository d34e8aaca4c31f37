//! A consistent picture of the `key` bucket for reader threads.

use crate::{
    Bucket, ReadTx, Result,
    row_key::RowKey,
    rows::{self, Segment},
};
use bytes::Bytes;

/// What [`crate::Buffer::view`] gives: may be read on any thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct View {
    pub root: ReadTx,
    /// `key` rows not in `root`, ascending.
    segments: Vec<Segment>,
}

impl View {
    pub(crate) fn new(root: ReadTx, segments: Vec<Segment>) -> View {
        View { root, segments }
    }

    /// One row of the `key` bucket.
    pub fn row(&self, key: &[u8]) -> Result<Option<Bytes>> {
        if let Some(value) = RowKey::decode(key).and_then(|at| rows::find(&self.segments, at)) {
            return Ok(Some(value));
        }
        self.root.get(Bucket::Key.name(), key)
    }

    /// All rows of the `key` bucket from the one at `main`, `sub` on, ascending: those of the root, then those not in
    /// it.
    pub fn rows(&self, main: i64, sub: i64) -> Result<RowCursor> {
        let from = RowKey { main, sub, tombstone: false };
        let mut root = self.root.cursor(Bucket::Key.name())?;
        root.seek(&crate::row_key::encode_put(main, sub))?;
        let (segment, index) = rows::lower_bound(&self.segments, from);
        Ok(RowCursor { root: Some(root), segments: self.segments.clone(), segment, index })
    }
}

/// Walks the rows of a [`View`].
#[derive(Debug)]
pub struct RowCursor {
    /// `None` once the root's rows are walked.
    root: Option<bolt::Cursor>,
    segments: Vec<Segment>,
    segment: usize,
    index: usize,
}

impl RowCursor {
    /// The next key and value, or `None` at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        if let Some(root) = &mut self.root {
            if let Some(row) = root.next()? {
                return Ok(Some(row));
            }
            self.root = None;
        }
        while let Some(segment) = self.segments.get(self.segment) {
            if let Some(row) = segment.get(self.index) {
                self.index += 1;
                return Ok(Some((row.key.clone(), row.value.clone())));
            }
            (self.segment, self.index) = (self.segment + 1, 0);
        }
        Ok(None)
    }
}
