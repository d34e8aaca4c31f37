//! Header blocks seen before. A client sends the same fields for most of its calls, and one that differs: the
//! call's timeout. Which block means the same fields as one before is told without decoding it.
//!
//! A block's key is what it says in terms that stand: an indexed field as its entry's [`Id`] (indices shift, and
//! grpc-go inserts every timeout), a literal as its bytes, the [`VOLATILE`] field not at all. Blocks that insert
//! anything else, or resize the table, have no key.

use super::{
    literal::{Literal, Text, integer},
    tables::{Id, Tables},
};

/// Keys remembered per connection.
pub(crate) const KNOWN_BLOCKS: usize = 8;
/// Longest key that is remembered, in bytes.
const KEY_BYTES_MAX: usize = 1024;
/// The field that differs from call to call.
pub(crate) const VOLATILE: &[u8] = b"grpc-timeout";
/// The same, Huffman coded.
const VOLATILE_CODED: &[u8] = &[0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f];

const INDEXED: u8 = 1;
const LITERAL: u8 = 2;
const LITERAL_NEW_NAME: u8 = 3;
const VOLATILE_HERE: u8 = 4;

#[derive(Debug)]
pub(super) struct KnownBlocks {
    keys: [Vec<u8>; KNOWN_BLOCKS],
    /// Slot that the next key takes.
    pub(super) next: usize,
    /// Key of the block scanned last.
    key: Vec<u8>,
    /// The known block met last: most often the next one is the same byte for byte.
    latest: Latest,
}

#[derive(Debug)]
struct Latest {
    block: Vec<u8>,
    /// Of the tables then.
    generation: u64,
    slot: usize,
}

/// A block that has a key.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    pub(super) volatile: Option<Literal<'a>>,
}

impl KnownBlocks {
    pub(super) fn new() -> KnownBlocks {
        let latest = Latest { block: Vec::new(), generation: 0, slot: 0 };
        KnownBlocks { keys: Default::default(), next: 0, key: Vec::new(), latest }
    }

    /// Slot of the block if it is the latest known one again, and means the same.
    pub(super) fn again(&self, block: &[u8], tables: &Tables) -> Option<usize> {
        let Latest { block: latest, generation, slot } = &self.latest;
        (*latest == block && *generation == tables.generation() && !block.is_empty()).then_some(*slot)
    }

    /// The block is known, in this slot, and has no volatile field.
    pub(super) fn met(&mut self, block: &[u8], slot: usize, tables: &Tables) {
        let latest = &mut self.latest;
        latest.block.clear();
        latest.block.extend_from_slice(block);
        (latest.generation, latest.slot) = (tables.generation(), slot);
    }

    /// Computes the block's key. `None`: it has none, or is corrupt.
    pub(super) fn scan<'a>(&mut self, block: &'a [u8], tables: &Tables) -> Option<Scan<'a>> {
        self.key.clear();
        let mut scan = Scan { volatile: None };
        let mut rest = block;
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let Id(id) = tables.id(integer(&mut rest, 7).ok()?)?;
                self.key.push(INDEXED);
                self.key.extend_from_slice(&id.to_le_bytes());
                continue;
            }
            if first & 0xe0 == 0x20 {
                return None;
            }
            let literal = Literal::parse(&mut rest).ok()?;
            if is_volatile(&literal, tables) {
                if scan.volatile.replace(literal).is_some() {
                    return None;
                }
                self.key.push(VOLATILE_HERE);
                continue;
            }
            if literal.insert {
                return None;
            }
            self.push_literal(&literal, tables)?;
        }
        (self.key.len() <= KEY_BYTES_MAX).then_some(scan)
    }

    fn push_literal(&mut self, literal: &Literal, tables: &Tables) -> Option<()> {
        if literal.name_index == 0 {
            self.key.push(LITERAL_NEW_NAME);
            self.push_text(&literal.name);
        } else {
            let Id(id) = tables.id(literal.name_index)?;
            self.key.push(LITERAL);
            self.key.extend_from_slice(&id.to_le_bytes());
        }
        self.push_text(&literal.value);
        Some(())
    }

    fn push_text(&mut self, text: &Text) {
        self.key.push(u8::from(text.huffman));
        self.key.extend_from_slice(&(text.text.len() as u32).to_le_bytes());
        self.key.extend_from_slice(text.text);
    }

    /// Slot of the key scanned last, if it is remembered.
    pub(super) fn find(&self) -> Option<usize> {
        self.keys.iter().position(|key| !key.is_empty() && *key == self.key)
    }

    /// Remembers the key scanned last in slot `next`.
    pub(super) fn remember(&mut self) {
        std::mem::swap(&mut self.keys[self.next], &mut self.key);
        // The slot may be that of the latest known block.
        self.latest.block.clear();
        self.next = (self.next + 1) % KNOWN_BLOCKS;
    }
}

fn is_volatile(literal: &Literal, tables: &Tables) -> bool {
    match literal.name_index {
        0 if literal.name.huffman => literal.name.text == VOLATILE_CODED,
        0 => literal.name.text == VOLATILE,
        index => tables.get(index).is_some_and(|(name, _)| name == VOLATILE),
    }
}
