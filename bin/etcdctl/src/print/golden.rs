//! Each kind of answer in each format, against what Go's etcdctl 3.7.1 prints for the same answer.

use client::watch::Notification;
use proto::etcdserverpb as pb;
use proto::mvccpb::{Event, KeyValue};

use super::*;

fn check(response: &dyn Printable, format: Format, style: Style, expected: &str) {
    let printed =
        Printer { format, style }.render(response).map(|out| String::from_utf8_lossy(&out).into_owned());
    assert_eq!(printed.unwrap_or_else(|failure| format!("{failure:?}")), expected, "{format:?}");
}

fn simple(response: &dyn Printable, expected: &str) {
    check(response, Format::Simple, Style::default(), expected);
}

fn json(response: &dyn Printable, expected: &str) {
    check(response, Format::Json, Style::default(), &format!("{expected}\n"));
}

fn fields(response: &dyn Printable, expected: &str) {
    check(response, Format::Fields, Style::default(), expected);
}

fn refused(response: &dyn Printable, format: Format) {
    let text = format!("{} not supported as output format", format.name());
    let printed = Printer { format, style: Style::default() }.render(response);
    assert_eq!(printed, Err(Failure::new(exit::BAD_FEATURE, text)));
}

const HEX: Style = Style { hex: true, value_only: false };

fn header() -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { cluster_id: 10, member_id: 255, revision: 7, raft_term: 2 })
}

const HEADER_JSON: &str = r#""header":{"cluster_id":10,"member_id":255,"revision":7,"raft_term":2}"#;
const HEADER_FIELDS: &str = "\"ClusterID\" : 10\n\"MemberID\" : 255\n\"Revision\" : 7\n\"RaftTerm\" : 2\n";

fn kv() -> KeyValue {
    KeyValue {
        key: b"foo"[..].into(),
        create_revision: 2,
        mod_revision: 3,
        version: 2,
        value: b"b\xff"[..].into(),
        lease: 4096,
    }
}

const KV_JSON: &str =
    r#"{"key":"Zm9v","create_revision":2,"mod_revision":3,"version":2,"value":"Yv8=","lease":4096}"#;

fn kv_fields(prefix: &str) -> String {
    format!(
        "\"{prefix}Key\" : \"foo\"\n\"{prefix}CreateRevision\" : 2\n\"{prefix}ModRevision\" : 3\n\
         \"{prefix}Version\" : 2\n\"{prefix}Value\" : \"b\\xff\"\n\"{prefix}Lease\" : 4096\n"
    )
}

#[test]
fn range() {
    let response = pb::RangeResponse { header: header(), kvs: vec![kv()], more: true, count: 5 };
    simple(&response, "foo\nb\u{fffd}\n");
    check(&response, Format::Simple, HEX, "\\x66\\x6f\\x6f\n\\x62\\xff\n");
    check(&response, Format::Simple, Style { hex: true, value_only: true }, "\\x62\\xff\n");
    json(&response, &format!("{{{HEADER_JSON},\"kvs\":[{KV_JSON}],\"more\":true,\"count\":5}}"));
    let text = format!("{HEADER_FIELDS}{}\"More\" : true\n\"Count\" : 5\n", kv_fields(""));
    fields(&response, &text);
    let hex = text.replace(": 10\n", ": a\n").replace(": 255", ": ff").replace("4096", "0000000000001000");
    check(&response, Format::Fields, HEX, &hex);
    refused(&response, Format::Table);
    assert_eq!(response.protobuf(), Ok(prost::Message::encode_to_vec(&response)));
}

#[test]
fn put_and_delete() {
    let put = pb::PutResponse { header: header(), prev_kv: Some(kv()) };
    simple(&put, "OK\nfoo\nb\u{fffd}\n");
    json(&put, &format!("{{{HEADER_JSON},\"prev_kv\":{KV_JSON}}}"));
    fields(&put, &format!("{HEADER_FIELDS}{}", kv_fields("Prev")));
    let delete = pb::DeleteRangeResponse { header: header(), deleted: 1, prev_kvs: vec![kv()] };
    simple(&delete, "1\nfoo\nb\u{fffd}\n");
    json(&delete, &format!("{{{HEADER_JSON},\"deleted\":1,\"prev_kvs\":[{KV_JSON}]}}"));
    fields(&delete, &format!("{HEADER_FIELDS}\"Deleted\" : 1\n{}", kv_fields("Prev")));
}

#[test]
fn transaction() {
    use pb::response_op::Response;
    let inner = Some(pb::ResponseHeader { revision: 7, ..pb::ResponseHeader::default() });
    let put = Response::ResponsePut(pb::PutResponse { header: inner, prev_kv: None });
    let range = Response::ResponseRange(pb::RangeResponse { header: inner, ..pb::RangeResponse::default() });
    let responses = [put, range].map(|response| pb::ResponseOp { response: Some(response) }).to_vec();
    let response = pb::TxnResponse { header: header(), succeeded: true, responses };
    simple(&response, "SUCCESS\n\nOK\n\n");
    json(
        &response,
        &format!(
            "{{{HEADER_JSON},\"succeeded\":true,\"responses\":[{{\"Response\":{{\"response_put\":{{\"header\":\
             {{\"revision\":7}}}}}}}},{{\"Response\":{{\"response_range\":{{\"header\":{{\"revision\":7}}}}}}}}]}}"
        ),
    );
    let inner = "\"ClusterID\" : 0\n\"MemberID\" : 0\n\"Revision\" : 7\n\"RaftTerm\" : 0\n";
    let expected =
        format!("{HEADER_FIELDS}\"Succeeded\" : true\n{inner}{inner}\"More\" : false\n\"Count\" : 0\n");
    fields(&response, &expected);
}

#[test]
fn watch() {
    let deleted = Event { r#type: 1, kv: Some(kv()), prev_kv: Some(kv()) };
    let events = vec![Event { r#type: 0, kv: Some(kv()), prev_kv: None }, deleted];
    let header = header().unwrap();
    let response = Notification { header, events, ..Notification::default() };
    simple(&response, "PUT\nfoo\nb\u{fffd}\nDELETE\nfoo\nb\u{fffd}\nfoo\nb\u{fffd}\n");
    let tail = "\"CompactRevision\":0,\"Canceled\":false,\"Created\":false,\"CancelReason\":\"\"}";
    let header_json = HEADER_JSON.replacen("header", "Header", 1);
    json(
        &response,
        &format!(
            "{{{header_json},\"Events\":[{{\"kv\":{KV_JSON}}},{{\"type\":1,\"kv\":{KV_JSON},\"prev_kv\":{KV_JSON}}}],{tail}"
        ),
    );
    fields(
        &response,
        &format!(
            "{HEADER_FIELDS}\"Type\" : PUT\n{}\"Type\" : DELETE\n{}{}",
            kv_fields(""),
            kv_fields("Prev"),
            kv_fields("")
        ),
    );
    let progress = Notification { header, ..Notification::default() };
    json(&progress, &format!("{{{header_json},\"Events\":null,{tail}"));
}

#[test]
fn leases() {
    let flat = r#""cluster_id":10,"member_id":255,"revision":7,"raft_term":2"#;
    let granted =
        Granted(pb::LeaseGrantResponse { header: header(), id: 4096, ttl: 500, error: String::new() });
    simple(&granted, "lease 0000000000001000 granted with TTL(500s)\n");
    json(&granted, &format!("{{{flat},\"ID\":4096,\"TTL\":500,\"Error\":\"\"}}"));
    fields(&granted, &format!("{HEADER_FIELDS}\"ID\" : 4096\n\"TTL\" : 500\n"));
    assert_eq!(granted.protobuf(), Ok(prost::Message::encode_to_vec(&header().unwrap())));

    let kept = KeptAlive(pb::LeaseKeepAliveResponse { header: header(), id: 4096, ttl: 500 });
    simple(&kept, "lease 0000000000001000 keepalived with TTL(500)\n");
    json(&kept, &format!("{{{flat},\"ID\":4096,\"TTL\":500}}"));

    let revoked = Revoked { id: 4096, response: pb::LeaseRevokeResponse { header: header() } };
    simple(&revoked, "lease 0000000000001000 revoked\n");
    json(&revoked, &format!("{{{HEADER_JSON}}}"));
    assert_eq!(revoked.protobuf(), Err(NoProtobuf::NotAMessage("*clientv3.LeaseRevokeResponse")));

    let keys = vec![b"k1"[..].into(), b"k2"[..].into()];
    let response = pb::LeaseTimeToLiveResponse { header: header(), id: 4096, ttl: 9, granted_ttl: 10, keys };
    let ttl = TimeToLive { response, keys: true };
    simple(&ttl, "lease 0000000000001000 granted with TTL(10s), remaining(9s), attached keys([k1 k2])\n");
    json(&ttl, &format!("{{{flat},\"id\":4096,\"ttl\":9,\"granted-ttl\":10,\"keys\":[\"azE=\",\"azI=\"]}}"));
    let response =
        pb::LeaseTimeToLiveResponse { id: 4096, ttl: -1, ..pb::LeaseTimeToLiveResponse::default() };
    simple(&TimeToLive { response, keys: true }, "lease 0000000000001000 already expired\n");

    let list =
        Leases(pb::LeaseLeasesResponse { header: header(), leases: vec![pb::LeaseStatus { id: 4096 }] });
    simple(&list, "found 1 leases\n0000000000001000\n");
    json(&list, &format!("{{{flat},\"leases\":[{{\"id\":4096}}]}}"));
    json(&Leases(pb::LeaseLeasesResponse::default()), "{\"leases\":[]}");
}

#[test]
fn members() {
    let member = pb::Member {
        id: 255,
        name: "n<1>".into(),
        peer_ur_ls: vec!["http://p:1".into(), "http://p:2".into()],
        client_ur_ls: vec![],
        is_learner: true,
    };
    let response = pb::MemberListResponse { header: header(), members: vec![member.clone()] };
    simple(&response, "ff, started, n<1>, http://p:1,http://p:2, , true\n");
    let rest = r#""name":"n\u003c1\u003e","peerURLs":["http://p:1","http://p:2"],"isLearner":true}]}"#;
    json(&response, &format!("{{{HEADER_JSON},\"members\":[{{\"ID\":255,{rest}"));
    let hex =
        r#"{"header":{"cluster_id":"a","member_id":"ff","revision":7,"raft_term":2},"members":[{"ID":"ff","#;
    check(&response, Format::Json, HEX, &format!("{hex}{rest}\n"));
    fields(
        &response,
        &format!(
            "{HEADER_FIELDS}\"ID\" : 255\n\"Name\" : \"n<1>\"\n\"PeerURL\" : \"http://p:1\"\n\"PeerURL\" : \
             \"http://p:2\"\n\"IsLearner\" : true\n\n"
        ),
    );
    let added = MemberChange::Added(pb::MemberAddResponse {
        header: header(),
        member: Some(member),
        members: vec![],
    });
    simple(&added, "Member               ff added as learner to cluster                a\n");
    refused(&added, Format::Fields);
    let removed = MemberChange::Removed(254, pb::MemberRemoveResponse { header: header(), members: vec![] });
    simple(&removed, "Member               fe removed from cluster                a\n");
}

#[test]
fn endpoints() {
    let response = pb::StatusResponse {
        header: header(),
        version: "3.7.1".into(),
        db_size: 20_480,
        leader: 255,
        raft_index: 9,
        raft_term: 2,
        raft_applied_index: 8,
        errors: vec!["a".into(), "b".into()],
        db_size_in_use: 16_384,
        is_learner: false,
        storage_version: "3.7.0".into(),
        db_size_quota: 2_147_483_648,
        downgrade_info: Some(pb::DowngradeInfo { enabled: true, target_version: "3.6.0".into() }),
    };
    let statuses = Statuses(vec![EndpointStatus { endpoint: "e:1".into(), response }]);
    simple(
        &statuses,
        "e:1, ff, 3.7.1, 3.7.0, 20 kB, 16 kB, 20%, 2.1 GB, true, false, 2, 9, 8, a, b, 3.6.0, true\n",
    );
    json(
        &statuses,
        &format!(
            "[{{\"Endpoint\":\"e:1\",\"Status\":{{{HEADER_JSON},\"version\":\"3.7.1\",\"dbSize\":20480,\"leader\":255,\
             \"raftIndex\":9,\"raftTerm\":2,\"raftAppliedIndex\":8,\"errors\":[\"a\",\"b\"],\"dbSizeInUse\":16384,\
             \"storageVersion\":\"3.7.0\",\"dbSizeQuota\":2147483648,\"downgradeInfo\":{{\"enabled\":true,\
             \"targetVersion\":\"3.6.0\"}}}}}}]"
        ),
    );
    json(&Statuses(vec![]), "null");
    refused(&statuses, Format::Protobuf);
    let failed = Health {
        endpoint: "e:1".into(),
        healthy: false,
        took: "1s".into(),
        error: "context deadline exceeded".into(),
    };
    let healths = Healths(vec![failed]);
    simple(&healths, "");
    assert_eq!(
        healths.simple_errors(),
        ["e:1 is unhealthy: failed to commit proposal: context deadline exceeded"]
    );
    json(&healths, r#"[{"endpoint":"e:1","health":false,"took":"1s","error":"context deadline exceeded"}]"#);
    let response = pb::HashKvResponse { header: header(), hash: 7, compact_revision: -1, hash_revision: 4 };
    let hashes = Hashes(vec![EndpointHash { endpoint: "e:1".into(), response }]);
    simple(&hashes, "e:1, 7, 4\n");
    fields(
        &hashes,
        &format!("{HEADER_FIELDS}\"Endpoint\" : \"e:1\"\n\"Hash\" : 7\n\"HashRevision\" : 4\n\n"),
    );
}

#[test]
fn alarms() {
    let alarms = vec![pb::AlarmMember { member_id: 255, alarm: 1 }];
    let response = pb::AlarmResponse { header: header(), alarms };
    simple(&response, "memberID:255 alarm:NOSPACE\n");
    json(&response, &format!("{{{HEADER_JSON},\"alarms\":[{{\"memberID\":255,\"alarm\":1}}]}}"));
    fields(&response, &format!("{HEADER_FIELDS}\"MemberID\" : 255\n\"AlarmType\" : NOSPACE\n\n"));
}

#[test]
fn roles() {
    use proto::authpb::Permission;
    let perm = |perm_type, key: &'static [u8], end: &'static [u8]| Permission {
        perm_type,
        key: key.into(),
        range_end: end.into(),
    };
    let all = vec![perm(0, b"foo", b""), perm(2, b"a", b"z"), perm(1, b"p/", b"p0"), perm(0, b"q", b"\0")];
    let response = pb::AuthRoleGetResponse { header: header(), perm: all };
    let role = Permissions { role: "r1".into(), response };
    simple(
        &role,
        "Role r1\nKV Read:\n\tfoo\n\t[a, z)\n\t[q, <open ended>\nKV Write:\n\t[a, z)\n\t[p/, p0) (prefix p/)\n",
    );
    let root = Permissions { role: "root".into(), response: pb::AuthRoleGetResponse::default() };
    simple(&root, "Role root\nKV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n");
    let list = RoleRead(pb::AuthRoleListResponse { header: header(), roles: vec!["a".into(), "b".into()] });
    fields(&list, &format!("{HEADER_FIELDS}\"Roles\" : \"a\" \"b\"\n"));
}
