//! Which etcd a program is, as far as its flags and its answers depend on it. It never runs a member.

use crate::Failure;
use std::path::Path;
use std::process::Command;

/// A minor release of etcd 3. Lower ones are less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    minor: u32,
    /// It can be told to behave as an earlier one.
    ours: bool,
}

impl Release {
    /// Asks the program.
    ///
    /// # Errors
    /// It does not run, or says something else.
    pub fn of(server: &Path) -> Result<Release, Failure> {
        let named = server.display();
        let output =
            Command::new(server).arg("--version").output().map_err(|error| format!("{named}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        parse(&text).ok_or_else(|| format!("{named} --version says '{}'", text.trim()))
    }

    /// Flags for a cluster whose lowest release is given, with snapshots so often that members which were away need one.
    /// 3.4 has no flag for the entries it keeps.
    pub fn flags(self, count: u32, catch_up: u32, lowest: Release) -> Vec<String> {
        let mut flags = vec![format!("--snapshot-count={count}")];
        match self.minor {
            ..5 => {}
            5 => flags.push(format!("--experimental-snapshot-catchup-entries={catch_up}")),
            6.. => flags.push(format!("--snapshot-catchup-entries={catch_up}")),
        }
        if self.ours && self.minor > lowest.minor {
            flags.push(format!("--quorate-cluster-version-max={lowest}"));
        }
        flags
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "3.{}", self.minor)
    }
}

fn parse(text: &str) -> Option<Release> {
    let version = text.lines().find_map(|line| line.strip_prefix("etcd Version: 3."))?;
    let minor = version.split('.').next()?.parse().ok()?;
    Some(Release { minor, ours: text.contains("Quorate") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_flags_follow() {
        let old = parse("etcd Version: 3.4.23\nGit SHA: x\n").unwrap();
        let go = parse("etcd Version: 3.7.1\nGo Version: go1.26\n").unwrap();
        let ours = parse("etcd Version: 3.7.1\nGo Version: none (Quorate 0.1.0, Rust)\n").unwrap();
        assert!(old < go && old.to_string() == "3.4" && parse("etcdctl version: 3.7.1\n").is_none());
        assert_eq!(old.flags(9, 1, old), ["--snapshot-count=9"]);
        assert_eq!(go.flags(9, 1, old), ["--snapshot-count=9", "--snapshot-catchup-entries=1"]);
        assert_eq!(ours.flags(9, 1, old)[2], "--quorate-cluster-version-max=3.4");
        assert_eq!(ours.flags(9, 1, go).len(), 2);
    }
}
