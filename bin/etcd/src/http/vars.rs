//! `/debug/vars`: the command line, the limit of file descriptors, memory, and raft's own view of itself.

use super::{
    Facts,
    response::{json_text, plain},
};
use crate::metrics::Process;
use ::rpc::HttpResponse;
use serde_json::{Map, Value, json};

/// Raft as `raft.status` shows it. IDs are shown in hexadecimal.
#[derive(Clone, Debug, Default)]
pub struct RaftStatus {
    pub id: u64,
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
    pub lead: u64,
    /// `StateLeader`, `StateFollower`, `StateCandidate` or `StatePreCandidate`.
    pub state: &'static str,
    pub applied: u64,
    /// On the leader only.
    pub progress: Vec<Progress>,
    /// 0 if no transfer runs.
    pub lead_transferee: u64,
}

/// How far a member's log is known to be.
#[derive(Clone, Debug)]
pub struct Progress {
    pub id: u64,
    pub matched: u64,
    pub next: u64,
    /// `StateReplicate`, `StateProbe` or `StateSnapshot`.
    pub state: &'static str,
}

pub fn variables(facts: &Facts<'_>) -> HttpResponse {
    let process = Process::read();
    let whole = |figure: Option<f64>| figure.unwrap_or(0.0) as u64;
    let entries = [
        ("cmdline", json_text(&facts.arguments)),
        ("file_descriptor_limit", whole(process.max_fds).to_string()),
        ("memstats", format!("{{\"Sys\":{}}}", whole(process.resident_bytes))),
        ("raft.status", raft_status(&facts.raft)),
    ];
    let lines: Vec<String> = entries.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
    plain(200, "application/json; charset=utf-8", format!("{{\n{}\n}}\n", lines.join(",\n")))
}

fn raft_status(raft: &RaftStatus) -> String {
    let hex = |id: u64| format!("\"{id:x}\"");
    let progress: Map<String, Value> = raft
        .progress
        .iter()
        .map(|p| {
            let shown = json!({ "match": p.matched, "next": p.next, "state": p.state });
            (format!("{:x}", p.id), shown)
        })
        .collect();
    format!(
        "{{\"id\":{},\"term\":{},\"vote\":{},\"commit\":{},\"lead\":{},\"raftState\":\"{}\",\"applied\":{},\
         \"progress\":{},\"leadtransferee\":{}}}",
        hex(raft.id),
        raft.term,
        hex(raft.vote),
        raft.commit,
        hex(raft.lead),
        raft.state,
        raft.applied,
        Value::Object(progress),
        hex(raft.lead_transferee)
    )
}
