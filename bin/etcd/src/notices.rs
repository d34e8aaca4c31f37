//! The member's notices as etcd's log lines.

use crate::{
    config::Config,
    notation::{GoDuration, hex, si_size},
    signals,
    startup::{self, Listener},
    url::Url,
};
use bolt::ReadTx;
use member::{Member, Notice, raft::Standing, restart::Opened};
use proto::raftpb::{ConfChange, ConfChangeType};
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
    if opened.restarted {
        recovered(opened, root);
    }
    log::info!("current-rev" = opened.state.revision(); "kvstore restored");
    let (id, release) = (hex(opened.member_id), config.cluster.release);
    match opened.state.members().version() {
        Some(version) => log::info!(
            "local-member-id":% = id, "local-server-version":% = release,
            "cluster-id":% = hex(opened.cluster_id), "cluster-version" = short(&version.to_string());
            "starting etcd server"
        ),
        None => log::info!(
            "local-member-id":% = id, "local-server-version":% = release, "cluster-version" = "to_be_decided";
            "starting etcd server"
        ),
    }
}

/// What a member that was here before finds of itself and the others.
fn recovered(opened: &Opened, root: &ReadTx) {
    log::info!(
        "backend-size-bytes" = root.size(), "backend-size":% = si_size(root.size()),
        "backend-size-in-use-bytes" = root.size_in_use(), "backend-size-in-use":% = si_size(root.size_in_use());
        "recovered v3 backend"
    );
    let version = opened.state.members().version().map(|version| version.to_string());
    if let Some(version) = &version {
        log::info!("cluster-version" = short(version); "enabled capabilities for version");
    }
    for member in opened.state.members().iter() {
        log::info!(
            "cluster-id":% = hex(opened.cluster_id), "local-member-id":% = hex(opened.member_id),
            "recovered-remote-peer-id":% = hex(member.id), "recovered-remote-peer-urls":serde = member.peer_urls,
            "recovered-remote-peer-is-learner" = member.is_learner; "recovered/added member from store"
        );
    }
    if let Some(version) = &version {
        log::info!("cluster-version" = short(version); "set cluster version from store");
    }
}

/// The member runs, and other members are served; clients are not yet.
pub fn started(config: &Config, member_id: u64, alone: bool) {
    let ticks = config.timing.election_ticks;
    if config.timing.initial_election_tick_advance && alone {
        log::info!(
            "local-member-id":% = hex(member_id), "forward-ticks" = ticks - 1,
            "forward-duration":% = GoDuration::from(config.timing.heartbeat * (ticks - 1)),
            "election-ticks" = ticks, "election-timeout":% = GoDuration::from(config.timing.election_timeout());
            "started as single-node; fast-forwarding election ticks"
        );
    }
    log::info!(
        "local-member-id":% = hex(member_id),
        "initial-advertise-peer-urls":serde = texts(&config.advertise.peer_urls),
        "listen-peer-urls":serde = texts(&config.listen.peer_urls),
        "advertise-client-urls":serde = texts(&config.advertise.client_urls),
        "listen-client-urls":serde = texts(&config.listen.client_urls),
        "listen-metrics-urls":serde = texts(&config.listen.metrics_urls);
        "now serving peer/client/metrics"
    );
    for address in peer_addresses(config) {
        log::info!(address; "serving peer traffic");
    }
}

/// As the log shows them. They could be bound, so that they can be read.
fn peer_addresses(config: &Config) -> Vec<String> {
    let listeners = startup::peer_listeners(&config.listen).unwrap_or_default();
    listeners.iter().map(Listener::shown).collect()
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
        Notice::ClusterVersion { from, to } => {
            match from {
                None => log::info!(
                    "cluster-id":% = cluster, "local-member-id":% = id, "cluster-version" = short(to);
                    "set initial cluster version"
                ),
                Some(from) => log::info!(
                    "cluster-id":% = cluster, "local-member-id":% = id, from = short(from), to = short(to);
                    "updated cluster version"
                ),
            }
            log::info!("cluster-version" = short(to); "enabled capabilities for version");
            log::info!("cluster-version" = short(to); "cluster version is updated");
        }
        Notice::StorageVersion(version) => {
            log::info!("new-storage-version" = version.as_str(); "updated storage version");
        }
        Notice::MembersChanged(change) => {
            members(&cluster, &id, change, member);
            log::info!(
                "local-member-id":% = id, "raft-conf-change" = change.r#type().as_str_name(),
                "raft-conf-change-node-id":% = hex(change.node_id());
                "applied a configuration change through raft"
            );
        }
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

/// Who came, rose or changed. A change that was refused has node 0, and there is no such member.
fn members(cluster: &str, own: &str, change: &ConfChange, member: &Member) {
    let Some(changed) = member.state().members().get(change.node_id()) else { return };
    let (id, urls) = (hex(changed.id), &changed.peer_urls);
    match change.r#type() {
        ConfChangeType::ConfChangeUpdateNode => log::info!(
            "cluster-id":% = cluster, "local-member-id":% = own, "updated-remote-peer-id":% = id,
            "updated-remote-peer-urls":serde = urls, "updated-remote-peer-is-learner" = changed.is_learner;
            "updated member"
        ),
        ConfChangeType::ConfChangeAddNode if is_promotion(change) => log::info!(
            "cluster-id":% = cluster, "local-member-id":% = own, "promoted-member-id":% = id; "promote member"
        ),
        ConfChangeType::ConfChangeAddNode | ConfChangeType::ConfChangeAddLearnerNode => log::info!(
            "cluster-id":% = cluster, "local-member-id":% = own, "added-peer-id":% = id,
            "added-peer-peer-urls":serde = urls, "added-peer-is-learner" = changed.is_learner; "added member"
        ),
        ConfChangeType::ConfChangeRemoveNode => {}
    }
}

fn is_promotion(change: &ConfChange) -> bool {
    let context: Option<serde_json::Value> = serde_json::from_slice(change.context()).ok();
    context.is_some_and(|context| context["isPromote"] == true)
}

/// raft's own words for a change of leader; the raft crate's log tells of roles.
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
    log::info!(service = "", status = "SERVING"; "grpc service status changed");
    for listener in startup::client_listeners(&config.listen).unwrap_or_default() {
        log::info!(
            traffic = "grpc+http", address = listener.shown();
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

/// Before and after the transport to the other members ends.
pub fn leaving_peers(config: &Config, end: impl FnOnce()) {
    let addresses = peer_addresses(config);
    for address in &addresses {
        log::info!(address = address.as_str(); "stopping serving peer traffic");
    }
    end();
    for address in &addresses {
        log::info!(address = address.as_str(); "stopped serving peer traffic");
    }
}

pub fn stopped(config: &Config) {
    closing(config, "closed etcd server");
}

fn closing(config: &Config, message: &str) {
    log::info!(
        name = config.member.name.as_str(), "data-dir":% = config.member.data_dir.display(),
        "advertise-peer-urls":serde = texts(&config.advertise.peer_urls),
        "advertise-client-urls":serde = texts(&config.advertise.client_urls); "{message}"
    );
}

fn texts(urls: &[Url]) -> Vec<String> {
    urls.iter().map(|url| url.as_str().to_owned()).collect()
}
