//! Responses of hot requests as bytes, without a message tree: fields in ascending order, zero ones omitted, as
//! prost and Go write them.

use bytes::{BufMut, Bytes, BytesMut};
use mvcc::KeyInfo;
use prost::encoding::{encode_varint, encoded_len_varint};
use proto::{Message, etcdserverpb::ResponseHeader, mvccpb::KeyValue};

/// The header fields that the edge knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderFields {
    pub cluster_id: u64,
    pub member_id: u64,
    pub raft_term: u64,
}

impl HeaderFields {
    pub fn with_revision(self, revision: i64) -> ResponseHeader {
        let HeaderFields { cluster_id, member_id, raft_term } = self;
        ResponseHeader { cluster_id, member_id, revision, raft_term }
    }
}

/// The answer to a range, ready to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeReply {
    /// The store's revision when the range began; not the one asked for.
    pub revision: i64,
    /// Encoded `mvccpb.KeyValue`s.
    pub kvs: Vec<Bytes>,
    /// True when the limit left keys out.
    pub more: bool,
    /// Keys in the range, limit and filters aside.
    pub count: i64,
}

/// Tag bytes: field number and wire type (2: length-delimited, 0: varint).
const HEADER_TAG: u8 = 1 << 3 | 2;
const KVS_TAG: u8 = 2 << 3 | 2;
const MORE_TAG: u8 = 3 << 3;
const COUNT_TAG: u8 = 4 << 3;

/// Appends a `PutResponse` that has only a header.
pub fn encode_put_response(header: HeaderFields, revision: i64, out: &mut BytesMut) {
    put_header(header, revision, out);
}

impl RangeReply {
    /// Appends the `RangeResponse`.
    pub fn encode(&self, header: HeaderFields, out: &mut BytesMut) {
        out.reserve(self.encoded_len(header));
        put_header(header, self.revision, out);
        self.encode_body(out);
    }

    /// Appends the `RangeResponse` without its header, as all but the last message of a stream have it.
    pub fn encode_body(&self, out: &mut BytesMut) {
        for kv in &self.kvs {
            put_bytes(KVS_TAG, kv, out);
        }
        if self.more {
            out.put_u8(MORE_TAG);
            out.put_u8(1);
        }
        if self.count != 0 {
            out.put_u8(COUNT_TAG);
            encode_varint(self.count as u64, out);
        }
    }

    /// Bytes [`RangeReply::encode`] appends.
    pub fn encoded_len(&self, header: HeaderFields) -> usize {
        let header_len = header.with_revision(self.revision).encoded_len();
        1 + encoded_len_varint(header_len as u64) + header_len + self.body_len()
    }

    /// Bytes [`RangeReply::encode_body`] appends.
    pub fn body_len(&self) -> usize {
        let kvs: usize = self.kvs.iter().map(|kv| 1 + encoded_len_varint(kv.len() as u64) + kv.len()).sum();
        let more = if self.more { 2 } else { 0 };
        let count = if self.count == 0 { 0 } else { 1 + encoded_len_varint(self.count as u64) };
        kvs + more + count
    }
}

fn put_header(header: HeaderFields, revision: i64, out: &mut BytesMut) {
    let header = header.with_revision(revision);
    out.put_u8(HEADER_TAG);
    encode_varint(header.encoded_len() as u64, out);
    header.encode_raw(out);
}

fn put_bytes(tag: u8, bytes: &[u8], out: &mut BytesMut) {
    out.put_u8(tag);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// What the index knows of a key, as a KeyValue.
pub(super) fn key_only(info: &KeyInfo) -> KeyValue {
    KeyValue {
        key: info.key.clone(),
        create_revision: info.created.main,
        mod_revision: info.modified.main,
        version: info.version,
        value: Bytes::new(),
        lease: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::etcdserverpb::{PutResponse, RangeResponse};

    #[test]
    fn bytes_equal_the_message() {
        let header = HeaderFields { cluster_id: u64::MAX, member_id: 1, raft_term: 300 };
        let rows: Vec<KeyValue> = (0..3)
            .map(|i| KeyValue { key: vec![b'k'; i * 100].into(), version: i as i64, ..KeyValue::default() })
            .collect();
        for (kvs, more, count) in [
            (&rows[..0], false, 0),
            (&rows[..], true, 1 << 40),
            (&rows[1..], false, 2),
            (&rows[..1], true, -1),
        ] {
            let reply = RangeReply {
                revision: 1 << 33,
                kvs: kvs.iter().map(|kv| kv.encode_to_vec().into()).collect(),
                more,
                count,
            };
            let message = RangeResponse {
                header: Some(header.with_revision(reply.revision)),
                kvs: kvs.to_vec(),
                more,
                count,
            };
            let mut bytes = BytesMut::new();
            reply.encode(header, &mut bytes);
            assert_eq!(bytes, message.encode_to_vec());
            assert_eq!(bytes.len(), reply.encoded_len(header));
        }
    }

    #[test]
    fn a_put_response_is_a_header() {
        for header in [HeaderFields::default(), HeaderFields { cluster_id: 5, member_id: 6, raft_term: 7 }] {
            let mut bytes = BytesMut::new();
            encode_put_response(header, 9, &mut bytes);
            let message = PutResponse { header: Some(header.with_revision(9)), prev_kv: None };
            assert_eq!(bytes, message.encode_to_vec());
        }
    }
}
