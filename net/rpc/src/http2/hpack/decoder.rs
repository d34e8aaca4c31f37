//! Decodes header blocks (RFC 7541) into a flat list of fields. It never judges a field; that is for who asked.
//!
//! A client sends the same block for most of its calls. Blocks that leave the dynamic table alone are remembered
//! with the table's generation; such a block seen again is not decoded again ([`Block::Known`]), and whoever
//! interpreted it may remember its interpretation by the slot.

use super::{
    huffman,
    tables::{ENTRY_OVERHEAD, Tables},
};

/// Largest list, counted as RFC 9113 counts SETTINGS_MAX_HEADER_LIST_SIZE (32 bytes a field beside its text).
pub(crate) const LIST_BYTES_MAX: usize = 256 << 10;
/// Blocks remembered per connection.
pub(crate) const KNOWN_BLOCKS: usize = 4;
/// Longest block that is remembered, in bytes.
const KNOWN_BLOCK_BYTES_MAX: usize = 192;
/// Size updates in one block: the encoder may need two, more are an abuse.
const SIZE_UPDATES_MAX: usize = 2;

/// The block cannot be decoded, so neither can any after it: the connection must end with COMPRESSION_ERROR.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Byte for byte the one remembered in this slot; not decoded.
    Known(usize),
    /// Decoded into [`Decoder::fields`]. It may be remembered, in this slot ([`Decoder::remember`]).
    Repeatable(usize),
    /// Decoded into [`Decoder::fields`]; it changed the dynamic table or is long.
    Once,
    /// The list is larger than [`LIST_BYTES_MAX`]; the dynamic table is in order.
    TooLarge,
}

/// Names and values in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    text: Vec<u8>,
    /// Ends of name and value in `text`.
    ends: Vec<(usize, usize)>,
    size: usize,
}

impl Fields {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name, value)| {
            let field = (&self.text[start..name], &self.text[name..value]);
            start = value;
            field
        })
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.size = 0;
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        self.size += name.len() + value.len() + ENTRY_OVERHEAD;
        if self.size > LIST_BYTES_MAX {
            return;
        }
        self.text.extend_from_slice(name);
        let middle = self.text.len();
        self.text.extend_from_slice(value);
        self.ends.push((middle, self.text.len()));
    }
}

#[derive(Debug, Default)]
struct Known {
    block: Vec<u8>,
    generation: u64,
}

#[derive(Debug)]
pub(crate) struct Decoder {
    tables: Tables,
    fields: Fields,
    known: [Known; KNOWN_BLOCKS],
    /// Slot that the next repeatable block takes.
    next: usize,
    /// Text of the literal at hand.
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder {
            tables: Tables::new(),
            fields: Fields::default(),
            known: Default::default(),
            next: 0,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Fields of the block decoded last.
    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Block, Corrupt> {
        let generation = self.tables.generation();
        for (slot, known) in self.known.iter().enumerate() {
            if known.generation == generation && known.block == block && !block.is_empty() {
                return Ok(Block::Known(slot));
            }
        }
        self.fields.clear();
        let mut rest = block;
        let mut size_updates = 0;
        while let Some(&first) = rest.first() {
            if first & 0xe0 == 0x20 {
                size_updates += 1;
                if !self.fields.ends.is_empty() || size_updates > SIZE_UPDATES_MAX {
                    return Err(Corrupt);
                }
                if !self.tables.resize(integer(&mut rest, 5)?) {
                    return Err(Corrupt);
                }
            } else {
                self.field(first, &mut rest)?;
            }
        }
        if self.fields.size > LIST_BYTES_MAX {
            self.fields.clear();
            return Ok(Block::TooLarge);
        }
        let repeatable = self.tables.generation() == generation && block.len() <= KNOWN_BLOCK_BYTES_MAX;
        Ok(if repeatable { Block::Repeatable(self.next) } else { Block::Once })
    }

    /// Remembers the block just decoded as [`Block::Repeatable`].
    pub(crate) fn remember(&mut self, block: &[u8]) {
        assert!(block.len() <= KNOWN_BLOCK_BYTES_MAX);
        let known = &mut self.known[self.next];
        known.block.clear();
        known.block.extend_from_slice(block);
        known.generation = self.tables.generation();
        self.next = (self.next + 1) % KNOWN_BLOCKS;
    }

    fn field(&mut self, first: u8, rest: &mut &[u8]) -> Result<(), Corrupt> {
        if first & 0x80 != 0 {
            let index = integer(rest, 7)?;
            let (name, value) = self.tables.get(index).ok_or(Corrupt)?;
            self.fields.push(name, value);
            return Ok(());
        }
        let insert = first & 0x40 != 0;
        let index = integer(rest, if insert { 6 } else { 4 })?;
        if index == 0 {
            string(rest, &mut self.name)?;
        } else {
            self.name.clear();
            self.name.extend_from_slice(self.tables.get(index).ok_or(Corrupt)?.0);
        }
        string(rest, &mut self.value)?;
        self.fields.push(&self.name, &self.value);
        if insert {
            self.tables.insert(&self.name, &self.value);
        }
        Ok(())
    }
}

/// An integer with a prefix of `bits` bits (RFC 7541, 5.1), at most 2^28 or so: what is larger fits nothing.
fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, Corrupt> {
    let mask = (1usize << bits) - 1;
    let (&first, mut tail) = rest.split_first().ok_or(Corrupt)?;
    let mut value = first as usize & mask;
    if value == mask {
        for shift in [0, 7, 14, 21, 28] {
            let (&byte, after) = tail.split_first().ok_or(Corrupt)?;
            if shift == 28 {
                return Err(Corrupt);
            }
            tail = after;
            value += (byte as usize & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = tail;
    Ok(value)
}

fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Corrupt> {
    let huffman = rest.first().ok_or(Corrupt)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (text, tail) = rest.split_at_checked(length).ok_or(Corrupt)?;
    *rest = tail;
    out.clear();
    if !huffman {
        out.extend_from_slice(text);
    } else if !huffman::decode(text, out) {
        return Err(Corrupt);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn list(decoder: &Decoder) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        decoder.fields().iter().map(|(name, value)| format!("{}={};", text(name), text(value))).collect()
    }

    /// RFC 7541, C.4 and C.6: consecutive blocks, Huffman coded, on one table.
    #[test]
    fn rfc_examples() {
        let mut decoder = Decoder::new();
        for (block, fields) in [
            (
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                ":method=GET;:scheme=http;:path=/;:authority=www.example.com;",
            ),
            (
                "828684be5886a8eb10649cbf",
                ":method=GET;:scheme=http;:path=/;:authority=www.example.com;cache-control=no-cache;",
            ),
            (
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
                ":method=GET;:scheme=https;:path=/index.html;:authority=www.example.com;custom-key=custom-value;",
            ),
        ] {
            assert_eq!(decoder.decode(&hex(block)), Ok(Block::Once));
            assert_eq!(list(&decoder), fields);
        }
    }

    #[test]
    fn eviction_keeps_the_limit() {
        let mut decoder = Decoder::new();
        decoder.decode(&hex("3f45")).unwrap(); // limit 100
        decoder.decode(&hex("40 01 61 01 62 40 01 63 01 64 40 01 65 01 66")).unwrap();
        decoder.decode(&hex("be bf")).unwrap();
        assert_eq!(list(&decoder), "e=f;c=d;");
        assert_eq!(decoder.decode(&hex("c0")), Err(Corrupt), "the oldest is gone");
    }

    #[test]
    fn a_repeated_block_is_known_until_the_table_changes() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode(&hex("40 01 61 01 62")), Ok(Block::Once));
        assert_eq!(decoder.decode(&hex("be 82")), Ok(Block::Repeatable(0)));
        decoder.remember(&hex("be 82"));
        assert_eq!(decoder.decode(&hex("be 82")), Ok(Block::Known(0)));
        assert_eq!(decoder.decode(&hex("40 01 63 01 64")), Ok(Block::Once));
        assert_eq!(decoder.decode(&hex("be 82")), Ok(Block::Repeatable(1)));
        assert_eq!(list(&decoder), "c=d;:method=GET;");
    }

    #[test]
    fn what_is_corrupt() {
        for (block, why) in [
            ("80", "index 0"),
            ("be", "beyond the tables"),
            ("7f", "cut integer"),
            ("ff ff ff ff ff ff 01", "huge integer"),
            ("00 05 61", "cut string"),
            ("82 20", "size update after a field"),
            ("20 20 20", "too many size updates"),
            ("3f e2 1f", "limit above ours"),
            ("00 81 00 01 61", "bad Huffman padding"),
        ] {
            assert_eq!(Decoder::new().decode(&hex(block)), Err(Corrupt), "{why}");
        }
    }

    #[test]
    fn a_large_list_is_dropped_and_the_table_kept() {
        let mut decoder = Decoder::new();
        let mut block = hex("40 01 61 01 62");
        block.extend(std::iter::repeat_n(0xbe, LIST_BYTES_MAX / 34 + 1));
        assert_eq!(decoder.decode(&block), Ok(Block::TooLarge));
        assert_eq!(decoder.decode(&hex("be")), Ok(Block::Repeatable(0)));
        assert_eq!(list(&decoder), "a=b;");
    }
}
