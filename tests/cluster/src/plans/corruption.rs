//! One member's file is changed behind its back: the check before the start, the leader's periodic one and the one of
//! compactions must each name it. It injects no other fault.

use crate::Failure;
use crate::api::Api;
use crate::arguments::Arguments;
use crate::cluster::{Cluster, PATIENCE, POLL, Setup, status};
use client::method;
use proto::etcdserverpb as pb;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

const CALL_TIMEOUT: Duration = Duration::from_secs(7);
/// A value, and one as long that takes its place in the file.
const RIGHT: &[u8] = b"what-every-member-holds";
const WRONG: &[u8] = b"what-no-one-else-holds!";
const AT_START: &str = "--feature-gates=InitialCorruptCheck=true";

pub async fn run(arguments: &Arguments, directory: &Path) -> Result<String, Failure> {
    let server = arguments.file("server")?;
    let flags = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
    let checks = [
        ("periodic", flags(&["--corrupt-check-time=1s"])),
        ("compaction", flags(&["--feature-gates=CompactHashCheck=true", "--compact-hash-check-time=1s"])),
    ];
    let mut cluster: Option<Cluster> = None;
    for (name, flags) in checks {
        let setup = Setup { servers: vec![(server.clone(), flags.clone()); 3], ..Setup::default() };
        let cluster = match &mut cluster {
            Some(cluster) => {
                cluster.renew(&setup)?;
                cluster
            }
            none => none.insert(Cluster::new(directory, &setup)?),
        };
        found(cluster, name == "compaction", flags).await.map_err(|text| format!("{name} check: {text}"))?;
    }
    if let Some(cluster) = cluster {
        cluster.remove_files();
    }
    Ok("a changed value kept its member from starting, and was found by the periodic check and by a compaction's"
        .to_owned())
}

async fn found(cluster: &mut Cluster, compact: bool, flags: Vec<String>) -> Result<(), Failure> {
    cluster.start().await?;
    let put = pb::PutRequest { key: "k".into(), value: RIGHT.into(), ..Default::default() };
    call(1, &method::PUT, put).await?;
    cluster.same_hash().await?;
    let leader = cluster.leader().await?;
    let victim = cluster.numbers().into_iter().find(|number| *number != leader).expect("three members");
    let id = status(victim).await?.header.unwrap_or_default().member_id;
    cluster.member(victim).stop().await?;
    cluster.member(victim).exchange_in_database(RIGHT, WRONG)?;

    cluster.member(victim).launch.flags = vec![AT_START.to_owned()];
    cluster.member(victim).start()?;
    let ended = cluster.member(victim).ended().await?;
    if ended.success() || !cluster.member(victim).has_logged("found data inconsistency with peers") {
        return Err(format!("it started all the same, or did not say why not ({ended})"));
    }

    cluster.member(victim).launch.flags = flags;
    cluster.member(victim).start()?;
    let revision = cluster.serves(victim).await?;
    if compact {
        call(leader, &method::COMPACT, pb::CompactionRequest { revision, physical: true }).await?;
    }
    let deadline = Instant::now() + PATIENCE;
    while !is_named(leader, id).await? {
        if Instant::now() > deadline {
            return Err("no alarm names it".to_owned());
        }
        tokio::time::sleep(POLL).await;
    }
    let put = pb::PutRequest { key: "k".into(), ..Default::default() };
    match call(leader, &method::PUT, put).await {
        Err(text) if text.ends_with("etcdserver: corrupt cluster") => Ok(()),
        other => Err(format!("a put came to {other:?}")),
    }
}

/// Whether a CORRUPT alarm is on for this member, and for no other.
async fn is_named(asked: usize, id: u64) -> Result<bool, Failure> {
    let get = pb::AlarmRequest { action: pb::alarm_request::AlarmAction::Get as i32, ..Default::default() };
    let alarms = call(asked, &method::ALARM, get).await?.alarms;
    let expected = pb::AlarmMember { member_id: id, alarm: pb::AlarmType::Corrupt as i32 };
    if alarms.iter().any(|alarm| *alarm != expected) {
        return Err(format!("alarms {alarms:?}, but only {id:x} is wrong"));
    }
    Ok(!alarms.is_empty())
}

async fn call<Req, Resp>(
    number: usize,
    method: &method::Unary<Req, Resp>,
    request: Req,
) -> Result<Resp, Failure>
where
    Req: prost::Message + Default + 'static,
    Resp: prost::Message + Default + 'static,
{
    Ok(Api::new(number, CALL_TIMEOUT).call(method, request).await?)
}
