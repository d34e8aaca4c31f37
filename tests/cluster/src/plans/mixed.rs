//! Go's members and ours in one cluster, for each release of Go: ours joins and leads, ours takes over the data of all
//! and gives them back, each sends the other snapshots. It injects no fault.

use crate::Failure;
use crate::api::Api;
use crate::arguments::{Arguments, absolute};
use crate::audit::Audit;
use crate::cluster::{Cluster, PATIENCE, Setup, cluster_version};
use crate::load::{Clock, Done, Load, Random};
use crate::release::Release;
use client::method;
use history::Outcome;
use proto::etcdserverpb as pb;
use std::path::{Path, PathBuf};
use tokio::task::JoinSet;

/// Directories with a Go etcd below the one given.
const GO: [&str; 3] = ["3.4", "3.5", "."];
const SNAPSHOT_COUNT: u32 = 500;
const CATCH_UP_ENTRIES: u32 = 100;
/// Writes after which a joining member needs a snapshot. 3.4 always keeps 5000 entries.
const WRITES: usize = 2000;
const WRITES_3_4: usize = 7000;
const WRITERS: usize = 32;
/// What a member logs that got one.
const RECEIVED: &str = "received and saved database snapshot";
/// Operations that must be answered at each step of a take-over, with the member away and after.
const ANSWERED: u64 = 300;

/// One Go release and ours.
struct Pair {
    go: PathBuf,
    ours: PathBuf,
    release: Release,
    go_flags: Vec<String>,
    our_flags: Vec<String>,
}

pub async fn run(arguments: &Arguments, directory: &Path) -> Result<String, Failure> {
    let ours = arguments.file("ours")?;
    let go = arguments.file("go")?;
    let mut cluster = None;
    let mut releases = Vec::new();
    for place in GO {
        let pair = Pair::new(absolute(&go.join(place).join("etcd"))?, ours.clone())?;
        let release = pair.release.to_string();
        if arguments.text("release").is_some_and(|only| only != release) {
            continue;
        }
        let named = |part: &'static str, text: Failure| {
            format!("{release}, {part}: {text}\n(logs in {})", directory.display())
        };
        joins_and_leads(&mut cluster, directory, &pair).await.map_err(|t| named("joins and leads", t))?;
        takes_over(&mut cluster, directory, &pair).await.map_err(|t| named("takes over", t))?;
        snapshots(&mut cluster, directory, &pair).await.map_err(|t| named("snapshots", t))?;
        releases.push(release);
    }
    if let Some(cluster) = cluster {
        cluster.remove_files();
    }
    Ok(format!("with {}: joined, led, took over and gave back, snapshots both ways", releases.join(", ")))
}

impl Pair {
    fn new(go: PathBuf, ours: PathBuf) -> Result<Pair, Failure> {
        let (release, own) = (Release::of(&go)?, Release::of(&ours)?);
        let go_flags = release.flags(SNAPSHOT_COUNT, CATCH_UP_ENTRIES, release);
        let our_flags = own.flags(SNAPSHOT_COUNT, CATCH_UP_ENTRIES, release);
        Ok(Pair { go, ours, release, go_flags, our_flags })
    }
}

/// A new cluster of Go's members, or of ours, with room for one to join.
async fn fresh<'a>(
    cluster: &'a mut Option<Cluster>,
    directory: &Path,
    server: &Path,
    flags: &[String],
    members: usize,
) -> Result<&'a mut Cluster, Failure> {
    let setup = Setup {
        servers: vec![(server.to_owned(), flags.to_vec()); members],
        spare: 4 - members,
        disk_size: None,
    };
    let cluster = match cluster {
        Some(cluster) => {
            cluster.renew(&setup)?;
            cluster
        }
        none => none.insert(Cluster::new(directory, &setup)?),
    };
    cluster.start().await?;
    Ok(cluster)
}

/// Ours comes to two members of Go's, is needed for a majority, leads, and is removed.
async fn joins_and_leads(slot: &mut Option<Cluster>, directory: &Path, pair: &Pair) -> Result<(), Failure> {
    let cluster = fresh(slot, directory, &pair.go, &pair.go_flags, 2).await?;
    put_many(&[1, 2], 0..200).await?;
    let ours = cluster.join(&pair.ours, pair.our_flags.clone()).await?;
    cluster.same_hash().await?;
    cluster.lead(1).await?;
    served_by_all(cluster).await?;
    // Two of three, one of them ours: nothing is committed without it.
    cluster.member(2).stop().await?;
    put_many(&[1, ours], 200..400).await?;
    cluster.member(2).start()?;
    cluster.all_serve().await?;
    cluster.lead(ours).await?;
    served_by_all(cluster).await?;
    put_many(&[1, 2, ours], 400..600).await?;
    // A Go member that was away catches up from ours.
    cluster.member(2).stop().await?;
    put_many(&[1, ours], 600..1400).await?;
    cluster.member(2).start()?;
    cluster.all_serve().await?;
    cluster.same_hash().await?;
    check_version(cluster, pair).await?;
    cluster.lead(1).await?;
    cluster.leave().await?;
    cluster.all_serve().await?;
    println!("{}: ours joined, voted, led, was removed", pair.release);
    Ok(())
}

/// Every member does what it may have to ask the leader for.
async fn served_by_all(cluster: &mut Cluster) -> Result<(), Failure> {
    for number in cluster.numbers() {
        let at = |text: Failure| format!("at member {number}: {text}");
        serves_all(number).await.map_err(at)?;
    }
    Ok(())
}

async fn serves_all(number: usize) -> Result<(), Failure> {
    let mut api = Api::new(number, PATIENCE);
    let key = format!("served/{number}");
    let granted = api.call(&method::LEASE_GRANT, pb::LeaseGrantRequest { ttl: 100, id: 0 }).await?;
    let put = pb::PutRequest {
        key: key.clone().into(),
        value: "v".into(),
        lease: granted.id,
        ..Default::default()
    };
    api.call(&method::PUT, put).await?;
    let renewed = api.keep_alive(granted.id).await?;
    if renewed.ttl != 100 {
        return Err(format!("a renewed lease has a TTL of {}", renewed.ttl));
    }
    let request = pb::LeaseTimeToLiveRequest { id: granted.id, keys: true };
    let left = api.call(&method::LEASE_TIME_TO_LIVE, request).await?;
    if left.granted_ttl != 100 || left.keys != [key.as_bytes()] {
        return Err(format!("LeaseTimeToLive says {left:?}"));
    }
    api.call(&method::LEASE_REVOKE, pb::LeaseRevokeRequest { id: granted.id }).await?;
    let got = api.call(&method::RANGE, pb::RangeRequest { key: key.into(), ..Default::default() }).await?;
    if got.kvs.is_empty() { Ok(()) } else { Err("a key outlives its lease".to_owned()) }
}

/// Under load, each member in turn goes on with the other program on the same data; then back.
async fn takes_over(slot: &mut Option<Cluster>, directory: &Path, pair: &Pair) -> Result<(), Failure> {
    let cluster = fresh(slot, directory, &pair.go, &pair.go_flags, 3).await?;
    let clock = Clock::start();
    let mut audit = Audit::start(&cluster.numbers(), clock);
    let mut random = Random::new(1);
    let mut round = 0;
    for (server, flags, name) in [(&pair.ours, &pair.our_flags, "ours"), (&pair.go, &pair.go_flags, "Go's")] {
        for number in cluster.numbers() {
            let led = cluster.leader().await?;
            let load = Load::start(&cluster.numbers(), round, clock, &mut random);
            let changed = change(cluster, number, server, flags, &load).await;
            let done = load.stop().await?;
            let step = |text: Failure| format!("member {number} becomes {name} (member {led} led): {text}");
            changed.map_err(step)?;
            if led != number {
                none_failed(&done, number).map_err(step)?;
            }
            audit.check(cluster, done).await.map_err(step)?;
            round += 1;
        }
        check_version(cluster, pair).await?;
    }
    audit.check_ends(cluster).await?;
    println!(
        "{}: ours took over member by member and gave back, {} operations",
        pair.release,
        audit.answered()
    );
    Ok(())
}

async fn change(
    cluster: &mut Cluster,
    number: usize,
    server: &Path,
    flags: &[String],
    load: &Load,
) -> Result<(), Failure> {
    load.more(ANSWERED).await?;
    cluster.member(number).stop().await?;
    load.more(ANSWERED).await?;
    let member = cluster.member(number);
    member.server = server.to_owned();
    member.launch.flags = flags.to_vec();
    member.start()?;
    cluster.all_serve().await?;
    load.more(ANSWERED).await
}

/// Only at the member that was away may calls have failed.
fn none_failed(done: &Done, away: usize) -> Result<(), Failure> {
    let elsewhere = |client: u64| Load::member_of(client) != away;
    let failed = done.operations.iter().find(|o| o.outcome == Outcome::Unknown && elsewhere(o.client));
    match failed {
        Some(operation) => Err(format!("failed though the leader stayed: {operation}")),
        None => Ok(()),
    }
}

async fn check_version(cluster: &mut Cluster, pair: &Pair) -> Result<(), Failure> {
    for number in cluster.numbers() {
        let version = cluster_version(number).await?;
        if version != format!("{}.0", pair.release) {
            return Err(format!("member {number} says cluster version {version}, with {}", pair.release));
        }
    }
    Ok(())
}

/// A joining member gets a snapshot: Go's from ours, ours from Go's.
async fn snapshots(slot: &mut Option<Cluster>, directory: &Path, pair: &Pair) -> Result<(), Failure> {
    let go = (&pair.go, &pair.go_flags, "Go's");
    let ours = (&pair.ours, &pair.our_flags, "ours");
    for (from, to) in [(ours, go), (go, ours)] {
        let cluster = fresh(slot, directory, from.0, from.1, 3).await?;
        let writes = if from.1.len() > 1 { WRITES } else { WRITES_3_4 };
        put_many(&[1, 2, 3], 0..writes).await?;
        let joined = cluster.join(to.0, to.1.clone()).await?;
        cluster.same_hash().await?;
        if !cluster.member(joined).has_logged(RECEIVED) {
            return Err(format!("{} joined without a snapshot from {}", to.2, from.2));
        }
        cluster.lead(joined).await?;
        served_by_all(cluster).await?;
        cluster.same_hash().await?;
    }
    println!("{}: snapshots both ways", pair.release);
    Ok(())
}

/// Keys of these numbers, written through all the members given.
async fn put_many(members: &[usize], numbers: std::ops::Range<usize>) -> Result<(), Failure> {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let member = members[writer % members.len()];
        let own: Vec<usize> = numbers.clone().skip(writer).step_by(WRITERS).collect();
        writers.spawn(async move {
            let mut api = Api::new(member, PATIENCE);
            for number in own {
                let (key, value) = (format!("many/{number:06}"), format!("{number:064}"));
                let request = pb::PutRequest { key: key.into(), value: value.into(), ..Default::default() };
                api.call(&method::PUT, request).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = writers.join_next().await {
        done.map_err(|e| e.to_string())?.map_err(|text| format!("a put: {text}"))?;
    }
    Ok(())
}
