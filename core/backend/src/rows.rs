//! Rows of the `key` bucket that are not in the committed root yet, ascending.
//!
//! Rows sit in immutable segments, which views share, and one growing tail. A segment belongs to one batch, so that
//! whole segments leave when their batch is committed. It never holds deletes: compaction deletes only committed rows.

use crate::row_key::RowKey;
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc};

/// Segments of the open batch above which they are merged into one, so that lookups and views stay cheap however
/// many views are taken between two commits.
const OPEN_SEGMENTS_MAX: usize = 64;

/// A row, with its place spelled out so that a search touches no key bytes.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    at: RowKey,
    pub key: Bytes,
    pub value: Bytes,
}

pub(crate) type Segment = Arc<Vec<Row>>;

#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// None is empty; ascending, and ascending within.
    segments: VecDeque<Segment>,
    /// How many of the last segments belong to the open batch.
    open_segments: usize,
    /// Rows of the open batch after its segments.
    tail: Vec<Row>,
}

impl Rows {
    /// Adds a row. Panics if it does not ascend.
    pub fn push(&mut self, key: Bytes, value: Bytes) {
        let at = RowKey::decode(&key).expect("a row's key is a revision");
        let last = self.tail.last().or_else(|| self.segments.back().and_then(|s| s.last()));
        assert!(last.is_none_or(|last| last.at < at), "row {at:?} does not ascend");
        self.tail.push(Row { at, key, value });
    }

    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        let at = RowKey::decode(key)?;
        if self.tail.first().is_some_and(|first| first.at <= at) {
            return find_in(&self.tail, at);
        }
        let (front, back) = self.segments.as_slices();
        find(front, at).or_else(|| find(back, at))
    }

    /// The main revision of the oldest row.
    pub fn first_main(&self) -> Option<i64> {
        let first = self.segments.front().and_then(|s| s.first()).or_else(|| self.tail.first());
        first.map(|row| row.at.main)
    }

    /// Ends the open batch: the number of segments it holds.
    pub fn seal(&mut self) -> usize {
        self.freeze();
        std::mem::take(&mut self.open_segments)
    }

    /// The oldest `segments` are committed.
    pub fn drop_front(&mut self, segments: usize) {
        assert!(segments <= self.segments.len() - self.open_segments, "a batch commits after it is sealed");
        self.segments.drain(..segments);
    }

    pub fn segments(&mut self) -> Vec<Segment> {
        self.freeze();
        self.segments.iter().cloned().collect()
    }

    fn freeze(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        self.segments.push_back(Arc::new(std::mem::take(&mut self.tail)));
        self.open_segments += 1;
        if self.open_segments > OPEN_SEGMENTS_MAX {
            let first = self.segments.len() - self.open_segments;
            let merged = self.segments.drain(first..).flat_map(|s| s.iter().cloned().collect::<Vec<_>>());
            let merged = Arc::new(merged.collect());
            self.segments.push_back(merged);
            self.open_segments = 1;
        }
    }
}

/// Finds a row in ascending segments.
pub(crate) fn find(segments: &[Segment], at: RowKey) -> Option<Bytes> {
    let segment = segments.partition_point(|s| s[0].at <= at).checked_sub(1)?;
    find_in(&segments[segment], at)
}

/// The place of the first row not before `at`: segment and index in it.
pub(crate) fn lower_bound(segments: &[Segment], at: RowKey) -> (usize, usize) {
    let Some(segment) = segments.partition_point(|s| s[0].at <= at).checked_sub(1) else { return (0, 0) };
    (segment, segments[segment].partition_point(|row| row.at < at))
}

fn find_in(rows: &[Row], at: RowKey) -> Option<Bytes> {
    let index = rows.binary_search_by(|row| row.at.cmp(&at)).ok()?;
    Some(rows[index].value.clone())
}
