//! The time without writes after the leader's death, with the timers that are the default. A measurement: it fails only
//! when the cluster does not come back.

use crate::Failure;
use crate::api::Api;
use crate::arguments::Arguments;
use crate::cluster::{Cluster, PATIENCE, Setup};
use client::method;
use proto::etcdserverpb as pb;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

const MEMBERS: usize = 3;
/// A put that hangs longer is tried anew on the other member, as clients do. Both survivors are asked in turn.
const TRY_TIMEOUT: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(2);

pub async fn run(arguments: &Arguments, directory: &Path) -> Result<String, Failure> {
    let rounds = arguments.number("rounds", 20)?;
    let mut cluster: Option<Cluster> = None;
    let mut text = Vec::new();
    for server in arguments.files("server")? {
        let setup = Setup { servers: vec![(server.clone(), Vec::new()); MEMBERS], ..Setup::default() };
        let cluster = match &mut cluster {
            Some(cluster) => {
                cluster.renew(&setup)?;
                cluster
            }
            none => none.insert(Cluster::new(directory, &setup)?),
        };
        cluster.start().await?;
        let mut times = Vec::new();
        for _ in 0..rounds {
            times.push(one(cluster).await?);
        }
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_millis();
        println!("{}: {times:?}", server.display());
        text.push(format!("{} median {} ms, least {}, most {}", server.display(), at(50), at(0), at(100)));
    }
    if let Some(cluster) = cluster {
        cluster.remove_files();
    }
    Ok(text.join("; "))
}

async fn one(cluster: &mut Cluster) -> Result<Duration, Failure> {
    let leader = cluster.leader().await?;
    let survivors: Vec<usize> = cluster.numbers().into_iter().filter(|number| *number != leader).collect();
    let mut apis: Vec<Api> = survivors.iter().map(|number| Api::new(*number, TRY_TIMEOUT)).collect();
    for api in &mut apis {
        // Opens the connection; the first call may take longer than the bound.
        let _ = put(api).await;
    }
    cluster.member(leader).kill()?;
    let died = Instant::now();
    let mut tries = 0;
    let time = loop {
        let count = apis.len();
        if put(&mut apis[tries % count]).await {
            break died.elapsed();
        }
        if died.elapsed() > PATIENCE {
            return Err("no write succeeds after the leader's death".to_owned());
        }
        tries += 1;
        tokio::time::sleep(PAUSE).await;
    };
    cluster.member(leader).start()?;
    cluster.all_serve().await?;
    Ok(time)
}

async fn put(api: &mut Api) -> bool {
    let request = pb::PutRequest { key: "failover".into(), value: "x".into(), ..Default::default() };
    api.call(&method::PUT, request).await.is_ok()
}
