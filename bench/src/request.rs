//! The requests the loads send, as encoded messages. Keys are 8 bytes, values 256; which key a request takes comes
//! from a fixed-seed generator, so both sides see the same sequence.

use prost::Message;
use prost::bytes::Bytes;
use proto::etcdserverpb::{self as pb, compare, request_op, watch_request};

/// Method paths, indexed by the constants of [`path`].
pub const PATHS: &[&str] = &[
    "/etcdserverpb.KV/Put",
    "/etcdserverpb.KV/Range",
    "/etcdserverpb.KV/Txn",
    "/etcdserverpb.Lease/LeaseGrant",
    "/etcdserverpb.Lease/LeaseKeepAlive",
    "/etcdserverpb.Watch/Watch",
];

pub mod path {
    pub const PUT: usize = 0;
    pub const RANGE: usize = 1;
    pub const TXN: usize = 2;
    pub const LEASE_GRANT: usize = 3;
    pub const LEASE_KEEP_ALIVE: usize = 4;
    pub const WATCH: usize = 5;
}

pub const VALUE_BYTES: usize = 256;
/// Keys a range load asks for at once.
pub const RANGE_KEYS: u64 = 1000;
/// The time to live of the leases of the keep-alive load, seconds: none runs out during a run.
const LEASE_TTL: i64 = 3600;

/// Numbers from a fixed seed (xorshift64).
#[derive(Debug)]
pub struct Sequence(u64);

impl Default for Sequence {
    fn default() -> Sequence {
        Sequence(0x9e37_79b9_7f4a_7c15)
    }
}

impl Sequence {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// The key with a number: eight bytes, in the order of the numbers.
pub fn key(number: u64) -> [u8; 8] {
    let mut key = *b"k0000000";
    let (mut rest, mut at) = (number, key.len());
    while rest > 0 {
        at -= 1;
        assert!(at > 0, "seven digits are enough");
        key[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    key
}

/// Appends a put of `key(number)`.
pub fn put(number: u64, out: &mut Vec<u8>) {
    // Written by hand, as it is the load that runs hottest: field 1 the key, field 2 the value.
    out.extend_from_slice(&[0x0a, 8]);
    out.extend_from_slice(&key(number));
    out.extend_from_slice(&[0x12, 0x80, 0x02]);
    out.resize(out.len() + VALUE_BYTES, b'v');
}

/// Appends a range of one key.
pub fn get(number: u64, serializable: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x0a, 8]);
    out.extend_from_slice(&key(number));
    if serializable {
        out.extend_from_slice(&[0x38, 1]);
    }
}

/// Appends a linearizable range of [`RANGE_KEYS`] keys.
pub fn range(first: u64, out: &mut Vec<u8>) {
    let request = pb::RangeRequest {
        key: Bytes::copy_from_slice(&key(first)),
        range_end: Bytes::copy_from_slice(&key(first + RANGE_KEYS)),
        ..Default::default()
    };
    request.encode(out).expect("a Vec takes everything");
}

/// Appends a transaction: if the key's version is above -1 (always), put it.
pub fn txn(number: u64, out: &mut Vec<u8>) {
    let key = Bytes::copy_from_slice(&key(number));
    let compare = pb::Compare {
        result: compare::CompareResult::Greater as i32,
        target: compare::CompareTarget::Version as i32,
        key: key.clone(),
        target_union: Some(compare::TargetUnion::Version(-1)),
        ..Default::default()
    };
    let put = pb::PutRequest { key, value: Bytes::from_static(&[b'v'; VALUE_BYTES]), ..Default::default() };
    let put = pb::RequestOp { request: Some(request_op::Request::RequestPut(put)) };
    let request = pb::TxnRequest { compare: vec![compare], success: vec![put], ..Default::default() };
    request.encode(out).expect("a Vec takes everything");
}

pub fn lease_grant(id: i64) -> Vec<u8> {
    pb::LeaseGrantRequest { ttl: LEASE_TTL, id }.encode_to_vec()
}

pub fn lease_keep_alive(id: i64) -> Vec<u8> {
    pb::LeaseKeepAliveRequest { id }.encode_to_vec()
}

/// A watch of one key.
pub fn watch(number: u64) -> Vec<u8> {
    let create = pb::WatchCreateRequest { key: Bytes::copy_from_slice(&key(number)), ..Default::default() };
    let request = watch_request::RequestUnion::CreateRequest(create);
    pb::WatchRequest { request_union: Some(request) }.encode_to_vec()
}

/// What a watch response tells, without decoding its events: whether it confirms a creation, and its events.
pub fn watch_response(mut body: &[u8]) -> (bool, u64) {
    const CREATED: u64 = 3 << 3;
    const EVENTS: u64 = 11 << 3 | 2;
    let (mut created, mut events) = (false, 0);
    while !body.is_empty() {
        let tag = varint(&mut body);
        events += u64::from(tag == EVENTS);
        let value = varint(&mut body);
        match tag & 7 {
            0 => created |= tag == CREATED && value == 1,
            2 => body = &body[usize::try_from(value).expect("a length")..],
            other => panic!("a watch response has no field of wire type {other}"),
        }
    }
    (created, events)
}

fn varint(body: &mut &[u8]) -> u64 {
    prost::encoding::decode_varint(body).expect("the server sends valid messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_by_hand_equals_the_message() {
        let mut out = Vec::new();
        put(42, &mut out);
        let put = pb::PutRequest::decode(&out[..]).unwrap();
        assert_eq!((&put.key[..], put.value.len()), (&b"k0000042"[..], VALUE_BYTES));
        assert_eq!(put.encode_to_vec(), out);
        out.clear();
        get(9_999_999, true, &mut out);
        let get = pb::RangeRequest::decode(&out[..]).unwrap();
        assert_eq!((&get.key[..], get.serializable), (&b"k9999999"[..], true));
        assert_eq!(get.encode_to_vec(), out);
    }

    #[test]
    fn watch_responses_are_counted() {
        let header = Some(pb::ResponseHeader { cluster_id: u64::MAX, revision: 5, ..Default::default() });
        let event = proto::mvccpb::Event { kv: Some(Default::default()), ..Default::default() };
        let response = pb::WatchResponse { header, events: vec![event; 3], ..Default::default() };
        assert_eq!(watch_response(&response.encode_to_vec()), (false, 3));
        let response = pb::WatchResponse { header, watch_id: 7, created: true, ..Default::default() };
        assert_eq!(watch_response(&response.encode_to_vec()), (true, 0));
    }
}
