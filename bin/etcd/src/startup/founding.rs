//! The checks of a cluster that is to be founded: this member is in it, under the URLs it advertises, no two members
//! share a URL, and no member that can be reached knows this one already. Runs only for a member without a log.

use super::addresses::{resolver, same_addresses};
use crate::{
    config::{Config, InitialMembers},
    url::Url,
};
use member::restart::{InitialMember, NewCluster};
use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

/// How long each of the others is asked whether it knows this member.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// The cluster that the flags describe. The errors are those of etcd's start.
pub(super) fn found(config: &Config, members: &InitialMembers) -> Result<NewCluster, String> {
    check(config, members, resolver())?;
    let texts = |urls: &[Url]| urls.iter().map(|url| url.as_str().to_owned()).collect();
    let initial =
        members.0.iter().map(|(name, urls)| InitialMember { name: name.clone(), peer_urls: texts(urls) });
    let cluster = NewCluster {
        token: config.cluster.token.clone(),
        name: config.member.name.clone(),
        members: initial.collect(),
    };
    let id = cluster.local_id().map_err(|e| e.to_string())?;
    let others = members.urls_without(&config.member.name);
    if is_bootstrapped(id, &peer::bootstrap::members(&others, PROBE_TIMEOUT, false)) {
        return Err(format!("member {id:x} has already been bootstrapped"));
    }
    Ok(cluster)
}

/// Whether the answer of a running cluster shows that this member has been in it.
fn is_bootstrapped(id: u64, cluster: &Result<peer::bootstrap::Cluster, String>) -> bool {
    let known = cluster.as_ref().ok().and_then(|cluster| cluster.members.iter().find(|m| m.id == id));
    known.is_some_and(|member| !member.client_urls.is_empty())
}

fn check(
    config: &Config,
    members: &InitialMembers,
    resolve: impl Fn(&Url) -> Result<SocketAddr, String>,
) -> Result<(), String> {
    let name = &config.member.name;
    compare(name, &config.advertise.peer_urls, members.urls_of(name)?, resolve)?;
    members.check_duplicates()
}

/// Whether two sorted lists mean the same addresses; names are resolved if the texts differ.
fn compare(
    name: &str,
    advertised: &[Url],
    initial: &[Url],
    resolve: impl Fn(&Url) -> Result<SocketAddr, String>,
) -> Result<(), String> {
    let Err(reason) = same_addresses(advertised, initial, resolve) else { return Ok(()) };
    let missing_in = |from: &[Url], to: &[Url]| -> BTreeSet<String> {
        from.iter().filter(|url| !to.contains(url)).map(Url::to_string).collect()
    };
    let advertised_text = joined(advertised.iter().map(Url::to_string));
    let pairs_text = joined(advertised.iter().map(|url| format!("{name}={url}")));
    let missing = missing_in(initial, advertised);
    if !missing.is_empty() {
        let pairs = joined(missing.iter().map(|url| format!("{name}={url}")));
        return Err(format!(
            "--initial-cluster has {pairs} but missing from --initial-advertise-peer-urls={advertised_text} ({reason})"
        ));
    }
    let missing = missing_in(advertised, initial);
    if !missing.is_empty() {
        let urls = joined(missing.into_iter());
        return Err(format!(
            "--initial-advertise-peer-urls has {urls} but missing from --initial-cluster={pairs_text}"
        ));
    }
    Err(format!("failed to resolve {advertised_text} to match --initial-cluster={pairs_text} ({reason})"))
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::config;
    use std::net::IpAddr;

    /// `here` is 10.0.0.1; other names are unknown.
    fn known(url: &Url) -> Result<SocketAddr, String> {
        let host = if url.host() == "here" { "10.0.0.1" } else { url.host() };
        let ip: IpAddr = host.parse().map_err(|_| "no such host".to_string())?;
        Ok(SocketAddr::new(ip, url.port().parse().expect("a port")))
    }

    fn outcome(advertised: &str, initial: &str) -> Result<(), String> {
        let config = config(&format!("--name m --initial-advertise-peer-urls {advertised}"));
        check(&config, &InitialMembers::parse(initial).expect("valid"), known)
    }

    /// Every text is what etcd 3.7.1 answers to these flags.
    #[test]
    fn members_that_do_not_fit_are_refused() {
        let one = "http://127.0.0.1:1";
        for (advertised, initial, error) in [
            (
                one,
                "x=http://127.0.0.1:1",
                "couldn't find local name \"m\" in the initial cluster configuration",
            ),
            (one, "", "couldn't find local name \"m\" in the initial cluster configuration"),
            (
                one,
                "m=http://127.0.0.1:2",
                "--initial-cluster has m=http://127.0.0.1:2 but missing from \
                 --initial-advertise-peer-urls=http://127.0.0.1:1 (resolved urls: \"http://127.0.0.1:1\" != \
                 \"http://127.0.0.1:2\")",
            ),
            (
                one,
                "m=http://localhost:1",
                "--initial-cluster has m=http://localhost:1 but missing from \
                 --initial-advertise-peer-urls=http://127.0.0.1:1 (resolved urls: \"http://127.0.0.1:1\" != \
                 \"http://localhost:1\")",
            ),
            (
                one,
                "m=http://127.0.0.1:1,m=http://127.0.0.1:2",
                "--initial-cluster has m=http://127.0.0.1:2 but missing from \
                 --initial-advertise-peer-urls=http://127.0.0.1:1 (len([\"http://127.0.0.1:1\"]) != \
                 len([\"http://127.0.0.1:1\" \"http://127.0.0.1:2\"]))",
            ),
            (
                "http://127.0.0.1:1,http://127.0.0.1:9",
                "m=http://127.0.0.1:1",
                "--initial-advertise-peer-urls has http://127.0.0.1:9 but missing from \
                 --initial-cluster=m=http://127.0.0.1:1,m=http://127.0.0.1:9",
            ),
            (
                one,
                "m=http://127.0.0.1:1,n=http://127.0.0.1:1",
                "initial cluster m=http://127.0.0.1:1,n=http://127.0.0.1:1 has duplicate url",
            ),
        ] {
            assert_eq!(outcome(advertised, initial), Err(error.to_string()), "{advertised} {initial}");
        }
        let unknown = outcome("http://there:1", "m=http://here:1").expect_err("unknown");
        assert!(unknown.ends_with("(failed to resolve \"http://there:1\" (no such host))"), "{unknown}");
    }

    #[test]
    fn the_same_addresses_may_be_written_in_two_ways() {
        for (advertised, initial) in [
            ("http://127.0.0.1:1", "m=http://127.0.0.1:1,n=http://127.0.0.1:2"),
            ("http://here:1", "m=http://10.0.0.1:1"),
            ("http://[::1]:1", "m=http://[0:0:0:0:0:0:0:1]:1"),
            ("http://b:1,http://a:1", "m=http://a:1,m=http://b:1"),
        ] {
            assert_eq!(outcome(advertised, initial), Ok(()), "{advertised} {initial}");
        }
    }

    #[test]
    fn a_member_that_the_cluster_knows_is_not_founded_again() {
        let listed = |id, client_urls: &[&str]| {
            let client_urls = client_urls.iter().map(|url| (*url).to_owned()).collect();
            let member = peer::bootstrap::Member { id, client_urls, ..Default::default() };
            Ok(peer::bootstrap::Cluster { id: 1, members: vec![member] })
        };
        assert!(is_bootstrapped(7, &listed(7, &["http://a:1"])));
        assert!(!is_bootstrapped(7, &listed(7, &[])), "it has not started yet");
        assert!(!is_bootstrapped(7, &listed(8, &["http://a:1"])));
        assert!(!is_bootstrapped(7, &Err("nobody answers".to_owned())));
    }
}
