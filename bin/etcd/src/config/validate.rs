//! Validation, in etcd's order and with its words, and the building of a [`Config`] from flags that passed.

use super::{compaction::Mode, *};
use crate::{
    logging::{Format, Level, Settings},
    notation::{quote, quote_list},
};
use state::{Version, version::SERVER};
use std::net::IpAddr;
use thiserror::Error;

const ELECTION_MS_MAX: u64 = 50_000;
const LOG_DEFAULT: &str = "default";
const LOG_JOURNAL: &str = "systemd/journal";
/// The releases a member can pass for besides its own.
const RELEASES_BELOW: [Version; 3] = [Version::new(3, 4), Version::new(3, 5), Version::new(3, 6)];
const SAMPLING_RATE_MAX: i64 = 1_000_000;

/// Why a configuration is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// Reported as `failed to verify flags`, exit code 1.
    #[error("{0}")]
    Flag(String),
    /// As `Flag`, with a further line.
    #[error("--advertise-client-urls is required when --listen-client-urls is set explicitly")]
    AdvertiseClientUrlsUnset,
    /// etcd panics: plain text on stderr, exit code 2.
    #[error("unrecognized level: {}", quote(.0))]
    LogLevel(String),
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid::Flag(text.into()))
}

pub(super) fn set_up_log(flags: &Flags) -> Result<Settings, Invalid> {
    if flags.text("discovery-fallback") == "proxy" {
        return refuse("v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"");
    }
    let settings = logging_settings(flags)?;
    logging::install(&settings).map_err(|error| Invalid::Flag(error.to_string()))?;
    Ok(settings)
}

pub(super) fn validate(flags: Flags, logging: Settings) -> Result<Config, Invalid> {
    check_urls(&flags)?;
    check_bootstrap(&flags)?;
    check_timing(&flags)?;
    let advertise_client_urls = advertise_client_urls(&flags)?;
    let mode = compaction_mode(&flags)?;
    check_tracing(&flags)?;
    check_features(&flags)?;
    warn_default_name(&flags);
    check_tls(&flags)?;
    let release = release(&flags)?;
    if let Some(flag) = flags.first_unsupported() {
        return refuse(format!("--{flag} is not supported by this build yet"));
    }
    Ok(build(flags, logging, advertise_client_urls, mode, release))
}

pub(super) fn warn(flags: &Flags) {
    warn_single_port(flags);
    warn_default_name(flags);
}

fn warn_single_port(flags: &Flags) {
    if flags.urls("listen-client-http-urls").is_empty() {
        log::warn!("Running http and grpc server on single port. This is not recommended for production.");
    }
}

fn warn_default_name(flags: &Flags) {
    let name = flags.text("name");
    if name == "default" {
        log::warn!(
            name:%;
            "it isn't recommended to use default name, please set a value for --name. Note that etcd might run into \
             issue when multiple members have the same default name"
        );
    }
}

fn logging_settings(flags: &Flags) -> Result<Settings, Invalid> {
    match flags.text("logger") {
        "zap" => {}
        "capnslog" => return refuse("--logger=capnslog is removed in v3.5"),
        other => return refuse(format!("unknown logger option {}", quote(other))),
    }
    let outputs = flags.texts("log-outputs");
    let mixed = outputs.len() > 1;
    if mixed && outputs.iter().any(|output| output == LOG_DEFAULT) {
        return refuse(format!("multi logoutput for {} is not supported yet", quote(LOG_DEFAULT)));
    }
    let journal = outputs.iter().any(|output| output == LOG_JOURNAL);
    if journal && mixed {
        return refuse(format!(
            "running with systemd/journal but other '--log-outputs' values ({}) are configured with 'default'; \
             override 'default' value with something else",
            quote_list(outputs)
        ));
    }
    let level = flags.text("log-level");
    let level = Level::parse(level).ok_or_else(|| Invalid::LogLevel(level.to_string()))?;
    let format = match flags.text("log-format") {
        "json" => Format::Json,
        "console" => Format::Console,
        other => return refuse(format!("unknown log format: {other}, supported values json, console")),
    };
    if journal {
        return refuse("--log-outputs=systemd/journal is not supported by this build yet");
    }
    Ok(Settings { level, format, outputs: outputs.to_vec() })
}

fn check_urls(flags: &Flags) -> Result<(), Invalid> {
    check_bind(flags.urls("listen-peer-urls"))?;
    check_bind(flags.urls("listen-client-urls"))?;
    check_bind(flags.urls("listen-client-http-urls"))?;
    warn_single_port(flags);
    check_bind(flags.urls("listen-metrics-urls"))?;
    let joined = |flag: &str| {
        let texts: Vec<&str> = flags.urls(flag).iter().map(Url::as_str).collect();
        quote(&texts.join(","))
    };
    check_hosts(flags.urls("initial-advertise-peer-urls")).map_err(|error| {
        let urls = joined("initial-advertise-peer-urls");
        Invalid::Flag(format!("--initial-advertise-peer-urls {urls} must be \"host:port\" ({error})"))
    })?;
    if is_advertise_missing(flags) {
        return Ok(());
    }
    check_hosts(flags.urls("advertise-client-urls")).map_err(|error| {
        let urls = joined("advertise-client-urls");
        Invalid::Flag(format!(
            "--advertise-client-urls {urls} must be in the format \"host:port\", \"unix:/path/to/socket\" or \
             \"unixs:/path/to/socket\" ({error})"
        ))
    })
}

/// A listener's host is an address or `localhost`.
fn check_bind(urls: &[Url]) -> Result<(), Invalid> {
    let named = |url: &&Url| {
        !url.scheme().is_unix() && url.host() != "localhost" && url.host().parse::<IpAddr>().is_err()
    };
    match urls.iter().find(named) {
        Some(url) => refuse(format!("expected IP in URL for binding ({url})")),
        None => Ok(()),
    }
}

fn check_hosts(urls: &[Url]) -> Result<(), String> {
    match urls.iter().find(|url| !url.scheme().is_unix() && url.host().is_empty()) {
        Some(url) => Err(format!("unexpected empty host ({url})")),
        None => Ok(()),
    }
}

/// Only one way to find the founders, and each way complete.
fn check_bootstrap(flags: &Flags) -> Result<(), Invalid> {
    let endpoints = flags.texts("discovery-endpoints");
    let ways =
        [!initial_cluster(flags).is_empty(), !flags.text("discovery-srv").is_empty(), !endpoints.is_empty()];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        return refuse(
            "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \
             \"discovery-endpoints\" or \"discovery-srv\"",
        );
    }
    if flags.text("discovery-token").is_empty() != endpoints.is_empty() {
        return refuse("both --discovery-token and --discovery-endpoints must be set");
    }
    if endpoints.iter().any(|endpoint| endpoint.trim().is_empty()) {
        return refuse("--discovery-endpoints must not contain empty endpoints");
    }
    Ok(())
}

/// The default founders give way to every kind of discovery.
fn initial_cluster(flags: &Flags) -> &str {
    let discovery = !flags.text("discovery-srv").is_empty()
        || !flags.text("discovery-srv-name").is_empty()
        || !flags.texts("discovery-endpoints").is_empty();
    if discovery && !flags.is_given("initial-cluster") { "" } else { flags.text("initial-cluster") }
}

fn check_timing(flags: &Flags) -> Result<(), Invalid> {
    let (heartbeat, election) = (flags.uint("heartbeat-interval"), flags.uint("election-timeout"));
    if heartbeat == 0 {
        return refuse("--heartbeat-interval must be >0 (set to 0ms)");
    }
    if election == 0 {
        return refuse("--election-timeout must be >0 (set to 0ms)");
    }
    if heartbeat.saturating_mul(5) > election {
        return refuse(format!(
            "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
        ));
    }
    if election > ELECTION_MS_MAX {
        return refuse(format!(
            "--election-timeout[{election}ms] is too long, and should be set less than {ELECTION_MS_MAX}ms"
        ));
    }
    Ok(())
}

fn is_advertise_missing(flags: &Flags) -> bool {
    flags.is_given("listen-client-urls") && !flags.is_given("advertise-client-urls")
}

fn advertise_client_urls(flags: &Flags) -> Result<Vec<Url>, Invalid> {
    if is_advertise_missing(flags) {
        return Err(Invalid::AdvertiseClientUrlsUnset);
    }
    Ok(flags.urls("advertise-client-urls").to_vec())
}

fn compaction_mode(flags: &Flags) -> Result<Mode, Invalid> {
    match flags.text("auto-compaction-mode") {
        "periodic" => Ok(Mode::Periodic),
        "revision" => Ok(Mode::Revision),
        "" => refuse("undefined auto-compaction-mode"),
        other => refuse(format!("unknown auto-compaction-mode {}", quote(other))),
    }
}

fn check_tracing(flags: &Flags) -> Result<(), Invalid> {
    if !flags.bool("enable-distributed-tracing") {
        return Ok(());
    }
    let reason = match flags.int("distributed-tracing-sampling-rate") {
        ..0 => "tracing sampling rate must be positive",
        0..=SAMPLING_RATE_MAX => return Ok(()),
        _ => "tracing sampling rate must be less than 1000000",
    };
    refuse(format!("distributed tracing configurition is not valid: ({reason})"))
}

fn check_features(flags: &Flags) -> Result<(), Invalid> {
    let gates = flags.gates();
    let (checkpoint, persist) = (gates.is_on("LeaseCheckpoint"), gates.is_on("LeaseCheckpointPersist"));
    if checkpoint && !persist {
        log::warn!(
            "Detected that checkpointing is enabled without persistence. Consider enabling feature gate \
             LeaseCheckpointPersist"
        );
    }
    if persist && !checkpoint {
        return refuse(
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
        );
    }
    let check_time = flags.duration("compact-hash-check-time");
    if check_time.0 <= 0 {
        return refuse(format!("--compact-hash-check-time must be >0 (set to {check_time})"));
    }
    Ok(())
}

/// The release this member says it is: its own, or the one the cluster shall be able to go back to.
fn release(flags: &Flags) -> Result<Version, Invalid> {
    let given = flags.text("quorate-cluster-version-max");
    if given.is_empty() || given == SERVER.short() {
        return Ok(SERVER);
    }
    let known = RELEASES_BELOW.iter().find(|release| release.short() == given);
    known.copied().ok_or_else(|| {
        Invalid::Flag(format!(
            "--quorate-cluster-version-max must be one of: 3.4, 3.5, 3.6, 3.7 (set to {})",
            quote(given)
        ))
    })
}

fn check_tls(flags: &Flags) -> Result<(), Invalid> {
    let (min, max) = (flags.text("tls-min-version"), flags.text("tls-max-version"));
    for version in [min, max] {
        if !["", "TLS1.2", "TLS1.3"].contains(&version) {
            return refuse(format!(
                "unexpected TLS version {} (must be one of: TLS1.2, TLS1.3)",
                quote(version)
            ));
        }
    }
    if min == "TLS1.3" && max == "TLS1.2" {
        return refuse("min version (TLS1.3) is greater than max version (TLS1.2)");
    }
    if min == "TLS1.3" && !flags.texts("cipher-suites").is_empty() {
        return refuse("cipher suites cannot be configured when only TLS1.3 is enabled");
    }
    Ok(())
}

fn build(flags: Flags, logging: Settings, client_urls: Vec<Url>, mode: Mode, release: Version) -> Config {
    let path = |flag: &str| Some(flags.text(flag)).filter(|text| !text.is_empty()).map(PathBuf::from);
    let or_default = |value: u64, default: u64| if value == 0 { default } else { value };
    let positive_or = |flag: &str, default: Duration| match flags.duration(flag) {
        GoDuration(0) => default,
        given => given.to_std(),
    };
    let heartbeat_ms = flags.uint("heartbeat-interval");
    let ticks = flags.uint("election-timeout") / heartbeat_ms;
    let size = |flag: &str| usize::try_from(flags.uint(flag)).unwrap_or(usize::MAX);
    let quota = flags.int("quota-backend-bytes");
    let batch = flags.int("compaction-batch-limit");
    let name = flags.text("name").to_string();
    Config {
        member: Member {
            data_dir: path("data-dir").unwrap_or_else(|| PathBuf::from(format!("{name}.etcd"))),
            wal_dir: path("wal-dir"),
            name,
        },
        listen: Listen {
            peer_urls: flags.urls("listen-peer-urls").to_vec(),
            client_urls: flags.urls("listen-client-urls").to_vec(),
            metrics_urls: flags.urls("listen-metrics-urls").to_vec(),
            reuse_port: flags.bool("socket-reuse-port"),
            reuse_address: flags.bool("socket-reuse-address"),
        },
        advertise: Advertise { peer_urls: flags.urls("initial-advertise-peer-urls").to_vec(), client_urls },
        cluster: Cluster {
            initial: initial_cluster(&flags).to_string(),
            state: match flags.text("initial-cluster-state") {
                "existing" => ClusterState::Existing,
                _ => ClusterState::New,
            },
            token: flags.text("initial-cluster-token").to_string(),
            strict_reconfig_check: flags.bool("strict-reconfig-check"),
            learners_max: flags.int("max-learners"),
            force_new: flags.bool("force-new-cluster"),
            release,
        },
        timing: Timing {
            heartbeat: Duration::from_millis(heartbeat_ms),
            election_ticks: u32::try_from(ticks).expect("an election timeout of at most 50 s has few ticks"),
            initial_election_tick_advance: flags.bool("initial-election-tick-advance"),
            pre_vote: flags.bool("pre-vote"),
        },
        limits: Limits {
            txn_ops_max: size("max-txn-ops"),
            request_bytes_max: size("max-request-bytes"),
            concurrent_streams_max: u32::try_from(flags.uint("max-concurrent-streams")).unwrap_or(u32::MAX),
        },
        keepalive: Keepalive {
            ping_interval_min: flags.duration("grpc-keepalive-min-time").to_std(),
            interval: flags.duration("grpc-keepalive-interval").to_std(),
            timeout: flags.duration("grpc-keepalive-timeout").to_std(),
        },
        storage: Storage {
            snapshot_count: or_default(flags.uint("snapshot-count"), SNAPSHOT_COUNT_DEFAULT),
            catchup_entries: or_default(flags.uint("snapshot-catchup-entries"), CATCHUP_ENTRIES_DEFAULT),
            snapshots_max: flags.uint("max-snapshots"),
            wals_max: flags.uint("max-wals"),
            quota_bytes: u64::try_from(quota).ok().map(|bytes| or_default(bytes, QUOTA_BYTES_DEFAULT)),
            no_fsync: flags.bool("unsafe-no-fsync"),
        },
        compaction: Compaction::new(
            mode,
            flags.text("auto-compaction-retention"),
            usize::try_from(batch).ok().filter(|limit| *limit > 0).unwrap_or(COMPACTION_BATCH_DEFAULT),
            positive_or("compaction-sleep-interval", COMPACTION_SLEEP_DEFAULT),
        ),
        corruption: Corruption {
            periodic: flags.duration("corrupt-check-time").to_std(),
            compaction: flags
                .gates()
                .is_on("CompactHashCheck")
                .then(|| flags.duration("compact-hash-check-time").to_std()),
        },
        observe: Observe {
            progress_notify_interval: match flags.duration("watch-progress-notify-interval") {
                GoDuration(..=0) => PROGRESS_INTERVAL_DEFAULT,
                given => given.to_std().max(PROGRESS_INTERVAL_MIN),
            },
            slow_apply: flags.duration("warning-apply-duration").to_std(),
            slow_request: positive_or("warning-unary-request-duration", SLOW_REQUEST_DEFAULT),
            extensive_metrics: flags.text("metrics") == "extensive",
        },
        http: Http {
            cors: flags.texts("cors").iter().cloned().collect(),
            host_whitelist: flags.texts("host-whitelist").iter().cloned().collect(),
        },
        logging,
        flags,
    }
}
