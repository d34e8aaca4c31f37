//! What a member advertises when it was not told: the machine's own address instead of `localhost`, and itself as
//! the only founder.

use super::Config;
use crate::url::Url;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

const DEFAULT_NAME: &str = "default";
const DEFAULT_PEER_URL: &str = "http://localhost:2380";
const DEFAULT_CLIENT_URL: &str = "http://localhost:2379";
const DEFAULT_CLUSTER: &str = "default=http://localhost:2380";
/// Addresses set aside for documentation: only the default route leads there.
const FAR_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const FAR_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// The address this machine uses on its default route, IPv4 if it has one. Sends nothing.
pub fn detect_default_host() -> Result<String, String> {
    let far: [(SocketAddr, SocketAddr); 2] = [
        ((Ipv4Addr::UNSPECIFIED, 0).into(), (FAR_V4, 9).into()),
        ((Ipv6Addr::UNSPECIFIED, 0).into(), (FAR_V6, 9).into()),
    ];
    let source = |(any, to): (SocketAddr, SocketAddr)| {
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
    };
    let found = far.into_iter().find_map(source);
    found.map(|ip| ip.to_string()).ok_or_else(|| "could not find default route".to_string())
}

impl Config {
    /// Replaces default URLs by the detected host where the listener is open to all (`0.0.0.0`), and makes the
    /// member its own founder if only its name was given. Gives the host if it was used. Logs what etcd logs.
    pub fn apply_default_host(&mut self, detected: &Result<String, String>) -> Option<String> {
        let host = detected.as_deref().ok();
        let mut used = false;
        if let Some(host) = host {
            used |=
                replace_host(&mut self.advertise.peer_urls, DEFAULT_PEER_URL, &self.listen.peer_urls, host);
        }
        if self.member.name != DEFAULT_NAME && self.cluster.initial == DEFAULT_CLUSTER {
            let name = if self.member.name.is_empty() { DEFAULT_NAME } else { &self.member.name };
            let pairs: Vec<String> =
                self.advertise.peer_urls.iter().map(|url| format!("{name}={url}")).collect();
            self.cluster.initial = pairs.join(",");
        }
        if let Some(host) = host {
            used |= replace_host(
                &mut self.advertise.client_urls,
                DEFAULT_CLIENT_URL,
                &self.listen.client_urls,
                host,
            );
        }
        if let Err(error) = detected {
            log::info!(error:%; "failed to detect default host");
        }
        let host = host.filter(|_| used)?;
        log::info!(host:%; "detected default host for advertise");
        Some(host.to_string())
    }
}

fn replace_host(advertised: &mut [Url], default: &str, listened: &[Url], host: &str) -> bool {
    let ([advertised], Some(listened)) = (advertised, listened.first()) else { return false };
    let replace = advertised.as_str() == default && listened.host() == "0.0.0.0";
    if replace {
        *advertised = advertised.with_host(host, listened.port());
    }
    replace
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;

    #[test]
    fn open_listeners_advertise_the_detected_host() {
        let detected = Ok("10.0.0.7".to_string());
        let mut found = config("--listen-peer-urls http://0.0.0.0:3380 --name n");
        assert_eq!(found.apply_default_host(&detected), detected.clone().ok());
        assert_eq!(found.advertise.peer_urls[0].as_str(), "http://10.0.0.7:3380");
        assert_eq!(found.advertise.client_urls[0].as_str(), "http://localhost:2379");
        assert_eq!(found.cluster.initial, "n=http://10.0.0.7:3380");

        let mut found =
            config("--listen-client-urls http://0.0.0.0:3379 --advertise-client-urls http://localhost:2379");
        assert_eq!(found.apply_default_host(&detected), detected.clone().ok());
        assert_eq!(found.advertise.client_urls[0].as_str(), "http://10.0.0.7:3379");
        assert_eq!(found.cluster.initial, "default=http://localhost:2380");
    }

    #[test]
    fn without_an_open_listener_or_a_route_only_the_name_counts() {
        for detected in [Ok("10.0.0.7".to_string()), Err("could not find default route".to_string())] {
            let mut found = config("--name n");
            assert_eq!(found.apply_default_host(&detected), None);
            assert_eq!(found.advertise.peer_urls[0].as_str(), DEFAULT_PEER_URL);
            assert_eq!(found.cluster.initial, "n=http://localhost:2380");
        }
        let mut found = config("--name n --initial-cluster n=http://localhost:2380,m=http://h:1");
        found.apply_default_host(&Err(String::new()));
        assert_eq!(found.cluster.initial, "n=http://localhost:2380,m=http://h:1");
    }
}
