//! One member: a server process in its network namespace, started as an operator starts it. It knows no other member.
//!
//! Its directory appears to it as `/mnt`; the data are in `/mnt/data `, whose name ends in a space, and a directory
//! without the space lies beside it.

use crate::Failure;
use crate::network::{client_url, namespace, peer_url, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// What an operator types. The first argument is the member's directory, the rest the server and its flags.
const START: &str = "
mount --bind \"$1\" /mnt || exit 97
shift
unset ETCD_LISTEN_CLIENT_URLS ETCD_ADVERTISE_CLIENT_URLS
export ETCD_DATA_DIR='/mnt/data '
exec \"$@\"";
const DATA: &str = "data ";
const DATA_WITHOUT_SPACE: &str = "data";
const FILLER: &str = "filler";
/// How long a server may take to end after SIGTERM, and how often that is looked at.
const END_WAIT: Duration = Duration::from_secs(20);
const END_POLL: Duration = Duration::from_millis(10);
/// Lines of its log that a failure shows.
const TAIL_LINES: usize = 12;

/// How a cluster is started or joined.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Members of `--initial-cluster`.
    pub initial: Vec<usize>,
    pub existing: bool,
    /// More flags.
    pub flags: Vec<String>,
}

#[derive(Debug)]
pub struct Member {
    pub number: usize,
    pub server: PathBuf,
    pub launch: Launch,
    root: PathBuf,
    /// Its directory is a file system of its own.
    mounted: bool,
    process: Option<Child>,
}

impl Member {
    /// With a directory of its own under `directory`, empty. Of the size given in MiB it is a file system of its own.
    ///
    /// # Errors
    /// The directory could not be made.
    pub fn new(
        number: usize,
        server: &Path,
        launch: Launch,
        directory: &Path,
        size: Option<u32>,
    ) -> Result<Member, Failure> {
        let root = directory.join(namespace(number));
        let error = |e: std::io::Error| format!("{}: {e}", root.display());
        std::fs::create_dir_all(&root).map_err(error)?;
        if let Some(mib) = size {
            run(&format!("mount -t tmpfs -o size={mib}m none {}", root.display()))?;
        }
        for name in [DATA, DATA_WITHOUT_SPACE] {
            std::fs::create_dir(root.join(name)).map_err(error)?;
        }
        Ok(Member { number, server: server.to_owned(), launch, root, mounted: size.is_some(), process: None })
    }

    /// Starts the server, on the data that are there.
    ///
    /// # Errors
    /// No process could be started.
    pub fn start(&mut self) -> Result<(), Failure> {
        let error = |e: std::io::Error| format!("member {}: {e}", self.number);
        let log = OpenOptions::new().append(true).create(true).open(self.log()).map_err(error)?;
        let (client, peer) = (client_url(self.number), peer_url(self.number));
        let initial: Vec<String> =
            self.launch.initial.iter().map(|i| format!("{}={}", name(*i), peer_url(*i))).collect();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &namespace(self.number), "sh", "-c", START, "sh"]);
        command.arg(&self.root).arg(&self.server).args(["--name", &name(self.number)]);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args([
            "--initial-cluster-token",
            "etcd-cluster-pecs",
            "--initial-cluster",
            &initial.join(","),
        ]);
        command.args(["--initial-cluster-state", if self.launch.existing { "existing" } else { "new" }]);
        command.args(["--logger=zap", "--log-outputs=stderr"]).args(&self.launch.flags);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        self.process = Some(command.spawn().map_err(error)?);
        Ok(())
    }

    pub fn is_running(&mut self) -> bool {
        self.exited().is_none() && self.process.is_some()
    }

    /// How it ended, if it did by itself. Never waits.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        let status = self.process.as_mut()?.try_wait().ok().flatten()?;
        self.process = None;
        Some(status)
    }

    /// # Errors
    /// It is not running.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Failure> {
        let pid = self.pid().ok_or_else(|| format!("member {} is not running", self.number))?;
        kill(pid, signal).map_err(|e| format!("member {}: {signal}: {e}", self.number))
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// It is not running.
    pub fn kill(&mut self) -> Result<(), Failure> {
        self.signal(Signal::SIGKILL)?;
        self.process.take().map(|mut process| process.wait());
        Ok(())
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// It is not running, or does not end.
    pub async fn stop(&mut self) -> Result<(), Failure> {
        self.signal(Signal::SIGTERM)?;
        self.ended().await.map(|_| ())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// It does not.
    pub async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        let deadline = tokio::time::Instant::now() + END_WAIT;
        while tokio::time::Instant::now() < deadline {
            if let Some(status) = self.exited() {
                return Ok(status);
            }
            tokio::time::sleep(END_POLL).await;
        }
        Err(format!("member {} does not end", self.number))
    }

    /// Removes its data.
    ///
    /// # Errors
    /// They could not be removed.
    pub fn wipe(&self) -> Result<(), Failure> {
        let data = self.root.join(DATA);
        std::fs::remove_dir_all(&data)
            .and_then(|()| std::fs::create_dir(&data))
            .map_err(|e| format!("member {}: {e}", self.number))
    }

    /// Puts bytes in the place of others in its database, wherever they stand. It must not be running.
    ///
    /// # Errors
    /// They are not there, or the file cannot be read or written.
    pub fn exchange_in_database(&self, from: &[u8], to: &[u8]) -> Result<(), Failure> {
        assert_eq!(from.len(), to.len(), "nothing may move");
        let path = self.root.join(DATA).join("member/snap/db");
        let error = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut bytes = std::fs::read(&path).map_err(error)?;
        let places: Vec<usize> =
            (0..bytes.len().saturating_sub(from.len())).filter(|at| bytes[*at..].starts_with(from)).collect();
        if places.is_empty() {
            return Err(format!("{} does not hold the bytes to be changed", path.display()));
        }
        for at in places {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        std::fs::write(&path, bytes).map_err(error)
    }

    /// Takes all free space of its file system.
    ///
    /// # Errors
    /// Something else went wrong before it was full.
    pub fn fill_disk(&self) -> Result<(), Failure> {
        let block = vec![0; 1 << 20];
        let mut file = File::create(self.root.join(FILLER)).map_err(|e| e.to_string())?;
        for size in [block.len(), 4096] {
            loop {
                match file.write_all(&block[..size]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(format!("filling the disk: {error}")),
                }
                // A part of the last block may be written.
                file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// It was not taken.
    pub fn free_disk(&self) -> Result<(), Failure> {
        std::fs::remove_file(self.root.join(FILLER)).map_err(|e| format!("freeing the disk: {e}"))
    }

    /// # Errors
    /// Something was put into the directory whose name lacks the space.
    pub fn check_directories(&self) -> Result<(), Failure> {
        let files = |name: &str| std::fs::read_dir(self.root.join(name)).map_or(0, Iterator::count);
        match (files(DATA), files(DATA_WITHOUT_SPACE)) {
            (1.., 0) => Ok(()),
            (with, without) => {
                Err(format!("member {}: {with} files in '/mnt/data ', {without} in '/mnt/data'", self.number))
            }
        }
    }

    /// Whether its log has a line with this text.
    pub fn has_logged(&self, text: &str) -> bool {
        std::fs::read_to_string(self.log()).is_ok_and(|log| log.contains(text))
    }

    /// Resident memory, bytes.
    pub fn resident_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Beside its directory, which may be full.
    fn log(&self) -> PathBuf {
        self.root.with_extension("log")
    }

    fn pid(&self) -> Option<Pid> {
        let process = self.process.as_ref()?;
        Some(Pid::from_raw(i32::try_from(process.id()).expect("process ids are small")))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only when it has ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
        if self.mounted {
            // What stays mounted goes with the room.
            let _ = run(&format!("umount {}", self.root.display()));
        }
    }
}

pub fn name(number: usize) -> String {
    format!("infra{number}")
}
