//! The `etcd` program; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    let variables = std::env::vars_os().map(|(key, value)| (text(key), text(value))).collect();
    etcd::run(std::env::args_os().map(text).collect(), variables)
}
