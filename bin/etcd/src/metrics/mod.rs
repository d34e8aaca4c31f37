//! The server's metrics: every family under etcd's name, with its labels and bucket bounds, in Prometheus' text form.
//!
//! It never measures: stages return counts, the loop times them and feeds plain methods here. Values are atomics, so
//! any thread may feed them; what is fed per request takes no lock. Invariants: a family is written once in
//! [`Metrics`], and rendered in the order of names; a labelled family shows the label sets that were used, others
//! are shown from the start. Format: text 0.0.4. Start at [`Metrics`].

mod family;
mod grpc;
mod process;
mod runtime;
mod value;

pub use family::{Labelled, One};
pub use grpc::{GrpcMetrics, MethodMetrics};
pub use process::Process;
pub use value::{Counter, Gauge, Histogram};

use crate::{
    flags::gates::{GATES, Gates},
    version,
};
use family::{Render, counter, gauge, histogram, labelled, labelled_histogram};
use value::exponential;

/// The content type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// One definition per family: field, type, name, labels, bounds and help.
macro_rules! families {
    ($($field:ident: $type:ty = $family:expr,)*) => {
        #[derive(Debug)]
        pub struct Metrics {
            $(pub $field: $type,)*
            pub grpc: GrpcMetrics,
        }

        impl Metrics {
            fn empty(extensive: bool) -> Metrics {
                Metrics { $($field: $family,)* grpc: GrpcMetrics::new(extensive) }
            }
            fn families(&self) -> Vec<&dyn Render> {
                vec![$(&self.$field,)*]
            }
        }
    };
}

families! {
    // Consensus.
    has_leader: One<Gauge> = gauge("etcd_server_has_leader", "1 while this member knows a leader."),
    is_leader: One<Gauge> = gauge("etcd_server_is_leader", "1 while this member leads."),
    is_learner: One<Gauge> = gauge("etcd_server_is_learner", "1 while this member is a learner."),
    leader_changes: One<Counter> = counter("etcd_server_leader_changes_seen_total", "New leaders seen."),
    proposals_committed: One<Gauge> = gauge("etcd_server_proposals_committed_total", "Index of the last committed entry."),
    proposals_applied: One<Gauge> = gauge("etcd_server_proposals_applied_total", "Index of the last applied entry."),
    proposals_pending: One<Gauge> = gauge("etcd_server_proposals_pending", "Proposals that wait for their result."),
    proposals_failed: One<Counter> = counter("etcd_server_proposals_failed_total", "Proposals that failed."),
    heartbeat_send_failures: One<Counter> = counter("etcd_server_heartbeat_send_failures_total", "Heartbeats sent too late."),
    snapshot_apply_in_progress: One<Gauge> = gauge("etcd_server_snapshot_apply_in_progress_total", "1 while a received snapshot is applied."),
    slow_read_indexes: One<Counter> = counter("etcd_server_slow_read_indexes_total", "Read rounds that were stale or timed out."),
    read_indexes_failed: One<Counter> = counter("etcd_server_read_indexes_failed_total", "Read rounds that failed."),
    learner_promote_successes: One<Counter> = counter("etcd_server_learner_promote_successes", "Learners promoted by this member as leader."),
    learner_promote_failures: Labelled<Counter, 1> = labelled("etcd_server_learner_promote_failures", "Promotions that failed.", ["Reason"]),

    // The server.
    id: Labelled<Gauge, 1> = labelled("etcd_server_id", "1 for this member's ID.", ["server_id"]),
    version: Labelled<Gauge, 1> = labelled("etcd_server_version", "1 for the running version.", ["server_version"]),
    go_version: Labelled<Gauge, 1> = labelled("etcd_server_go_version", "1 for what stands for the toolchain.", ["server_go_version"]),
    feature_enabled: Labelled<Gauge, 2> = labelled("etcd_server_feature_enabled", "1 for each feature gate that is on.", ["name", "stage"]),
    cluster_version: Labelled<Gauge, 1> = labelled("etcd_cluster_version", "1 for the cluster's version.", ["cluster_version"]),
    client_requests: Labelled<Counter, 2> = labelled("etcd_server_client_requests_total", "Calls by the client's version.", ["client_api_version", "type"]),
    request_duration: Labelled<Histogram, 2> = labelled_histogram("etcd_server_request_duration_seconds", "Time of a request in the server.", ["success", "type"], exponential(0.001, 2.0, 14)),
    apply_duration: Labelled<Histogram, 3> = labelled_histogram("etcd_server_apply_duration_seconds", "Time to apply an entry.", ["op", "success", "version"], exponential(0.0001, 2.0, 20)),
    range_duration: Labelled<Histogram, 1> = labelled_histogram("etcd_server_range_duration_seconds", "Time of a range in the key space.", ["success"], exponential(0.0001, 2.0, 20)),
    slow_apply: One<Counter> = counter("etcd_server_slow_apply_total", "Requests that were slow to apply."),
    quota_backend_bytes: One<Gauge> = gauge("etcd_server_quota_backend_bytes", "Quota of the database, in bytes."),
    health_success: One<Counter> = counter("etcd_server_health_success", "Health checks that were answered well."),
    health_failures: One<Counter> = counter("etcd_server_health_failures", "Health checks that were answered ill."),
    healthcheck: Labelled<Gauge, 2> = labelled("etcd_server_healthcheck", "Last result of each check: 1 for good.", ["name", "type"]),
    healthchecks: Labelled<Counter, 3> = labelled("etcd_server_healthchecks_total", "Checks made, by result.", ["name", "status", "type"]),
    lease_expired: One<Counter> = counter("etcd_debugging_server_lease_expired_total", "Leases that this leader let expire."),
    alarms: Labelled<Gauge, 2> = labelled("etcd_debugging_server_alarms", "Alarms by kind and member.", ["alarm_type", "server_id"]),
    watch_send_stream: One<Histogram> = histogram("etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds", "Time to send a watch response.", exponential(0.001, 2.0, 14)),
    watch_send_event: One<Histogram> = histogram("etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds", "Time to send a watch response, by event.", exponential(0.001, 2.0, 14)),
    watch_send_control: One<Histogram> = histogram("etcd_debugging_server_watch_send_loop_control_stream_duration_seconds", "Time to send a watch's control response.", exponential(0.001, 2.0, 14)),
    watch_send_progress: One<Histogram> = histogram("etcd_debugging_server_watch_send_loop_progress_duration_seconds", "Time of a round of progress notices.", exponential(0.001, 2.0, 14)),

    // The network.
    client_sent_bytes: One<Counter> = counter("etcd_network_client_grpc_sent_bytes_total", "Bytes of messages sent to clients."),
    client_received_bytes: One<Counter> = counter("etcd_network_client_grpc_received_bytes_total", "Bytes of messages received from clients."),
    stream_failures: Labelled<Counter, 2> = labelled("etcd_network_server_stream_failures_total", "Errors of clients' streams.", ["API", "Type"]),
    active_peers: Labelled<Gauge, 2> = labelled("etcd_network_active_peers", "1 while a member is connected.", ["Local", "Remote"]),
    disconnected_peers: Labelled<Counter, 2> = labelled("etcd_network_disconnected_peers_total", "Lost connections to members.", ["Local", "Remote"]),
    peer_sent_bytes: Labelled<Counter, 1> = labelled("etcd_network_peer_sent_bytes_total", "Bytes sent to a member.", ["To"]),
    peer_received_bytes: Labelled<Counter, 1> = labelled("etcd_network_peer_received_bytes_total", "Bytes received from a member.", ["From"]),
    peer_sent_failures: Labelled<Counter, 1> = labelled("etcd_network_peer_sent_failures_total", "Messages to a member that were lost here.", ["To"]),
    peer_received_failures: Labelled<Counter, 1> = labelled("etcd_network_peer_received_failures_total", "Messages of a member that were lost here.", ["From"]),
    peer_round_trip: Labelled<Histogram, 1> = labelled_histogram("etcd_network_peer_round_trip_time_seconds", "Time to a member and back.", ["To"], exponential(0.0001, 2.0, 16)),
    snapshot_send_success: Labelled<Counter, 1> = labelled("etcd_network_snapshot_send_success", "Snapshots sent.", ["To"]),
    snapshot_send_failures: Labelled<Counter, 1> = labelled("etcd_network_snapshot_send_failures", "Snapshots that could not be sent.", ["To"]),
    snapshots_sending: Labelled<Gauge, 1> = labelled("etcd_network_snapshot_send_inflights_total", "Snapshots being sent.", ["To"]),
    snapshot_send: Labelled<Histogram, 1> = labelled_histogram("etcd_network_snapshot_send_total_duration_seconds", "Time to send a snapshot.", ["To"], exponential(0.1, 2.0, 10)),
    snapshot_receive_success: Labelled<Counter, 1> = labelled("etcd_network_snapshot_receive_success", "Snapshots received.", ["From"]),
    snapshot_receive_failures: Labelled<Counter, 1> = labelled("etcd_network_snapshot_receive_failures", "Snapshots that could not be received.", ["From"]),
    snapshots_receiving: Labelled<Gauge, 1> = labelled("etcd_network_snapshot_receive_inflights_total", "Snapshots being received.", ["From"]),
    snapshot_receive: Labelled<Histogram, 1> = labelled_histogram("etcd_network_snapshot_receive_total_duration_seconds", "Time to receive a snapshot.", ["From"], exponential(0.1, 2.0, 10)),
    known_peers: Labelled<Gauge, 2> = labelled("etcd_network_known_peers", "1 for each current member.", ["Local", "Remote"]),

    // The disk.
    wal_fsync: One<Histogram> = histogram("etcd_disk_wal_fsync_duration_seconds", "Time to sync the log.", exponential(0.001, 2.0, 14)),
    wal_write: One<Histogram> = histogram("etcd_disk_wal_write_duration_seconds", "Time to write a record of the log.", exponential(0.001, 2.0, 14)),
    wal_write_bytes: One<Gauge> = gauge("etcd_disk_wal_write_bytes_total", "Bytes written to the log."),
    backend_commit: One<Histogram> = histogram("etcd_disk_backend_commit_duration_seconds", "Time to commit to the database.", exponential(0.001, 2.0, 14)),
    backend_rebalance: One<Histogram> = histogram("etcd_debugging_disk_backend_commit_rebalance_duration_seconds", "Time of a commit spent to rebalance.", exponential(0.001, 2.0, 14)),
    backend_spill: One<Histogram> = histogram("etcd_debugging_disk_backend_commit_spill_duration_seconds", "Time of a commit spent to spill.", exponential(0.001, 2.0, 14)),
    backend_write: One<Histogram> = histogram("etcd_debugging_disk_backend_commit_write_duration_seconds", "Time of a commit spent to write.", exponential(0.001, 2.0, 14)),
    backend_defrag: One<Histogram> = histogram("etcd_disk_backend_defrag_duration_seconds", "Time to defragment the database.", exponential(0.1, 2.0, 13)),
    backend_snapshot: One<Histogram> = histogram("etcd_disk_backend_snapshot_duration_seconds", "Time to send the database as a snapshot.", exponential(0.01, 2.0, 17)),
    defrag_inflight: One<Gauge> = gauge("etcd_disk_defrag_inflight", "1 while the database is defragmented."),
    snap_fsync: One<Histogram> = histogram("etcd_snap_fsync_duration_seconds", "Time to sync a snapshot file.", exponential(0.001, 2.0, 14)),
    snap_db_fsync: One<Histogram> = histogram("etcd_snap_db_fsync_duration_seconds", "Time to sync a received database.", exponential(0.001, 2.0, 14)),
    snap_db_save: One<Histogram> = histogram("etcd_snap_db_save_total_duration_seconds", "Time to save a received database.", exponential(0.1, 2.0, 10)),
    snap_marshal: One<Histogram> = histogram("etcd_debugging_snap_save_marshalling_duration_seconds", "Time to encode a snapshot file.", exponential(0.001, 2.0, 14)),
    snap_save: One<Histogram> = histogram("etcd_debugging_snap_save_total_duration_seconds", "Time to save a snapshot file.", exponential(0.001, 2.0, 14)),

    // Keys.
    mvcc_range: One<Counter> = counter("etcd_mvcc_range_total", "Ranges read."),
    mvcc_put: One<Counter> = counter("etcd_mvcc_put_total", "Puts applied."),
    mvcc_delete: One<Counter> = counter("etcd_mvcc_delete_total", "Deletions applied."),
    mvcc_txn: One<Counter> = counter("etcd_mvcc_txn_total", "Transactions of more than one operation."),
    mvcc_hash: One<Histogram> = histogram("etcd_mvcc_hash_duration_seconds", "Time to hash the database.", exponential(0.01, 2.0, 15)),
    mvcc_hash_rev: One<Histogram> = histogram("etcd_mvcc_hash_rev_duration_seconds", "Time to hash the keys at a revision.", exponential(0.01, 2.0, 15)),
    db_size: One<Gauge> = gauge("etcd_mvcc_db_total_size_in_bytes", "Size of the database, in bytes."),
    db_size_in_use: One<Gauge> = gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Size of the database less its free pages, in bytes."),
    db_open_reads: One<Gauge> = gauge("etcd_mvcc_db_open_read_transactions", "Open read transactions."),
    keys: One<Gauge> = gauge("etcd_debugging_mvcc_keys_total", "Live keys."),
    put_size: One<Gauge> = gauge("etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes of keys and values put."),
    current_revision: One<Gauge> = gauge("etcd_debugging_mvcc_current_revision", "Revision of the key space."),
    compact_revision: One<Gauge> = gauge("etcd_debugging_mvcc_compact_revision", "Revision of the last compaction."),
    compaction_keys: One<Counter> = counter("etcd_debugging_mvcc_db_compaction_keys_total", "Revisions that compactions removed."),
    compaction_last: One<Gauge> = gauge("etcd_debugging_mvcc_db_compaction_last", "Unix time of the last compaction's end."),
    compaction_pause: One<Histogram> = histogram("etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds", "Time of a batch of compaction.", exponential(1.0, 2.0, 13)),
    compaction_total: One<Histogram> = histogram("etcd_debugging_mvcc_db_compaction_total_duration_milliseconds", "Time of a compaction.", exponential(100.0, 2.0, 14)),
    index_compaction: One<Histogram> = histogram("etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds", "Time to compact the index.", exponential(0.5, 2.0, 14)),
    events: One<Counter> = counter("etcd_debugging_mvcc_events_total", "Events given to watchers."),
    pending_events: One<Gauge> = gauge("etcd_debugging_mvcc_pending_events_total", "Events that wait to be sent."),
    watch_streams: One<Gauge> = gauge("etcd_debugging_mvcc_watch_stream_total", "Open watch streams."),
    watchers: One<Gauge> = gauge("etcd_debugging_mvcc_watcher_total", "Watchers."),
    slow_watchers: One<Gauge> = gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that are behind."),

    // Leases and users.
    lease_granted: One<Counter> = counter("etcd_debugging_lease_granted_total", "Leases granted."),
    lease_revoked: One<Counter> = counter("etcd_debugging_lease_revoked_total", "Leases revoked."),
    lease_renewed: One<Counter> = counter("etcd_debugging_lease_renewed_total", "Leases renewed by this leader."),
    lease_ttl: One<Histogram> = histogram("etcd_debugging_lease_ttl_total", "Seconds that leases were granted for.", exponential(1.0, 2.0, 24)),
    auth_revision: One<Gauge> = gauge("etcd_debugging_auth_revision", "Revision of users and roles."),

    // Of what this server has no part of; dashboards and tests ask for them.
    store_expires: One<Counter> = counter("etcd_debugging_store_expires_total", "Always 0: there is no v2 store."),
    store_watch_requests: One<Counter> = counter("etcd_debugging_store_watch_requests_total", "Always 0: there is no v2 store."),
    store_watchers: One<Gauge> = gauge("etcd_debugging_store_watchers", "Always 0: there is no v2 store."),
    proxy_cache_hits: One<Gauge> = gauge("etcd_grpc_proxy_cache_hits_total", "Hits of the proxy's cache; 0 in a server."),
    proxy_cache_keys: One<Gauge> = gauge("etcd_grpc_proxy_cache_keys_total", "Ranges in the proxy's cache; 0 in a server."),
    proxy_cache_misses: One<Gauge> = gauge("etcd_grpc_proxy_cache_misses_total", "Misses of the proxy's cache; 0 in a server."),
    proxy_events: One<Counter> = counter("etcd_grpc_proxy_events_coalescing_total", "Events the proxy merged; 0 in a server."),
    proxy_watchers: One<Gauge> = gauge("etcd_grpc_proxy_watchers_coalescing_total", "Watchers the proxy merged; 0 in a server."),

    // Scrapes.
    scrapes: Labelled<Counter, 1> = labelled("promhttp_metric_handler_requests_total", "Scrapes by HTTP status.", ["code"]),
    scrapes_in_flight: One<Gauge> = gauge("promhttp_metric_handler_requests_in_flight", "Scrapes that run."),
}

impl Metrics {
    /// All families. `extensive` adds a histogram for every method.
    pub fn new(member_id: u64, gates: &Gates, extensive: bool) -> Metrics {
        let metrics = Metrics::empty(extensive);
        metrics.id.with([&format!("{member_id:x}")]).set(1);
        metrics.version.with([version::ETCD]).set(1);
        metrics.go_version.with([&version::toolchain()]).set(1);
        for gate in GATES {
            let on = gates.is_on(gate.name);
            metrics.feature_enabled.with([gate.name, &gate.stage.to_string()]).set(i64::from(on));
        }
        for code in ["200", "500", "503"] {
            metrics.scrapes.with([code]);
        }
        metrics.compact_revision.set(-1);
        metrics
    }

    /// Shows the cluster's version; the one before stays, at 0.
    pub fn set_cluster_version(&self, version: &str) {
        self.cluster_version.each(|gauge| gauge.set(0));
        self.cluster_version.with([version]).set(1);
    }

    /// The result of one `livez` or `readyz` check.
    pub fn record_check(&self, kind: &str, name: &str, good: bool) {
        self.healthcheck.with([name, kind]).set(i64::from(good));
        self.healthchecks.with([name, if good { "success" } else { "error" }, kind]).increment();
    }

    /// One scrape's text. `process` is what was just read of the process.
    pub fn render(&self, process: &Process) -> String {
        self.scrapes_in_flight.add(1);
        let mut texts: Vec<(&'static str, String)> = self.families().into_iter().map(family::text).collect();
        texts.extend(self.grpc.texts());
        texts.extend(process.texts());
        texts.extend(runtime::texts(process));
        texts.sort_unstable_by_key(|(name, _)| *name);
        self.scrapes_in_flight.add(-1);
        self.scrapes.with(["200"]).increment();
        texts.into_iter().map(|(_, text)| text).collect()
    }
}

#[cfg(test)]
mod tests;
