//! Segment files: their names, and making the next one ready.
//!
//! It never reads or writes a record.

use crate::{Error, Result};
use disk::{Disk, OpenMode};
use std::{fmt, path::Path};

/// Bytes a segment is preallocated to; a segment is cut when the write offset has reached it.
pub const SEGMENT_BYTES: u64 = 64 * 1000 * 1000;

/// Bytes written, read or compared in one go where whole files pass by.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

const DIGITS: usize = 16;
const SUFFIX: &str = ".wal";

/// `<seq>-<index>.wal`, 16 lower-case hex digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentName {
    /// Consecutive, from 0.
    pub(crate) seq: u64,
    /// One above the last entry written when the segment was begun.
    pub(crate) index: u64,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}{SUFFIX}", self.seq, self.index)
    }
}

impl SegmentName {
    fn parse(name: &str) -> Option<SegmentName> {
        let (seq, index) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        Some(SegmentName { seq: parse_hex(seq)?, index: parse_hex(index)? })
    }
}

fn parse_hex(digits: &str) -> Option<u64> {
    // `from_str_radix` would take a sign.
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// The segments in `dir`, oldest first.
///
/// # Errors
/// [`Error::FileNotFound`] when there is none.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<SegmentName>> {
    let mut segments = Vec::new();
    for name in disk.list(dir)? {
        match SegmentName::parse(&name) {
            Some(segment) => segments.push(segment),
            None if name.ends_with(".tmp") => {}
            None => log::warn!(path:% = name; "ignored file in WAL directory"),
        }
    }
    if segments.is_empty() {
        return Err(Error::FileNotFound);
    }
    segments.sort_by_key(|segment| (segment.seq, segment.index));
    Ok(segments)
}

/// The segments needed to read on from a snapshot at `index`: from the last that begins at or below it, to the newest.
///
/// # Errors
/// [`Error::Corrupt`] when no segment reaches back that far or one is missing.
pub(crate) fn select(mut segments: Vec<SegmentName>, index: u64) -> Result<Vec<SegmentName>> {
    let Some(first) = segments.iter().rposition(|segment| segment.index <= index) else {
        return Err(Error::Corrupt(format!("file not found which matches the snapshot index '{index}'")));
    };
    segments.drain(..first);
    check_sequence(&segments)?;
    Ok(segments)
}

/// # Errors
/// [`Error::Corrupt`] when a segment is missing.
pub(crate) fn check_sequence(segments: &[SegmentName]) -> Result<()> {
    if segments.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq)) {
        return Err(Error::Corrupt(format!(
            "file sequence numbers (starting from {}) do not increase continuously",
            segments[0].seq
        )));
    }
    Ok(())
}

/// Creates (or truncates) `path`, preallocates and zero-fills [`SEGMENT_BYTES`], and syncs it. Slow: call it from a
/// background thread.
///
/// # Errors
/// Those of the disk; a full disk is one.
pub fn prepare_segment(disk: &dyn Disk, path: &Path) -> Result<()> {
    prepare_segment_sized(disk, path, SEGMENT_BYTES)
}

/// [`prepare_segment`] for a log with segments of `bytes` ([`Wal::create_sized`](crate::Wal::create_sized)).
///
/// # Errors
/// Those of the disk; a full disk is one.
pub fn prepare_segment_sized(disk: &dyn Disk, path: &Path, bytes: u64) -> Result<()> {
    let file = disk.open(path, OpenMode::Truncate)?;
    file.allocate(bytes)?;
    // Reserved blocks are not enough: the first write into one converts it, and each fdatasync would pay for that.
    let zeroes = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    while offset < bytes {
        let count = (bytes - offset).min(CHUNK_BYTES as u64);
        file.write_at(&zeroes[..count as usize], offset)?;
        offset += count;
    }
    file.sync_data()?;
    // The kernel holds the zeroes in pieces of up to a megabyte, and counts a whole piece as written at each sync.
    file.uncache()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            ("0000000000000000-0000000000000000.wal", Some((0, 0))),
            ("0000000000000001-0000000000000045.wal", Some((1, 0x45))),
            ("ffffffffffffffff-ABCDEFabcdef0123.wal", Some((u64::MAX, 0xabcd_efab_cdef_0123))),
            ("000000000000000-0000000000000000.wal", None),
            ("0000000000000000-0000000000000000.wal.broken", None),
            ("0000000000000000-0000000000000000", None),
            ("+000000000000000-0000000000000000.wal", None),
            ("0.tmp", None),
        ];
        for (name, expected) in cases {
            let parsed = SegmentName::parse(name).map(|segment| (segment.seq, segment.index));
            assert_eq!(parsed, expected, "{name}");
        }
        let name = SegmentName { seq: 16, index: 0xabc }.to_string();
        assert_eq!(name, "0000000000000010-0000000000000abc.wal");
    }

    #[test]
    fn selection_starts_at_or_below_the_snapshot() {
        let segments = |list: &[(u64, u64)]| -> Vec<SegmentName> {
            list.iter().map(|&(seq, index)| SegmentName { seq, index }).collect()
        };
        let log = [(3, 10), (4, 20), (5, 20), (6, 31)];
        let cases: [(u64, Option<u64>); 6] =
            [(9, None), (10, Some(3)), (19, Some(3)), (20, Some(5)), (30, Some(5)), (31, Some(6))];
        for (index, first) in cases {
            let selected = select(segments(&log), index).ok().map(|chosen| chosen[0].seq);
            assert_eq!(selected, first, "snapshot at {index}");
        }
        assert!(matches!(select(segments(&[(0, 0), (2, 5)]), 3), Err(Error::Corrupt(_))));
        assert!(
            select(segments(&[(0, 0), (2, 5)]), 5).is_ok(),
            "a hole before the first needed segment is none"
        );
    }
}
