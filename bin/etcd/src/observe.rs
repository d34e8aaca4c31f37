//! What the metrics show of the member: gauges read when somebody looks, counters raised by notices.

use crate::{
    config::Config,
    metrics::{Counter, Metrics},
    notation::hex,
    rpc::{ProposalFigures, table},
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

/// Clients' proposals.
pub fn proposals(metrics: &Metrics, figures: ProposalFigures) {
    metrics.proposals_pending.set(figures.pending as i64);
    raise(&metrics.proposals_failed, figures.failed);
}

/// Counts a notice.
pub fn notice(metrics: &Metrics, notice: &Notice) {
    match notice {
        Notice::Standing { before, now } if now.leader != 0 && now.leader != before.leader => {
            metrics.leader_changes.increment();
        }
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

/// What the transport has counted, and who the members are.
pub fn peers(metrics: &Metrics, member: &Member, totals: &peer::Totals) {
    let own = hex(member.settings().member_id);
    metrics.known_peers.each(|gauge| gauge.set(0));
    for member in member.state().members().iter() {
        metrics.known_peers.with([&own, &hex(member.id)]).set(1);
    }
    for (id, figures) in &totals.peers {
        one_peer(metrics, &own, &hex(*id), figures);
    }
    for (address, count) in &totals.broken {
        raise(&metrics.peer_received_failures.with([&address.to_string()]), *count);
    }
    if totals.snapshot_receive_failures_unknown > 0 {
        let failures = metrics.snapshot_receive_failures.with(["UNKNOWN_SNAPSHOT_SENDER"]);
        raise(&failures, totals.snapshot_receive_failures_unknown);
    }
}

/// A figure that is 0 is not shown before its first use.
fn one_peer(metrics: &Metrics, own: &str, id: &str, figures: &peer::PeerTotals) {
    if let Some(active) = figures.active {
        metrics.active_peers.with([own, id]).set(i64::from(active));
    }
    if figures.disconnects > 0 {
        raise(&metrics.disconnected_peers.with([own, id]), figures.disconnects);
    }
    for (family, total) in [
        (&metrics.peer_sent_bytes, figures.sent_bytes),
        (&metrics.peer_received_bytes, figures.received_bytes),
        (&metrics.peer_sent_failures, figures.sent_failures),
        (&metrics.peer_received_failures, figures.received_failures),
        (&metrics.snapshot_send_success, figures.snapshots_sent),
        (&metrics.snapshot_send_failures, figures.snapshot_send_failures),
        (&metrics.snapshot_receive_success, figures.snapshots_received),
        (&metrics.snapshot_receive_failures, figures.snapshot_receive_failures),
    ] {
        if total > 0 {
            raise(&family.with([id]), total);
        }
    }
    for (family, now) in [
        (&metrics.snapshots_sending, figures.snapshots_sending),
        (&metrics.snapshots_receiving, figures.snapshots_receiving),
    ] {
        if let Some(now) = now {
            family.with([id]).set(now as i64);
        }
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
