//! How a child process ended, or why it did not start, in Go's words.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::cli::parse::Arg;
use crate::go::quote::quote;

/// `signal: killed` and the like.
pub fn signal_text(status: ExitStatus) -> String {
    let name = match status.signal() {
        Some(1) => "hangup",
        Some(2) => "interrupt",
        Some(3) => "quit",
        Some(6) => "aborted",
        Some(9) => "killed",
        Some(11) => "segmentation fault",
        Some(13) => "broken pipe",
        Some(14) => "alarm clock",
        Some(15) => "terminated",
        other => return format!("signal: signal {}", other.unwrap_or(0)),
    };
    format!("signal: {name}")
}

/// Why a program did not start.
pub fn spawn_text(program: &Arg, error: &std::io::Error) -> String {
    if program.contains(&b'/') {
        let error = client::go_io_text(&error.to_string());
        return format!("fork/exec {}: {error}", String::from_utf8_lossy(program));
    }
    format!("exec: {}: executable file not found in $PATH", quote(program))
}
