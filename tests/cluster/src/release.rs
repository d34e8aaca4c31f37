//! Which etcd a program is, as far as its flags and its answers depend on it. It never runs a member.

use crate::Failure;
use std::path::Path;
use std::process::Command;

/// A minor release of etcd 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(u32);

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

    /// Flags for snapshots so often that members which were away need one. 3.4 has no flag for the entries it keeps.
    pub fn snapshot_flags(self, count: u32, catch_up: u32) -> Vec<String> {
        let mut flags = vec![format!("--snapshot-count={count}")];
        match self.0 {
            ..5 => {}
            5 => flags.push(format!("--experimental-snapshot-catchup-entries={catch_up}")),
            6.. => flags.push(format!("--snapshot-catchup-entries={catch_up}")),
        }
        flags
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "3.{}", self.0)
    }
}

fn parse(text: &str) -> Option<Release> {
    let version = text.lines().find_map(|line| line.strip_prefix("etcd Version: 3."))?;
    version.split('.').next()?.parse().ok().map(Release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse("etcd Version: 3.4.23\nGit SHA: x\n"), Some(Release(4)));
        assert_eq!(parse("etcd Version: 3.7.1\n"), Some(Release(7)));
        assert_eq!(parse("etcdctl version: 3.7.1\n"), None);
        assert_eq!(Release(4).snapshot_flags(9, 1), ["--snapshot-count=9"]);
        assert_eq!(Release(7).snapshot_flags(9, 1)[1], "--snapshot-catchup-entries=1");
    }
}
