//! What the metrics show of the member: gauges read when somebody looks, counters raised by notices.

use crate::{
    config::Config,
    metrics::{Counter, Metrics},
    rpc::table,
};
use ::rpc::Server;
use member::{Member, Notice, raft::Role};
use std::time::{SystemTime, UNIX_EPOCH};

/// Sets every gauge that mirrors state.
pub fn gauges(metrics: &Metrics, member: &Member, server: &Server, config: &Config) {
    calls(metrics, server);
    totals(metrics, member);
    let (state, standing) = (member.state(), member.consensus().standing());
    metrics.has_leader.set(i64::from(standing.leader != 0));
    metrics.is_leader.set(i64::from(standing.role == Role::Leader));
    let learner = state.members().get(member.settings().member_id).is_some_and(|m| m.is_learner);
    metrics.is_learner.set(i64::from(learner));
    metrics.proposals_committed.set(standing.commit as i64);
    metrics.proposals_applied.set(member.applied_index() as i64);
    metrics.quota_backend_bytes.set(config.storage.quota_bytes.map_or(0, |bytes| bytes as i64));
    metrics.db_size.set(state.root().size() as i64);
    metrics.db_size_in_use.set(state.root().size_in_use() as i64);
    metrics.keys.set(state.mvcc().keys_live() as i64);
    metrics.current_revision.set(state.revision());
    metrics.compact_revision.set(state.mvcc().compact_revision());
    metrics.watch_streams.set(member.hub().stream_count() as i64);
    metrics.watchers.set(member.hub().watcher_count() as i64);
    metrics.slow_watchers.set(member.hub().slow_count() as i64);
}

/// Counts a notice.
pub fn notice(metrics: &Metrics, notice: &Notice) {
    match notice {
        Notice::Standing(standing) if standing.leader != 0 => metrics.leader_changes.increment(),
        Notice::ClusterVersion { to, .. } => metrics.set_cluster_version(to),
        Notice::CompactionFinished { removed, .. } => {
            metrics.compaction_keys.add(*removed);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
            metrics.compaction_last.set(now as i64);
        }
        Notice::LeasesExpired { count } => metrics.lease_expired.add(*count as u64),
        _ => {}
    }
}

/// Brings a counter up to a total counted elsewhere.
fn raise(counter: &Counter, total: u64) {
    counter.add(total.saturating_sub(counter.value()));
}

fn totals(metrics: &Metrics, member: &Member) {
    let totals = member.totals();
    raise(&metrics.mvcc_put, totals.puts);
    raise(&metrics.mvcc_delete, totals.deletes);
    raise(&metrics.mvcc_txn, totals.txns);
    metrics.put_size.set(totals.put_bytes as i64);
    raise(&metrics.lease_granted, totals.leases_granted);
    raise(&metrics.lease_revoked, totals.leases_revoked);
    raise(&metrics.lease_renewed, totals.leases_renewed);
}

/// The RPC server counts its calls by method index.
fn calls(metrics: &Metrics, server: &Server) {
    for (index, method) in table().iter().enumerate() {
        let Some(figures) = metrics.grpc.method(method.path) else { continue };
        let totals = server.totals(index);
        raise(&figures.started, totals.started);
        raise(&figures.received, totals.received);
        raise(&figures.sent, totals.sent);
        figures.raise_handled(&totals.handled);
    }
}
