//! The checks of a cluster that is to be founded: this member is in it, under the URLs it advertises, and no two
//! members share a URL. Runs only for a member without a log.

use crate::{
    config::{ClusterState, Config, InitialMembers},
    notation::{GoDuration, quote, quote_list},
    url::Url,
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    thread,
    time::Duration,
};

/// Tries to resolve a host's name; one second apart, so this many seconds.
const RESOLVE_ATTEMPTS_MAX: usize = 30;
const RESOLVE_INTERVAL: Duration = Duration::from_secs(1);

/// Who founds the cluster. The errors are those of etcd's start.
pub fn founders(config: &Config) -> Result<InitialMembers, String> {
    let members = config.cluster.initial_members()?;
    if config.cluster.state == ClusterState::Existing {
        return Err("--initial-cluster-state=existing is not supported by this build yet".to_string());
    }
    check(config, &members, resolve)?;
    if members.0.len() > 1 {
        return Err("--initial-cluster with several members is not supported by this build yet".to_string());
    }
    Ok(members)
}

fn check(
    config: &Config,
    members: &InitialMembers,
    resolve: impl Fn(&Url) -> Result<SocketAddr, String>,
) -> Result<(), String> {
    let name = &config.member.name;
    let Some(initial) = members.0.get(name) else {
        return Err(format!("couldn't find local name {} in the initial cluster configuration", quote(name)));
    };
    compare(name, &config.advertise.peer_urls, initial, resolve)?;
    let mut seen = BTreeSet::new();
    if !members.0.values().flatten().all(|url| seen.insert(url)) {
        return Err(format!("initial cluster {members} has duplicate url"));
    }
    Ok(())
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

/// The error says how they differ.
fn same_addresses(
    ours: &[Url],
    theirs: &[Url],
    resolve: impl Fn(&Url) -> Result<SocketAddr, String>,
) -> Result<(), String> {
    if ours.len() != theirs.len() {
        let list = |urls: &[Url]| quote_list(&urls.iter().map(Url::as_str).collect::<Vec<_>>());
        return Err(format!("len({}) != len({})", list(ours), list(theirs)));
    }
    if ours.iter().zip(theirs).all(|(a, b)| is_same(a, b)) {
        return Ok(());
    }
    let resolved = |urls: &[Url]| -> Result<Vec<Url>, String> {
        let mut urls =
            urls.iter().map(|url| with_address(url, &resolve)).collect::<Result<Vec<Url>, String>>()?;
        urls.sort();
        Ok(urls)
    };
    let (ours, theirs) = (resolved(ours)?, resolved(theirs)?);
    match ours.iter().zip(&theirs).find(|(a, b)| !is_same(a, b)) {
        Some((a, b)) => Err(format!("resolved urls: {} != {}", quote(a.as_str()), quote(b.as_str()))),
        None => Ok(()),
    }
}

/// The same text, or the same address written in two ways.
fn is_same(a: &Url, b: &Url) -> bool {
    let ip = |url: &Url| url.host().parse::<IpAddr>().ok();
    let same_host = ip(a).is_some() && ip(a) == ip(b) && a.port() == b.port();
    a == b || (same_host && a.scheme() == b.scheme() && a.path() == b.path())
}

fn with_address(url: &Url, resolve: impl Fn(&Url) -> Result<SocketAddr, String>) -> Result<Url, String> {
    if url.scheme().is_unix() || url.host() == "localhost" {
        return Ok(url.clone());
    }
    let address =
        resolve(url).map_err(|error| format!("failed to resolve {} ({error})", quote(url.as_str())))?;
    let host = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Ok(url.with_host(&host, &address.port().to_string()))
}

/// Asks the system's resolver until it answers or the attempts are used up.
fn resolve(url: &Url) -> Result<SocketAddr, String> {
    let (shown, host) = (url.as_str(), url.authority());
    let interval = GoDuration::from(RESOLVE_INTERVAL);
    let mut last = String::new();
    for attempt in 0..RESOLVE_ATTEMPTS_MAX {
        if attempt > 0 {
            thread::sleep(RESOLVE_INTERVAL);
        }
        match host.to_socket_addrs().map(|mut addresses| addresses.next()) {
            Ok(Some(address)) => {
                log::info!(url = shown, host, "resolved-addr":% = address; "resolved URL Host");
                return Ok(address);
            }
            Ok(None) => last = format!("lookup {host}: no such host"),
            Err(error) => last = error.to_string(),
        }
        log::warn!(url = shown, host, "retry-interval":% = interval, error:% = last; "failed to resolve URL Host");
    }
    let text = "failed to resolve URL Host; returning";
    log::warn!(url = shown, host, "retry-interval":% = interval, error:% = last; "{text}");
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::config;

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
}
