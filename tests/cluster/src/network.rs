//! A bridge in the room's own network, a namespace per member behind it, and faults of the lines between. It knows no
//! member.
//!
//! Members are numbered from 1: number i has address 10.77.0.i, namespace `mi` and, on the bridge's side, interface
//! `hi`. The program itself has 10.77.0.254; cuts and losses are between members only, it always reaches them, except
//! one whose line is unplugged.

use crate::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Rate of a slow line, each way, and the longest a packet waits in its queue.
const SLOW_RATE: &str = "1mbit";
const SLOW_WAIT: &str = "300ms";

pub const CLIENT_PORT: u16 = 2379;

#[derive(Debug, Default)]
pub struct Network {
    /// Lines on which nothing passes from the first to the second.
    cuts: BTreeSet<(usize, usize)>,
    /// Percentage of packets lost, to and from a member.
    losses: BTreeMap<usize, u32>,
    slow: BTreeSet<usize>,
    unplugged: BTreeSet<usize>,
}

pub fn address(number: usize) -> String {
    format!("10.77.0.{number}")
}

pub fn client_url(number: usize) -> String {
    format!("http://{}:{CLIENT_PORT}", address(number))
}

pub fn peer_url(number: usize) -> String {
    format!("http://{}:12380", address(number))
}

pub fn namespace(number: usize) -> String {
    format!("m{number}")
}

impl Network {
    /// Lays the lines of members 1 to `members`.
    ///
    /// # Errors
    /// The kernel or a tool refused.
    pub fn new(members: usize) -> Result<Network, Failure> {
        // Names of namespaces live in /run; the machine's own stays untouched.
        run("mount -t tmpfs none /run")?;
        run("ip link set lo up")?;
        run("ip link add br0 type bridge")?;
        run("ip address add 10.77.0.254/24 dev br0")?;
        run("ip link set br0 up")?;
        for number in 1..=members {
            let (m, address) = (namespace(number), address(number));
            run(&format!("ip netns add {m}"))?;
            run(&format!("ip link add h{number} type veth peer name eth0 netns {m}"))?;
            run(&format!("ip link set h{number} master br0 up"))?;
            run(&format!("ip -n {m} address add {address}/24 dev eth0"))?;
            run(&format!("ip -n {m} link set eth0 up"))?;
            run(&format!("ip -n {m} link set lo up"))?;
        }
        Ok(Network::default())
    }

    /// Nothing passes from one member to the other any more.
    pub fn cut(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        self.cuts.insert((from, to));
        self.filter()
    }

    /// A part of what a member sends to others and they to it is lost.
    pub fn lose(&mut self, number: usize, percent: u32) -> Result<(), Failure> {
        self.losses.insert(number, percent);
        self.filter()
    }

    /// A member's line gets slow, each way.
    pub fn slow_down(&mut self, number: usize) -> Result<(), Failure> {
        self.slow.insert(number);
        let queue = format!("root tbf rate {SLOW_RATE} burst 16k latency {SLOW_WAIT}");
        run(&format!("tc qdisc add dev h{number} {queue}"))?;
        run(&format!("tc -n {} qdisc add dev eth0 {queue}", namespace(number)))
    }

    /// A member reaches nobody and nobody it, this program included.
    pub fn unplug(&mut self, number: usize) -> Result<(), Failure> {
        self.unplugged.insert(number);
        run(&format!("ip link set h{number} down"))
    }

    /// Ends all faults.
    pub fn heal(&mut self) -> Result<(), Failure> {
        for number in std::mem::take(&mut self.slow) {
            run(&format!("tc qdisc del dev h{number} root"))?;
            run(&format!("tc -n {} qdisc del dev eth0 root", namespace(number)))?;
        }
        for number in std::mem::take(&mut self.unplugged) {
            run(&format!("ip link set h{number} up"))?;
        }
        self.cuts.clear();
        self.losses.clear();
        self.filter()
    }

    /// Gives the kernel the present cuts and losses in place of those before, in one step.
    fn filter(&self) -> Result<(), Failure> {
        feed("nft -f -", &self.rules())
    }

    fn rules(&self) -> String {
        let mut rules =
            String::from("add table bridge faults\ndelete table bridge faults\ntable bridge faults {\n");
        rules += "chain lines { type filter hook forward priority 0; policy accept;\n";
        for (from, to) in &self.cuts {
            writeln!(rules, "ip saddr {} ip daddr {} drop", address(*from), address(*to)).expect("a string");
        }
        for (number, percent) in &self.losses {
            for side in ["saddr", "daddr"] {
                let address = address(*number);
                writeln!(rules, "ip {side} {address} numgen random mod 100 < {percent} drop")
                    .expect("a string");
            }
        }
        rules + "}\n}\n"
    }
}

/// Runs a command of words without spaces.
///
/// # Errors
/// What it said.
pub fn run(line: &str) -> Result<(), Failure> {
    feed(line, "")
}

fn feed(line: &str, input: &str) -> Result<(), Failure> {
    let error = |e: std::io::Error| format!("{line}: {e}");
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(error)?;
    child.stdin.take().expect("piped").write_all(input.as_bytes()).map_err(error)?;
    let output = child.wait_with_output().map_err(error)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_what_is_cut_and_lost() {
        let network = Network {
            cuts: BTreeSet::from([(1, 2)]),
            losses: BTreeMap::from([(3, 20)]),
            ..Network::default()
        };
        let rules = network.rules();
        assert!(rules.contains("ip saddr 10.77.0.1 ip daddr 10.77.0.2 drop\n"));
        assert!(rules.contains("ip daddr 10.77.0.3 numgen random mod 100 < 20 drop\n"));
        assert!(!Network::default().rules().contains("drop"));
    }
}
