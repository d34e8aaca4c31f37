//! Decodes header blocks (RFC 7541) into a flat list of fields. It never judges a field; that is for who asked.
//!
//! A block that says what one before said is not decoded again ([`Block::Known`]); whoever interpreted that one may
//! remember the interpretation by the slot.

use super::{
    known::{KnownBlocks, VOLATILE},
    literal::{Corrupt, Literal, integer},
    tables::{ENTRY_OVERHEAD, Tables},
};

/// Largest list, counted as RFC 9113 counts SETTINGS_MAX_HEADER_LIST_SIZE (32 bytes a field beside its text).
pub(crate) const LIST_BYTES_MAX: usize = 256 << 10;
/// Size updates in one block: the encoder may need two, more are an abuse.
const SIZE_UPDATES_MAX: usize = 2;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// The fields of the block remembered in this slot, but for [`Decoder::volatile`]; not decoded.
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

#[derive(Debug)]
pub(crate) struct Decoder {
    tables: Tables,
    fields: Fields,
    known: KnownBlocks,
    /// Text of the literal at hand.
    name: Vec<u8>,
    value: Vec<u8>,
    /// `value` is the volatile field's, of a known block.
    volatile: bool,
}

impl Decoder {
    pub(crate) fn new() -> Decoder {
        Decoder {
            tables: Tables::new(),
            fields: Fields::default(),
            known: KnownBlocks::new(),
            name: Vec::new(),
            value: Vec::new(),
            volatile: false,
        }
    }

    /// Fields of the block decoded last.
    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Value of [`VOLATILE`] in the known block met last; the remembered one's is void.
    pub(crate) fn volatile(&self) -> Option<&[u8]> {
        self.volatile.then_some(&self.value)
    }

    pub(crate) fn decode(&mut self, block: &[u8]) -> Result<Block, Corrupt> {
        if let Some(slot) = self.known.again(block, &self.tables) {
            self.volatile = false;
            return Ok(Block::Known(slot));
        }
        let scan = self.known.scan(block, &self.tables);
        if let Some(scan) = &scan
            && let Some(slot) = self.known.find()
        {
            self.volatile = scan.volatile.is_some();
            match &scan.volatile {
                None => self.known.met(block, slot, &self.tables),
                Some(literal) => {
                    literal.value.decode(&mut self.value)?;
                    if literal.insert {
                        self.tables.insert(VOLATILE, &self.value);
                    }
                }
            }
            return Ok(Block::Known(slot));
        }
        let repeatable = scan.is_some();
        self.fields.clear();
        self.decode_all(block)?;
        if self.fields.size > LIST_BYTES_MAX {
            self.fields.clear();
            return Ok(Block::TooLarge);
        }
        Ok(if repeatable { Block::Repeatable(self.known.next) } else { Block::Once })
    }

    fn decode_all(&mut self, block: &[u8]) -> Result<(), Corrupt> {
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
        Ok(())
    }

    /// Remembers the block just decoded as [`Block::Repeatable`].
    pub(crate) fn remember(&mut self) {
        self.known.remember();
    }

    fn field(&mut self, first: u8, rest: &mut &[u8]) -> Result<(), Corrupt> {
        if first & 0x80 != 0 {
            let index = integer(rest, 7)?;
            let (name, value) = self.tables.get(index).ok_or(Corrupt)?;
            self.fields.push(name, value);
            return Ok(());
        }
        let literal = Literal::parse(rest)?;
        if literal.name_index == 0 {
            literal.name.decode(&mut self.name)?;
        } else {
            self.name.clear();
            self.name.extend_from_slice(self.tables.get(literal.name_index).ok_or(Corrupt)?.0);
        }
        literal.value.decode(&mut self.value)?;
        self.fields.push(&self.name, &self.value);
        if literal.insert {
            self.tables.insert(&self.name, &self.value);
        }
        Ok(())
    }
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
            decoder.decode(&hex(block)).unwrap();
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

    /// Decodes, remembers what may be, and tells the volatile field's value.
    fn step(decoder: &mut Decoder, block: &str) -> (Block, Option<String>) {
        let kind = decoder.decode(&hex(block)).unwrap();
        if let Block::Repeatable(_) = kind {
            decoder.remember();
        }
        let volatile =
            matches!(kind, Block::Known(_)).then(|| decoder.volatile().map(|value| value.to_vec()));
        (kind, volatile.flatten().map(|value| String::from_utf8(value).unwrap()))
    }

    #[test]
    fn a_block_of_the_same_fields_is_known_however_the_indices_shift() {
        let mut decoder = Decoder::new();
        assert_eq!(step(&mut decoder, "40 01 61 01 62"), (Block::Once, None));
        assert_eq!(step(&mut decoder, "be 82"), (Block::Repeatable(0), None));
        assert_eq!(step(&mut decoder, "be 82"), (Block::Known(0), None));
        assert_eq!(step(&mut decoder, "be 82"), (Block::Known(0), None), "byte for byte");
        assert_eq!(step(&mut decoder, "40 01 63 01 64"), (Block::Once, None));
        assert_eq!(step(&mut decoder, "be 82"), (Block::Repeatable(1), None), "another entry now");
        assert_eq!(list(&decoder), "c=d;:method=GET;");
        assert_eq!(step(&mut decoder, "bf 82"), (Block::Known(0), None), "the entry by its new index");
        assert_eq!(
            step(&mut decoder, "0f 2f 01 62"),
            (Block::Repeatable(2), None),
            "literal with an indexed name"
        );
        assert_eq!(step(&mut decoder, "0f 2f 01 63"), (Block::Repeatable(3), None), "another value");
    }

    #[test]
    fn timeouts_differ_and_the_block_is_known() {
        let mut decoder = Decoder::new();
        let name = "0c 67 72 70 63 2d 74 69 6d 65 6f 75 74";
        assert_eq!(step(&mut decoder, "40 01 61 01 62"), (Block::Once, None));
        assert_eq!(step(&mut decoder, &format!("be 40 {name} 02 31 6e")).0, Block::Repeatable(0));
        assert_eq!(list(&decoder), "a=b;grpc-timeout=1n;");
        // By the index of the entry before, inserted; then without insertion, Huffman coded; then coded by name.
        assert_eq!(step(&mut decoder, "bf 7e 02 32 6e"), (Block::Known(0), Some("2n".into())));
        assert_eq!(step(&mut decoder, "c0 7e 02 33 6e"), (Block::Known(0), Some("3n".into())));
        assert_eq!(step(&mut decoder, "c1 0f 2f 82 65 5f"), (Block::Known(0), Some("3%".into())));
        let coded = "c1 00 88 9a ca c8 b2 12 34 da 8f 02 34 6e";
        assert_eq!(step(&mut decoder, coded), (Block::Known(0), Some("4n".into())));
        assert_eq!(step(&mut decoder, "c1 82"), (Block::Repeatable(1), None), "without a timeout");
        assert_eq!(step(&mut decoder, "be bf c0").0, Block::Repeatable(2), "all three were inserted");
        assert_eq!(list(&decoder), "grpc-timeout=3n;grpc-timeout=2n;grpc-timeout=1n;");
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
