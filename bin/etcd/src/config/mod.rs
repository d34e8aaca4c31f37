//! The validated configuration: a struct of structs, each the business of one part of the server. Built once from
//! the flags; opens no file, binds nothing.
//!
//! Invariants: what is in a [`Config`] has passed etcd's validation and this build honours it; zeros that stand for
//! a default are resolved. What etcd checks only while it starts ([`Cluster::initial_members`],
//! [`Compaction::auto`]) is a method, so that it fails at the same moment. Start at [`set_up_log`], then [`Config::new`].

mod advertise;
mod compaction;
mod initial_cluster;
mod validate;

pub use advertise::detect_default_host;
pub use compaction::AutoCompaction;
pub use initial_cluster::InitialMembers;
pub use validate::Invalid;

use crate::{
    flags::Flags,
    logging,
    notation::{GoDuration, si_size},
    url::Url,
};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

const SNAPSHOT_COUNT_DEFAULT: u64 = 10_000;
const CATCHUP_ENTRIES_DEFAULT: u64 = 5_000;
const QUOTA_BYTES_DEFAULT: u64 = 2 << 30;
const QUOTA_BYTES_RECOMMENDED_MAX: i64 = 8 << 30;
const REQUEST_BYTES_RECOMMENDED_MAX: u64 = 10 << 20;
const COMPACTION_BATCH_DEFAULT: usize = 1_000;
const COMPACTION_SLEEP_DEFAULT: Duration = Duration::from_millis(10);
const PROGRESS_INTERVAL_DEFAULT: Duration = Duration::from_secs(600);
const PROGRESS_INTERVAL_MIN: Duration = Duration::from_millis(100);
const SLOW_REQUEST_DEFAULT: Duration = Duration::from_millis(300);
/// Base of the time a request may take; two election timeouts come on top.
const REQUEST_TIMEOUT_BASE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Config {
    pub member: Member,
    pub listen: Listen,
    pub advertise: Advertise,
    pub cluster: Cluster,
    pub timing: Timing,
    pub limits: Limits,
    pub keepalive: Keepalive,
    pub storage: Storage,
    pub compaction: Compaction,
    pub corruption: Corruption,
    pub observe: Observe,
    pub http: Http,
    pub logging: logging::Settings,
    /// The flags as given, for what prints them.
    pub flags: Flags,
}

/// Who this member is and where its data lies.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: String,
    pub data_dir: PathBuf,
    /// `--wal-dir`, if the log shall lie apart.
    pub wal_dir: Option<PathBuf>,
}

impl Member {
    pub fn member_dir(&self) -> PathBuf {
        self.data_dir.join("member")
    }
    pub fn snap_dir(&self) -> PathBuf {
        self.member_dir().join("snap")
    }
    pub fn backend_path(&self) -> PathBuf {
        self.snap_dir().join("db")
    }
    /// Where the log lies, set apart or not.
    pub fn wal_dir(&self) -> PathBuf {
        self.wal_dir.clone().unwrap_or_else(|| self.member_dir().join("wal"))
    }
}

/// Sorted, no URL twice.
#[derive(Clone, Debug)]
pub struct Listen {
    pub peer_urls: Vec<Url>,
    pub client_urls: Vec<Url>,
    pub metrics_urls: Vec<Url>,
    pub reuse_port: bool,
    pub reuse_address: bool,
}

/// Sorted, no URL twice.
#[derive(Clone, Debug)]
pub struct Advertise {
    pub peer_urls: Vec<Url>,
    pub client_urls: Vec<Url>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    New,
    Existing,
}

impl ClusterState {
    pub fn as_str(self) -> &'static str {
        match self {
            ClusterState::New => "new",
            ClusterState::Existing => "existing",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Cluster {
    /// `name=URL,…`, not yet parsed: it counts only while there is no log.
    pub initial: String,
    pub state: ClusterState,
    pub token: String,
    pub strict_reconfig_check: bool,
    pub learners_max: i64,
    pub force_new: bool,
    /// The release this member says it is; the cluster version never rises above it.
    pub release: state::Version,
}

/// When a leader compares the members' data.
#[derive(Clone, Debug)]
pub struct Corruption {
    /// Zero: never.
    pub periodic: Duration,
    /// `None`: hashes of compactions are not compared.
    pub compaction: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Timing {
    /// One raft tick.
    pub heartbeat: Duration,
    /// Election timeout in ticks, at least 5.
    pub election_ticks: u32,
    pub initial_election_tick_advance: bool,
    pub pre_vote: bool,
}

impl Timing {
    /// The election timeout that is in force: whole ticks.
    pub fn election_timeout(&self) -> Duration {
        self.heartbeat * self.election_ticks
    }
    /// How long a request waits for consensus.
    pub fn request_timeout(&self) -> Duration {
        REQUEST_TIMEOUT_BASE + 2 * self.election_timeout()
    }
}

/// What a request may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    pub txn_ops_max: usize,
    pub request_bytes_max: usize,
    /// Streams on one connection; `u32::MAX` for no limit.
    pub concurrent_streams_max: u32,
}

/// Zero: switched off.
#[derive(Clone, Debug)]
pub struct Keepalive {
    pub ping_interval_min: Duration,
    pub interval: Duration,
    pub timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct Storage {
    /// Applied entries between two snapshots on disk.
    pub snapshot_count: u64,
    /// Entries kept in memory behind the applied one.
    pub catchup_entries: u64,
    /// Files kept; 0 for all.
    pub snapshots_max: u64,
    /// Files kept; 0 for all.
    pub wals_max: u64,
    /// Bytes from which writes are refused; `None` for no quota.
    pub quota_bytes: Option<u64>,
    pub no_fsync: bool,
}

#[derive(Clone, Debug)]
pub struct Compaction {
    mode: compaction::Mode,
    retention: String,
    /// Revisions removed at once.
    pub batch_limit: usize,
    pub sleep_interval: Duration,
}

#[derive(Clone, Debug)]
pub struct Observe {
    pub progress_notify_interval: Duration,
    /// An apply or a read that takes longer is logged.
    pub slow_apply: Duration,
    /// A unary request that takes longer is logged.
    pub slow_request: Duration,
    /// `--metrics=extensive`.
    pub extensive_metrics: bool,
}

/// What is allowed of HTTP/1.1 clients.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// Origins, `*` for all, empty for all.
    pub cors: BTreeSet<String>,
    /// Host names, `*` for all, empty for all.
    pub host_whitelist: BTreeSet<String>,
}

/// The first step of validation: switches the process's log to what the flags ask for, so that later lines go there.
pub fn set_up_log(flags: &Flags) -> Result<logging::Settings, Invalid> {
    validate::set_up_log(flags)
}

impl Config {
    /// Validates the flags in etcd's order and logs its warnings on the way. `logging` is what [`set_up_log`] gave.
    pub fn new(flags: Flags, logging: logging::Settings) -> Result<Config, Invalid> {
        validate::validate(flags, logging)
    }

    /// The warnings of [`Config::new`], which etcd repeats when it begins to start.
    pub fn repeat_warnings(&self) {
        validate::warn(&self.flags);
    }

    /// Lines on limits beyond what is recommended; etcd writes them first when it opens its data.
    pub fn log_limits(&self) {
        let bytes = self.flags.uint("max-request-bytes");
        if bytes > REQUEST_BYTES_RECOMMENDED_MAX {
            log::warn!(
                "max-request-bytes" = bytes,
                "max-request-size":% = si_size(bytes),
                "recommended-request-bytes" = REQUEST_BYTES_RECOMMENDED_MAX,
                "recommended-request-size":% = si_size(REQUEST_BYTES_RECOMMENDED_MAX);
                "exceeded recommended request limit"
            );
        }
    }

    /// Lines on values replaced by their default or bound; etcd writes them when its server starts.
    pub fn log_replacements(&self) {
        let given = self.flags.uint("snapshot-count");
        if given != self.storage.snapshot_count {
            log::info!(
                "given-snapshot-count" = given, "updated-snapshot-count" = self.storage.snapshot_count;
                "updating snapshot-count to default"
            );
        }
        let given = self.flags.uint("snapshot-catchup-entries");
        if given != self.storage.catchup_entries {
            log::info!(
                "given-snapshot-catchup-entries" = given,
                "updated-snapshot-catchup-entries" = self.storage.catchup_entries;
                "updating snapshot catch-up entries to default"
            );
        }
        let given = self.flags.duration("watch-progress-notify-interval");
        if given.0 > 0 && given.to_std() < PROGRESS_INTERVAL_MIN {
            log::warn!(
                "min-watch-progress-notify-interval":% = GoDuration::from(PROGRESS_INTERVAL_MIN);
                "adjusting watch progress notify interval to minimum period"
            );
        }
    }

    /// The line on the quota; etcd writes it when its applier starts.
    pub fn log_quota(&self) {
        const NAME: &str = "v3-applier";
        let given = self.flags.int("quota-backend-bytes");
        let Some(bytes) = self.storage.quota_bytes else {
            log::info!("quota-name" = NAME, "quota-size-bytes" = given; "disabled backend quota");
            return;
        };
        if given > QUOTA_BYTES_RECOMMENDED_MAX {
            log::warn!(
                "quota-name" = NAME,
                "quota-size-bytes" = bytes,
                "quota-size":% = si_size(bytes),
                "quota-maximum-size-bytes" = QUOTA_BYTES_RECOMMENDED_MAX,
                "quota-maximum-size":% = si_size(QUOTA_BYTES_RECOMMENDED_MAX.unsigned_abs());
                "quota exceeds the maximum value"
            );
        }
        let size = si_size(bytes);
        if given == 0 {
            log::info!(
                "quota-name" = NAME, "quota-size-bytes" = bytes, "quota-size":% = size;
                "enabled backend quota with default value"
            );
        } else {
            log::info!(
                "quota-name" = NAME, "quota-size-bytes" = bytes, "quota-size":% = size; "enabled backend quota"
            );
        }
    }
}

#[cfg(test)]
pub mod testing {
    use super::*;

    /// What becomes of a command line that can be read.
    pub fn outcome(line: &str) -> Result<Config, Invalid> {
        let arguments: Vec<String> = line.split_whitespace().map(Into::into).collect();
        let flags = crate::flags::parse(&arguments).expect("readable").flags;
        let logging = set_up_log(&flags)?;
        Config::new(flags, logging)
    }

    /// The configuration of a command line that is valid.
    pub fn config(line: &str) -> Config {
        outcome(line).expect("valid")
    }
}

#[cfg(test)]
mod tests;
