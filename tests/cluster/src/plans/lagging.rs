//! A member is away for many writes and comes back: it needs a snapshot, and the others go on serving meanwhile. Prints
//! memory and latency; a measurement that fails only when the member does not catch up or holds other keys.

use crate::Failure;
use crate::api::Api;
use crate::arguments::Arguments;
use crate::cluster::{Cluster, PATIENCE, Setup, status};
use client::method;
use proto::etcdserverpb as pb;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const MEMBERS: usize = 3;
const WRITERS: usize = 64;
/// Different keys, and bytes of each value.
const KEYS: u64 = 100_000;
const VALUE_SIZE: usize = 256;
/// Load after the member is back, at the least.
const AFTER: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const SAMPLE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct Writers {
    next: AtomicU64,
    last: AtomicU64,
    stopped: AtomicBool,
}

pub async fn run(arguments: &Arguments, directory: &Path) -> Result<String, Failure> {
    let server = arguments.file("server")?;
    let writes = arguments.number("writes", 1_000_000)?;
    let setup = Setup { servers: vec![(server, Vec::new()); MEMBERS], ..Setup::default() };
    let mut cluster = Cluster::new(directory, &setup)?;
    cluster.start().await?;
    let leader = cluster.leader().await?;
    let away = cluster.numbers().into_iter().find(|number| *number != leader).expect("three members");
    let serving: Vec<usize> = cluster.numbers().into_iter().filter(|number| *number != away).collect();
    cluster.member(away).stop().await?;
    let began = Instant::now();
    let while_away = load(&mut cluster, &serving, &Arc::new(Writers::up_to(writes)), None).await?;
    println!("{writes} writes in {:.1} s, member {away} away: {while_away}", began.elapsed().as_secs_f64());
    let target = cluster.serves(leader).await?;
    cluster.member(away).start()?;
    let while_catching_up =
        load(&mut cluster, &serving, &Arc::new(Writers::up_to(u64::MAX)), Some((away, target))).await?;
    println!("member {away} catches up: {while_catching_up}");
    cluster.same_hash().await?;
    cluster.remove_files();
    Ok(format!("caught up with {writes} writes, equal hashes"))
}

impl Writers {
    fn up_to(last: u64) -> Writers {
        Writers { last: last.into(), ..Writers::default() }
    }
}

/// Writes until the last, or until a member has come as far as a revision and for [`AFTER`] at the least.
async fn load(
    cluster: &mut Cluster,
    serving: &[usize],
    writers: &Arc<Writers>,
    until: Option<(usize, i64)>,
) -> Result<String, Failure> {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        tasks.spawn(write(serving[writer % serving.len()], writers.clone()));
    }
    let began = Instant::now();
    let mut most = vec![0; MEMBERS];
    let mut caught_up = None;
    while !tasks.is_empty() && caught_up.is_none_or(|at: Duration| began.elapsed() < at.max(AFTER)) {
        tokio::time::sleep(SAMPLE).await;
        for (member, most) in cluster.members.iter().zip(&mut most) {
            *most = member.resident_bytes().unwrap_or(0).max(*most);
        }
        if writers.next.load(Ordering::Relaxed) >= writers.last.load(Ordering::Relaxed) {
            break;
        }
        if let Some((away, revision)) = until
            && caught_up.is_none()
        {
            if status(away).await.is_ok_and(|status| status.header.unwrap_or_default().revision >= revision) {
                caught_up = Some(began.elapsed());
            } else if began.elapsed() > PATIENCE * 10 {
                return Err(format!("member {away} does not catch up:\n{}", cluster.member(away).tail()));
            }
        }
    }
    writers.stopped.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    let mut failed = 0;
    while let Some(done) = tasks.join_next().await {
        let (of_one, failures): (Vec<Duration>, u64) = done.map_err(|e| e.to_string())?;
        latencies.extend(of_one);
        failed += failures;
    }
    latencies.sort_unstable();
    let at = |permille: usize| {
        let index = latencies.len().saturating_sub(1) * permille / 1000;
        latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    let memory: Vec<String> = most.iter().map(|bytes| format!("{} MiB", bytes >> 20)).collect();
    let after = caught_up.map_or(String::new(), |at| format!("after {:.1} s, ", at.as_secs_f64()));
    Ok(format!(
        "{after}{} puts, {failed} failed, {:.1} ms median, {:.1} p99, {:.1} p999, {:.1} most; resident at most {}",
        latencies.len(),
        at(500),
        at(990),
        at(999),
        at(1000),
        memory.join(", ")
    ))
}

async fn write(member: usize, writers: Arc<Writers>) -> (Vec<Duration>, u64) {
    let mut api = Api::new(member, CALL_TIMEOUT);
    let (mut latencies, mut failed) = (Vec::new(), 0);
    let value = vec![b'v'; VALUE_SIZE];
    while !writers.stopped.load(Ordering::Relaxed) {
        let number = writers.next.fetch_add(1, Ordering::Relaxed);
        if number >= writers.last.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("lagging/{:08}", number % KEYS);
        let request = pb::PutRequest { key: key.into(), value: value.clone().into(), ..Default::default() };
        let called = Instant::now();
        match api.call(&method::PUT, request).await {
            Ok(_) => latencies.push(called.elapsed()),
            Err(_) => failed += 1,
        }
    }
    (latencies, failed)
}
