//! Reading records back: frames, the CRC chain, and what counts as a torn write.
//!
//! It never changes a file, and holds at most one window of a segment ([`WINDOW_BYTES`], or one record if that is
//! longer) in memory.

use crate::{
    Error,
    encoder::{FRAME_BYTES, Kind, PAD_FLAG},
    segment::SegmentName,
};
use bytes::Bytes;
use disk::File;
use prost::Message;
use proto::walpb;
use std::{io, sync::Arc};

/// Bytes of a segment read at once.
const WINDOW_BYTES: usize = 256 << 10;
/// What a disk writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// A segment open for reading (and, for the log's owner, locked for writing).
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) name: SegmentName,
    pub(crate) file: Arc<dyn File>,
}

/// A record whose CRC was right. A CRC record is dealt with by the decoder and not handed out.
#[derive(Debug)]
pub(crate) struct Record {
    /// As on the disk: [`Kind`] may not know it.
    pub(crate) kind: i64,
    /// An allocation of its own, no longer than the data.
    pub(crate) data: Bytes,
}

/// Why there is no next record.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The log's last write did not reach the disk whole: what was read so far is the log.
    Torn(String),
    Fault(Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Fault(Error::Io(error))
    }
}

/// Reads the records of consecutive segments.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    /// Not yet read to their end; the first is the current one.
    segments: &'a [Segment],
    window: Window,
    /// Running CRC after the last good record.
    crc: u32,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(segments: &'a [Segment]) -> io::Result<Self> {
        let window = match segments.first() {
            Some(segment) => Window::new(&*segment.file, Vec::new())?,
            None => Window::default(),
        };
        Ok(Decoder { segments, window, crc: 0 })
    }

    /// The running CRC after the last good record.
    pub(crate) fn crc(&self) -> u32 {
        self.crc
    }

    /// Where the last good record ends in the current segment, bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.window.offset
    }

    /// True when the current segment is the last.
    pub(crate) fn in_last_segment(&self) -> bool {
        self.segments.len() == 1
    }

    /// The next record, or `None` at the clean end of the log.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, Stop> {
        loop {
            let Some(record) = self.next_in_segment()? else {
                if self.segments.len() <= 1 {
                    return Ok(None);
                }
                self.segments = &self.segments[1..];
                self.window = Window::new(&*self.segments[0].file, std::mem::take(&mut self.window.bytes))?;
                continue;
            };
            if record.kind != Kind::Crc as i64 {
                return Ok(Some(record));
            }
        }
    }

    fn next_in_segment(&mut self) -> Result<Option<Record>, Stop> {
        let Some(segment) = self.segments.first() else { return Ok(None) };
        let left = self.window.left();
        if left == 0 {
            return Ok(None);
        }
        let head = self.window.peek(&*segment.file, FRAME_BYTES)?;
        let Ok(field) = <[u8; FRAME_BYTES]>::try_from(head) else {
            return Err(self.torn("a frame's length field ends the file"));
        };
        let field = u64::from_le_bytes(field);
        if field == 0 {
            return Ok(None);
        }
        let (len, pad) = frame_size(field);
        // `len` has 56 bits, so the sum cannot overflow.
        let frame = FRAME_BYTES as u64 + len + pad;
        if frame > left {
            return Err(self.torn(&format!("record of {len} bytes, {left} left")));
        }
        let last = self.segments.len() == 1;
        let offset = self.window.offset;
        let bytes = self.window.peek(&*segment.file, frame as usize)?;
        if bytes.len() < frame as usize {
            return Err(self.torn("the file became shorter"));
        }
        let body = &bytes[FRAME_BYTES..];
        match decode(&body[..len as usize], self.crc) {
            Ok((record, crc)) => {
                self.crc = crc;
                self.window.advance(frame as usize);
                Ok(Some(record))
            }
            Err(_) if last && has_zero_sector(body, offset + FRAME_BYTES as u64) => {
                Err(self.torn("record with an unwritten sector"))
            }
            Err(error) => Err(Stop::Fault(error)),
        }
    }

    fn torn(&self, what: &str) -> Stop {
        let name = self.segments.first().map(|segment| segment.name.to_string()).unwrap_or_default();
        Stop::Torn(format!("unexpected EOF: {what} in file '{name}' at position: {}", self.window.offset))
    }
}

/// Length and padding of a frame.
fn frame_size(field: u64) -> (u64, u64) {
    let top = (field >> 56) as u8;
    let pad = if top & PAD_FLAG != 0 { u64::from(top & 7) } else { 0 };
    (field & !(0xff << 56), pad)
}

/// Parses a record and checks it against the running CRC; returns the CRC after it.
fn decode(bytes: &[u8], crc: u32) -> Result<(Record, u32), Error> {
    let record = walpb::Record::decode(bytes).map_err(|error| Error::Corrupt(format!("record: {error}")))?;
    let kind = record.r#type();
    let stored = record.crc();
    let data = record.data.unwrap_or_default();
    let after = if kind == Kind::Crc as i64 {
        // The first segment that is read seeds the chain: before it, there is nothing to compare with.
        if crc != 0 && stored != crc {
            return Err(Error::CrcMismatch);
        }
        stored
    } else {
        let after = crc32c::crc32c_append(crc, &data);
        if stored != after {
            return Err(Error::CrcMismatch);
        }
        after
    };
    Ok((Record { kind, data }, after))
}

/// True when the part of `frame` (which lies at `offset` in its file) in some sector is all zero.
fn has_zero_sector(frame: &[u8], offset: u64) -> bool {
    let first = (SECTOR_BYTES - offset % SECTOR_BYTES) as usize;
    let (head, rest) = frame.split_at(first.min(frame.len()));
    std::iter::once(head)
        .chain(rest.chunks(SECTOR_BYTES as usize))
        .any(|sector| !sector.is_empty() && sector.iter().all(|byte| *byte == 0))
}

/// The part of a file that is in memory.
#[derive(Debug, Default)]
struct Window {
    bytes: Vec<u8>,
    /// Consumed bytes of `bytes`.
    start: usize,
    /// Place of `bytes[start]` in the file.
    offset: u64,
    /// Length of the file.
    len: u64,
}

impl Window {
    /// At the beginning of `file`, with the memory of an earlier window.
    fn new(file: &dyn File, mut bytes: Vec<u8>) -> io::Result<Self> {
        bytes.clear();
        bytes.shrink_to(WINDOW_BYTES);
        Ok(Window { bytes, start: 0, offset: 0, len: file.len()? })
    }

    /// Bytes of the file not yet consumed.
    fn left(&self) -> u64 {
        self.len - self.offset
    }

    /// The next `count` bytes, or as many as the file has.
    fn peek(&mut self, file: &dyn File, count: usize) -> io::Result<&[u8]> {
        if self.bytes.len() - self.start < count {
            self.fill(file, count)?;
        }
        let end = self.bytes.len().min(self.start + count);
        Ok(&self.bytes[self.start..end])
    }

    fn fill(&mut self, file: &dyn File, count: usize) -> io::Result<()> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let have = self.bytes.len();
        let target = (count.max(WINDOW_BYTES) as u64).min(self.left()) as usize;
        if target > have {
            self.bytes.resize(target, 0);
            let read = file.read_at(&mut self.bytes[have..], self.offset + have as u64)?;
            self.bytes.truncate(have + read);
        }
        Ok(())
    }

    fn advance(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Encoder;
    use disk::{Disk, OpenMode, RealDisk};
    use proto::{etcdserverpb, raftpb};
    use std::path::Path;

    #[test]
    fn frame_sizes() {
        assert_eq!(frame_size(16), (16, 0));
        assert_eq!(frame_size(0x8400_0000_0000_0004), (4, 4));
        assert_eq!(frame_size(0x0300_0000_0000_0004), (4, 0), "padding counts only with the flag");
        assert_eq!(frame_size(u64::MAX), ((1 << 56) - 1, 7));
    }

    #[test]
    fn zero_sectors() {
        let full = vec![1; 1500];
        assert!(!has_zero_sector(&full, 8));
        let mut hole = full.clone();
        hole[504..1016].fill(0);
        assert!(has_zero_sector(&hole, 8), "sector 1 of the file");
        assert!(!has_zero_sector(&hole, 16), "no whole part is zero at another offset");
        let mut end = full.clone();
        end[1016 + 480..].fill(0);
        assert!(!has_zero_sector(&end, 8));
        assert!(has_zero_sector(&[1, 0, 0], 511), "short parts count too");
        assert!(!has_zero_sector(&[], 8));
    }

    /// Every record of a live server's log, parsed and encoded again, is the bytes that Go wrote.
    #[test]
    fn reencoding_gives_the_same_bytes() {
        for version in ["3.4.23", "3.5.33", "3.7.1"] {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/live-{version}/wal"));
            let name = SegmentName { seq: 0, index: 0 };
            let file = RealDisk.open(&dir.join(name.to_string()), OpenMode::Read).unwrap();
            let mut original = vec![0; file.len().unwrap() as usize];
            file.read_at(&mut original, 0).unwrap();

            let mut encoder = Encoder::new(0);
            encoder.crc_mark();
            let segments = [Segment { name, file }];
            let mut decoder = Decoder::new(&segments).unwrap();
            let mut entries = 0;
            while let Some(Record { kind, data }) = decoder.next().unwrap() {
                match Kind::from_wire(kind).unwrap() {
                    kind @ Kind::Metadata => {
                        encoder.message(kind, &etcdserverpb::Metadata::decode(data).unwrap());
                    }
                    kind @ Kind::Entry => {
                        entries += 1;
                        encoder.message(kind, &raftpb::Entry::decode(data).unwrap());
                    }
                    kind @ Kind::State => encoder.message(kind, &raftpb::HardState::decode(data).unwrap()),
                    kind @ Kind::Snapshot => encoder.message(kind, &walpb::Snapshot::decode(data).unwrap()),
                    Kind::Crc => unreachable!("the decoder keeps these"),
                }
            }
            assert_eq!(entries, 39, "{version}");
            assert!(encoder.pending() == original, "{version}");
        }
    }
}
