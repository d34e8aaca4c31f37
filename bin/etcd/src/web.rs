//! HTTP/1.1 requests of the client and metrics ports: facts gathered from the member, health reads waited for.
//!
//! It never reads keys itself: a linearizable health read joins the edge's read rounds like any client's.

use crate::{
    config::{Config, Listen},
    http::{self, Facts, Handled, Outcomes, Plan, Port, Progress, RaftStatus},
    metrics::Metrics,
    observe,
    rpc::{Desk, Edge, PeerCall, Probe},
    startup,
};
use ::rpc::{CallId, HttpRequest, ListenOptions, Protocols, Server};
use member::{Member, raft::Role};
use proto::etcdserverpb::AlarmType;
use std::collections::HashMap;

/// The door of the listeners for metrics; clients come by number 0.
const METRICS_DOOR: u8 = 1;

/// The port behind a door.
pub fn port(door: u8) -> Port {
    if door == METRICS_DOOR { Port::Metrics } else { Port::Client }
}

/// Opens the listeners of `--listen-metrics-urls`. They serve from now on: also before clients may come, and while
/// there is no leader.
pub fn listen_for_scrapes(server: &mut Server, listen: &Listen) -> Result<(), String> {
    let options = ListenOptions {
        protocols: Protocols::Http,
        reuse_port: listen.reuse_port,
        at_once: true,
        door: METRICS_DOOR,
    };
    for listener in startup::metrics_listeners(listen)? {
        server.listen_with(listener.address, options).map_err(|error| listener.cannot_bind(&error))?;
        log::info!(address:% = listener.url; "serving metrics");
    }
    Ok(())
}

/// Health checks under way.
#[derive(Debug, Default)]
pub struct Web {
    plans: HashMap<CallId, Plan>,
    arguments: Vec<String>,
}

impl Web {
    pub fn new() -> Web {
        let arguments = std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect();
        Web { plans: HashMap::new(), arguments }
    }

    /// Answers at once, or begins the read that the answer depends on.
    pub fn request(
        &mut self,
        (call, port): (CallId, Port),
        request: &HttpRequest,
        config: &Config,
        metrics: &Metrics,
        edge: &mut Edge,
        desk: &mut Desk<'_>,
    ) {
        observe::gauges(metrics, desk.member, desk.server, config);
        observe::proposals(metrics, edge.proposal_figures());
        let handled = with_facts(desk.member, &self.arguments, |facts| {
            http::handle(port, request, facts, &config.http, metrics)
        });
        match handled {
            Handled::Response(response) => desk.server.http_reply(call, response),
            Handled::Plan(plan) => {
                edge.probe(call, !plan.needs_linearizable(), desk);
                self.plans.insert(call, plan);
            }
            Handled::Ask(_) => unreachable!("members ask on the peer port"),
        }
    }

    /// A request on the peer port; the edge has the response, now or later.
    pub fn peer(
        &self,
        call: PeerCall,
        request: &HttpRequest,
        config: &Config,
        metrics: &Metrics,
        edge: &mut Edge,
        desk: &mut Desk<'_>,
    ) {
        let handled = with_facts(desk.member, &self.arguments, |facts| {
            http::handle(Port::Peer, request, facts, &config.http, metrics)
        });
        match handled {
            Handled::Response(response) => edge.answer_peer(call, response),
            Handled::Ask(ask) => edge.peer_ask(call, ask, desk),
            Handled::Plan(_) => unreachable!("health checks are not served on the peer port"),
        }
    }

    /// Answers the health checks whose reads are through.
    pub fn probed(&mut self, probes: Vec<Probe>, metrics: &Metrics, desk: &mut Desk<'_>) {
        for Probe { call, result } in probes {
            let Some(plan) = self.plans.remove(&call) else { continue };
            let outcomes = Outcomes { serializable: Ok(()), linearizable: result };
            let response =
                with_facts(desk.member, &self.arguments, |facts| plan.answer(&outcomes, facts, metrics));
            desk.server.http_reply(call, response);
        }
    }
}

fn with_facts<R>(member: &Member, arguments: &[String], act: impl FnOnce(&Facts<'_>) -> R) -> R {
    let (state, standing) = (member.state(), member.consensus().standing());
    let cluster_version = state.members().version().map(|v| v.to_string());
    let storage_version = state.storage_version().map(|v| v.to_string());
    let progress = member.consensus().node().progress();
    let release = member.settings().release.to_string();
    act(&Facts {
        server_version: &release,
        cluster_id: member.settings().cluster_id,
        cluster_version: cluster_version.as_deref(),
        storage_version: storage_version.as_deref(),
        alarms: &state.alarms().list(AlarmType::None as i32),
        has_leader: standing.leader != 0,
        is_learner: state.members().get(member.settings().member_id).is_some_and(|m| m.is_learner),
        members: &state.members().to_proto(),
        raft: RaftStatus {
            id: member.settings().member_id,
            term: standing.term,
            vote: standing.vote,
            commit: standing.commit,
            lead: standing.leader,
            state: match standing.role {
                Role::Follower => "StateFollower",
                Role::PreCandidate => "StatePreCandidate",
                Role::Candidate => "StateCandidate",
                Role::Leader => "StateLeader",
            },
            applied: member.applied_index(),
            progress: progress
                .into_iter()
                .map(|p| Progress { id: p.id, matched: p.matched, next: p.next, state: p.state })
                .collect(),
            lead_transferee: 0,
        },
        arguments,
    })
}
