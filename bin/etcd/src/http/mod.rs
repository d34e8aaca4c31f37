//! The HTTP/1.1 edge: versions, health, metrics, variables, and the wrapper around the client port. Requests and a
//! few facts in, responses out.
//!
//! It never reads the state or waits: a health check that needs a read becomes a [`Plan`], and the caller comes back
//! with what the read gave. Bodies, statuses and headers are etcd 3.7.1's, headers by name. Invariants: a request
//! gets exactly one response; what the wrapper adds is on every response of the client port. Start at [`handle`].

mod health;
mod path;
pub mod peer;
pub mod response;
mod vars;
mod wrapper;

pub use health::{Outcomes, Plan};
pub use vars::{Progress, RaftStatus};

use crate::{
    config,
    metrics::{self, Metrics, Process},
};
use ::rpc::{HttpRequest, HttpResponse};
use proto::etcdserverpb::{AlarmMember, Member};
use response::{json, method_not_allowed, not_found, plain};
use serde::Serialize;

/// Which port a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Client,
    Peer,
    /// `--listen-metrics-urls`.
    Metrics,
}

/// What a response may tell of the server. Borrowed from whoever owns it, for one request.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    pub cluster_id: u64,
    /// The release this member says it is.
    pub server_version: &'a str,
    /// `3.7.0`; `None` until the cluster has decided.
    pub cluster_version: Option<&'a str>,
    /// `3.7.0`; `None` for data of etcd 3.5 or before.
    pub storage_version: Option<&'a str>,
    pub alarms: &'a [AlarmMember],
    pub has_leader: bool,
    pub is_learner: bool,
    /// Every member of the cluster, by ID.
    pub members: &'a [Member],
    pub raft: RaftStatus,
    /// The program's command line.
    pub arguments: &'a [String],
}

/// What becomes of a request at once.
#[derive(Debug)]
pub enum Handled {
    Response(HttpResponse),
    /// A response depends on reads: make them, then call [`Plan::answer`].
    Plan(Plan),
    /// A request of another member that the member itself has to answer.
    Ask(peer::Ask),
}

/// Answers a request, or says what must be read first. Logs what etcd logs and counts health checks and scrapes.
pub fn handle(
    port: Port,
    request: &HttpRequest,
    facts: &Facts<'_>,
    rules: &config::Http,
    metrics: &Metrics,
) -> Handled {
    if port != Port::Client {
        return route(port, request, facts, metrics);
    }
    let added = match wrapper::check(request, rules) {
        wrapper::Verdict::Refused(response) => return Handled::Response(response),
        wrapper::Verdict::Options(headers) => {
            return Handled::Response(HttpResponse { status: 200, headers, body: Default::default() });
        }
        wrapper::Verdict::Passed(headers) => headers,
    };
    match route(port, request, facts, metrics) {
        Handled::Response(response) => Handled::Response(response::with_headers(response, added)),
        Handled::Plan(plan) => Handled::Plan(plan.with_headers(added)),
        Handled::Ask(ask) => Handled::Ask(ask),
    }
}

fn route(port: Port, request: &HttpRequest, facts: &Facts<'_>, metrics: &Metrics) -> Handled {
    let clean = path::clean(&request.path);
    if clean != request.path {
        return Handled::Response(response::redirect(request, &clean));
    }
    let (client, peer) = (port == Port::Client, port == Port::Peer);
    Handled::Response(match clean.as_str() {
        "/health" if !peer => return health::health(request, facts, metrics),
        "/metrics" if !peer => scrape(metrics),
        "/version" if client || peer => get(request, || versions(facts)),
        "/debug/vars" if client => get(request, || vars::variables(facts)),
        _ if !peer => return health::checks(request, facts, metrics),
        path => return peer::route(path, request, facts).unwrap_or_else(|| Handled::Response(not_found())),
    })
}

/// Only `GET` itself; `HEAD` is refused, too.
fn get(request: &HttpRequest, respond: impl FnOnce() -> HttpResponse) -> HttpResponse {
    if request.method == "GET" { respond() } else { method_not_allowed("GET") }
}

fn scrape(metrics: &Metrics) -> HttpResponse {
    plain(200, metrics::CONTENT_TYPE, metrics.render(&Process::read()))
}

#[derive(Serialize)]
struct Versions<'a> {
    etcdserver: &'a str,
    etcdcluster: &'a str,
    storage: &'a str,
}

fn versions(facts: &Facts<'_>) -> HttpResponse {
    json(&Versions {
        etcdserver: facts.server_version,
        etcdcluster: facts.cluster_version.unwrap_or("not_decided"),
        storage: facts.storage_version.unwrap_or("unknown"),
    })
}

#[cfg(test)]
mod tests;
