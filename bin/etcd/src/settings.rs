//! What the configuration means to each part of the server: its settings, limits and the data directory it opens.
//!
//! It starts nothing and keeps nothing.

use crate::{
    config::{AutoCompaction as Chosen, Config},
    rpc::EdgeConfig,
    startup::{self, Remote},
};
use ::rpc::Limits;
use disk::Disk;
use member::{
    Settings,
    auto_compaction::{AutoCompaction, Policy},
    restart::{self, Layout, Opened},
};
use std::{sync::Arc, time::Duration};

/// The remaining time of long leases is noted this often, if the gate `LeaseCheckpoint` is on.
const LEASE_CHECKPOINT_MS: u64 = 5 * 60 * 1000;

/// Entries after which the log in memory is trimmed.
const LOG_TRIM_ENTRIES: u64 = 1000;

/// Output buffered for one connection before reading from it pauses.
const OUTPUT_BYTES_MAX: usize = 64 << 20;

pub fn layout(config: &Config) -> Layout {
    Layout {
        wal_dir: config.member.wal_dir(),
        snap_dir: config.member.snap_dir(),
        segment_bytes: wal::SEGMENT_BYTES,
    }
}

pub fn bolt_options(config: &Config) -> bolt::Options {
    bolt::Options { no_sync: config.storage.no_fsync, ..bolt::Options::default() }
}

/// Opens the data directory as the flags say; with it, the members of the cluster it joins.
pub fn open(config: &Config, disk: &Arc<dyn Disk>) -> Result<(Opened, Vec<Remote>), restart::Error> {
    let options = state::Options {
        release: config.cluster.release,
        checkpoint_persist: config.flags.gates().is_on("LeaseCheckpointPersist"),
        lease_ttl_min_s: (config.timing.election_timeout().as_millis() as i64 * 3 / 2 + 999) / 1000,
        learners_max: config.cluster.learners_max.max(0) as usize,
        compaction_batch_rows: config.compaction.batch_limit,
        ..state::Options::default()
    };
    let mut remotes = Vec::new();
    let beginning = || {
        let start = startup::begin(config).map_err(restart::Error::Flags)?;
        remotes = start.remotes;
        Ok(start.beginning)
    };
    let opened = match config.cluster.force_new {
        true => restart::open_alone(disk, &layout(config), bolt_options(config), options, beginning)?,
        false => restart::open(disk, &layout(config), bolt_options(config), options, beginning)?,
    };
    Ok((opened, remotes))
}

pub fn auto_compaction(config: &Config, now_ms: u64) -> Result<Option<AutoCompaction>, String> {
    let policy = match config.compaction.auto()? {
        Chosen::Off => return Ok(None),
        Chosen::Periodic(retention) => Policy::Periodic { retention_ms: retention.as_millis() as u64 },
        Chosen::Revision(retention) => Policy::Revision { retention },
    };
    Ok(Some(AutoCompaction::new(policy, now_ms)))
}

pub fn limits(config: &Config) -> Limits {
    let some = |d: Duration| if d.is_zero() { None } else { Some(d) };
    Limits {
        message_bytes_max: config.limits.request_bytes_max + 512 * 1024,
        streams_max: config.limits.concurrent_streams_max,
        keepalive_interval: some(config.keepalive.interval).unwrap_or(Duration::from_secs(7200)),
        keepalive_timeout: some(config.keepalive.timeout).unwrap_or(Duration::from_secs(20)),
        ping_interval_min: some(config.keepalive.ping_interval_min).unwrap_or(Duration::from_secs(300)),
        output_bytes_max: OUTPUT_BYTES_MAX,
        connections_max: usize::MAX,
    }
}

pub fn of_member(config: &Config, member_id: u64, cluster_id: u64) -> Settings {
    Settings {
        member_id,
        cluster_id,
        name: config.member.name.clone(),
        client_urls: config.advertise.client_urls.iter().map(|url| url.as_str().to_owned()).collect(),
        election_ms: config.timing.election_timeout().as_millis() as u64,
        request_timeout_ms: config.timing.request_timeout().as_millis() as u64,
        snapshot_entries: config.storage.snapshot_count,
        catchup_entries: config.storage.catchup_entries,
        trim_entries: LOG_TRIM_ENTRIES,
        quota_bytes: config.storage.quota_bytes,
        request_bytes_max: config.limits.request_bytes_max,
        compaction_pause_ms: config.compaction.sleep_interval.as_millis() as u64,
        release: config.cluster.release,
        lease_timing: state::lease::Timing {
            retry_ms: config.timing.request_timeout().as_millis() as u64,
            checkpoint_ms: config.flags.gates().is_on("LeaseCheckpoint").then_some(LEASE_CHECKPOINT_MS),
        },
    }
}

pub fn of_edge(config: &Config) -> EdgeConfig {
    EdgeConfig {
        txn_ops_max: config.limits.txn_ops_max,
        request_bytes_max: config.limits.request_bytes_max,
        request_timeout_ms: config.timing.request_timeout().as_millis() as u64,
        heartbeat_ms: config.timing.heartbeat.as_millis() as u64,
        strict_reconfig_check: config.cluster.strict_reconfig_check,
        progress_interval_ms: config.observe.progress_notify_interval.as_millis() as u64,
        quota_shown: match config.flags.int("quota-backend-bytes") {
            0 => 2 << 30,
            given => given,
        },
        version: config.cluster.release.to_string(),
    }
}
