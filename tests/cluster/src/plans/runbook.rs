//! Three members started by hand, in several orders, and what the operator then types. It injects no fault.

use crate::Failure;
use crate::arguments::Arguments;
use crate::cluster::{Cluster, Setup};
use crate::network::client_url;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Who is started when, in ms after the first.
const ORDERS: [[(usize, u64); 3]; 5] = [
    [(1, 0), (2, 0), (3, 0)],
    [(3, 0), (2, 0), (1, 0)],
    [(2, 0), (3, 1500), (1, 1500)],
    // Two are a cluster; the third comes when they have long been serving.
    [(1, 0), (3, 0), (2, 6000)],
    // One alone waits for the others, longer than they take to find each other.
    [(3, 0), (1, 8000), (2, 10_000)],
];
/// etcdctl ends within this.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

pub async fn run(arguments: &Arguments, directory: &Path) -> Result<String, Failure> {
    let server = arguments.file("server")?;
    let etcdctl = arguments.file("etcdctl")?;
    let setup = Setup { servers: vec![(server, Vec::new()); 3], ..Setup::default() };
    let mut cluster = Cluster::new(directory, &setup)?;
    for (round, order) in ORDERS.iter().enumerate() {
        let started = format!("members started {order:?} (number, ms)");
        if round > 0 {
            cluster.renew(&setup)?;
        }
        follow(&mut cluster, order, &etcdctl).await.map_err(|text| format!("{started}: {text}"))?;
        println!("{started}: served");
    }
    cluster.remove_files();
    Ok(format!("{} starts, data under '/mnt/data ', every etcdctl answer right", ORDERS.len()))
}

async fn follow(cluster: &mut Cluster, order: &[(usize, u64)], etcdctl: &Path) -> Result<(), Failure> {
    let mut passed = 0;
    for (place, (number, at)) in order.iter().enumerate() {
        tokio::time::sleep(Duration::from_millis(at - passed)).await;
        if place == 2 && at - passed > 5000 {
            // A majority serves without the third.
            for (number, _) in &order[..2] {
                cluster.serves(*number).await?;
            }
        }
        passed = *at;
        cluster.member(*number).start()?;
    }
    cluster.all_serve().await?;
    let one = |number: usize| client_url(number);
    let all = [one(1), one(2), one(3)].join(",");
    let ctl = Etcdctl { program: etcdctl };
    ctl.check(&one(1), &["put", "foo", "bar"], "OK\n").await?;
    ctl.check(&one(2), &["get", "foo"], "foo\nbar\n").await?;
    ctl.check(&one(3), &["del", "foo"], "1\n").await?;
    for number in 1..=3 {
        ctl.check(&one(number), &["get", "foo"], "").await?;
    }
    ctl.check(&all, &["put", "all", "three"], "OK\n").await?;
    ctl.check(&all, &["get", "all"], "all\nthree\n").await?;
    ctl.check(&all, &["del", "all"], "1\n").await?;
    ctl.check(&all, &["get", "all"], "").await?;
    let members = ctl.output(&all, &["member", "list"]).await?;
    for number in 1..=3 {
        let line = format!(
            ", started, infra{number}, http://10.77.0.{number}:12380, http://10.77.0.{number}:2379, false\n"
        );
        if !members.contains(&line) {
            return Err(format!("member list lacks '{}':\n{members}", line.trim()));
        }
    }
    for member in &mut cluster.members {
        member.check_directories()?;
        member.stop().await?;
    }
    Ok(())
}

struct Etcdctl<'a> {
    program: &'a Path,
}

impl Etcdctl<'_> {
    async fn check(&self, endpoints: &str, arguments: &[&str], expected: &str) -> Result<(), Failure> {
        let found = self.output(endpoints, arguments).await?;
        if found == expected {
            return Ok(());
        }
        Err(format!("etcdctl --endpoints={endpoints} {arguments:?} printed {found:?}, not {expected:?}"))
    }

    async fn output(&self, endpoints: &str, arguments: &[&str]) -> Result<String, Failure> {
        let named = format!("etcdctl --endpoints={endpoints} {arguments:?}");
        let mut command = Command::new(self.program);
        command.arg("--endpoints").arg(endpoints).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output())
            .await
            .map_err(|_| format!("{named} does not end"))?
            .map_err(|e| format!("{named}: {e}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(format!("{named}: {}{}", text(&output.stdout), text(&output.stderr)))
    }
}
