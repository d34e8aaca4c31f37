//! What header blocks are made of: integers, strings and literal fields, as they lie in the block. It knows no table.

use super::huffman;

/// The block cannot be decoded, so neither can any after it: the connection must end with COMPRESSION_ERROR.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// A string as it lies in the block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text<'a> {
    pub(super) huffman: bool,
    pub(super) text: &'a [u8],
}

impl<'a> Text<'a> {
    pub(super) fn parse(rest: &mut &'a [u8]) -> Result<Text<'a>, Corrupt> {
        let huffman = rest.first().ok_or(Corrupt)? & 0x80 != 0;
        let length = integer(rest, 7)?;
        let (text, tail) = rest.split_at_checked(length).ok_or(Corrupt)?;
        *rest = tail;
        Ok(Text { huffman, text })
    }

    pub(super) fn decode(&self, out: &mut Vec<u8>) -> Result<(), Corrupt> {
        out.clear();
        if !self.huffman {
            out.extend_from_slice(self.text);
        } else if !huffman::decode(self.text, out) {
            return Err(Corrupt);
        }
        Ok(())
    }
}

/// A field that is no index.
#[derive(Debug)]
pub(super) struct Literal<'a> {
    /// It goes into the dynamic table.
    pub(super) insert: bool,
    /// 0: the name is a string.
    pub(super) name_index: usize,
    pub(super) name: Text<'a>,
    pub(super) value: Text<'a>,
}

impl<'a> Literal<'a> {
    pub(super) fn parse(rest: &mut &'a [u8]) -> Result<Literal<'a>, Corrupt> {
        let first = *rest.first().ok_or(Corrupt)?;
        let insert = first & 0x40 != 0;
        let name_index = integer(rest, if insert { 6 } else { 4 })?;
        let name = if name_index == 0 { Text::parse(rest)? } else { Text::default() };
        let value = Text::parse(rest)?;
        Ok(Literal { insert, name_index, name, value })
    }
}

/// An integer with a prefix of `bits` bits (RFC 7541, 5.1), at most 2^28 or so: what is larger fits nothing.
pub(super) fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, Corrupt> {
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
