//! From global flags and environment to a client and a printer.
//!
//! It never makes a call of a command. The environment is read only here, so commands that need no server ignore
//! it; a variable that contradicts a flag ends the process.

use std::time::Duration;

use client::{Call, Client, Config, Login};

use crate::cli::flag::Flags;
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure};
use crate::print::{Format, Printer, Style};
use crate::{prompt, zap};

/// Variables that belong to `watch` alone.
pub const WATCH_KEY: &str = "ETCDCTL_WATCH_KEY";
pub const WATCH_END: &str = "ETCDCTL_WATCH_RANGE_END";

/// Everything a command that talks to a server needs.
#[derive(Debug, Clone)]
pub struct Session {
    pub config: Config,
    pub printer: Printer,
    /// `--endpoints` as given, without trimming.
    pub raw_endpoints: Vec<String>,
    command_timeout: Duration,
}

impl Session {
    /// Reads flags and environment. Checks everything a client is built from, but builds none.
    ///
    /// # Errors
    /// A contradiction, an unusable or an unsupported value.
    pub fn open(run: &mut Invocation) -> Result<Session, Failure> {
        read_environment(run)?;
        let flags = &run.flags;
        let level = if flags.bool("debug") { log::LevelFilter::Debug } else { environment_level() };
        zap::install(level);
        if flags.bool("debug") {
            print_flags(run);
        }
        refuse_unsupported(flags)?;
        let raw_endpoints = flags.strings("endpoints").to_vec();
        let config = Config {
            endpoints: raw_endpoints.iter().map(|endpoint| endpoint.trim().to_owned()).collect(),
            dial_timeout: positive(flags.duration("dial-timeout")),
            keepalive_time: positive(flags.duration("keepalive-time")),
            keepalive_timeout: positive(flags.duration("keepalive-timeout")),
            max_send_bytes: size(flags.int("max-request-bytes")),
            max_recv_bytes: size(flags.int("max-recv-bytes")),
            login: login(flags)?,
            tls: None,
            logger: client::DEFAULT_LOGGER,
        };
        let format = Format::parse(flags.string("write-out"))
            .ok_or_else(|| Failure::new(exit::BAD_FEATURE, "unsupported output format"))?;
        let style = Style { hex: flags.bool("hex"), value_only: false };
        let command_timeout = positive(flags.duration("command-timeout"));
        Ok(Session { config, printer: Printer { format, style }, raw_endpoints, command_timeout })
    }

    /// # Errors
    /// The configuration or the login was refused.
    pub async fn client(&self) -> Result<Client, Failure> {
        Client::connect(self.config.clone()).await.map_err(exit::with(exit::BAD_CONNECTION))
    }

    /// A configuration for one endpoint alone.
    #[must_use]
    pub fn config_for(&self, endpoint: &str) -> Config {
        Config { endpoints: vec![endpoint.to_owned()], ..self.config.clone() }
    }

    /// # Errors
    /// As [`Session::client`].
    pub async fn client_for(&self, endpoint: &str) -> Result<Client, Failure> {
        Client::connect(self.config_for(endpoint)).await.map_err(exit::with(exit::BAD_CONNECTION))
    }

    /// A call bounded by the command timeout, from now.
    #[must_use]
    pub fn call(&self) -> Call {
        Call::within(self.command_timeout)
    }
}

/// `ETCDCTL_` and the flag's name in capitals.
fn variable(flag: &str) -> String {
    format!("ETCDCTL_{}", flag.to_uppercase().replace('-', "_"))
}

/// Sets inherited flags from the environment; a value that does not parse is passed over.
fn read_environment(run: &mut Invocation) -> Result<(), Failure> {
    let mut used = Vec::new();
    let mut shadowed = Vec::new();
    if run.path.command().name() == "watch" {
        used.extend([WATCH_KEY, WATCH_END].map(String::from));
    }
    for flag in run.path.inherited_flags() {
        let name = variable(flag.name);
        if run.flags.changed(flag.name) {
            shadowed.push(name);
        } else if let Some(value) = std::env::var(&name).ok().filter(|value| !value.is_empty()) {
            let _unparsable = run.flags.set(flag, &value);
            used.push(name);
        }
    }
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        if used.iter().any(|used| *used == name) {
            continue;
        }
        if shadowed.iter().any(|shadowed| *shadowed == name) {
            let message = "conflicting environment variable is shadowed by corresponding command-line flag \
                           (either unset environment variable or disable flag))";
            zap::line("fatal", None, "etcdctl/session.rs", message, &[("environment-variable", &name)]);
            return Err(Failure::silent(exit::ERROR));
        }
        if name.starts_with("ETCDCTL_") {
            let pair = format!("{name}={value}");
            let fields = [("environment-variable", pair.as_str())];
            zap::line("warn", None, "etcdctl/session.rs", "unrecognized environment variable", &fields);
        }
    }
    Ok(())
}

/// `--debug`: every inherited flag as the variable that would set it.
fn print_flags(run: &Invocation) {
    let mut names: Vec<&str> = run.path.inherited_flags().map(|flag| flag.name).collect();
    names.sort_unstable();
    names.iter().for_each(|name| eprintln!("{}={}", variable(name), run.flags.text(name)));
}

/// Level of the client's log: `ETCD_CLIENT_DEBUG`.
fn environment_level() -> log::LevelFilter {
    match std::env::var("ETCD_CLIENT_DEBUG").unwrap_or_default().to_lowercase().as_str() {
        "debug" => log::LevelFilter::Debug,
        "warn" => log::LevelFilter::Warn,
        "error" | "dpanic" | "panic" | "fatal" => log::LevelFilter::Error,
        _ => log::LevelFilter::Info,
    }
}

/// Flags of parts that are missing must not look as if they worked.
fn refuse_unsupported(flags: &Flags) -> Result<(), Failure> {
    for name in ["cert", "key", "cacert"] {
        if flags.changed(name) && flags.string(name).is_empty() {
            return Err(Failure::new(exit::BAD_ARGS, format!("empty string is passed to --{name} option")));
        }
    }
    let given: [(&str, bool, &str); 7] = [
        ("cert", !flags.string("cert").is_empty(), "TLS"),
        ("key", !flags.string("key").is_empty(), "TLS"),
        ("cacert", !flags.string("cacert").is_empty(), "TLS"),
        ("insecure-skip-tls-verify", flags.bool("insecure-skip-tls-verify"), "TLS"),
        ("insecure-transport=false", !flags.bool("insecure-transport"), "TLS"),
        ("discovery-srv", !flags.string("discovery-srv").is_empty(), "DNS discovery"),
        ("discovery-srv-name", !flags.string("discovery-srv-name").is_empty(), "DNS discovery"),
    ];
    match given.iter().find(|(_, given, _)| *given) {
        Some((name, _, part)) => {
            let text = format!("--{name} is refused: this build of etcdctl has no {part} yet");
            Err(Failure::new(exit::BAD_FEATURE, text))
        }
        None => Ok(()),
    }
}

fn login(flags: &Flags) -> Result<Login, Failure> {
    let (user, password, token) =
        (flags.string("user"), flags.string("password"), flags.string("auth-jwt-token"));
    if !token.is_empty() {
        return Ok(Login::Token(token.to_owned()));
    }
    if user.is_empty() {
        return Ok(Login::Anonymous);
    }
    let (user, password) = match (password, user.split_once(':')) {
        ("", Some((user, password))) => (user, password.to_owned()),
        ("", None) => (user, prompt::password("Password: ").map_err(exit::with(exit::ERROR))?),
        (password, _) => (user, password.to_owned()),
    };
    Ok(Login::Password { user: user.to_owned(), password })
}

/// A duration flag; what is negative counts as none.
fn positive(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// A size flag; what is negative counts as unset.
fn size(bytes: i64) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::variable;

    #[test]
    fn variables() {
        assert_eq!(variable("insecure-skip-tls-verify"), "ETCDCTL_INSECURE_SKIP_TLS_VERIFY");
    }
}
