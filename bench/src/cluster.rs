//! One or three members under test, and the one that is measured: the leader. All run on this machine.
//!
//! It knows nothing of either server but its flags, and that `/metrics` says who leads.

use crate::process::{Server, Setup, Usage};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const METRICS_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Cluster {
    members: Vec<Server>,
    leader: usize,
}

impl Cluster {
    /// Starts every member on its data directory, which may exist, and waits until all answer: `ready` waits for one.
    pub fn start(setup: &Setup, ready: impl Fn(&mut Server) -> io::Result<()>) -> io::Result<Cluster> {
        let members = (0..setup.members).map(|n| setup.start(n)).collect::<io::Result<Vec<_>>>()?;
        let mut cluster = Cluster { members, leader: 0 };
        for member in &mut cluster.members {
            ready(member)?;
            member.check_owns_port()?;
        }
        cluster.find_leader()?;
        Ok(cluster)
    }

    fn find_leader(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < READY_TIMEOUT {
            for (n, member) in self.members.iter().enumerate() {
                if metrics(member.address())?.lines().any(|line| line == "etcd_server_is_leader 1") {
                    self.leader = n;
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(io::Error::other("no member leads"))
    }

    /// Where the leader serves clients.
    pub fn address(&self) -> SocketAddr {
        self.members[self.leader].address()
    }

    pub fn pid(&self) -> u32 {
        self.members[self.leader].pid()
    }

    /// The leader's figures, and the processor time of all members together.
    pub fn usage(&self) -> io::Result<(Usage, Duration)> {
        let mut all = Duration::ZERO;
        for member in &self.members {
            all += member.usage()?.cpu;
        }
        Ok((self.members[self.leader].usage()?, all))
    }

    /// Ends every member with SIGTERM.
    pub fn stop(self) -> io::Result<()> {
        self.members.into_iter().try_for_each(Server::stop)
    }
}

/// Removes the data directories. The members have ended.
pub fn remove(setup: &Setup) -> io::Result<()> {
    let paths: Vec<PathBuf> = (0..setup.members).map(|n| setup.data(n)).collect();
    paths.iter().filter(|path| path.exists()).try_for_each(fs::remove_dir_all)
}

fn metrics(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, METRICS_TIMEOUT)?;
    stream.set_read_timeout(Some(METRICS_TIMEOUT))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
