//! Clusters of real member processes, each in a network of its own, and what may happen to them. It sees members only
//! from outside, so any etcd will do: Go's releases and ours, also mixed.
//!
//! Everything happens in a [`room`]: namespaces that the kernel takes down with all processes in them, however the
//! program ends. A plan (in [`plans`]) is one sub-command; it builds a [`cluster`], loads it, and fails with a sentence.

mod api;
mod arguments;
mod audit;
mod cluster;
mod load;
mod member;
mod network;
mod plans;
mod release;
mod room;

use arguments::Arguments;
use std::process::ExitCode;

const HELP: &str = "\
cluster runbook  --server ETCD --etcdctl ETCDCTL    three members started as an operator does, in several orders
cluster faults   --server ETCD...                   load, one fault a round, verification
                 [--rounds 50] [--seed S] [--fault NAME]
cluster mixed    --ours ETCD --go DIR               Go's members and ours in one cluster; DIR has etcd, 3.4/etcd, 3.5/etcd
                 [--release 3.4|3.5|3.7]
cluster corruption --server ETCD                    a value changed in one member's file is found
cluster failover --server ETCD... [--rounds 20]     time without writes after the leader's death, of each server
cluster lagging  --server ETCD [--writes 1000000]   a member is down for that long and catches up by snapshot

[--dir D] (target/cluster) gets data and logs; they stay when a plan fails. Needs root, ip, tc, nft, unshare, setpriv;
without them nothing is run, and the exit code is 3.
";

/// Why a plan cannot go on, in a sentence.
type Failure = String;

fn main() -> ExitCode {
    let line: Vec<String> = std::env::args().skip(1).collect();
    let Some((plan, rest)) = line.split_first() else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    let arguments = match Arguments::parse(rest)
        .and_then(|arguments| plans::check(plan, &arguments).map(|()| arguments))
    {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if !room::is_inside() {
        return runtime.block_on(room::enter(&line));
    }
    match runtime.block_on(plans::run(plan, &arguments)) {
        Ok(text) => {
            println!("cluster {plan}: {text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            println!("cluster {plan}: FAILED: {text}");
            ExitCode::FAILURE
        }
    }
}
