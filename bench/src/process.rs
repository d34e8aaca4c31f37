//! A server under test: started, checked to own its port, its figures read from /proc, stopped.
//!
//! Both sides get the same flags and a data directory on the same disk. Nothing here tells which server it is.

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Linux gives utime and stime to user space in units of 1/100 s (USER_HZ), whatever the kernel's own tick.
const TICK: Duration = Duration::from_millis(10);
/// Ports from here on may be taken by outgoing connections.
const EPHEMERAL_PORT: u16 = 32_768;
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// The state LISTEN in /proc/net/tcp.
const LISTEN: &str = "0A";

/// Where a server's flags come from.
#[derive(Clone, Debug)]
pub struct Setup {
    pub binary: PathBuf,
    /// Data directories are made below it.
    pub directory: PathBuf,
    /// Client port of the first member; its peer port is the next one, and so on for each member.
    pub port: u16,
    pub members: u16,
    /// Appended to the common flags.
    pub flags: Vec<String>,
}

/// What /proc says of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub cpu: Duration,
    /// Caused to be written to the storage layer, bytes.
    pub written: u64,
    /// Resident set, and its part that no file backs, bytes.
    pub resident: u64,
    pub resident_anonymous: u64,
}

#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    data: PathBuf,
}

impl Setup {
    fn client_port(&self, member: u16) -> u16 {
        self.port + 2 * member
    }

    fn peer_url(&self, member: u16) -> String {
        format!("http://127.0.0.1:{}", self.client_port(member) + 1)
    }

    /// A member's data directory.
    pub fn data(&self, member: u16) -> PathBuf {
        self.directory.join(format!("data-{}-{member}", std::process::id()))
    }

    /// Starts a member on its data directory, which may exist. It is not ready yet.
    pub fn start(&self, member: u16) -> io::Result<Server> {
        let port = self.client_port(member);
        assert!(port < EPHEMERAL_PORT - 1, "ports from {EPHEMERAL_PORT} on may be taken by connections");
        fs::create_dir_all(&self.directory)?;
        let data = self.data(member);
        let log = fs::File::create(data.with_extension("log"))?;
        let (client, peer) = (format!("http://127.0.0.1:{port}"), self.peer_url(member));
        let everyone: Vec<String> =
            (0..self.members).map(|n| format!("bench{n}={}", self.peer_url(n))).collect();
        let child = Command::new(&self.binary)
            .args(["--name", &format!("bench{member}")])
            .args(["--log-level", "warn", "--quota-backend-bytes", "8589934592"])
            .arg("--data-dir")
            .arg(&data)
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &everyone.join(",")])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Server { child, port, data })
    }
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// False once the process has ended.
    pub fn alive(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Checks that this very process owns the listening socket of its client port.
    pub fn check_owns_port(&self) -> io::Result<()> {
        let inode = listening_inode(self.port)?.ok_or_else(|| other("nothing listens on the client port"))?;
        let wanted = format!("socket:[{inode}]");
        for entry in fs::read_dir(format!("/proc/{}/fd", self.pid()))? {
            // A descriptor may close while the directory is read.
            if let Ok(target) = fs::read_link(entry?.path())
                && target.as_os_str() == wanted.as_str()
            {
                return Ok(());
            }
        }
        Err(other("another process owns the client port"))
    }

    pub fn usage(&self) -> io::Result<Usage> {
        usage(self.pid())
    }

    /// Ends it with SIGTERM and waits.
    pub fn stop(mut self) -> io::Result<()> {
        signal::kill(Pid::from_raw(i32::try_from(self.pid()).expect("a pid")), Signal::SIGTERM)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > STOP_TIMEOUT {
                return Err(other("the server does not stop on SIGTERM"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail if it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Figures of any process.
pub fn usage(pid: u32) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command name, in brackets, may hold spaces; fields are counted from behind it, state being field 3.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u32>().ok());
    let (Some(user), Some(system)) = (ticks(14), ticks(15)) else {
        return Err(other("strange /proc/PID/stat"));
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    Ok(Usage {
        cpu: TICK * (user + system),
        written: figure(&io, "write_bytes:")?,
        resident: figure(&status, "VmRSS:")? * 1024,
        resident_anonymous: figure(&status, "RssAnon:")? * 1024,
    })
}

fn figure(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .ok_or_else(|| other("a figure is missing in /proc"))
}

fn listening_inode(port: u16) -> io::Result<Option<u64>> {
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(text) = fs::read_to_string(table) else { continue };
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, ..] = fields[..] else { continue };
            let local_port = local.rsplit(':').next().and_then(|hex| u16::from_str_radix(hex, 16).ok());
            if state == LISTEN && local_port == Some(port) {
                return Ok(fields.get(9).and_then(|inode| inode.parse().ok()));
            }
        }
    }
    Ok(None)
}

fn other(text: &'static str) -> io::Error {
    io::Error::other(text)
}
