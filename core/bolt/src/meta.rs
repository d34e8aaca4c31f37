//! The meta pages: where a commit begins to exist.
//!
//! ```text
//! after the page header: magic u32 | version u32 | page size u32 | flags u32
//!   | root page u64 | root sequence u64 | freelist page u64 | high-water mark u64 | txid u64 | FNV-1a of all before u64
//! ```

use crate::page::{Header, META_FLAG, PAGE_HEADER, PAGE_SIZES, u32_at, u64_at};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes that the checksum covers.
const SUMMED: usize = 56;
/// Bytes of a meta page that matter.
pub const META_BYTES: usize = PAGE_HEADER + SUMMED + 8;
/// Freelist page number of a file whose free pages are found by walking the tree.
pub const NO_FREELIST: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// A power of two.
    pub page_size: usize,
    pub root: u64,
    pub sequence: u64,
    /// [`NO_FREELIST`] or the page of a freelist.
    pub freelist: u64,
    /// The first page number never used; pages from here on are garbage.
    pub high_water: u64,
    pub txid: u64,
}

impl Meta {
    /// Decodes a page that begins with `bytes`; the reason if it is no meta page.
    pub fn decode(bytes: &[u8]) -> Result<Meta, String> {
        if bytes.len() < META_BYTES {
            return Err("too short for a meta page".into());
        }
        let body = &bytes[PAGE_HEADER..META_BYTES];
        if u32_at(body, 0) != MAGIC {
            return Err("not a bolt file".into());
        }
        if u32_at(body, 4) != VERSION {
            return Err(format!("version {} is not {VERSION}", u32_at(body, 4)));
        }
        if u64_at(body, SUMMED) != fnv(&body[..SUMMED]) {
            return Err("checksum mismatch".into());
        }
        let page_size = u32_at(body, 8) as usize;
        if !page_size.is_power_of_two() || !PAGE_SIZES.contains(&page_size) {
            return Err(format!("page size {page_size}"));
        }
        Ok(Meta {
            page_size,
            root: u64_at(body, 16),
            sequence: u64_at(body, 24),
            freelist: u64_at(body, 32),
            high_water: u64_at(body, 40),
            txid: u64_at(body, 48),
        })
    }

    /// A whole page numbered `id` with this meta.
    pub fn encode(&self, id: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.page_size);
        Header { id, flags: META_FLAG, count: 0, overflow: 0 }.encode(&mut out);
        for word in [MAGIC, VERSION, self.page_size as u32, 0] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.root, self.sequence, self.freelist, self.high_water, self.txid] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let sum = fnv(&out[PAGE_HEADER..]);
        out.extend_from_slice(&sum.to_le_bytes());
        out.resize(self.page_size, 0);
        out
    }

    /// Bytes of the database: high-water mark times page size.
    pub fn bytes(&self) -> u64 {
        self.high_water * self.page_size as u64
    }

    /// The page to which this meta is committed.
    pub fn slot(&self) -> u64 {
        self.txid % 2
    }
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The summed bytes of a meta page that Go etcd 3.4.23 wrote, and their checksum.
    const FROM_GO: &str = "edda0ced02000000001000000000000003000000000000000000000000000000\
                           ffffffffffffffff05000000000000000a00000000000000";
    const FROM_GO_SUM: u64 = 0x0e2d_ce2d_8a16_e72f;

    #[test]
    fn round_trips_and_refuses_damage() {
        let meta =
            Meta { page_size: 4096, root: 3, sequence: 0, freelist: NO_FREELIST, high_water: 5, txid: 10 };
        let page = meta.encode(0);
        assert_eq!(page.len(), 4096);
        assert_eq!(Meta::decode(&page), Ok(meta));
        let hex: String = page[PAGE_HEADER..META_BYTES - 8].iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, FROM_GO);
        assert_eq!(u64_at(&page, META_BYTES - 8), FROM_GO_SUM);
        for at in PAGE_HEADER..META_BYTES {
            let mut bad = page.clone();
            bad[at] ^= 1;
            assert!(Meta::decode(&bad).is_err(), "byte {at}");
        }
    }
}
