//! Versions: of the cluster, of the storage schema, and what an entry needs.
//!
//! The cluster version is the least that all members run (major.minor); the schema of each member's backend follows
//! it. Schema steps known here: 3.5 to 3.6 adds `meta/storageVersion`; 3.6 to 3.7 changes nothing but its value.

use bytes::Bytes;
use proto::{Message, etcdserverpb as pb, raftpb};
use std::fmt;

/// What this server is, as etcd counts.
pub const SERVER: Version = Version { major: 3, minor: 7, patch: 1 };
/// Proposed as the cluster version while members' versions are unknown.
pub const UNDECIDED: Version = Version::new(3, 0);
pub const V3_5: Version = Version::new(3, 5);
pub const V3_6: Version = Version::new(3, 6);
pub const V3_7: Version = Version::new(3, 7);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
}

impl Version {
    pub const fn new(major: u64, minor: u64) -> Version {
        Version { major, minor, patch: 0 }
    }

    /// `X.Y.Z`, with an optional pre-release or build suffix, which is dropped.
    pub fn parse(text: &str) -> Result<Version, String> {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = numbers
            .split('.')
            .map(|part| part.parse::<u64>().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())));
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                Ok(Version { major, minor, patch })
            }
            _ => Err(format!("{text:?} is not a version")),
        }
    }

    /// A downgrade request's target: `X.Y` or a whole version; the patch is ignored.
    pub fn parse_target(text: &str) -> Result<Version, String> {
        let version = Version::parse(text).or_else(|_| Version::parse(&format!("{text}.0")))?;
        Ok(version.minor_only())
    }

    /// `X.Y.0`.
    pub const fn minor_only(self) -> Version {
        Version::new(self.major, self.minor)
    }

    /// `X.Y`, as Downgrade answers and logs print it.
    pub fn short(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }

    /// The only version a cluster of this one may be downgraded to.
    pub fn downgrade_target(self) -> Option<Version> {
        Some(Version::new(self.major, self.minor.checked_sub(1)?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// May the cluster version go from one to the other? Up within the major version, or one minor down.
pub fn cluster_version_may_change(from: Version, to: Version) -> bool {
    let (from, to) = (from.minor_only(), to.minor_only());
    from.downgrade_target() == Some(to) || (from.major == to.major && from < to)
}

/// The schema's version: the row's; without a row 3.5, if the term is stored; else unknown (3.4, or 3.5 before its
/// first snapshot).
pub(crate) fn detect_storage(row: Option<Version>, term: u64) -> Option<Version> {
    row.or_else(|| (term != 0).then_some(V3_5))
}

/// What the schema must be brought to: the cluster version, once that is decided and if it differs.
pub(crate) fn storage_target(storage: Option<Version>, cluster: Option<Version>) -> Option<Version> {
    let cluster = cluster.filter(|version| *version != UNDECIDED)?.minor_only();
    (storage.map(Version::minor_only) != Some(cluster)).then_some(cluster)
}

/// The row of a schema brought from one version to another; `None`: there is none (3.5). `log`: the highest version
/// that entries since the last snapshot need. The texts are etcd's.
pub(crate) fn migrate(from: Version, to: Version, log: Option<Version>) -> Result<Option<Bytes>, String> {
    let known = |version: Version| (V3_5..=V3_7).contains(&version.minor_only());
    for version in [from, to] {
        if !known(version) {
            return Err(format!("cannot create migration plan: version \"{version}\" is not supported"));
        }
    }
    match log {
        Some(log) if to < from && to < log => Err(format!(
            "cannot downgrade storage, WAL contains newer entries, as the target version ({to}) is lower than the \
             version ({log}) detected from WAL logs"
        )),
        _ if to < V3_6 => Ok(None),
        _ => Ok(Some(to.to_string().into())),
    }
}

/// Can this server open a backend of this schema?
pub(crate) fn storage_supported(storage: Version) -> Result<(), String> {
    if storage.minor_only() < V3_5 || storage.minor_only() > SERVER.minor_only() {
        return Err(format!("version \"{storage}\" is not supported"));
    }
    Ok(())
}

/// The release that first understood an entry, if that is later than 3.5 (nothing is downgraded below it).
pub fn entry_version(entry: &raftpb::Entry) -> Option<Version> {
    if entry.r#type() != raftpb::EntryType::EntryNormal {
        return None;
    }
    let data = entry.data.clone().unwrap_or_default();
    let test = pb::InternalRaftRequest::decode(data).ok()?.downgrade_version_test?;
    let version = Version::parse(&test.ver).unwrap_or(V3_6);
    Some(version.max(V3_6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing() {
        assert_eq!(Version::parse("3.7.1"), Ok(SERVER));
        assert_eq!(Version::parse("3.8.0-alpha.0+git"), Ok(Version::new(3, 8)));
        assert_eq!(Version::parse_target("3.6"), Ok(V3_6));
        assert_eq!(Version::parse_target("3.6.9"), Ok(V3_6));
        for bad in ["", "3", "3.6", "3.6.x", "3.6.0.0", "+3.6.0", "v3.6.0"] {
            assert!(Version::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Version::parse_target("3").is_err());
        assert_eq!((SERVER.to_string(), SERVER.short()), ("3.7.1".to_owned(), "3.7".to_owned()));
    }

    #[test]
    fn the_schema_follows_the_cluster() {
        assert_eq!(detect_storage(None, 0), None);
        assert_eq!(detect_storage(None, 2), Some(V3_5));
        assert_eq!(detect_storage(Some(V3_7), 2), Some(V3_7));
        assert_eq!(storage_target(Some(V3_5), None), None);
        assert_eq!(storage_target(Some(V3_5), Some(UNDECIDED)), None);
        assert_eq!(storage_target(Some(V3_5), Some(V3_7)), Some(V3_7));
        assert_eq!(storage_target(Some(V3_7), Some(V3_7)), None);
        assert_eq!(storage_target(None, Some(V3_7)), Some(V3_7));
    }

    #[test]
    fn migrations() {
        assert_eq!(migrate(V3_5, V3_7, None), Ok(Some("3.7.0".into())));
        assert_eq!(migrate(V3_7, V3_6, Some(V3_5)), Ok(Some("3.6.0".into())));
        assert_eq!(migrate(V3_7, V3_5, None), Ok(None));
        assert!(migrate(V3_7, V3_6, Some(V3_7)).is_err());
        assert!(migrate(V3_6, V3_7, Some(Version::new(3, 9))).is_ok());
        assert!(migrate(V3_7, Version::new(3, 8), None).is_err());
        assert!(storage_supported(Version::new(3, 8)).is_err());
        assert!(storage_supported(V3_7).is_ok());
    }

    #[test]
    fn cluster_version_steps() {
        for (from, to, may) in [
            (V3_6, V3_7, true),
            (UNDECIDED, V3_7, true),
            (V3_7, V3_6, true),
            (V3_7, V3_5, false),
            (V3_7, V3_7, false),
            (V3_7, Version::new(4, 0), false),
        ] {
            assert_eq!(cluster_version_may_change(from, to), may, "{from} to {to}");
        }
    }

    #[test]
    fn entries_need_no_more_than_3_5_but_the_test_marker() {
        let entry = |request: pb::InternalRaftRequest| {
            raftpb::Entry::new(raftpb::EntryType::EntryNormal, 1, 1, request.encode_to_vec().into())
        };
        let put = pb::InternalRaftRequest { put: Some(pb::PutRequest::default()), ..Default::default() };
        assert_eq!(entry_version(&entry(put)), None);
        let marker = pb::DowngradeVersionTestRequest { ver: "3.8.0".into() };
        let marked = pb::InternalRaftRequest { downgrade_version_test: Some(marker), ..Default::default() };
        assert_eq!(entry_version(&entry(marked)), Some(Version::new(3, 8)));
    }
}
