//! The checks of a member that joins a running cluster: it asks the others who they are, finds every one of them in
//! its own flags, and sees whether it can be in a cluster of that version. Runs only for a member without a log.

use super::addresses::{resolver, same_addresses};
use crate::{
    config::{Config, InitialMembers},
    notation::quote,
    url::Url,
};
use member::restart::Beginning;
use peer::bootstrap::{self, Cluster, Versions};
use state::{Version, version::UNDECIDED};
use std::{net::SocketAddr, time::Duration};

/// How long each of the others may take to list the members.
const MEMBERS_TIMEOUT: Duration = Duration::from_secs(10);

/// A member of the cluster that is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub id: u64,
    pub peer_urls: Vec<String>,
}

/// A member of the flags and the ID it has in the running cluster.
#[derive(Debug, PartialEq, Eq)]
struct Known<'a> {
    name: &'a str,
    urls: &'a [Url],
    id: u64,
}

/// The place of the local member in the running cluster, and the other members. The errors are those of etcd's start.
pub(super) fn join(config: &Config, members: &InitialMembers) -> Result<(Beginning, Vec<Remote>), String> {
    let name = &config.member.name;
    members.urls_of(name)?;
    members.check_duplicates()?;
    let mut cluster = bootstrap::members(&members.urls_without(name), MEMBERS_TIMEOUT, true)
        .map_err(|error| format!("cannot fetch cluster info from peer urls: {error}"))?;
    cluster.members.sort_by_key(|member| member.id);
    let known = find_all(&cluster, members, resolver())
        .map_err(|error| format!("error validating peerURLs {}: {error}", show(&cluster)))?;
    let member_id = known.iter().find(|member| member.name == name).map_or(0, |member| member.id);
    let others: Vec<&Known<'_>> = known.iter().filter(|member| member.name != name).collect();
    if !is_compatible(&others, config.cluster.release, config.timing.request_timeout()) {
        return Err("incompatible with current running cluster".to_owned());
    }
    if cluster.members.iter().filter(|m| m.is_learner).count() as i64 > config.cluster.learners_max {
        return Err("membership: too many learner members in cluster".to_owned());
    }
    let remotes = cluster.members.into_iter().filter(|member| member.id != member_id);
    let remotes = remotes.map(|member| Remote { id: member.id, peer_urls: member.peer_urls });
    Ok((Beginning::Join { member_id, cluster_id: cluster.id }, remotes.collect()))
}

/// Gives each member of the flags its ID: both lists are as long, and every running member is in the flags by its
/// peer URLs.
fn find_all<'a>(
    cluster: &Cluster,
    members: &'a InitialMembers,
    resolve: impl Fn(&Url) -> Result<SocketAddr, String>,
) -> Result<Vec<Known<'a>>, String> {
    if cluster.members.len() != members.0.len() {
        return Err("member count is unequal".to_owned());
    }
    let mut known: Vec<Known<'a>> =
        members.0.iter().map(|(name, urls)| Known { name, urls, id: 0 }).collect();
    for running in &cluster.members {
        let mut last = String::new();
        let found = known.iter_mut().find(|known| match same(&running.peer_urls, known.urls, &resolve) {
            Ok(()) => true,
            Err(error) => {
                last = error;
                false
            }
        });
        match found {
            Some(known) => known.id = running.id,
            None => {
                return Err(format!(
                    "PeerURLs: no match found for existing member ({:x}, [{}]), last resolver error ({last})",
                    running.id,
                    running.peer_urls.join(" ")
                ));
            }
        }
    }
    Ok(known)
}

fn same(
    running: &[String],
    given: &[Url],
    resolve: impl Fn(&Url) -> Result<SocketAddr, String>,
) -> Result<(), String> {
    let parse = |text: &String| {
        Url::parse(text).map_err(|_| format!("failed to parse string to URL: {}", quote(text)))
    };
    let mut running = running.iter().map(parse).collect::<Result<Vec<Url>, String>>()?;
    running.sort();
    same_addresses(&running, given, resolve)
}

/// The running cluster as Go prints the structure that holds it.
fn show(cluster: &Cluster) -> String {
    let members: Vec<String> = cluster
        .members
        .iter()
        .map(|m| {
            format!(
                "&{{ID:{:x} RaftAttributes:{{PeerURLs:[{}] IsLearner:{}}} Attributes:{{Name:{} ClientURLs:[{}]}}}}",
                m.id,
                m.peer_urls.join(" "),
                m.is_learner,
                m.name,
                m.client_urls.join(" ")
            )
        })
        .collect();
    format!("{{ClusterID:{:x} Members:[{}] RemovedMemberIDs:[]}}", cluster.id, members.join(" "))
}

/// At least one of the others has a cluster version that this release can be in, and none that says one has another.
fn is_compatible(others: &[&Known<'_>], release: Version, timeout: Duration) -> bool {
    let versions: Vec<(u64, Versions)> =
        others.iter().filter_map(|member| Some((member.id, version_of(member, timeout)?))).collect();
    let downgrade = others.iter().find_map(|member| downgrade_by(member, timeout)).unwrap_or(false);
    accepts(&versions, allowed(release, downgrade))
}

/// The cluster versions, lowest and highest, that this release may join.
fn allowed(release: Version, downgrade: bool) -> (Version, Version) {
    let own = release.minor_only();
    match downgrade {
        // The cluster still has the version it is brought down from.
        true => (Version::new(own.major, own.minor + 1), Version::new(own.major, own.minor + 1)),
        false => (UNDECIDED, own),
    }
}

fn accepts(versions: &[(u64, Versions)], (lowest, highest): (Version, Version)) -> bool {
    let mut fits = false;
    for (id, versions) in versions {
        let (id, shown) = (format!("{id:x}"), versions.cluster.as_str());
        match Version::parse(shown) {
            Err(error) => log::warn!(
                "remote-member-id":% = id, "remote-member-cluster-version" = shown, error:% = error;
                "failed to parse cluster version of remote member"
            ),
            Ok(version) if version < lowest => {
                log::warn!(
                    "remote-member-id":% = id, "remote-member-cluster-version" = shown,
                    "minimum-cluster-version-supported":% = lowest;
                    "cluster version of remote member is not compatible; too low"
                );
                return false;
            }
            Ok(version) if version > highest => {
                log::warn!(
                    "remote-member-id":% = id, "remote-member-cluster-version" = shown,
                    "maximum-cluster-version-supported":% = highest;
                    "cluster version of remote member is not compatible; too high"
                );
                return false;
            }
            Ok(_) => fits = true,
        }
    }
    fits
}

fn version_of(member: &Known<'_>, timeout: Duration) -> Option<Versions> {
    let versions = ask(member, |url| bootstrap::version(url, timeout));
    if let Err(error) = &versions {
        log::warn!("remote-member-id":% = format!("{:x}", member.id), error:%; "failed to get version");
    }
    versions.ok()
}

fn downgrade_by(member: &Known<'_>, timeout: Duration) -> Option<bool> {
    let enabled = ask(member, |url| bootstrap::downgrade_enabled(url, timeout));
    if let Err(error) = &enabled {
        log::warn!(
            "remote-member-id":% = format!("{:x}", member.id), error:%;
            "failed to get downgrade enabled status"
        );
    }
    enabled.ok()
}

/// Asks by each URL in turn; the last error if none answers.
fn ask<T>(member: &Known<'_>, question: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    let mut last = String::new();
    for url in member.urls {
        match question(url.as_str()) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                log::warn!(
                    address:% = url, "remote-member-id":% = format!("{:x}", member.id), error:%;
                    "failed to reach the peer URL"
                );
                last = error;
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(members: &[(u64, &[&str])]) -> Cluster {
        let members = members.iter().map(|(id, urls)| bootstrap::Member {
            id: *id,
            name: format!("m{id}"),
            peer_urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            ..Default::default()
        });
        Cluster { id: 0xc, members: members.collect() }
    }

    fn nobody(_: &Url) -> Result<SocketAddr, String> {
        Err("no such host".to_owned())
    }

    #[test]
    fn running_members_are_found_in_the_flags_by_their_urls() {
        let running =
            cluster(&[(3, &["http://127.0.0.1:3"]), (4, &["http://127.0.0.1:41", "http://127.0.0.1:40"])]);
        let flags = "a=http://127.0.0.1:40,a=http://127.0.0.1:41,b=http://127.0.0.1:3";
        let flags = InitialMembers::parse(flags).expect("valid");
        let found = find_all(&running, &flags, nobody).expect("all are there");
        assert_eq!(found.iter().map(|k| (k.name, k.id)).collect::<Vec<_>>(), [("a", 4), ("b", 3)]);
    }

    #[test]
    fn a_running_member_that_the_flags_do_not_know_is_named() {
        let running = cluster(&[(0x1f, &["http://127.0.0.1:3"]), (0x2f, &["http://there:4"])]);
        let outcome = |flags: &str| {
            find_all(&running, &InitialMembers::parse(flags).expect("valid"), nobody).expect_err("refused")
        };
        assert_eq!(outcome("a=http://127.0.0.1:3"), "member count is unequal");
        assert_eq!(
            outcome("a=http://127.0.0.1:3,b=http://127.0.0.1:4"),
            "PeerURLs: no match found for existing member (2f, [http://there:4]), last resolver error (failed to \
             resolve \"http://there:4\" (no such host))"
        );
        assert_eq!(
            outcome("a=http://127.0.0.1:2,b=http://127.0.0.1:4"),
            "PeerURLs: no match found for existing member (1f, [http://127.0.0.1:3]), last resolver error (failed to \
             resolve \"http://127.0.0.1:3\" (no such host))"
        );
    }

    #[test]
    fn the_running_cluster_is_shown_as_go_shows_it() {
        assert_eq!(
            show(&cluster(&[(0x1f, &["http://a:1", "http://a:2"])])),
            "{ClusterID:c Members:[&{ID:1f RaftAttributes:{PeerURLs:[http://a:1 http://a:2] IsLearner:false} \
             Attributes:{Name:m31 ClientURLs:[]}}] RemovedMemberIDs:[]}"
        );
    }

    #[test]
    fn which_clusters_may_be_joined() {
        for (release, downgrade, clusters, expected) in [
            ("3.7.1", false, "3.7.0", true),
            ("3.7.1", false, "3.0.0 3.7.0", true),
            ("3.7.1", false, "not_decided 3.4.0", true),
            ("3.7.1", false, "not_decided", false),
            ("3.7.1", false, "", false),
            ("3.7.1", false, "3.7.0 3.8.0", false),
            ("3.7.1", true, "3.8.0", true),
            ("3.7.1", true, "3.7.0", false),
            ("3.5.0", false, "3.5.0", true),
            ("3.5.0", false, "3.6.0", false),
        ] {
            let answers: Vec<_> = (1..)
                .zip(clusters.split_whitespace())
                .map(|(id, cluster)| (id, Versions { cluster: cluster.to_owned(), ..Default::default() }))
                .collect();
            let release = Version::parse(release).expect("a version");
            assert_eq!(accepts(&answers, allowed(release, downgrade)), expected, "{release} {clusters}");
        }
    }
}
