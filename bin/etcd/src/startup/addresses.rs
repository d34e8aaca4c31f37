//! Whether two lists of URLs mean the same addresses. Names are resolved only if the texts differ, as etcd does it.

use crate::{
    notation::{GoDuration, quote, quote_list},
    url::Url,
};
use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    thread,
    time::{Duration, Instant},
};

/// Time for all names of one comparison together.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(30);
const RESOLVE_INTERVAL: Duration = Duration::from_secs(1);

/// Compares two sorted lists. The error says how they differ.
pub fn same_addresses(
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

/// The system's resolver. What it is asked, it is asked again until it answers or the time is up.
pub fn resolver() -> impl Fn(&Url) -> Result<SocketAddr, String> {
    let until = Instant::now() + RESOLVE_TIMEOUT;
    move |url| resolve(url, until)
}

fn resolve(url: &Url, until: Instant) -> Result<SocketAddr, String> {
    let (shown, host) = (url.as_str(), url.authority());
    let interval = GoDuration::from(RESOLVE_INTERVAL);
    let mut last = "context deadline exceeded".to_owned();
    while Instant::now() < until {
        match host.to_socket_addrs().map(|mut addresses| addresses.next()) {
            Ok(Some(address)) => {
                log::info!(url = shown, host, "resolved-addr":% = address; "resolved URL Host");
                return Ok(address);
            }
            Ok(None) => last = format!("lookup {host}: no such host"),
            Err(error) => last = error.to_string(),
        }
        log::warn!(url = shown, host, "retry-interval":% = interval, error:% = last; "failed to resolve URL Host");
        thread::sleep(RESOLVE_INTERVAL.min(until.saturating_duration_since(Instant::now())));
    }
    let text = "failed to resolve URL Host; returning";
    log::warn!(url = shown, host, "retry-interval":% = interval, error:% = last; "{text}");
    Err(last)
}
