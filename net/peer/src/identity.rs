//! Who we are on the wire, and whether another one belongs to us: IDs, versions, cluster. Never a socket.
//!
//! The checks and their texts are etcd's, in its order: versions first, then the cluster's ID.

use crate::{Config, http::find};
use std::fmt;

/// The oldest cluster version every release since 3.0 can join.
pub(crate) const CLUSTER_VERSION_MIN: &str = "3.0.0";
/// Where etcd takes a member without a version from.
const VERSION_WITHOUT_HEADER: &str = "2.0.0";

/// Member and cluster IDs as headers, paths and log lines have them.
pub(crate) fn hex(id: u64) -> String {
    format!("{id:x}")
}

pub(crate) fn parse_id(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// `X.Y.Z`, perhaps with a pre-release or build behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MajorMinor {
    major: u64,
    minor: u64,
}

impl MajorMinor {
    pub(crate) fn parse(text: &str) -> Option<MajorMinor> {
        let core = text.split(['-', '+']).next()?;
        let mut numbers = core.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        });
        let (major, minor, _patch) = (numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(MajorMinor { major, minor })
    }
}

/// Why a request is answered 412, as the body says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    Version,
    ClusterId,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::Version => "incompatible version",
            Foreign::ClusterId => "cluster ID mismatch",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) member_id: u64,
    /// [`hex`]: string equality is what etcd tests.
    pub(crate) cluster_id: String,
    pub(crate) version: String,
    own: MajorMinor,
    /// Header lines of every request that raft makes.
    pub(crate) headers: String,
}

impl Identity {
    /// # Panics
    /// See [`crate::Transport::start`].
    pub(crate) fn new(config: &Config) -> Identity {
        let own = MajorMinor::parse(&config.server_version).expect("the announced version is X.Y.Z");
        let urls = config.peer_urls.join(",");
        assert!(urls.bytes().all(|byte| byte.is_ascii_graphic()), "our own URLs fit into a header");
        let (version, cluster_id) = (config.server_version.clone(), hex(config.cluster_id));
        let headers = format!(
            "X-Server-From: {:x}\r\nX-Server-Version: {version}\r\nX-Min-Cluster-Version: {CLUSTER_VERSION_MIN}\r\n\
             X-Etcd-Cluster-ID: {cluster_id}\r\nX-PeerURLs: {urls}\r\n",
            config.member_id
        );
        Identity { member_id: config.member_id, cluster_id, version, own, headers }
    }

    /// Tests a request's headers, and logs what does not fit.
    pub(crate) fn check(&self, headers: &[(String, String)]) -> Result<(), Foreign> {
        let header = |name| find(headers, name);
        let name = header("X-Server-From").unwrap_or_default();
        let version = header("X-Server-Version").unwrap_or(VERSION_WITHOUT_HEADER);
        let minimum = header("X-Min-Cluster-Version").unwrap_or(VERSION_WITHOUT_HEADER);
        if let Err(error) = self.check_versions(name, version, minimum) {
            log::warn!(
                "local-member-id":% = hex(self.member_id), "local-member-cluster-id" = self.cluster_id,
                "local-member-server-version" = self.version,
                "local-member-server-minimum-cluster-version" = CLUSTER_VERSION_MIN,
                "remote-peer-server-name" = name, "remote-peer-server-version" = version,
                "remote-peer-server-minimum-cluster-version" = minimum, error:% = error;
                "failed version compatibility check"
            );
            return Err(Foreign::Version);
        }
        let cluster_id = header("X-Etcd-Cluster-ID").unwrap_or_default();
        if cluster_id != self.cluster_id {
            log::warn!(
                "local-member-id":% = hex(self.member_id), "local-member-cluster-id" = self.cluster_id,
                "local-member-server-version" = self.version,
                "local-member-server-minimum-cluster-version" = CLUSTER_VERSION_MIN,
                "remote-peer-server-name" = name, "remote-peer-server-version" = version,
                "remote-peer-server-minimum-cluster-version" = minimum, "remote-peer-cluster-id" = cluster_id;
                "request cluster ID mismatch"
            );
            return Err(Foreign::ClusterId);
        }
        Ok(())
    }

    fn check_versions(&self, name: &str, version: &str, minimum: &str) -> Result<(), String> {
        let oldest = MajorMinor::parse(CLUSTER_VERSION_MIN);
        let (server, cluster) = (MajorMinor::parse(version), MajorMinor::parse(minimum));
        // etcd's handler panics on a version that is none. For us it is one that does not fit.
        if server.is_none() || server < oldest {
            return Err(format!(
                "remote version is too low: remote[{name}]={version}, local={}",
                self.version
            ));
        }
        if cluster.is_none() || cluster > Some(self.own) {
            return Err(format!(
                "local version is too low: remote[{name}]={version}, local={}",
                self.version
            ));
        }
        Ok(())
    }

    /// Whether streams of a server that announces this version can be read: of any that is not older than ours, and
    /// of those etcd's table has.
    pub(crate) fn can_read(&self, version: Option<&str>) -> bool {
        let Some(version) = MajorMinor::parse(version.unwrap_or(VERSION_WITHOUT_HEADER)) else {
            return false;
        };
        version >= self.own
            || matches!(
                version,
                MajorMinor { major: 2, minor: 1..=3 } | MajorMinor { major: 3, minor: 0..=7 }
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn identity() -> Identity {
        Identity::new(&Config {
            member_id: 0xab,
            cluster_id: 0xcd,
            server_version: "3.7.1".into(),
            peer_urls: vec!["http://a:1".into(), "http://b:2".into()],
            dial_timeout: Duration::from_secs(1),
            snap_dir: "snap".into(),
        })
    }

    #[test]
    fn headers_of_others() {
        let check = |version: Option<&str>, minimum: Option<&str>, cluster: &str| {
            let mut headers = vec![("x-etcd-cluster-id".to_owned(), cluster.to_owned())];
            headers.extend(version.map(|version| ("X-Server-Version".to_owned(), version.to_owned())));
            headers.extend(minimum.map(|minimum| ("X-Min-Cluster-Version".to_owned(), minimum.to_owned())));
            identity().check(&headers)
        };
        assert_eq!(check(Some("3.4.23"), Some("3.0.0"), "cd"), Ok(()));
        assert_eq!(check(Some("3.8.0-alpha.1"), Some("3.7.9"), "cd"), Ok(()));
        assert_eq!(check(Some("3.7.1"), None, "cd"), Ok(()), "2.0.0 is low enough as a minimum");
        assert_eq!(check(None, Some("3.0.0"), "0"), Err(Foreign::Version), "the version is tested first");
        assert_eq!(check(Some("2.9.9"), Some("3.0.0"), "cd"), Err(Foreign::Version));
        assert_eq!(check(Some("3.9.0"), Some("3.8.0"), "cd"), Err(Foreign::Version));
        assert_eq!(check(Some("x"), Some("3.0.0"), "cd"), Err(Foreign::Version));
        assert_eq!(check(Some("3.7.1"), Some("3.0.0"), "0cd"), Err(Foreign::ClusterId));
        assert_eq!(check(Some("3.7.1"), Some("3.0.0"), "CD"), Err(Foreign::ClusterId));
    }

    #[test]
    fn streams_of_known_releases_are_read() {
        let identity = identity();
        for version in ["2.1.0", "2.3.8", "3.0.0", "3.4.23", "3.6.14", "3.7.0", "3.8.0", "4.0.0"] {
            assert!(identity.can_read(Some(version)), "{version}");
        }
        for version in [None, Some("2.0.5"), Some("2.4.0"), Some("3.7"), Some("three")] {
            assert!(!identity.can_read(version), "{version:?}");
        }
    }

    #[test]
    fn our_headers_and_ids() {
        assert_eq!(
            identity().headers,
            "X-Server-From: ab\r\nX-Server-Version: 3.7.1\r\nX-Min-Cluster-Version: 3.0.0\r\n\
             X-Etcd-Cluster-ID: cd\r\nX-PeerURLs: http://a:1,http://b:2\r\n"
        );
        assert_eq!(parse_id("8e9e05c52164694d"), Some(0x8e9e_05c5_2164_694d));
        for text in ["", "+1", "-1", "0x1", "1ffffffffffffffff", "g"] {
            assert_eq!(parse_id(text), None, "{text}");
        }
    }
}
