//! The bytes of one simulated file: sparse blocks, shared between copies until one of them changes.
//!
//! Invariants: an absent block reads as zeroes; no stored block lies wholly at or beyond `len`; bytes of a stored block
//! beyond `len` are zero.
use std::{collections::BTreeMap, sync::Arc};

/// Bytes of one block.
pub(super) const BLOCK_BYTES: usize = 4096;

type Block = Arc<[u8; BLOCK_BYTES]>;

#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    blocks: BTreeMap<u64, Block>,
    len: u64,
}

/// One change of a file.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: u64, data: Arc<[u8]> },
    Zeroes { offset: u64, len: u64 },
    SetLen(u64),
}

impl Change {
    /// A write; zeroes take no memory, so that preallocated files stay cheap.
    pub(super) fn write(data: &[u8], offset: u64) -> Change {
        if data.iter().all(|byte| *byte == 0) {
            Change::Zeroes { offset, len: data.len() as u64 }
        } else {
            Change::Write { offset, data: data.into() }
        }
    }
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes of stored blocks.
    pub(super) fn bytes(&self) -> u64 {
        (self.blocks.len() * BLOCK_BYTES) as u64
    }

    /// Bytes of blocks that `change` may add.
    pub(super) fn growth(&self, change: &Change) -> u64 {
        let Change::Write { offset, data } = change else { return 0 };
        let (first, last) = (block_of(*offset), block_of(*offset + data.len() as u64 - 1));
        let present = self.blocks.range(first..=last).count() as u64;
        (last - first + 1 - present) * BLOCK_BYTES as u64
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, data } => self.write_at(data, *offset),
            Change::Zeroes { offset, len } => self.zero(*offset, *len),
            Change::SetLen(len) => self.set_len(*len),
        }
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> usize {
        let wanted = (buf.len() as u64).min(self.len.saturating_sub(offset)) as usize;
        for (block, within, range) in pieces(offset, wanted) {
            let size = range.len();
            match self.blocks.get(&block) {
                Some(data) => buf[range].copy_from_slice(&data[within..within + size]),
                None => buf[range].fill(0),
            }
        }
        wanted
    }

    fn write_at(&mut self, data: &[u8], offset: u64) {
        for (block, within, range) in pieces(offset, data.len()) {
            let target = self.blocks.entry(block).or_insert_with(|| Arc::new([0; BLOCK_BYTES]));
            Arc::make_mut(target)[within..within + range.len()].copy_from_slice(&data[range]);
        }
        if !data.is_empty() {
            self.len = self.len.max(offset + data.len() as u64);
        }
    }

    fn zero(&mut self, offset: u64, len: u64) {
        if len == 0 {
            return;
        }
        let end = offset + len;
        self.len = self.len.max(end);
        self.clear(offset, end);
    }

    fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.clear(len, self.len);
        }
        self.len = len;
    }

    /// Makes `offset..end` read as zeroes.
    fn clear(&mut self, offset: u64, end: u64) {
        let touched: Vec<u64> =
            self.blocks.range(block_of(offset)..=block_of(end - 1)).map(|(b, _)| *b).collect();
        for block in touched {
            let start = block * BLOCK_BYTES as u64;
            let from = offset.saturating_sub(start) as usize;
            let to = (end - start).min(BLOCK_BYTES as u64) as usize;
            if from == 0 && to == BLOCK_BYTES {
                self.blocks.remove(&block);
            } else if let Some(data) = self.blocks.get_mut(&block) {
                Arc::make_mut(data)[from..to].fill(0);
            }
        }
        // A block whose remaining part lies beyond the end of the file holds nothing.
        if end >= self.len && offset.is_multiple_of(BLOCK_BYTES as u64) {
            self.blocks.split_off(&block_of(offset));
        }
    }
}

fn block_of(offset: u64) -> u64 {
    offset / BLOCK_BYTES as u64
}

/// Cuts `len` bytes at `offset` at block borders: block, offset within the block, range within the buffer.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = (at % BLOCK_BYTES as u64) as usize;
        let size = (BLOCK_BYTES - within).min(len - done);
        let piece = (block_of(at), within, done..done + size);
        done += size;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content against a plain vector, over a fixed walk of writes, zeroes and lengths.
    #[test]
    fn follows_a_plain_vector() {
        let mut draw = super::super::Draw(7);
        let (mut content, mut plain) = (Content::default(), Vec::<u8>::new());
        for _ in 0..2000 {
            let (offset, len) = (draw.below(20_000), draw.below(9_000));
            let change = match draw.below(4) {
                0 => Change::SetLen(offset),
                1 => Change::Zeroes { offset, len },
                _ => Change::write(&vec![draw.next() as u8; len as usize], offset),
            };
            let end = (offset + len) as usize;
            match &change {
                Change::SetLen(len) => plain.resize(*len as usize, 0),
                Change::Zeroes { len: 0, .. } => {}
                Change::Zeroes { .. } => {
                    plain.resize(plain.len().max(end), 0);
                    plain[offset as usize..end].fill(0);
                }
                Change::Write { data, .. } => {
                    plain.resize(plain.len().max(end), 0);
                    plain[offset as usize..end].copy_from_slice(data);
                }
            }
            content.apply(&change);
            let mut read = vec![1; 32_000];
            let got = content.read_at(&mut read, 0);
            assert_eq!((&read[..got], content.len()), (&plain[..], plain.len() as u64));
        }
    }
}
