//! What a normal entry asks for, read once from its bytes.
//!
//! It never decides anything. `InternalRaftRequest` is walked field by field, so a put copies nothing (its key and
//! value are slices of the entry) and builds no message but its own. Members of 3.4 and 3.5 also propose bare v2
//! requests; both encodings are told apart by trying the newer one first, because a v2 path starts with `/`, which
//! cannot be read as a field. Source of the numbers: `raft_internal.proto`, etcd's v2 `Request`.

use crate::member::Attributes;
use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use proto::{Message, etcdserverpb as pb, membershippb};

/// A request, with the ID its proposer waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// 0 when the proposer gave none.
    pub id: u64,
    pub command: Command,
}

/// The closed set of what a log can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Put(pb::PutRequest),
    DeleteRange(pb::DeleteRangeRequest),
    Txn(pb::TxnRequest),
    Compaction(pb::CompactionRequest),
    LeaseGrant(pb::LeaseGrantRequest),
    LeaseRevoke(pb::LeaseRevokeRequest),
    LeaseCheckpoint(pb::LeaseCheckpointRequest),
    Alarm(pb::AlarmRequest),
    ClusterVersion(String),
    MemberAttributes {
        member: u64,
        attributes: Attributes,
    },
    Downgrade(membershippb::DowngradeInfoSetRequest),
    /// Users, roles and passwords.
    Auth,
    /// No effect: a read, a test marker, a v2 request that changes nothing.
    Nothing,
}

/// Why bytes are no request. The text goes into a fault.
pub type Unreadable = String;

/// Reads the data of a normal entry; it must not be empty (that is a leader's no-op).
pub fn read(data: &Bytes) -> Result<Request, Unreadable> {
    match read_internal(data.clone()) {
        Ok(request) => Ok(request),
        Err(reason) => read_v2(data.clone()).map_err(|v2| format!("{reason}; as a v2 request: {v2}")),
    }
}

fn read_internal(mut data: Bytes) -> Result<Request, Unreadable> {
    let mut id = 0;
    let mut command = None;
    let mut unknown = None;
    while data.has_remaining() {
        let (tag, wire_type) = decode_key(&mut data).map_err(text)?;
        match (tag, wire_type) {
            (1, WireType::Varint) => {
                let old = decode_varint(&mut data).map_err(text)?;
                if old != 0 {
                    id = old;
                }
            }
            (_, WireType::LengthDelimited) => {
                let body = take(&mut data)?;
                if tag == 100 {
                    let header = pb::RequestHeader::decode(body).map_err(text)?;
                    if id == 0 {
                        id = header.id;
                    }
                } else if let Some(found) = payload(tag, body)? {
                    command = Some(found);
                } else {
                    unknown = Some(tag);
                }
            }
            _ => skip_field(wire_type, tag, &mut data, DecodeContext::default()).map_err(text)?,
        }
    }
    match (command, unknown) {
        (Some(command), _) => Ok(Request { id, command }),
        (None, Some(tag)) => Err(format!("unknown request (field {tag})")),
        (None, None) => Err("a request without content".into()),
    }
}

/// The command in field `tag`; `None` for a field no release of etcd knows.
fn payload(tag: u32, body: Bytes) -> Result<Option<Command>, Unreadable> {
    Ok(Some(match tag {
        2 => v2_command(RequestV2::decode(body).map_err(text)?)?,
        3 => {
            pb::RangeRequest::decode(body).map_err(text)?;
            Command::Nothing
        }
        4 => Command::Put(pb::PutRequest::decode(body).map_err(text)?),
        5 => Command::DeleteRange(pb::DeleteRangeRequest::decode(body).map_err(text)?),
        6 => Command::Txn(pb::TxnRequest::decode(body).map_err(text)?),
        7 => Command::Compaction(pb::CompactionRequest::decode(body).map_err(text)?),
        8 => Command::LeaseGrant(pb::LeaseGrantRequest::decode(body).map_err(text)?),
        9 => Command::LeaseRevoke(pb::LeaseRevokeRequest::decode(body).map_err(text)?),
        10 => Command::Alarm(pb::AlarmRequest::decode(body).map_err(text)?),
        11 => Command::LeaseCheckpoint(pb::LeaseCheckpointRequest::decode(body).map_err(text)?),
        1000 | 1011..=1013 | 1100..=1107 | 1200..=1204 => Command::Auth,
        1300 => {
            Command::ClusterVersion(membershippb::ClusterVersionSetRequest::decode(body).map_err(text)?.ver)
        }
        1301 => {
            let request = membershippb::ClusterMemberAttrSetRequest::decode(body).map_err(text)?;
            let attributes = request.member_attributes.unwrap_or_default();
            Command::MemberAttributes {
                member: request.member_id,
                attributes: Attributes { name: attributes.name, client_urls: attributes.client_urls },
            }
        }
        1302 => Command::Downgrade(membershippb::DowngradeInfoSetRequest::decode(body).map_err(text)?),
        9900 => Command::Nothing,
        _ => return Ok(None),
    }))
}

/// Splits a length-delimited field off the front.
fn take(data: &mut Bytes) -> Result<Bytes, Unreadable> {
    let len = decode_varint(data).map_err(text)?;
    if len > data.remaining() as u64 {
        return Err(format!("field of {len} bytes in {} bytes", data.remaining()));
    }
    Ok(data.split_to(len as usize))
}

fn text(error: prost::DecodeError) -> Unreadable {
    error.to_string()
}

/// The fields of etcd's v2 `Request` that matter here: how members below 3.5 are told names and the cluster version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RequestV2 {
    #[prost(uint64, optional, tag = "1")]
    pub id: Option<u64>,
    #[prost(string, optional, tag = "2")]
    pub method: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub path: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub val: Option<String>,
}

impl RequestV2 {
    /// Sets the cluster version.
    pub fn cluster_version(id: u64, version: &str) -> RequestV2 {
        RequestV2::put(id, "/0/version".into(), version.into())
    }

    /// Publishes a member's name and client URLs.
    pub fn attributes(id: u64, member: u64, attributes: &Attributes) -> RequestV2 {
        RequestV2::put(id, format!("/0/members/{member:x}/attributes"), attributes.to_json())
    }

    fn put(id: u64, path: String, val: String) -> RequestV2 {
        RequestV2 { id: Some(id), method: Some("PUT".into()), path: Some(path), val: Some(val) }
    }
}

fn read_v2(data: Bytes) -> Result<Request, Unreadable> {
    let request = RequestV2::decode(data).map_err(text)?;
    Ok(Request { id: request.id(), command: v2_command(request)? })
}

fn v2_command(request: RequestV2) -> Result<Command, Unreadable> {
    match request.method() {
        "PUT" => {}
        "SYNC" | "QGET" => return Ok(Command::Nothing),
        method => return Err(format!("v2 user data ({method} {:?})", request.path())),
    }
    if request.path() == "/0/version" {
        return Ok(Command::ClusterVersion(request.val().to_owned()));
    }
    let member = request
        .path()
        .strip_prefix("/0/members/")
        .and_then(|rest| rest.strip_suffix("/attributes"))
        .and_then(|id| u64::from_str_radix(id, 16).ok())
        .ok_or_else(|| format!("v2 user data (PUT {:?})", request.path()))?;
    let attributes = Attributes::from_json(request.val().as_bytes())?;
    Ok(Command::MemberAttributes { member, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn internal(build: impl FnOnce(&mut pb::InternalRaftRequest)) -> Bytes {
        let header = pb::RequestHeader { id: 7, ..pb::RequestHeader::default() };
        let mut request = pb::InternalRaftRequest { header: Some(header), ..Default::default() };
        build(&mut request);
        request.encode_to_vec().into()
    }

    fn v2(method: &str, path: &str, val: &str) -> Bytes {
        // Gogo writes every scalar of proto2, so the fields behind Val are there too.
        let request = RequestV2 {
            id: Some(9),
            method: Some(method.into()),
            path: Some(path.into()),
            val: Some(val.into()),
        };
        let mut bytes = request.encode_to_vec();
        bytes.extend_from_slice(&[0x28, 0, 0x32, 0, 0x38, 0, 0x48, 0, 0x50, 0]);
        bytes.into()
    }

    #[test]
    fn a_put_is_a_slice_of_the_entry() {
        let data = internal(|r| {
            r.put = Some(pb::PutRequest { key: "k".into(), value: "value".into(), ..Default::default() });
        });
        let Request { id: 7, command: Command::Put(put) } = read(&data).unwrap() else { panic!("not a put") };
        let at = put.value.as_ptr() as usize - data.as_ptr() as usize;
        assert_eq!(&data[at..at + 5], b"value");
    }

    #[test]
    fn the_old_id_field_wins_over_the_header() {
        let data = internal(|r| {
            r.id = 3;
            r.compaction = Some(pb::CompactionRequest { revision: 5, physical: true });
        });
        assert_eq!(read(&data).unwrap().id, 3);
    }

    #[test]
    fn every_field_of_the_proto_is_a_command() {
        let source = include_str!("../../proto/proto/raft_internal.proto");
        let body = source.split("message InternalRaftRequest {").nth(1).unwrap().split('}').next().unwrap();
        let mut seen = 0;
        for line in body.lines().filter(|line| line.contains('=')) {
            let tag: u32 = line.rsplit('=').next().unwrap().trim().trim_end_matches(';').parse().unwrap();
            if tag != 1 && tag != 100 {
                assert!(payload(tag, Bytes::new()).unwrap().is_some(), "{line}");
                seen += 1;
            }
        }
        assert!(seen > 25, "read {seen} fields of the proto");
        assert_eq!(payload(2000, Bytes::new()).unwrap(), None);
    }

    #[test]
    fn v2_requests_of_old_members() {
        let request = read(&v2("PUT", "/0/version", "3.5.0")).unwrap();
        assert_eq!(request, Request { id: 9, command: Command::ClusterVersion("3.5.0".into()) });
        let json = r#"{"name":"m1","clientURLs":["http://a:1"]}"#;
        let attributes = Attributes { name: "m1".into(), client_urls: vec!["http://a:1".into()] };
        assert_eq!(
            read(&v2("PUT", "/0/members/1f/attributes", json)).unwrap().command,
            Command::MemberAttributes { member: 0x1f, attributes }
        );
        assert_eq!(read(&v2("SYNC", "", "")).unwrap().command, Command::Nothing);
        assert_eq!(read(&v2("QGET", "/1/a", "")).unwrap().command, Command::Nothing);
    }

    #[test]
    fn what_is_no_request() {
        for data in [
            v2("PUT", "/1/user", "x"),
            v2("DELETE", "/0/version", ""),
            v2("PUT", "/0/members/xyz/attributes", "{}"),
            internal(|_| {}),
            Bytes::from_static(b"\xff\xff\xff"),
            // Field 4 longer than the data.
            Bytes::from_static(b"\x22\x05abc"),
            // Field 2000 alone.
            Bytes::from_static(b"\x82\x7d\x00"),
        ] {
            assert!(read(&data).is_err(), "{data:?}");
        }
    }
}
