//! Endpoint strings as etcd's tools accept them, parsed into an address to dial.
//!
//! It never resolves a name or opens a socket.
//!
//! Forms: `host:port`, `http://host:port`, `https://host:port`, `unix:path`, `unix://path` (relative, an old
//! form), `unix:///absolute`, and the same three with `unixs`. Anything else is taken whole as `host:port`.

/// Where to connect to, and how it must be secured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub address: Address,
    /// What a server certificate must be valid for, and the `:authority` of each request.
    pub server_name: String,
    pub security: Security,
}

/// A dialable address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host:port`.
    Tcp(String),
    /// Path of a socket file.
    Unix(String),
}

/// Whether connections to an endpoint use TLS. The first endpoint decides for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// `https://`, `unixs:`: always.
    Required,
    /// `http://`: never, even when TLS is configured.
    Dropped,
    /// No scheme, or `unix:`: exactly when TLS is configured.
    IfConfigured,
}

impl Endpoint {
    /// Parses any string; there are no errors, only addresses that later cannot be dialled.
    #[must_use]
    pub fn parse(text: &str) -> Endpoint {
        if let Some((scheme, rest)) = text.split_once(':')
            && (scheme == "unix" || scheme == "unixs")
        {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or(path);
            let security = if scheme == "unixs" { Security::Required } else { Security::IfConfigured };
            return Endpoint {
                address: Address::Unix(path.to_owned()),
                server_name: name.to_owned(),
                security,
            };
        }
        let (host, security) = match text.split_once("://") {
            Some(("http", rest)) => (url_host(rest), Security::Dropped),
            Some(("https", rest)) => (url_host(rest), Security::Required),
            _ => (text, Security::IfConfigured),
        };
        Endpoint { address: Address::Tcp(host.to_owned()), server_name: host.to_owned(), security }
    }
}

/// The `host:port` of what follows `://` in a URL.
fn url_host(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(host) => f.write_str(host),
            Address::Unix(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, address: Address, name: &str, security: Security) {
        assert_eq!(Endpoint::parse(text), Endpoint { address, server_name: name.to_owned(), security });
    }

    #[test]
    fn every_form() {
        let tcp = |text: &str| Address::Tcp(text.to_owned());
        let unix = |text: &str| Address::Unix(text.to_owned());
        check("127.0.0.1:2379", tcp("127.0.0.1:2379"), "127.0.0.1:2379", Security::IfConfigured);
        check("http://h:1/x", tcp("h:1"), "h:1", Security::Dropped);
        check("https://u:p@h:1?a=b", tcp("h:1"), "h:1", Security::Required);
        check("http://[::1]:2379", tcp("[::1]:2379"), "[::1]:2379", Security::Dropped);
        check("unix:localhost:23", unix("localhost:23"), "localhost:23", Security::IfConfigured);
        check("unix:///run/etcd.sock", unix("/run/etcd.sock"), "etcd.sock", Security::IfConfigured);
        check("unixs://a/b:1", unix("a/b:1"), "b:1", Security::Required);
        check("", tcp(""), "", Security::IfConfigured);
    }
}
