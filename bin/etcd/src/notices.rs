//! The member's notices as etcd's log lines.

use crate::{config::Config, notation::GoDuration, signals};
use bolt::ReadTx;
use member::{Member, Notice, raft::Standing, restart::Opened};
use std::{path::Path, time::Duration};

/// A sync that takes longer is worth a line.
const SLOW_SYNC: Duration = Duration::from_secs(1);

pub fn listening(config: &Config) {
    log::info!("listen-peer-urls":serde = config.listen.peer_urls; "configuring peer listeners");
    log::info!("listen-client-urls":serde = config.listen.client_urls; "configuring client listeners");
}

pub fn opened(config: &Config, opened: &Opened) {
    let root = opened.state.root();
    log::info!(path:% = config.member.backend_path().display(); "opened backend db");
    if let Some(forced) = opened.forced {
        if forced.discarded > 0 {
            log::info!(
                "commit-index-from-wal" = forced.commit, "number-of-discarded-entries" = forced.discarded;
                "discarding uncommitted WAL entries"
            );
        }
        log::info!(
            "cluster-id":% = hex(opened.cluster_id), "local-member-id":% = hex(opened.member_id),
            "wal-commit-index" = forced.commit, "commit-index" = opened.log.hard_state.commit();
            "forcing restart member"
        );
    } else if opened.restarted {
        log::info!(
            "cluster-id":% = hex(opened.cluster_id), "local-member-id":% = hex(opened.member_id),
            "commit-index" = opened.log.hard_state.commit(); "restarting local member"
        );
    } else {
        log::info!(
            "local-member-id":% = hex(opened.member_id), "cluster-id":% = hex(opened.cluster_id);
            "starting local member"
        );
    }
    log::info!(
        "backend-size-bytes" = root.size(), "backend-size-in-use-bytes" = root.size_in_use();
        "recovered v3 backend"
    );
    log::info!("current-rev" = opened.state.revision(); "kvstore restored");
    log::info!(
        "local-member-id":% = hex(opened.member_id), "local-server-version":% = config.cluster.release,
        "cluster-id":% = hex(opened.cluster_id); "starting etcd server"
    );
}

fn hex(id: u64) -> String {
    format!("{id:x}")
}

pub fn write(notice: &Notice, member: &Member, config: &Config) {
    let (id, cluster) = (hex(member.settings().member_id), hex(member.settings().cluster_id));
    match notice {
        Notice::Standing { before, now } => leader(&id, before, now),
        Notice::Published => log::info!(
            "local-member-id":% = id,
            "local-member-attributes":% = format!("{{Name:{} ClientURLs:[{}]}}", config.member.name, member.settings().client_urls.join(" ")),
            "cluster-id":% = cluster,
            "publish-timeout":% = GoDuration::from(config.timing.request_timeout());
            "published local member to cluster through raft"
        ),
        Notice::ClusterVersion { from: None, to } => log::info!(
            "cluster-id":% = cluster, "local-member-id":% = id, "cluster-version" = short(to);
            "set initial cluster version"
        ),
        Notice::ClusterVersion { from: Some(from), to } => log::info!(
            "cluster-id":% = cluster, "local-member-id":% = id, from = short(from), to = short(to);
            "updated cluster version"
        ),
        Notice::StorageVersion(version) => {
            log::info!("new-storage-version" = version.as_str(); "updated storage version");
        }
        Notice::MembersChanged(change) => log::info!(
            "local-member-id":% = id, "raft-conf-change" = change.r#type().as_str_name(),
            "raft-conf-change-node-id":% = hex(change.node_id());
            "applied a configuration change through raft"
        ),
        Notice::SnapshotTriggered { applied, last } => log::info!(
            "local-member-id":% = id, "local-member-applied-index" = applied, "local-member-snapshot-index" = last,
            "local-member-snapshot-count" = config.storage.snapshot_count, "snapshot-forced" = false;
            "triggering snapshot"
        ),
        Notice::SnapshotSaved { index } => log::info!("snapshot-index" = index; "saved snapshot to disk"),
        Notice::SnapshotInstalled { index } => {
            log::info!("incoming-leader-snapshot-index" = index; "applied snapshot")
        }
        Notice::CompactionScheduled { revision } => log::info!(revision; "compact tree index"),
        Notice::CompactionFinished { revision, removed, hash } => log::info!(
            "compact-revision" = revision, "number-of-keys-compacted" = removed, hash;
            "finished scheduled compaction"
        ),
        Notice::AutoCompaction { revision } => log::info!(revision; "starting auto compaction"),
        Notice::QuotaExceeded => log::warn!("message exceeded backend quota; raising alarm"),
        Notice::LeasesExpired { count } => log::debug!(count; "revoking expired leases"),
    }
}

/// raft's own words for a change of leader.
fn leader(id: &str, before: &Standing, now: &Standing) {
    let term = now.term;
    match (before.leader, now.leader) {
        (old, new) if old == new => {}
        (0, new) => log::info!(target: "raft", "raft.node: {id} elected leader {new:x} at term {term}"),
        (old, 0) => log::info!(target: "raft", "raft.node: {id} lost leader {old:x} at term {term}"),
        (old, new) => {
            log::info!(target: "raft", "raft.node: {id} changed leader from {old:x} to {new:x} at term {term}");
        }
    }
}

/// `3.7.0` as the log has it: `3.7`.
fn short(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(short, _)| short)
}

pub fn synced(took: Duration) {
    if took >= SLOW_SYNC {
        log::warn!(
            took:% = GoDuration::from(took), "expected-duration":% = GoDuration::from(SLOW_SYNC);
            "slow fdatasync"
        );
    }
}

pub fn purged(names: &[String]) {
    for name in names {
        log::info!(path = name.as_str(); "purged");
    }
}

pub fn defragmenting(path: &Path, root: &ReadTx) {
    log::info!("starting defragment");
    log::info!(
        path:% = path.display(), "current-db-size-bytes" = root.size(),
        "current-db-size-in-use-bytes" = root.size_in_use(); "defragmenting"
    );
}

pub fn defragmented(root: &ReadTx, took: Duration) {
    log::info!(
        "current-db-size-bytes" = root.size(), "current-db-size-in-use-bytes" = root.size_in_use(),
        took:% = GoDuration::from(took); "finished defragmenting directory"
    );
    log::info!("finished defragment");
}

pub fn serving(config: &Config) {
    for _ in &config.listen.client_urls {
        log::info!("ready to serve client requests");
    }
    for url in &config.listen.client_urls {
        log::info!(
            traffic = "grpc+http", address = url.authority();
            "serving client traffic insecurely; this is strongly discouraged!"
        );
    }
}

pub fn stopping(signal: i32, config: &Config) {
    log::info!(signal = signals::name(signal); "received signal; shutting down");
    closing(config, "closing etcd server");
}

pub fn removed() {
    log::warn!(error = "the member has been permanently removed from the cluster"; "server error");
    log::warn!("data-dir used by this member must be removed");
}

pub fn installed(took: Duration) {
    log::info!(took:% = GoDuration::from(took); "applySnapshot: opened snapshot backend");
}

pub fn stopped(config: &Config) {
    closing(config, "closed etcd server");
}

fn closing(config: &Config, message: &str) {
    let texts = |urls: &[crate::url::Url]| -> Vec<String> {
        urls.iter().map(|url| url.as_str().to_owned()).collect()
    };
    log::info!(
        name = config.member.name.as_str(), "data-dir":% = config.member.data_dir.display(),
        "advertise-peer-urls":serde = texts(&config.advertise.peer_urls),
        "advertise-client-urls":serde = texts(&config.advertise.client_urls); "{message}"
    );
}
