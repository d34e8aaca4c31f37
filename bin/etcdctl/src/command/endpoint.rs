//! `endpoint health`, `endpoint status`, `endpoint hashkv`, and `defrag`: one call to each endpoint on its own
//! connection.

use std::time::{Duration, Instant};

use client::{Call, Client, Config, method};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::AlarmType;
use tokio::task::JoinSet;

use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::go::duration;
use crate::print::{EndpointHash, EndpointStatus, Hashes, Health, Healths, Statuses, write_line};
use crate::session::Session;
use crate::zap;

const PERMISSION_DENIED: &str = "etcdserver: permission denied";
/// A key that need not exist: reading it shows that a quorum answers.
const PROBE_KEY: &[u8] = b"health";

/// The endpoints a command is about: those given, or with `--cluster` all members' client URLs.
async fn endpoints(run: &Invocation, session: &Session) -> Result<Vec<String>, Failure> {
    if run.flags.bool("cluster") {
        super::cluster_endpoints(session).await
    } else {
        Ok(session.raw_endpoints.clone())
    }
}

/// All endpoints at once, printed in the order in which they answered.
pub async fn health(run: &mut Invocation) -> Outcome {
    let session = Session::open(run)?;
    let mut checks = JoinSet::new();
    for endpoint in endpoints(run, &session).await? {
        let config = Config { logger: zap::CLIENT, ..session.config_for(&endpoint) };
        checks.spawn(check(config, session.call(), endpoint));
    }
    let mut healths = Vec::new();
    while let Some(health) = checks.join_next().await {
        healths.push(health.map_err(exit::with(exit::ERROR))?);
    }
    let failed = healths.iter().any(|health| !health.error.is_empty());
    session.printer.show(&Healths(healths))?;
    if failed { Err(Failure::new(exit::ERROR, "unhealthy cluster")) } else { Ok(()) }
}

async fn check(config: Config, call: Call, endpoint: String) -> Health {
    let client = match Client::connect(config).await {
        Ok(client) => client,
        Err(error) => {
            let error = error.to_string();
            return Health { endpoint, healthy: false, took: String::new(), error };
        }
    };
    let start = Instant::now();
    let request = pb::RangeRequest { key: PROBE_KEY.into(), ..pb::RangeRequest::default() };
    let result = client.call(&method::RANGE, call, request).await;
    let took = go_time(start.elapsed());
    let error = match result {
        // A refusal came through consensus as well.
        Err(error) if !error.is(PERMISSION_DENIED) => error.to_string(),
        _ => match super::alarm::active(&client, call).await {
            Ok(alarms) => alarm_text(&alarms),
            Err(_) => "Unable to fetch the alarm list".to_owned(),
        },
    };
    Health { endpoint, healthy: error.is_empty(), took, error }
}

fn alarm_text(alarms: &[pb::AlarmMember]) -> String {
    if alarms.is_empty() {
        return String::new();
    }
    let names = alarms.iter().map(|alarm| match AlarmType::try_from(alarm.alarm) {
        Ok(AlarmType::Nospace) => "NOSPACE ",
        Ok(AlarmType::Corrupt) => "CORRUPT ",
        Ok(AlarmType::None) | Err(_) => "UNKNOWN ",
    });
    ["Active Alarm(s): "].into_iter().chain(names).collect()
}

fn go_time(time: Duration) -> String {
    duration::format(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

pub async fn status(run: &mut Invocation) -> Outcome {
    let session = Session::open(run)?;
    let mut statuses = Vec::new();
    let mut failed = false;
    for endpoint in endpoints(run, &session).await? {
        let client = session.client_for(&endpoint).await?;
        match client.call(&method::STATUS, session.call(), pb::StatusRequest {}).await {
            Ok(response) => statuses.push(EndpointStatus { endpoint, response }),
            Err(error) => {
                failed = true;
                eprintln!("Failed to get the status of endpoint {endpoint} ({error})");
            }
        }
    }
    session.printer.show(&Statuses(statuses))?;
    if failed { Err(Failure::silent(exit::ERROR)) } else { Ok(()) }
}

pub async fn hash(run: &mut Invocation) -> Outcome {
    let session = Session::open(run)?;
    let revision = run.flags.int("rev");
    let mut hashes = Vec::new();
    let mut failure = None;
    for endpoint in endpoints(run, &session).await? {
        let client = session.client_for(&endpoint).await?;
        match client.call(&method::HASH_KV, session.call(), pb::HashKvRequest { revision }).await {
            Ok(response) => hashes.push(EndpointHash { endpoint, response }),
            Err(error) => {
                eprintln!("Failed to get the hash of endpoint {endpoint} ({error})");
                failure = Some(Failure::new(exit::ERROR, error));
            }
        }
    }
    session.printer.show(&Hashes(hashes))?;
    failure.map_or(Ok(()), Err)
}

pub async fn defrag(run: &mut Invocation) -> Outcome {
    let session = Session::open(run)?;
    let mut failed = false;
    for endpoint in endpoints(run, &session).await? {
        let client = session.client_for(&endpoint).await?;
        let start = Instant::now();
        let result = client.call(&method::DEFRAGMENT, session.call(), pb::DefragmentRequest {}).await;
        let took = go_time(start.elapsed());
        match result {
            Ok(_) => write_line(&format!("Finished defragmenting etcd member[{endpoint}]. took {took}"))?,
            Err(error) => {
                failed = true;
                eprintln!("Failed to defragment etcd member[{endpoint}]. took {took}. ({error})");
            }
        }
    }
    if failed { Err(Failure::silent(exit::ERROR)) } else { Ok(()) }
}
