//! Rows of the `key` bucket: `mvccpb.KeyValue` written and read without a message in between.
//!
//! Fields in ascending order, zero values omitted, as every proto3 encoder writes them; a tombstone's value holds only
//! the key. The bytes are hashed and compared between members, so they must be exactly these.
//!
//! ```text
//! 1 key LEN | 2 create_revision | 3 mod_revision | 4 version | 5 value LEN | 6 lease      (2, 3, 4, 6 varint)
//! ```

use crate::{Revision, error::corrupt};
use backend::row_key;
use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, decode_key, decode_varint, encode_varint, encoded_len_varint};

const KEY_TAG: u8 = 0x0a;
const CREATE_REVISION_TAG: u8 = 0x10;
const MOD_REVISION_TAG: u8 = 0x18;
const VERSION_TAG: u8 = 0x20;
const VALUE_TAG: u8 = 0x2a;
const LEASE_TAG: u8 = 0x30;

/// Bytes of one shared allocation of rows. It is freed when the last row in it is.
const CHUNK_BYTES: usize = 64 << 10;
/// Rows above this get their own allocation, so that little of a chunk is wasted.
const SHARED_ROW_BYTES_MAX: usize = 8 << 10;

/// The stored state of a key. Borrows the row's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyValueRef<'a> {
    pub key: &'a [u8],
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
    pub value: &'a [u8],
    pub lease: i64,
}

impl<'a> KeyValueRef<'a> {
    /// Reads a row's value. Zero bytes are an empty state. An error is a fault: the file is corrupt.
    pub fn decode(row: &'a [u8]) -> Result<KeyValueRef<'a>, backend::Error> {
        let mut state = KeyValueRef::default();
        let mut rest = row;
        while !rest.is_empty() {
            let (field, wire_type) = decode_key(&mut rest).map_err(malformed)?;
            match (field, wire_type) {
                (1, WireType::LengthDelimited) => state.key = take_bytes(&mut rest)?,
                (2, WireType::Varint) => state.create_revision = take_number(&mut rest)?,
                (3, WireType::Varint) => state.mod_revision = take_number(&mut rest)?,
                (4, WireType::Varint) => state.version = take_number(&mut rest)?,
                (5, WireType::LengthDelimited) => state.value = take_bytes(&mut rest)?,
                (6, WireType::Varint) => state.lease = take_number(&mut rest)?,
                (1..=6, _) => return Err(corrupt(format!("field {field} has wire type {wire_type:?}"))),
                _ => skip(field, wire_type, &mut rest)?,
            }
        }
        Ok(state)
    }
}

/// A written row: what goes into the `key` bucket.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub key: Bytes,
    pub value: Bytes,
}

/// Writes rows into shared allocations: a row costs copying its bytes, and an allocation per some hundred rows.
#[derive(Debug, Default)]
pub(crate) struct RowWriter {
    chunk: BytesMut,
}

impl RowWriter {
    pub fn put(&mut self, at: Revision, state: &KeyValueRef<'_>) -> Row {
        let at = at.row_key();
        let len = bytes_len(state.key)
            + number_len(state.create_revision)
            + number_len(state.mod_revision)
            + number_len(state.version)
            + bytes_len(state.value)
            + number_len(state.lease);
        self.write(&at, len, |buffer| {
            put_bytes(buffer, KEY_TAG, state.key);
            put_number(buffer, CREATE_REVISION_TAG, state.create_revision);
            put_number(buffer, MOD_REVISION_TAG, state.mod_revision);
            put_number(buffer, VERSION_TAG, state.version);
            put_bytes(buffer, VALUE_TAG, state.value);
            put_number(buffer, LEASE_TAG, state.lease);
        })
    }

    pub fn tombstone(&mut self, at: Revision, key: &[u8]) -> Row {
        let at = row_key::encode_tombstone(at.main, at.sub);
        self.write(&at, bytes_len(key), |buffer| put_bytes(buffer, KEY_TAG, key))
    }

    fn write(&mut self, at: &[u8], value_len: usize, value: impl FnOnce(&mut BytesMut)) -> Row {
        let len = at.len() + value_len;
        let mut own;
        let buffer = if len > SHARED_ROW_BYTES_MAX {
            own = BytesMut::with_capacity(len);
            &mut own
        } else {
            if self.chunk.capacity() < len {
                self.chunk = BytesMut::with_capacity(CHUNK_BYTES);
            }
            &mut self.chunk
        };
        buffer.put_slice(at);
        value(buffer);
        debug_assert_eq!(buffer.len(), len);
        let mut row = buffer.split().freeze();
        Row { key: row.split_to(at.len()), value: row }
    }
}

/// The user's key within a row's value that [`RowWriter`] wrote. Shares the bytes.
pub(crate) fn user_key(value: &Bytes, key_len: usize) -> Bytes {
    if key_len == 0 {
        return Bytes::new();
    }
    let begin = 1 + encoded_len_varint(key_len as u64);
    value.slice(begin..begin + key_len)
}

fn bytes_len(bytes: &[u8]) -> usize {
    if bytes.is_empty() { 0 } else { 1 + encoded_len_varint(bytes.len() as u64) + bytes.len() }
}

fn number_len(number: i64) -> usize {
    if number == 0 { 0 } else { 1 + encoded_len_varint(number as u64) }
}

fn put_bytes(buffer: &mut BytesMut, tag: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        buffer.put_u8(tag);
        encode_varint(bytes.len() as u64, buffer);
        buffer.put_slice(bytes);
    }
}

fn put_number(buffer: &mut BytesMut, tag: u8, number: i64) {
    if number != 0 {
        buffer.put_u8(tag);
        encode_varint(number as u64, buffer);
    }
}

fn take_number(rest: &mut &[u8]) -> Result<i64, backend::Error> {
    Ok(decode_varint(rest).map_err(malformed)? as i64)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], backend::Error> {
    let len = decode_varint(rest).map_err(malformed)?;
    let (bytes, after) =
        usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len)).ok_or_else(|| {
            corrupt(format!("value is {} bytes short of a field of {len}", len - rest.len() as u64))
        })?;
    *rest = after;
    Ok(bytes)
}

fn skip(field: u32, wire_type: WireType, rest: &mut &[u8]) -> Result<(), backend::Error> {
    let context = prost::encoding::DecodeContext::default();
    prost::encoding::skip_field(wire_type, field, rest, context).map_err(malformed)
}

fn malformed(error: prost::DecodeError) -> backend::Error {
    corrupt(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;
    use proto::mvccpb::KeyValue;

    proptest! {
        /// Our bytes are those of a generic encoder, our reading that of a generic decoder.
        #[test]
        fn rows_are_protobuf(
            key in prop::collection::vec(any::<u8>(), 0..300),
            value in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                prop::collection::vec(any::<u8>(), SHARED_ROW_BYTES_MAX - 400..SHARED_ROW_BYTES_MAX + 100),
            ],
            numbers in prop::array::uniform4(prop_oneof![Just(0), any::<i64>(), 0..300i64]),
        ) {
            let [create_revision, mod_revision, version, lease] = numbers;
            let state = KeyValueRef { key: &key, create_revision, mod_revision, version, value: &value, lease };
            let message = KeyValue {
                key: Bytes::copy_from_slice(&key), create_revision, mod_revision, version,
                value: Bytes::copy_from_slice(&value), lease,
            };
            let mut writer = RowWriter::default();
            for _ in 0..3 {
                let row = writer.put(Revision { main: 2, sub: 1 }, &state);
                prop_assert_eq!(&row.key[..], b"\0\0\0\0\0\0\0\x02_\0\0\0\0\0\0\0\x01");
                prop_assert_eq!(&row.value, &message.encode_to_vec());
                prop_assert_eq!(&user_key(&row.value, key.len()), &key);
                prop_assert_eq!(KeyValueRef::decode(&row.value).unwrap(), state);
            }
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let ours = KeyValueRef::decode(&bytes).map(|s| (s.key.to_vec(), s.lease)).ok();
            let theirs = KeyValue::decode(&bytes[..]).map(|s| (s.key.to_vec(), s.lease)).ok();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_tombstone_holds_only_the_key() {
        let row = RowWriter::default().tombstone(Revision { main: 4, sub: 0 }, b"foo");
        assert_eq!(&row.key[..], b"\0\0\0\0\0\0\0\x04_\0\0\0\0\0\0\0\0t");
        assert_eq!(&row.value[..], b"\x0a\x03foo");
    }
}
