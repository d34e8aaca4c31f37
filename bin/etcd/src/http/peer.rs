//! What one member asks another beside raft: who the members are, a promotion, keep-alives, hashes, a downgrade.
//! Requests are read here, and responses written; statuses and texts are etcd's.
//!
//! It never answers what needs the member itself: that becomes an [`Ask`].

use super::{
    Facts, Handled,
    response::{json_text, method_not_allowed, plain, redirect, text_error, with_headers},
};
use ::rpc::{HttpRequest, HttpResponse};
use mvcc::HashKv;
use prost::Message;
use proto::{etcdserverpb as pb, leasepb};
use serde::Serialize;
use state::Reject;

/// Largest body of a lease request, in bytes.
const LEASE_BODY_BYTES_MAX: usize = 64 << 10;
const PROMOTE_PREFIX: &str = "/members/promote/";
const PROTOBUF: &str = "application/protobuf";

/// A request that needs the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Promote {
        id: u64,
        /// The authentication token of whoever asked the other member.
        token: Option<String>,
    },
    Renew {
        lease: i64,
    },
    TimeToLive(pb::LeaseTimeToLiveRequest),
    /// 0: the current one.
    HashKv {
        revision: i64,
    },
    DowngradeEnabled,
}

/// Reads a request of the peer port; `None`: the path is none of these.
pub(super) fn route(path: &str, request: &HttpRequest, facts: &Facts<'_>) -> Option<Handled> {
    let asked = match path {
        "/members/promote" => Err(redirect(request, PROMOTE_PREFIX)),
        "/members" => Err(get(request).unwrap_or_else(|| members(facts))),
        "/members/hashkv" => hash_kv_request(request, facts),
        "/leases" | "/leases/internal" => lease_request(path, request),
        "/downgrade/enabled" => get(request).map_or(Ok(Ask::DowngradeEnabled), Err),
        _ => promote_request(path.strip_prefix(PROMOTE_PREFIX)?, request, facts),
    };
    Some(asked.map_or_else(Handled::Response, Handled::Ask))
}

fn get(request: &HttpRequest) -> Option<HttpResponse> {
    (request.method != "GET").then(|| method_not_allowed("GET"))
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let value = request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    value.and_then(|(_, value)| std::str::from_utf8(value).ok()).filter(|value| !value.is_empty())
}

fn promote_request(id: &str, request: &HttpRequest, facts: &Facts<'_>) -> Result<Ask, HttpResponse> {
    if request.method != "POST" {
        return Err(method_not_allowed("POST"));
    }
    let unsigned = id.bytes().all(|b| b.is_ascii_digit());
    let Some(id) = id.parse().ok().filter(|_| unsigned) else {
        let text = format!("member {id} not found in cluster");
        return Err(in_cluster(text_error(404, &text), facts.cluster_id));
    };
    Ok(Ask::Promote { id, token: header(request, "Authorization").map(str::to_owned) })
}

fn lease_request(path: &str, request: &HttpRequest) -> Result<Ask, HttpResponse> {
    if request.method != "POST" {
        return Err(text_error(405, "Method Not Allowed"));
    }
    if request.body.len() > LEASE_BODY_BYTES_MAX {
        return Err(text_error(413, "request body too large"));
    }
    let body = request.body.clone();
    let ask = match path {
        "/leases" => pb::LeaseKeepAliveRequest::decode(body).map(|r| Ask::Renew { lease: r.id }),
        _ => leasepb::LeaseInternalRequest::decode(body)
            .map(|r| Ask::TimeToLive(r.lease_time_to_live_request.unwrap_or_default())),
    };
    ask.map_err(|_| text_error(400, "error unmarshalling request"))
}

fn hash_kv_request(request: &HttpRequest, facts: &Facts<'_>) -> Result<Ask, HttpResponse> {
    if let Some(refused) = get(request) {
        return Err(refused);
    }
    let own = format!("{:x}", facts.cluster_id);
    if header(request, "X-Etcd-Cluster-ID").is_some_and(|id| id != own) {
        return Err(text_error(412, "cluster ID mismatch"));
    }
    let revision = requested_revision(&request.body);
    revision
        .map(|revision| Ask::HashKv { revision })
        .ok_or_else(|| text_error(400, "error unmarshalling request"))
}

/// `{"revision":N}` as Go reads it: any case, other keys ignored, 0 without one.
fn requested_revision(body: &[u8]) -> Option<i64> {
    match serde_json::from_slice(body).ok()? {
        serde_json::Value::Null => Some(0),
        serde_json::Value::Object(fields) => {
            let exact = fields.get("revision");
            let found = exact.or_else(|| {
                fields.iter().find(|(key, _)| key.eq_ignore_ascii_case("revision")).map(|(_, value)| value)
            });
            match found {
                None | Some(serde_json::Value::Null) => Some(0),
                Some(value) => value.as_i64(),
            }
        }
        _ => None,
    }
}

fn in_cluster(response: HttpResponse, cluster_id: u64) -> HttpResponse {
    with_headers(response, vec![("X-Etcd-Cluster-ID", format!("{cluster_id:x}"))])
}

/// A text, with the line end that Go's errors have.
pub fn text(status: u16, message: &str) -> HttpResponse {
    text_error(status, message)
}

pub fn renewed(lease: i64, ttl: i64) -> HttpResponse {
    protobuf(&pb::LeaseKeepAliveResponse { header: None, id: lease, ttl })
}

pub fn time_to_live(response: pb::LeaseTimeToLiveResponse) -> HttpResponse {
    protobuf(&leasepb::LeaseInternalResponse { lease_time_to_live_response: Some(response) })
}

fn protobuf(message: &impl Message) -> HttpResponse {
    HttpResponse {
        status: 200,
        headers: vec![("Content-Type", PROTOBUF.to_owned())],
        body: message.encode_to_vec().into(),
    }
}

#[derive(Serialize)]
struct HashHeader {
    #[serde(skip_serializing_if = "is_zero")]
    revision: i64,
}

#[derive(Serialize)]
struct HashResponse {
    header: HashHeader,
    #[serde(skip_serializing_if = "is_zero")]
    hash: i64,
    #[serde(skip_serializing_if = "is_zero")]
    compact_revision: i64,
    #[serde(skip_serializing_if = "is_zero")]
    hash_revision: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

pub fn hash_kv(hash: HashKv, cluster_id: u64) -> HttpResponse {
    let body = HashResponse {
        header: HashHeader { revision: hash.current_revision },
        hash: hash.hash.into(),
        compact_revision: hash.compact_revision,
        hash_revision: hash.hash_revision,
    };
    in_cluster(plain(200, "application/json", json_text(&body)), cluster_id)
}

/// Why there is no hash of a revision.
pub fn hash_refusal(reject: Reject) -> &'static str {
    // Clients see the store's own words behind the server's name.
    let (_, message) = state::status(&reject);
    message.strip_prefix("etcdserver: ").unwrap_or(message)
}

/// `Err`: why the linearizable read failed.
pub fn downgrade_enabled(enabled: Result<bool, &str>, cluster_id: u64) -> HttpResponse {
    let response = match enabled {
        Ok(enabled) => plain(200, "text/plain", enabled.to_string()),
        Err(error) => text_error(500, &format!("failed linearized read: {error}")),
    };
    in_cluster(response, cluster_id)
}

/// The members after a promotion.
pub fn promoted(members: &[pb::Member], cluster_id: u64) -> HttpResponse {
    member_list(members, cluster_id)
}

/// `error` is what a client of this member would be told.
pub fn not_promoted(error: &str, cluster_id: u64) -> HttpResponse {
    let response = match error {
        "etcdserver: member not found" => text_error(404, "membership: ID not found"),
        "etcdserver: can only promote a learner member" => {
            text_error(412, "membership: can only promote a learner member")
        }
        "etcdserver: can only promote a learner member which is in sync with leader" => {
            text_error(412, error)
        }
        _ => plain(500, "application/json", "{\"message\":\"Internal Server Error\"}".to_owned()),
    };
    in_cluster(response, cluster_id)
}

/// A member in the names and order of etcd's peers.
#[derive(Serialize)]
struct PeerMember<'a> {
    id: u64,
    #[serde(rename = "peerURLs")]
    peer_urls: &'a [String],
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "clientURLs", skip_serializing_if = "<[String]>::is_empty")]
    client_urls: &'a [String],
}

fn members(facts: &Facts<'_>) -> HttpResponse {
    member_list(facts.members, facts.cluster_id)
}

fn member_list(members: &[pb::Member], cluster_id: u64) -> HttpResponse {
    let mut members: Vec<PeerMember<'_>> = members
        .iter()
        .map(|member| PeerMember {
            id: member.id,
            peer_urls: &member.peer_ur_ls,
            is_learner: member.is_learner,
            name: &member.name,
            client_urls: &member.client_ur_ls,
        })
        .collect();
    members.sort_by_key(|member| member.id);
    in_cluster(plain(200, "application/json", json_text(&members) + "\n"), cluster_id)
}
