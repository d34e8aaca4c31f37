//! Pages: layout, a checked view for reading, and the encoder.
//!
//! It never trusts a length or position it reads: [`Page::parse`] checks every element once, when a page enters
//! memory, so that the accessors cannot leave the page afterwards. All integers are little-endian.
//!
//! ```text
//! page     id u64 | flags u16 | count u16 | overflow u32 | elements | data      spans (overflow + 1) * page size
//! branch   pos u32 | ksize u32 | child page u64                                 pos counts from the element itself
//! leaf     flags u32 | pos u32 | ksize u32 | vsize u32                          key, then value
//! bucket   root page u64 | sequence u64 [| inline page, when root is 0]         a leaf value with flag 1
//! ```

use bytes::Bytes;
use std::{cmp::Ordering, ops::Range};

pub const PAGE_HEADER: usize = 16;
/// Bytes of one element, branch or leaf, without its key and value.
pub const ELEMENT: usize = 16;
pub const BUCKET_HEADER: usize = 16;

const BRANCH_FLAG: u16 = 0x01;
const LEAF_FLAG: u16 = 0x02;
pub const META_FLAG: u16 = 0x04;
pub const FREELIST_FLAG: u16 = 0x10;

/// Leaf element flag: the value is a bucket.
pub const BUCKET_FLAG: u32 = 0x01;

/// Bytes of the longest key.
pub const KEY_MAX: usize = 32768;
/// Bytes of the longest value.
pub const VALUE_MAX: usize = (1 << 31) - 2;
/// Elements a page may hold are below this.
pub const COUNT_MAX: usize = 0xffff;
/// Bytes one page with its overflow may have, so that offsets within it fit 32 bits.
pub const PAGE_BYTES_MAX: u64 = u32::MAX as u64;

/// Page sizes accepted: powers of two in this range.
pub const PAGE_SIZES: Range<usize> = 1024..(16 << 20) + 1;

/// The fixed part of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub id: u64,
    pub flags: u16,
    pub count: u16,
    pub overflow: u32,
}

impl Header {
    /// `bytes` has at least [`PAGE_HEADER`] bytes.
    pub fn decode(bytes: &[u8]) -> Header {
        Header {
            id: u64_at(bytes, 0),
            flags: u16::from_le_bytes([bytes[8], bytes[9]]),
            count: u16::from_le_bytes([bytes[10], bytes[11]]),
            overflow: u32_at(bytes, 12),
        }
    }

    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&self.overflow.to_le_bytes());
    }

    /// Pages this one spans.
    pub fn pages(self) -> u64 {
        u64::from(self.overflow) + 1
    }

    pub fn is_leaf(self) -> Result<bool, String> {
        match self.flags {
            BRANCH_FLAG => Ok(false),
            LEAF_FLAG => Ok(true),
            flags => Err(format!("neither branch nor leaf: flags {flags:#x}")),
        }
    }
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// A branch or leaf page whose elements lie within it, in order of their keys.
#[derive(Clone, Debug)]
pub struct Page {
    bytes: Bytes,
    count: u16,
    leaf: bool,
}

/// Where a leaf element's parts lie in its page. The value follows the key.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    pub flags: u32,
    pub start: usize,
    pub key_len: usize,
    pub value_len: usize,
}

impl Element {
    pub fn key(self) -> Range<usize> {
        self.start..self.start + self.key_len
    }
    pub fn value(self) -> Range<usize> {
        self.start + self.key_len..self.start + self.key_len + self.value_len
    }
    pub fn is_bucket(self) -> bool {
        self.flags & BUCKET_FLAG != 0
    }
}

impl Page {
    /// Checks a page read from the file. `bytes` is the page with its overflow.
    pub fn parse(bytes: Bytes, id: u64) -> Result<Page, String> {
        if bytes.len() < PAGE_HEADER {
            return Err("shorter than a page header".into());
        }
        let header = Header::decode(&bytes);
        if header.id != id {
            return Err(format!("the page calls itself {}", header.id));
        }
        let page = Page { leaf: header.is_leaf()?, count: header.count, bytes };
        page.check_bounds()?;
        page.check_order()?;
        Ok(page)
    }

    /// Checks the page inside an inline bucket's value.
    pub fn parse_inline(bytes: Bytes) -> Result<Page, String> {
        let id = if bytes.len() < PAGE_HEADER { 0 } else { Header::decode(&bytes).id };
        let page = Page::parse(bytes, id)?;
        if page.leaf { Ok(page) } else { Err("an inline bucket's page is not a leaf".into()) }
    }

    /// Takes a page that this program encoded.
    pub fn trusted(bytes: Bytes) -> Page {
        let header = Header::decode(&bytes);
        Page { leaf: header.flags == LEAF_FLAG, count: header.count, bytes }
    }

    fn check_bounds(&self) -> Result<(), String> {
        let count = self.count();
        if PAGE_HEADER + count * ELEMENT > self.bytes.len() {
            return Err(format!("{count} elements do not fit"));
        }
        if count == 0 && !self.leaf {
            return Err("a branch without children".into());
        }
        for index in 0..count {
            let at = PAGE_HEADER + index * ELEMENT;
            let (pos, key_len, value_len) = if self.leaf {
                (u32_at(&self.bytes, at + 4), u32_at(&self.bytes, at + 8), u32_at(&self.bytes, at + 12))
            } else {
                (u32_at(&self.bytes, at), u32_at(&self.bytes, at + 4), 0)
            };
            let end = at as u64 + u64::from(pos) + u64::from(key_len) + u64::from(value_len);
            if end > self.bytes.len() as u64 {
                return Err(format!("element {index} ends at {end}, beyond the page"));
            }
            if key_len == 0 || key_len as usize > KEY_MAX {
                return Err(format!("element {index} has a key of {key_len} bytes"));
            }
        }
        Ok(())
    }

    /// Searches rely on the order, so it is made sure of once.
    fn check_order(&self) -> Result<(), String> {
        match (1..self.count()).find(|index| self.key(index - 1) >= self.key(*index)) {
            Some(index) => Err(format!("key {index} is not above the one before")),
            None => Ok(()),
        }
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn is_leaf(&self) -> bool {
        self.leaf
    }

    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// The leaf element at `index`; the page is a leaf.
    pub fn element(&self, index: usize) -> Element {
        debug_assert!(self.leaf && index < self.count());
        let at = PAGE_HEADER + index * ELEMENT;
        let raw = &self.bytes[at..at + ELEMENT];
        Element {
            flags: u32_at(raw, 0),
            start: at + u32_at(raw, 4) as usize,
            key_len: u32_at(raw, 8) as usize,
            value_len: u32_at(raw, 12) as usize,
        }
    }

    /// Where the key of the branch element at `index` lies, and its child.
    pub fn child(&self, index: usize) -> (Range<usize>, u64) {
        debug_assert!(!self.leaf && index < self.count());
        let at = PAGE_HEADER + index * ELEMENT;
        let raw = &self.bytes[at..at + ELEMENT];
        let start = at + u32_at(raw, 0) as usize;
        (start..start + u32_at(raw, 4) as usize, u64_at(raw, 8))
    }

    /// The key of an element of either kind.
    pub fn key(&self, index: usize) -> &[u8] {
        let range = if self.leaf { self.element(index).key() } else { self.child(index).0 };
        &self.bytes[range]
    }

    /// The first index whose key is not below `key`, and whether it equals it.
    pub fn lower_bound(&self, key: &[u8]) -> (usize, bool) {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle).cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return (middle, true),
                Ordering::Greater => high = middle,
            }
        }
        (low, false)
    }

    /// Of a branch: the child under which `key` lies, or would.
    pub fn child_for(&self, key: &[u8]) -> usize {
        match self.lower_bound(key) {
            (index, true) => index,
            (index, false) => index.saturating_sub(1),
        }
    }
}

/// Where a bucket's keys are.
#[derive(Clone, Debug)]
pub enum BucketRoot {
    Inline(Page),
    Page(u64),
}

/// A bucket value, decoded.
#[derive(Clone, Debug)]
pub struct BucketValue {
    pub root: BucketRoot,
    pub sequence: u64,
}

impl BucketValue {
    pub fn parse(value: Bytes) -> Result<BucketValue, String> {
        if value.len() < BUCKET_HEADER {
            return Err(format!("a bucket value of {} bytes", value.len()));
        }
        let sequence = u64_at(&value, 8);
        let root = match u64_at(&value, 0) {
            0 => BucketRoot::Inline(Page::parse_inline(value.slice(BUCKET_HEADER..))?),
            id => BucketRoot::Page(id),
        };
        Ok(BucketValue { root, sequence })
    }

    pub fn encode_header(root: u64, sequence: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&root.to_le_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
    }
}

/// Encodes one page: elements are announced first, then their bytes, in the same order.
pub struct Encoder {
    out: Vec<u8>,
    /// Offset of the next element's data.
    data: usize,
    size: usize,
}

impl Encoder {
    /// A page of `pages * page_size` bytes.
    pub fn page(id: u64, leaf: bool, count: usize, pages: u64, page_size: usize) -> Encoder {
        let overflow = u32::try_from(pages - 1).expect("a page below PAGE_BYTES_MAX");
        Encoder::new(id, leaf, count, overflow, pages as usize * page_size)
    }

    /// The page inside an inline bucket: exactly `size` bytes.
    pub fn inline(count: usize, size: usize) -> Encoder {
        Encoder::new(0, true, count, 0, size)
    }

    fn new(id: u64, leaf: bool, count: usize, overflow: u32, size: usize) -> Encoder {
        assert!(count < COUNT_MAX, "a page of {count} elements");
        let mut out = Vec::with_capacity(size);
        let flags = if leaf { LEAF_FLAG } else { BRANCH_FLAG };
        Header { id, flags, count: count as u16, overflow }.encode(&mut out);
        Encoder { out, data: PAGE_HEADER + count * ELEMENT, size }
    }

    fn pos(&mut self, data_len: usize) -> u32 {
        let pos = self.data - self.out.len();
        self.data += data_len;
        pos as u32
    }

    pub fn leaf_element(&mut self, flags: u32, key_len: usize, value_len: usize) {
        let pos = self.pos(key_len + value_len);
        let mut raw = [0; ELEMENT];
        raw[..4].copy_from_slice(&flags.to_le_bytes());
        raw[4..8].copy_from_slice(&pos.to_le_bytes());
        raw[8..12].copy_from_slice(&(key_len as u32).to_le_bytes());
        raw[12..].copy_from_slice(&(value_len as u32).to_le_bytes());
        self.out.extend_from_slice(&raw);
    }

    pub fn branch_element(&mut self, key_len: usize, child: u64) {
        let pos = self.pos(key_len);
        let mut raw = [0; ELEMENT];
        raw[..4].copy_from_slice(&pos.to_le_bytes());
        raw[4..8].copy_from_slice(&(key_len as u32).to_le_bytes());
        raw[8..].copy_from_slice(&child.to_le_bytes());
        self.out.extend_from_slice(&raw);
    }

    pub fn data(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub fn finish(mut self) -> Vec<u8> {
        assert!(self.out.len() == self.data && self.data <= self.size, "the page holds what was announced");
        self.out.resize(self.size, 0);
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(rows: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut encoder = Encoder::page(7, true, rows.len(), 1, 1024);
        rows.iter().for_each(|(key, value)| encoder.leaf_element(0, key.len(), value.len()));
        rows.iter().for_each(|(key, value)| {
            encoder.data(key);
            encoder.data(value);
        });
        encoder.finish()
    }

    #[test]
    fn reads_back_what_it_encodes() {
        let page = Page::parse(leaf(&[(b"b", b"1"), (b"d", b""), (b"f", b"333")]).into(), 7).unwrap();
        assert!(page.is_leaf());
        let rows: Vec<(&[u8], &[u8])> =
            (0..page.count()).map(|i| (page.key(i), &page.bytes()[page.element(i).value()])).collect();
        assert_eq!(rows, [(&b"b"[..], &b"1"[..]), (b"d", b""), (b"f", b"333")]);
        let found: Vec<(usize, bool)> =
            [&b"a"[..], b"b", b"c", b"f", b"g"].iter().map(|key| page.lower_bound(key)).collect();
        assert_eq!(found, [(0, false), (0, true), (1, false), (2, true), (3, false)]);

        let mut encoder = Encoder::page(9, false, 2, 1, 1024);
        encoder.branch_element(1, 3);
        encoder.branch_element(1, 4);
        encoder.data(b"k");
        encoder.data(b"p");
        let page = Page::parse(encoder.finish().into(), 9).unwrap();
        let children: Vec<u64> =
            [&b"a"[..], b"k", b"o", b"p", b"z"].iter().map(|key| page.child(page.child_for(key)).1).collect();
        assert_eq!(children, [3, 3, 3, 4, 4]);
    }

    /// Every way in which one element can point outside the page, and every bad header.
    #[test]
    fn refuses_what_lies_outside() {
        let good = leaf(&[(b"key", b"value")]);
        let parse = |at: usize, bytes: &[u8]| {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            Page::parse(bad.into(), 7)
        };
        let element = PAGE_HEADER;
        for (name, at, bytes) in [
            ("id", 0, &8u64.to_le_bytes()[..]),
            ("flags", 8, &3u16.to_le_bytes()),
            ("count", 10, &64u16.to_le_bytes()),
            ("pos", element + 4, &1001u32.to_le_bytes()),
            ("pos, wrapping", element + 4, &u32::MAX.to_le_bytes()),
            ("key size", element + 8, &u32::MAX.to_le_bytes()),
            ("empty key", element + 8, &0u32.to_le_bytes()),
            ("value size", element + 12, &u32::MAX.to_le_bytes()),
        ] {
            assert!(parse(at, bytes).is_err(), "{name}");
        }
        for rows in [[(&b"b"[..], &b""[..]), (b"a", b"")], [(b"a", b""), (b"a", b"")]] {
            assert!(Page::parse(leaf(&rows).into(), 7).is_err(), "order");
        }
        assert!(Page::parse(Bytes::from_static(b"short"), 0).is_err());
        assert!(Page::parse(Encoder::page(7, false, 0, 1, 1024).finish().into(), 7).is_err());
        assert!(BucketValue::parse(Bytes::from_static(&[0; 20])).is_err());
    }
}
