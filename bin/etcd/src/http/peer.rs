//! What one member tells another without being asked to take part: who the members are.

use super::{
    Facts,
    response::{json_text, plain, with_headers},
};
use ::rpc::HttpResponse;
use serde::Serialize;

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

pub fn members(facts: &Facts<'_>) -> HttpResponse {
    let mut members: Vec<PeerMember<'_>> = facts
        .members
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
    let response = plain(200, "application/json", json_text(&members) + "\n");
    with_headers(response, vec![("X-Etcd-Cluster-ID", format!("{:x}", facts.cluster_id))])
}
