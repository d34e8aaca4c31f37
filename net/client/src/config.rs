//! What a client is built from.
//!
//! It never reads files: certificates come in as the material of [`Tls`].

use std::time::Duration;

use crate::error::Error;

/// gRPC refuses to ping more often than this; smaller settings are raised, as Go's client raises them.
const MIN_KEEPALIVE_TIME: Duration = Duration::from_secs(10);
/// Greatest request sent unless configured: etcd's own limit of 1.5 MiB plus room for gRPC's overhead.
pub(crate) const DEFAULT_MAX_SEND_BYTES: usize = 2 * 1024 * 1024;
/// Greatest response accepted unless configured.
pub(crate) const DEFAULT_MAX_RECV_BYTES: usize = i32::MAX as usize;

/// Target of log lines unless configured.
pub const DEFAULT_LOGGER: &str = "etcd-client";

/// Everything that shapes a client. `Default` is what etcdctl uses when no flag is given, but without endpoints.
#[derive(Debug, Clone)]
pub struct Config {
    /// Endpoints in any form of [`crate::endpoint`], at least one.
    pub endpoints: Vec<String>,
    /// Bounds the login when the client is built; zero means no bound.
    pub dial_timeout: Duration,
    /// Idle time of a busy connection after which the server is pinged; zero switches pings off.
    pub keepalive_time: Duration,
    /// How long a ping may stay unanswered before the connection counts as dead.
    pub keepalive_timeout: Duration,
    /// Greatest request in bytes; 0 means 2 MiB.
    pub max_send_bytes: usize,
    /// Greatest response in bytes; 0 means 2^31 - 1.
    pub max_recv_bytes: usize,
    /// Who to log in as.
    pub login: Login,
    /// TLS material, if any was configured.
    pub tls: Option<Tls>,
    /// Target of the client's log lines.
    pub logger: &'static str,
}

/// How the client proves who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Login {
    #[default]
    Anonymous,
    /// Authenticate with a password when the client is built, and again when the token expires.
    Password { user: String, password: String },
    /// Send this token with every call and never ask for another.
    Token(String),
}

/// TLS material of a client. Nothing can construct it yet: connections are plaintext only, and an endpoint that
/// requires TLS is refused with [`Error::TlsUnsupported`].
#[derive(Debug, Clone)]
pub enum Tls {}

impl Default for Config {
    fn default() -> Config {
        Config {
            endpoints: Vec::new(),
            dial_timeout: Duration::from_secs(2),
            keepalive_time: Duration::from_secs(2),
            keepalive_timeout: Duration::from_secs(6),
            max_send_bytes: 0,
            max_recv_bytes: 0,
            login: Login::Anonymous,
            tls: None,
            logger: DEFAULT_LOGGER,
        }
    }
}

impl Config {
    /// The checks Go's client makes before it dials.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.endpoints.is_empty() {
            return Err(Error::NoEndpoints);
        }
        if self.max_recv_bytes > 0 && self.max_send_bytes > self.max_recv_bytes {
            return Err(Error::RecvBelowSend { recv: self.max_recv_bytes, send: self.max_send_bytes });
        }
        Ok(())
    }

    pub(crate) fn send_limit(&self) -> usize {
        if self.max_send_bytes == 0 { DEFAULT_MAX_SEND_BYTES } else { self.max_send_bytes }
    }

    pub(crate) fn recv_limit(&self) -> usize {
        if self.max_recv_bytes == 0 { DEFAULT_MAX_RECV_BYTES } else { self.max_recv_bytes }
    }

    /// Ping interval and timeout, or `None` when pings are off.
    pub(crate) fn keepalive(&self) -> Option<(Duration, Duration)> {
        (!self.keepalive_time.is_zero())
            .then(|| (self.keepalive_time.max(MIN_KEEPALIVE_TIME), self.keepalive_timeout))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(config: Config, error: &str) {
        assert_eq!(config.validate().unwrap_err().to_string(), error);
    }

    #[test]
    fn refused_configurations() {
        check(Config::default(), "etcdclient: no available endpoints");
        check(
            Config {
                endpoints: vec!["a:1".into()],
                max_recv_bytes: 5,
                max_send_bytes: 6,
                ..Config::default()
            },
            "gRPC message recv limit (5 bytes) must be greater than send limit (6 bytes)",
        );
    }

    #[test]
    fn pings_are_never_faster_than_grpc_allows() {
        assert_eq!(Config::default().keepalive(), Some((MIN_KEEPALIVE_TIME, Duration::from_secs(6))));
        let off = Config { keepalive_time: Duration::ZERO, ..Config::default() };
        assert_eq!(off.keepalive(), None);
    }
}
