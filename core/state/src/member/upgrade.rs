//! The cluster version: what the leader proposes from what the members run, and which downgrades are allowed.
//!
//! It never asks anybody: the caller collects the versions (`/version` of every member).

use super::Membership;
use crate::{Version, version};

/// Why a downgrade is refused. The texts are etcd's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DowngradeRefusal {
    #[error("etcdserver: wrong downgrade target version format")]
    WrongFormat,
    #[error("etcdserver: cluster version not found during downgrade")]
    VersionUnavailable,
    /// Only one minor version below the cluster's is allowed.
    #[error("etcdserver: invalid downgrade target version")]
    InvalidTarget,
    #[error("etcdserver: cluster has a downgrade job in progress")]
    InProcess,
}

impl DowngradeRefusal {
    /// gRPC code (the wire's number) and text.
    pub fn status(self) -> (u8, String) {
        const INVALID_ARGUMENT: u8 = 3;
        const FAILED_PRECONDITION: u8 = 9;
        let code = match self {
            DowngradeRefusal::WrongFormat | DowngradeRefusal::InvalidTarget => INVALID_ARGUMENT,
            DowngradeRefusal::VersionUnavailable | DowngradeRefusal::InProcess => FAILED_PRECONDITION,
        };
        (code, self.to_string())
    }
}

impl Membership {
    /// The target a downgrade request names. The read-index wait belongs behind this and before
    /// [`Membership::validate_downgrade`].
    pub fn downgrade_target(&self, text: &str) -> Result<Version, DowngradeRefusal> {
        let target = Version::parse_target(text).map_err(|_| DowngradeRefusal::WrongFormat)?;
        self.version().map(|_| target).ok_or(DowngradeRefusal::VersionUnavailable)
    }

    /// May the cluster be downgraded to `target` now?
    pub fn validate_downgrade(&self, target: Version) -> Result<(), DowngradeRefusal> {
        let cluster = self.version().ok_or(DowngradeRefusal::VersionUnavailable)?;
        if cluster.downgrade_target() != Some(target) {
            return Err(DowngradeRefusal::InvalidTarget);
        }
        if self.downgrade().enabled { Err(DowngradeRefusal::InProcess) } else { Ok(()) }
    }

    /// The cluster version to propose, if it is to change. `servers`: what every member runs; `None` for one that did
    /// not answer, or answered nonsense. `Err`: the downgrade under way cannot be.
    pub fn decide_version(&self, servers: &[Option<Version>]) -> Result<Option<Version>, String> {
        let lowest = servers.iter().copied().min().flatten().map(Version::minor_only);
        let Some(cluster) = self.version() else {
            return Ok(Some(lowest.unwrap_or(version::UNDECIDED)));
        };
        let Some(lowest) = lowest else {
            return Ok(None);
        };
        if !self.downgrade().enabled {
            let rises = cluster < lowest && version::cluster_version_may_change(cluster, lowest);
            return Ok(rises.then_some(lowest));
        }
        let target = Version::parse(&self.downgrade().target)?;
        if target == cluster {
            return Ok(None);
        }
        if cluster.downgrade_target() != Some(target) || lowest.downgrade_target() != Some(target) {
            return Err("invalid downgrade target".into());
        }
        Ok(Some(target))
    }

    /// True when a downgrade is under way and every member runs its target: the leader then ends it.
    pub fn downgrade_finished(&self, servers: &[Option<Version>]) -> bool {
        let Ok(target) = Version::parse(&self.downgrade().target) else { return false };
        self.downgrade().enabled
            && servers.iter().all(|server| server.map(Version::minor_only) == Some(target))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Downgrade;
    use super::*;

    fn membership(version: &str, downgrade: &str) -> Membership {
        Membership {
            version: Version::parse(version).ok(),
            downgrade: Downgrade { enabled: !downgrade.is_empty(), target: downgrade.into() },
            ..Membership::default()
        }
    }

    #[test]
    fn which_downgrades_are_refused() {
        use DowngradeRefusal::{InProcess, InvalidTarget, VersionUnavailable, WrongFormat};
        for (cluster, running, target, expected) in [
            ("3.7.0", "", "3.6", Ok(())),
            ("3.7.0", "", "3.6.4", Ok(())),
            ("3.7.0", "", "three", Err(WrongFormat)),
            ("", "", "three", Err(WrongFormat)),
            ("", "", "3.6", Err(VersionUnavailable)),
            ("3.7.0", "", "3.5", Err(InvalidTarget)),
            ("3.7.0", "3.6.0", "3.7", Err(InvalidTarget)),
            ("3.7.0", "3.6.0", "3.6", Err(InProcess)),
        ] {
            let membership = membership(cluster, running);
            let found =
                membership.downgrade_target(target).and_then(|target| membership.validate_downgrade(target));
            assert_eq!(found, expected, "{cluster} {running} {target}");
        }
    }

    #[test]
    fn what_the_leader_proposes() {
        for (cluster, downgrade, servers, expected) in [
            ("", "", "3.7.1 3.6.4", Ok(Some("3.6.0"))),
            ("", "", "3.7.1 ?", Ok(Some("3.0.0"))),
            ("", "", "", Ok(Some("3.0.0"))),
            ("3.0.0", "", "3.7.1 3.7.0", Ok(Some("3.7.0"))),
            ("3.6.0", "", "3.7.1 ?", Ok(None)),
            ("3.7.0", "", "3.7.1", Ok(None)),
            ("3.7.0", "", "3.6.1", Ok(None)),
            ("3.7.0", "3.6.0", "3.7.1 3.7.1", Ok(Some("3.6.0"))),
            ("3.6.0", "3.6.0", "3.7.1 3.6.1", Ok(None)),
            ("3.7.0", "3.5.0", "3.7.1", Err(())),
            ("3.7.0", "3.6.0", "3.6.1", Err(())),
        ] {
            let servers: Vec<_> = servers.split_whitespace().map(|text| Version::parse(text).ok()).collect();
            let found = membership(cluster, downgrade).decide_version(&servers).map_err(drop);
            let expected = expected.map(|text: Option<&str>| text.map(|text| Version::parse(text).unwrap()));
            assert_eq!(found, expected, "{cluster} {downgrade} {servers:?}");
        }
    }

    #[test]
    fn when_a_downgrade_is_over() {
        let runs = |text: &str| Version::parse(text).ok();
        let running = membership("3.6.0", "3.6.0");
        assert!(running.downgrade_finished(&[runs("3.6.1"), runs("3.6.4")]));
        assert!(!running.downgrade_finished(&[runs("3.6.1"), runs("3.7.1")]));
        assert!(!running.downgrade_finished(&[runs("3.6.1"), None]));
        assert!(!membership("3.6.0", "").downgrade_finished(&[runs("3.6.1")]));
    }
}
