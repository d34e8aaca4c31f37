//! The version this program passes for, and its own.

/// The etcd release whose behaviour, wire and files this program has.
pub const ETCD: &str = "3.7.1";
/// The cluster version a cluster of such members agrees on.
pub const CLUSTER: &str = "3.7.0";
/// The lowest cluster version it can be in.
pub const MIN_CLUSTER: &str = "3.0.0";
/// Our own release.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

/// The commit the program was built from, if its build was told (`QUORATE_GIT_SHA`).
pub fn commit() -> &'static str {
    option_env!("QUORATE_GIT_SHA").unwrap_or("Not provided (set QUORATE_GIT_SHA when building)")
}

/// What stands where etcd shows its toolchain.
pub fn toolchain() -> String {
    format!("none (Quorate {OWN}, Rust)")
}

/// The operating system in Go's naming.
pub fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// The processor architecture in Go's naming.
pub fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// What `--version` prints.
pub fn report() -> String {
    format!(
        "etcd Version: {ETCD}\nGit SHA: {}\nGo Version: {}\nGo OS/Arch: {}/{}\n",
        commit(),
        toolchain(),
        os(),
        arch()
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_report_has_etcds_four_lines() {
        let report = super::report();
        let keys: Vec<&str> = report.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(keys, ["etcd Version", "Git SHA", "Go Version", "Go OS/Arch"]);
        assert!(report.starts_with("etcd Version: 3.7.1\n"));
    }
}
