//! Where a member listens: `http://host:port`, and the turn of a member's URLs. Never resolves a name.

use std::net::{IpAddr, SocketAddr};

/// A peer URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    /// As written.
    pub(crate) url: String,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// # Errors
    /// In words: no `http://host:port`.
    pub(crate) fn parse(url: &str) -> Result<Endpoint, String> {
        let Some(authority) = url.strip_prefix("http://") else {
            return Err(format!("peer URLs with a scheme other than http cannot be dialled: {url}"));
        };
        let bad = || format!("URL address does not have the form \"host:port\": {url}");
        let (host, port) = authority.rsplit_once(':').ok_or_else(bad)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let well_formed = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && !host.contains([':', '/', '?', '#', '@', '[', ']']) && is_visible(host)
            }
        };
        if !well_formed || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let port = port.parse().map_err(|_| bad())?;
        Ok(Endpoint { url: url.to_owned(), host: bracketed.unwrap_or(host).to_owned(), port })
    }

    /// `host:port` as it stands in the URL and in the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        self.url.strip_prefix("http://").unwrap_or(&self.url)
    }

    /// The address, if the host is one.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let address: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(address, self.port))
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || !byte.is_ascii())
}

/// A member's URLs, one of them picked until it fails.
#[derive(Clone, Debug)]
pub(crate) struct Picker {
    /// Never empty.
    endpoints: Vec<Endpoint>,
    picked: usize,
}

impl Picker {
    /// # Errors
    /// In words: there is no URL, or one that is none of ours.
    pub(crate) fn parse<S: AsRef<str>>(urls: &[S]) -> Result<Picker, String> {
        let endpoints =
            urls.iter().map(|url| Endpoint::parse(url.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err("no valid urls given".to_owned());
        }
        Ok(Picker { endpoints, picked: 0 })
    }

    pub(crate) fn pick(&self) -> &Endpoint {
        &self.endpoints[self.picked]
    }

    /// Turns to the next URL, unless that happened since this one was picked.
    pub(crate) fn unreachable(&mut self, endpoint: &Endpoint) {
        if self.pick() == endpoint {
            self.picked = (self.picked + 1) % self.endpoints.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let good = [
            ("http://10.0.0.1:2380", "10.0.0.1", 2380, "10.0.0.1:2380"),
            ("http://[::1]:80", "::1", 80, "[::1]:80"),
            ("http://node-1.example:1", "node-1.example", 1, "node-1.example:1"),
        ];
        for (url, host, port, authority) in good {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port), "{url}");
            assert_eq!(endpoint.authority(), authority);
            assert_eq!(endpoint.address().is_some(), host.parse::<IpAddr>().is_ok());
        }
        for url in [
            "",
            "10.0.0.1:2380",
            "https://a:1",
            "http://a",
            "http://:1",
            "http://a:65536",
            "http://a:+1",
            "http://a:1/path",
            "http://::1:80",
            "http://a b:1",
            "http://a\r\nX: y:1",
            "http://u@a:1",
        ] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_failed_url_gives_way_once() {
        let mut picker = Picker::parse(&["http://a:1", "http://b:1"]).unwrap();
        let first = picker.pick().clone();
        picker.unreachable(&first);
        assert_eq!(picker.pick().host, "b");
        picker.unreachable(&first);
        assert_eq!(picker.pick().host, "b", "two streams that failed on the same URL");
        let second = picker.pick().clone();
        picker.unreachable(&second);
        assert_eq!(picker.pick(), &first);
        assert!(Picker::parse::<&str>(&[]).is_err());
    }
}
