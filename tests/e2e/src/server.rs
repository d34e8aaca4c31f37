//! A server process of one member, its ports and its data directory.

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const STOP_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    flags: Vec<String>,
    data: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    /// Starts `binary` on an empty data directory. `port` serves clients, the next one peers.
    pub fn start(binary: &Path, flags: &[String], data: &Path, port: u16) -> io::Result<Server> {
        match std::fs::remove_dir_all(data) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        std::fs::create_dir_all(data.parent().expect("a directory for the data"))?;
        let child = spawn(binary, flags, data, port)?;
        Ok(Server { binary: binary.into(), flags: flags.into(), data: data.into(), port, child })
    }

    pub fn client_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port + 1)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The flags from the next start on.
    pub fn set_flags(&mut self, flags: Vec<String>) {
        self.flags = flags;
    }

    /// Ends the process with `signal` and starts `binary`, or itself, on its data again.
    pub fn restart(&mut self, signal: Signal, binary: Option<&Path>) -> io::Result<()> {
        self.end(signal)?;
        if let Some(binary) = binary {
            self.binary = binary.into();
        }
        self.child = spawn(&self.binary, &self.flags, &self.data, self.port)?;
        Ok(())
    }

    /// Ends the process and starts `binary` on other data.
    pub fn move_to(&mut self, data: &Path, binary: &Path) -> io::Result<()> {
        self.data = data.into();
        self.restart(Signal::SIGTERM, Some(binary))
    }

    /// Ends the process with `signal` and waits for it; nothing, if it has ended.
    pub fn end(&mut self, signal: Signal) -> io::Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        signal::kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")), signal)?;
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > STOP_TIMEOUT {
                return Err(io::Error::other("the server does not end"));
            }
            std::thread::sleep(Duration::from_millis(2));
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

fn spawn(binary: &Path, flags: &[String], data: &Path, port: u16) -> io::Result<Child> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log"))?;
    let (client, peer) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", port + 1));
    Command::new(binary)
        .args(["--name", "e2e", "--data-dir"])
        .arg(data)
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("e2e={peer}")])
        .args(flags)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}
