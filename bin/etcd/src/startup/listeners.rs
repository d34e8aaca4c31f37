//! Which sockets the URLs of the configuration mean. Binds nothing.

use crate::{
    config::Listen,
    url::{Scheme, Url},
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// One socket to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub url: Url,
    pub address: SocketAddr,
}

impl Listener {
    /// The address as etcd's log shows it: Go listens on any IPv4 address by listening on any address.
    pub fn shown(&self) -> String {
        match self.address.ip().is_unspecified() {
            true => format!("[::]:{}", self.address.port()),
            false => self.address.to_string(),
        }
    }

    /// etcd's text for a port that cannot be bound.
    pub fn cannot_bind(&self, error: &std::io::Error) -> String {
        format!("listen tcp {}: bind: {}", self.address, crate::notation::os_error(error))
    }
}

/// Sockets for other members. The errors are those of etcd's start.
pub fn peer_listeners(listen: &Listen) -> Result<Vec<Listener>, String> {
    let tls = |url: &Url| {
        format!("cannot listen on TLS for {}: KeyFile and CertFile are not presented", url.authority())
    };
    resolve(&listen.peer_urls, "listen-peer-urls", tls)
}

/// Sockets for clients, each address once. The errors are those of etcd's start.
pub fn client_listeners(listen: &Listen) -> Result<Vec<Listener>, String> {
    let tls = |url: &Url| {
        format!(
            "TLS key/cert (--cert-file, --key-file) must be provided for client url {url} with HTTPS scheme"
        )
    };
    let mut seen = BTreeSet::new();
    let listeners = resolve(&listen.client_urls, "listen-client-urls", tls)?;
    Ok(listeners.into_iter().filter(|listener| seen.insert(listener.address)).collect())
}

/// Sockets for metrics and health alone. The errors are those of etcd's start.
pub fn metrics_listeners(listen: &Listen) -> Result<Vec<Listener>, String> {
    let tls = |_: &Url| {
        "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url".to_string()
    };
    resolve(&listen.metrics_urls, "listen-metrics-urls", tls)
}

fn resolve(urls: &[Url], flag: &str, tls: impl Fn(&Url) -> String) -> Result<Vec<Listener>, String> {
    let listener = |url: &Url| match url.scheme() {
        Scheme::Http => Ok(Listener { address: address(url)?, url: url.clone() }),
        Scheme::Https | Scheme::Unixs => Err(tls(url)),
        Scheme::Unix => Err(format!("--{flag}={url}: unix sockets are not supported by this build yet")),
    };
    urls.iter().map(listener).collect()
}

/// `localhost` is the IPv4 loopback; an empty port is any free one.
fn address(url: &Url) -> Result<SocketAddr, String> {
    let invalid = |reason: &str| format!("listen tcp: address {}: {reason}", url.authority());
    let ip = match url.host() {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().map_err(|_| invalid("no such host"))?,
    };
    let port = match url.port() {
        "" => 0,
        port => port.parse().map_err(|_| format!("listen tcp: address {port}: invalid port"))?,
    };
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::parse_urls;

    fn listen(peer: &str, client: &str) -> Listen {
        let urls = |text: &str| if text.is_empty() { Vec::new() } else { parse_urls(text).expect("valid") };
        Listen {
            peer_urls: urls(peer),
            client_urls: urls(client),
            metrics_urls: urls(client),
            reuse_port: false,
            reuse_address: false,
        }
    }

    #[test]
    fn urls_become_addresses() {
        let listen =
            listen("http://[::1]:2380,http://0.0.0.0:", "http://localhost:2379,http://127.0.0.1:2379");
        let texts = |listeners: Result<Vec<Listener>, String>| -> Vec<String> {
            listeners.expect("resolves").iter().map(|listener| listener.address.to_string()).collect()
        };
        assert_eq!(texts(peer_listeners(&listen)), ["0.0.0.0:0", "[::1]:2380"]);
        assert_eq!(texts(client_listeners(&listen)), ["127.0.0.1:2379"]);
        let shown: Vec<String> =
            peer_listeners(&listen).expect("resolves").iter().map(Listener::shown).collect();
        assert_eq!(shown, ["[::]:0", "[::1]:2380"]);
    }

    #[test]
    fn what_cannot_be_served_is_named() {
        for (url, peer, client) in [
            (
                "https://127.0.0.1:1",
                "cannot listen on TLS for 127.0.0.1:1: KeyFile and CertFile are not presented",
                "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with \
                 HTTPS scheme",
            ),
            (
                "http://127.0.0.1:70000",
                "listen tcp: address 70000: invalid port",
                "listen tcp: address 70000: invalid port",
            ),
            (
                "unix://a:1",
                "--listen-peer-urls=unix://a:1: unix sockets are not supported by this build yet",
                "--listen-client-urls=unix://a:1: unix sockets are not supported by this build yet",
            ),
        ] {
            assert_eq!(peer_listeners(&listen(url, "")), Err(peer.to_string()));
            assert_eq!(client_listeners(&listen("", url)), Err(client.to_string()));
        }
    }
}
