//! Keys of the `key` bucket: a revision.
//!
//! ```text
//! offset  0        8   9        17
//!         main BE  '_' sub BE  ['t' if the row is a tombstone]
//! ```

/// Bytes of a put's row key.
pub const PUT_BYTES: usize = SUB_OFFSET + 8;
/// Bytes of a tombstone's row key.
pub const TOMBSTONE_BYTES: usize = PUT_BYTES + 1;

const SEPARATOR_OFFSET: usize = 8;
const SUB_OFFSET: usize = SEPARATOR_OFFSET + 1;
const SEPARATOR: u8 = b'_';
const TOMBSTONE_MARK: u8 = b't';

/// A decoded row key. Order is that of the encoded bytes (so the fields stand in this order).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Never negative.
    pub main: i64,
    /// Never negative.
    pub sub: i64,
    pub tombstone: bool,
}

impl RowKey {
    /// `None` if the bytes are not a row key.
    pub fn decode(bytes: &[u8]) -> Option<RowKey> {
        let tombstone = match bytes.len() {
            PUT_BYTES => false,
            // Go etcd reads an 18-byte key with another mark as a put; it never writes one.
            TOMBSTONE_BYTES => bytes[PUT_BYTES] == TOMBSTONE_MARK,
            _ => return None,
        };
        let main = i64::from_be_bytes(bytes[..SEPARATOR_OFFSET].try_into().ok()?);
        let sub = i64::from_be_bytes(bytes[SUB_OFFSET..PUT_BYTES].try_into().ok()?);
        (bytes[SEPARATOR_OFFSET] == SEPARATOR && main >= 0 && sub >= 0).then_some(RowKey {
            main,
            sub,
            tombstone,
        })
    }
}

/// The row key of a put, and the first [`PUT_BYTES`] of a tombstone's.
pub fn encode_put(main: i64, sub: i64) -> [u8; PUT_BYTES] {
    let mut bytes = [SEPARATOR; PUT_BYTES];
    bytes[..SEPARATOR_OFFSET].copy_from_slice(&main.to_be_bytes());
    bytes[SUB_OFFSET..].copy_from_slice(&sub.to_be_bytes());
    bytes
}

/// The row key of a tombstone.
pub fn encode_tombstone(main: i64, sub: i64) -> [u8; TOMBSTONE_BYTES] {
    let mut bytes = [TOMBSTONE_MARK; TOMBSTONE_BYTES];
    bytes[..PUT_BYTES].copy_from_slice(&encode_put(main, sub));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_etcds() {
        assert_eq!(&encode_put(2, 0), b"\0\0\0\0\0\0\0\x02_\0\0\0\0\0\0\0\0");
        assert_eq!(&encode_tombstone(4, 1), b"\0\0\0\0\0\0\0\x04_\0\0\0\0\0\0\0\x01t");
    }

    #[test]
    fn decode_returns_what_was_encoded_and_refuses_the_rest() {
        let put = RowKey { main: 0x0102_0304_0506_0708, sub: 9, tombstone: false };
        assert_eq!(RowKey::decode(&encode_put(put.main, put.sub)), Some(put));
        let tombstone = RowKey { tombstone: true, ..put };
        assert_eq!(RowKey::decode(&encode_tombstone(put.main, put.sub)), Some(tombstone));
        assert!(put < tombstone);
        for bad in
            [&b""[..], &[0; 17], b"\xff\0\0\0\0\0\0\x02_\0\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0\x04_\0\0\0\0"]
        {
            assert_eq!(RowKey::decode(bad), None, "{bad:?}");
        }
    }
}
