//! The pending buffer: records framed and checksummed, waiting to be written.
//!
//! It never touches a file. A message is encoded once, at its final place in the buffer; only its frame header,
//! whose length depends on the CRC, is filled in afterwards. No allocation per record once the buffer has grown.
//!
//! ```text
//!  0         8                                          8+len     8+len+pad
//!  +---------+------------------------------------------+---------+
//!  | length  | 08 kind | 10 crc | 1a n | data (n bytes) | 0 * pad |
//!  +---------+------------------------------------------+---------+
//!  length, little-endian: bits 0..56 = len; if pad > 0 the top byte is 0x80 | pad
//! ```

use prost::Message;

/// Pending bytes at which an append writes the buffer out (without a sync) instead of growing it further.
pub const PENDING_MAX_BYTES: usize = 16 << 20;
/// Capacity that the pending buffer keeps after it has been written.
const PENDING_KEEP_BYTES: usize = 1 << 20;

/// Bytes of the length field before each record.
pub(crate) const FRAME_BYTES: usize = 8;
/// Frames start at multiples of this, so that a length field never straddles two sectors.
pub(crate) const ALIGN_BYTES: usize = 8;
/// Set in the top byte of the length field when its low three bits count padding.
pub(crate) const PAD_FLAG: u8 = 0x80;

/// Tags of `walpb.Record`: field number and wire type.
const TAG_TYPE: u8 = 0x08;
const TAG_CRC: u8 = 0x10;
const TAG_DATA: u8 = 0x1a;
/// Longest varint of a 32-bit value.
const CRC_VARINT_MAX: usize = 5;
/// Bytes before the data field's tag when the CRC takes its longest form.
const PREFIX_MAX: usize = FRAME_BYTES + 2 + 1 + CRC_VARINT_MAX;

/// `walpb.Record.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Metadata = 1,
    Entry = 2,
    State = 3,
    Crc = 4,
    Snapshot = 5,
}

impl Kind {
    pub(crate) fn from_wire(number: i64) -> Option<Kind> {
        match number {
            1 => Some(Kind::Metadata),
            2 => Some(Kind::Entry),
            3 => Some(Kind::State),
            4 => Some(Kind::Crc),
            5 => Some(Kind::Snapshot),
            _ => None,
        }
    }
}

/// Records not yet written, and the running CRC after the last of them.
#[derive(Debug)]
pub(crate) struct Encoder {
    pending: Vec<u8>,
    crc: u32,
}

impl Encoder {
    /// Continues a log whose last record left the running CRC at `crc` (0 for a new log).
    pub(crate) fn new(crc: u32) -> Self {
        Encoder { pending: Vec::new(), crc }
    }

    pub(crate) fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Forgets the pending bytes, and the memory of an unusually large batch.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
        self.pending.shrink_to(PENDING_KEEP_BYTES);
    }

    /// A record whose data is `message`.
    pub(crate) fn message<M: Message>(&mut self, kind: Kind, message: &M) {
        let data_len = message.encoded_len();
        let start = self.begin(data_len);
        message.encode(&mut self.pending).expect("a Vec has room");
        self.finish(start, kind, data_len);
    }

    /// A record whose data is already encoded.
    pub(crate) fn bytes(&mut self, kind: Kind, data: &[u8]) {
        let start = self.begin(data.len());
        self.pending.extend_from_slice(data);
        self.finish(start, kind, data.len());
    }

    /// The record that begins a segment: the running CRC, and no data.
    pub(crate) fn crc_mark(&mut self) {
        let start = self.pending.len();
        self.pending.resize(start + PREFIX_MAX, 0);
        let len = self.prefix(start, Kind::Crc);
        self.frame(start, len);
    }

    /// Leaves room for the longest header of a record with `data_len` bytes of data; returns where the frame starts.
    fn begin(&mut self, data_len: usize) -> usize {
        let start = self.pending.len();
        let header = PREFIX_MAX + 1 + varint_len(data_len as u64);
        self.pending.reserve(header + data_len + ALIGN_BYTES);
        self.pending.resize(start + header, 0);
        start
    }

    /// Checksums the data at the buffer's end, fills in the header, and closes the gap that a short CRC leaves.
    fn finish(&mut self, start: usize, kind: Kind, data_len: usize) {
        let data_at = start + PREFIX_MAX + 1 + varint_len(data_len as u64);
        assert_eq!(
            self.pending.len(),
            data_at + data_len,
            "a message's encoding must have its announced length"
        );
        self.crc = crc32c::crc32c_append(self.crc, &self.pending[data_at..]);
        let prefix = self.prefix(start, kind);
        self.pending[start + FRAME_BYTES + prefix] = TAG_DATA;
        let tag = 1 + put_varint(&mut self.pending[start + FRAME_BYTES + prefix + 1..], data_len as u64);
        let data_to = start + FRAME_BYTES + prefix + tag;
        if data_to < data_at {
            self.pending.copy_within(data_at.., data_to);
        }
        self.frame(start, prefix + tag + data_len);
    }

    /// Writes the type and CRC fields; returns their length.
    fn prefix(&mut self, start: usize, kind: Kind) -> usize {
        let record = &mut self.pending[start + FRAME_BYTES..];
        record[0] = TAG_TYPE;
        record[1] = kind as u8;
        record[2] = TAG_CRC;
        3 + put_varint(&mut record[3..], u64::from(self.crc))
    }

    /// Writes the length field of a record of `len` bytes, and pads it.
    fn frame(&mut self, start: usize, len: usize) {
        let pad = len.wrapping_neg() % ALIGN_BYTES;
        let mut field = (len as u64).to_le_bytes();
        if pad > 0 {
            field[7] = PAD_FLAG | pad as u8;
        }
        self.pending[start..start + FRAME_BYTES].copy_from_slice(&field);
        self.pending.truncate(start + FRAME_BYTES + len);
        self.pending.resize(start + FRAME_BYTES + len + pad, 0);
    }
}

fn varint_len(value: u64) -> usize {
    prost::encoding::encoded_len_varint(value)
}

/// Writes `value` at the beginning of `to`; returns its length.
fn put_varint(to: &mut [u8], mut value: u64) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        to[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    to[at] = value as u8;
    at + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proto::{etcdserverpb, walpb};

    /// The first three records of a log of Debian's etcd 3.4.23 (node 3d1b2e64d93d82cc, cluster c043e940eb0786d8).
    #[test]
    fn first_records_are_those_of_go() {
        let mut encoder = Encoder::new(0);
        encoder.crc_mark();
        let metadata = etcdserverpb::Metadata {
            node_id: Some(0x3d1b_2e64_d93d_82cc),
            cluster_id: Some(0xc043_e940_eb07_86d8),
        };
        encoder.message(Kind::Metadata, &metadata);
        encoder.message(
            Kind::Snapshot,
            &walpb::Snapshot { index: Some(0), term: Some(0), ..Default::default() },
        );
        let hex: String = encoder.pending().iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = "0400000000000084\
            0804100000000000\
            1f00000000000081\
            080110f4a4b3f5011a1508cc85f6c9cdcccb8d3d10d88d9ed88ea8faa1c00100\
            0e00000000000082\
            080510c893f0ba0f1a04080010000000";
        assert_eq!(hex, expected);
    }

    #[test]
    fn a_large_batch_does_not_keep_its_memory() {
        let mut encoder = Encoder::new(0);
        encoder.bytes(Kind::Entry, &vec![7; 4 * PENDING_KEEP_BYTES]);
        encoder.clear();
        assert!(encoder.pending.capacity() <= PENDING_KEEP_BYTES);
    }

    /// The same frame, the plain way: through `walpb.Record`.
    fn plain(crc: u32, kind: Kind, data: &[u8]) -> (Vec<u8>, u32) {
        let crc = crc32c::crc32c_append(crc, data);
        let record = walpb::Record {
            r#type: Some(kind as i64),
            crc: Some(crc),
            data: Some(bytes::Bytes::copy_from_slice(data)),
        };
        let body = record.encode_to_vec();
        let pad = (8 - body.len() % 8) % 8;
        let flags = if pad > 0 { (0x80 | pad as u64) << 56 } else { 0 };
        let mut frame = (body.len() as u64 | flags).to_le_bytes().to_vec();
        frame.extend(&body);
        frame.resize(8 + body.len() + pad, 0);
        (frame, crc)
    }

    proptest! {
        #[test]
        fn frames_are_records(
            first in any::<u32>(),
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
        ) {
            let mut encoder = Encoder::new(first);
            let mut expected = Vec::new();
            let mut crc = first;
            for data in &records {
                encoder.bytes(Kind::Entry, data);
                let (frame, next) = plain(crc, Kind::Entry, data);
                expected.extend(frame);
                crc = next;
            }
            prop_assert_eq!(encoder.pending(), &expected[..]);
        }

        /// Every CRC length, so that every width of the gap is closed.
        #[test]
        fn short_crcs_leave_no_gap(bits in 0u32..33, data in prop::collection::vec(any::<u8>(), 1..40)) {
            let wanted = if bits == 0 { 0 } else { u32::MAX >> (32 - bits) };
            // CRC is linear: the seed that yields `wanted` is found by running the state back over the data.
            let seed = seed_for(wanted, &data);
            let mut encoder = Encoder::new(seed);
            encoder.bytes(Kind::State, &data);
            let (frame, crc) = plain(seed, Kind::State, &data);
            prop_assert_eq!(crc, wanted);
            prop_assert_eq!(encoder.pending(), &frame[..]);
        }
    }

    /// The CRC value from which `data` leads to `wanted`.
    fn seed_for(wanted: u32, data: &[u8]) -> u32 {
        const POLYNOMIAL: u32 = 0x82f6_3b78;
        let mut state = !wanted;
        for byte in data.iter().rev() {
            for _ in 0..8 {
                state = if state >> 31 == 1 { ((state ^ POLYNOMIAL) << 1) | 1 } else { state << 1 };
            }
            state ^= u32::from(*byte);
        }
        !state
    }
}
