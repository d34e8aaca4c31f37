//! Health: `/health`, and the checks of `/livez` and `/readyz`, together and one by one.

use super::{
    Facts, Handled,
    path::query_values,
    response::{
        declared_text, json_text, method_not_allowed, not_found, sniffed_text, text_error, with_headers,
    },
};
use crate::{metrics::Metrics, notation::quote};
use ::rpc::{HttpRequest, HttpResponse};
use proto::etcdserverpb::{AlarmMember, AlarmType};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    DataCorruption,
    SerializableRead,
    LinearizableRead,
    NonLearner,
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Check::DataCorruption => "data_corruption",
            Check::SerializableRead => "serializable_read",
            Check::LinearizableRead => "linearizable_read",
            Check::NonLearner => "non_learner",
        }
    }
}

const LIVEZ: &[Check] = &[Check::SerializableRead];
const READYZ: &[Check] =
    &[Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead, Check::NonLearner];

/// A health check that waits for reads. A read is a range over one key, for its existence alone, with every right.
#[derive(Debug)]
pub struct Plan {
    kind: Kind,
    headers: Vec<(&'static str, String)>,
}

#[derive(Debug)]
enum Kind {
    Health {
        serializable: bool,
    },
    Checks {
        /// `livez` or `readyz`.
        family: &'static str,
        /// As the log shows it.
        path: String,
        checks: Vec<Check>,
        verbose: bool,
    },
}

/// What the reads gave: nothing, or the error's text. A read the plan does not need may be anything.
#[derive(Clone, Debug)]
pub struct Outcomes {
    pub serializable: Result<(), String>,
    pub linearizable: Result<(), String>,
}

impl Plan {
    /// Whether the read must go through consensus; else one on local state is enough.
    pub fn needs_linearizable(&self) -> bool {
        match &self.kind {
            Kind::Health { serializable } => !serializable,
            Kind::Checks { checks, .. } => checks.contains(&Check::LinearizableRead),
        }
    }

    pub(super) fn with_headers(mut self, headers: Vec<(&'static str, String)>) -> Plan {
        self.headers = headers;
        self
    }

    /// The response, with `facts` as they are now.
    pub fn answer(self, outcomes: &Outcomes, facts: &Facts<'_>, metrics: &Metrics) -> HttpResponse {
        let response = match self.kind {
            Kind::Health { serializable } => {
                let read = if serializable { &outcomes.serializable } else { &outcomes.linearizable };
                let reason = read.as_ref().err().map(|error| {
                    log::warn!(error:%; "serving /health false; Range fails");
                    format!("RANGE ERROR:{error}")
                });
                health_response(reason, metrics)
            }
            Kind::Checks { family, path, checks, verbose } => {
                let results: Vec<(Check, Result<(), String>)> =
                    checks.into_iter().map(|check| (check, run(check, outcomes, facts))).collect();
                checks_response(family, &path, &results, verbose, metrics)
            }
        };
        with_headers(response, self.headers)
    }
}

/// `/health`.
pub fn health(request: &HttpRequest, facts: &Facts<'_>, metrics: &Metrics) -> Handled {
    if request.method != "GET" {
        log::warn!("status-code" = 405; "/health error");
        return Handled::Response(method_not_allowed("GET"));
    }
    let excluded = non_empty(query_values(&request.query, "exclude"));
    let serializable =
        query_values(&request.query, "serializable").first().is_some_and(|value| value == "true");
    if let Some(alarm) = facts.alarms.iter().find(|alarm| !excluded.contains(alarm_name(alarm))) {
        let shown = format!("memberID:{} alarm:{}", alarm.member_id, alarm_name(alarm));
        log::warn!(alarm:% = shown; "serving /health false due to an alarm");
        return Handled::Response(health_response(Some(format!("ALARM {}", alarm_name(alarm))), metrics));
    }
    if !serializable && !facts.has_leader {
        log::warn!("serving /health false; no leader");
        return Handled::Response(health_response(Some("RAFT NO LEADER".to_string()), metrics));
    }
    Handled::Plan(Plan { kind: Kind::Health { serializable }, headers: Vec::new() })
}

/// `/livez`, `/readyz` and the paths below them; any other path is not found.
pub fn checks(request: &HttpRequest, facts: &Facts<'_>, metrics: &Metrics) -> Handled {
    let path = request.path.as_str();
    let (root, sub) = match path.get(1..).and_then(|rest| rest.split_once('/')) {
        Some((root, sub)) => (root, Some(sub)),
        None => (path.get(1..).unwrap_or_default(), None),
    };
    let (family, all): (&'static str, &[Check]) = match root {
        "livez" => ("livez", LIVEZ),
        "readyz" => ("readyz", READYZ),
        _ => return Handled::Response(not_found()),
    };
    let selected: Vec<Check> = match sub {
        None => all.to_vec(),
        Some(name) => all.iter().copied().filter(|check| check.name() == name).collect(),
    };
    if selected.is_empty() {
        return Handled::Response(not_found());
    }
    if request.method != "GET" {
        log::warn!(path:%, "status-code" = 405; "Health request error");
        return Handled::Response(method_not_allowed("GET"));
    }
    let checks = if sub.is_none() { without_excluded(selected, &request.query) } else { selected };
    let verbose = !query_values(&request.query, "verbose").is_empty();
    let reads = checks.iter().any(|check| matches!(check, Check::SerializableRead | Check::LinearizableRead));
    let kind = Kind::Checks { family, path: path.to_string(), checks, verbose };
    let plan = Plan { kind, headers: Vec::new() };
    if reads {
        return Handled::Plan(plan);
    }
    let unused = Outcomes { serializable: Ok(()), linearizable: Ok(()) };
    Handled::Response(plan.answer(&unused, facts, metrics))
}

fn without_excluded(checks: Vec<Check>, query: &str) -> Vec<Check> {
    let mut excluded = non_empty(query_values(query, "exclude"));
    let left = checks.into_iter().filter(|check| !excluded.remove(check.name())).collect();
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| quote(name)).collect();
        log::warn!("missing-health-checks":% = names.join(","); "some health checks cannot be excluded");
    }
    left
}

fn non_empty(values: Vec<String>) -> BTreeSet<String> {
    values.into_iter().filter(|value| !value.is_empty()).collect()
}

fn run(check: Check, outcomes: &Outcomes, facts: &Facts<'_>) -> Result<(), String> {
    let corrupt = |alarm: &AlarmMember| alarm.alarm() == AlarmType::Corrupt;
    match check {
        Check::DataCorruption if facts.alarms.iter().any(corrupt) => {
            Err("alarm activated: CORRUPT".to_string())
        }
        Check::NonLearner if facts.is_learner => Err("not supported for learner".to_string()),
        Check::DataCorruption | Check::NonLearner => Ok(()),
        Check::SerializableRead => outcomes.serializable.clone(),
        Check::LinearizableRead => outcomes.linearizable.clone(),
    }
}

fn checks_response(
    family: &'static str,
    path: &str,
    results: &[(Check, Result<(), String>)],
    verbose: bool,
    metrics: &Metrics,
) -> HttpResponse {
    let mut lines = String::new();
    for (check, result) in results {
        metrics.record_check(family, check.name(), result.is_ok());
        match result {
            Ok(()) => lines.push_str(&format!("[+]{} ok\n", check.name())),
            Err(error) => lines.push_str(&format!("[-]{} failed: {error}\n", check.name())),
        }
    }
    if results.iter().any(|(_, result)| result.is_err()) {
        log::error!(path:%, reason:% = lines, "status-code" = 503; "Health check error");
        return text_error(503, &lines);
    }
    log::debug!(path:%, reason:% = lines, "status-code" = 200; "Health check OK");
    let details = if verbose { lines.as_str() } else { "" };
    declared_text(200, format!("{details}ok\n"))
}

#[derive(Serialize)]
struct Health<'a> {
    health: &'a str,
    reason: &'a str,
}

/// Healthy without a reason.
fn health_response(reason: Option<String>, metrics: &Metrics) -> HttpResponse {
    let Some(reason) = reason else {
        metrics.health_success.increment();
        log::debug!("status-code" = 200; "/health OK");
        return sniffed_text(json_text(&Health { health: "true", reason: "" }));
    };
    metrics.health_failures.increment();
    let output = json_text(&Health { health: "false", reason: &reason });
    log::warn!(output:%, "status-code" = 503; "/health error");
    text_error(503, &output)
}

fn alarm_name(alarm: &AlarmMember) -> &'static str {
    match alarm.alarm() {
        AlarmType::Nospace => "NOSPACE",
        AlarmType::Corrupt => "CORRUPT",
        AlarmType::None => "UNKNOWN",
    }
}
