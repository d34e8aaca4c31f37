//! Proposals: a request in the envelope etcd puts into a raft entry.
//!
//! The body of a client's request is copied as it came, never re-encoded: the envelope is the request as one field
//! of an `InternalRaftRequest`, then the header with the request ID (field 100).

use bytes::{BufMut, Bytes, BytesMut};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};
use proto::{etcdserverpb as pb, membershippb};

/// Why a proposal is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    #[error("etcdserver: request is too large")]
    TooLarge,
}

/// What is proposed. Raw bodies are encoded requests whose decoding has been checked.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    Put(&'a [u8]),
    DeleteRange(&'a [u8]),
    Txn(&'a [u8]),
    Compaction(&'a pb::CompactionRequest),
    LeaseGrant(&'a pb::LeaseGrantRequest),
    LeaseRevoke(&'a pb::LeaseRevokeRequest),
    LeaseCheckpoint(&'a pb::LeaseCheckpointRequest),
    Alarm(&'a pb::AlarmRequest),
    ClusterVersion(&'a membershippb::ClusterVersionSetRequest),
    MemberAttributes(&'a membershippb::ClusterMemberAttrSetRequest),
    Downgrade(&'a membershippb::DowngradeInfoSetRequest),
}

/// Field numbers of `InternalRaftRequest`.
const HEADER: u32 = 100;
const HEADER_ID: u32 = 1;

impl Payload<'_> {
    fn field(&self) -> u32 {
        match self {
            Payload::Put(_) => 4,
            Payload::DeleteRange(_) => 5,
            Payload::Txn(_) => 6,
            Payload::Compaction(_) => 7,
            Payload::LeaseGrant(_) => 8,
            Payload::LeaseRevoke(_) => 9,
            Payload::Alarm(_) => 10,
            Payload::LeaseCheckpoint(_) => 11,
            Payload::ClusterVersion(_) => 1300,
            Payload::MemberAttributes(_) => 1301,
            Payload::Downgrade(_) => 1302,
        }
    }
}

fn put_message(field: u32, message: &impl Message, out: &mut BytesMut) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(message.encoded_len() as u64, out);
    message.encode(out).expect("BytesMut grows");
}

/// The entry's data.
pub fn encode(request_id: u64, payload: Payload<'_>) -> Bytes {
    let field = payload.field();
    let header_len = 1 + encoded_len_varint(request_id);
    let raw = match payload {
        Payload::Put(body) | Payload::DeleteRange(body) | Payload::Txn(body) => body.len(),
        _ => 0,
    };
    let mut out = BytesMut::with_capacity(raw + header_len + key_len(HEADER) + 24);
    match payload {
        Payload::Put(body) | Payload::DeleteRange(body) | Payload::Txn(body) => {
            encode_key(field, WireType::LengthDelimited, &mut out);
            encode_varint(body.len() as u64, &mut out);
            out.put_slice(body);
        }
        Payload::Compaction(m) => put_message(field, m, &mut out),
        Payload::LeaseGrant(m) => put_message(field, m, &mut out),
        Payload::LeaseRevoke(m) => put_message(field, m, &mut out),
        Payload::LeaseCheckpoint(m) => put_message(field, m, &mut out),
        Payload::Alarm(m) => put_message(field, m, &mut out),
        Payload::ClusterVersion(m) => put_message(field, m, &mut out),
        Payload::MemberAttributes(m) => put_message(field, m, &mut out),
        Payload::Downgrade(m) => put_message(field, m, &mut out),
    }
    encode_key(HEADER, WireType::LengthDelimited, &mut out);
    encode_varint(header_len as u64, &mut out);
    encode_key(HEADER_ID, WireType::Varint, &mut out);
    encode_varint(request_id, &mut out);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(id: u64) -> Option<pb::RequestHeader> {
        Some(pb::RequestHeader { id, ..Default::default() })
    }

    #[test]
    fn raw_bodies_decode_as_the_request_they_are() {
        let put = pb::PutRequest { key: "k".into(), value: "v".into(), lease: 7, ..Default::default() };
        let data = encode(u64::MAX, Payload::Put(&put.encode_to_vec()));
        let expected =
            pb::InternalRaftRequest { header: header(u64::MAX), put: Some(put), ..Default::default() };
        assert_eq!(pb::InternalRaftRequest::decode(data.clone()).unwrap(), expected);
        assert_eq!(data, expected.encode_to_vec(), "byte for byte what etcd writes");
    }

    #[test]
    fn an_empty_body_is_still_a_request() {
        let data = encode(1, Payload::Txn(&[]));
        let expected = pb::InternalRaftRequest {
            header: header(1),
            txn: Some(pb::TxnRequest::default()),
            ..Default::default()
        };
        assert_eq!(pb::InternalRaftRequest::decode(data).unwrap(), expected);
    }

    #[test]
    fn messages_land_in_their_fields() {
        let version = membershippb::ClusterVersionSetRequest { ver: "3.7.0".into() };
        let expected = pb::InternalRaftRequest {
            header: header(5),
            cluster_version_set: Some(version.clone()),
            ..Default::default()
        };
        assert_eq!(
            pb::InternalRaftRequest::decode(encode(5, Payload::ClusterVersion(&version))).unwrap(),
            expected
        );
    }
}
