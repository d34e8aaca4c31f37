//! The namespaces that everything runs in: network, mounts and processes of its own. It starts the program again inside
//! and does nothing else.
//!
//! The program inside is process 1 of its namespace: when it ends, however it ends, the kernel kills every process it
//! started and drops their networks and mounts. `unshare --kill-child` ends it when the outer side dies.

use std::path::Path;
use std::process::ExitCode;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

/// Set for the program inside.
const INSIDE: &str = "CLUSTER_ROOM";
/// What a plan calls.
const TOOLS: [&str; 8] = ["ip", "tc", "nft", "mount", "umount", "sh", "unshare", "setpriv"];
/// Exit code when nothing could be run here.
const SKIPPED: u8 = 3;

pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program again with the same arguments, inside.
pub async fn enter(line: &[String]) -> ExitCode {
    if let Some(reason) = obstacle() {
        println!("cluster: SKIPPED: {reason}");
        return ExitCode::from(SKIPPED);
    }
    let program = std::env::current_exe().expect("the program's path");
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child=KILL",
    ]);
    command.args(["--mount-proc", "--propagation", "private"]).arg(program).args(line).env(INSIDE, "1");
    let mut child = match command.kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(error) => {
            println!("cluster: setpriv: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut interrupted = signal(SignalKind::interrupt()).expect("a handler of SIGINT");
    let mut terminated = signal(SignalKind::terminate()).expect("a handler of SIGTERM");
    tokio::select! {
        status = child.wait() => match status.ok().and_then(|status| status.code()) {
            Some(code) => u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from),
            None => ExitCode::FAILURE,
        },
        _ = interrupted.recv() => end(child).await,
        _ = terminated.recv() => end(child).await,
    }
}

async fn end(mut child: tokio::process::Child) -> ExitCode {
    println!("cluster: interrupted");
    // A failure means that it has ended by itself.
    let _ = child.kill().await;
    ExitCode::FAILURE
}

/// Why no plan can run here, if so.
fn obstacle() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("members in networks of their own need root".to_owned());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let missing: Vec<&str> = TOOLS
        .into_iter()
        .filter(|tool| !path.split(':').any(|directory| Path::new(directory).join(tool).exists()))
        .collect();
    if missing.is_empty() {
        return None;
    }
    Some(format!("no {} here (Debian: iproute2, nftables, util-linux)", missing.join(", ")))
}
