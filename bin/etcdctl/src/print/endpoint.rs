//! Answers of single endpoints: health, status, hash.

use proto::etcdserverpb as pb;

use super::fields::Fields;
use super::json::{Object, array};
use super::{Printable, Style, Table};
use crate::go::humanize;

/// A list of JSON objects, `null` when there is nothing to list.
fn json_list<T>(out: &mut Vec<u8>, items: &[T], fill: impl Fn(&T, &mut Object)) {
    if items.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        array(out, items, |item, out| Object::write(out, |object| fill(item, object)));
    }
}

/// Whether one endpoint serves.
#[derive(Debug, Clone)]
pub struct Health {
    pub endpoint: String,
    pub healthy: bool,
    /// Time the check took, as Go prints durations; empty if there was none.
    pub took: String,
    /// Empty when healthy.
    pub error: String,
}

#[derive(Debug)]
pub struct Healths(pub Vec<Health>);

impl Printable for Healths {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        for health in self.0.iter().filter(|health| health.error.is_empty()) {
            let text = format!(
                "{} is healthy: successfully committed proposal: took = {}\n",
                health.endpoint, health.took
            );
            out.extend(text.into_bytes());
        }
    }

    fn simple_errors(&self) -> Vec<String> {
        let failed = self.0.iter().filter(|health| !health.error.is_empty());
        failed
            .map(|health| {
                format!("{} is unhealthy: failed to commit proposal: {}", health.endpoint, health.error)
            })
            .collect()
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::bare(style);
        for health in &self.0 {
            fields
                .quoted("Endpoint", health.endpoint.as_bytes())
                .value("Health", health.healthy)
                .value("Took", &health.took)
                .value("Error", &health.error)
                .blank();
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        json_list(out, &self.0, |health, object| {
            object
                .text("endpoint", &health.endpoint)
                .always("health", health.healthy)
                .text("took", &health.took)
                .some_text("error", &health.error);
        });
    }

    fn table(&self) -> Option<Table> {
        let row = |health: &Health| {
            vec![
                health.endpoint.clone(),
                health.healthy.to_string(),
                health.took.clone(),
                health.error.clone(),
            ]
        };
        let headings = &["endpoint", "health", "took", "error"];
        Some(Table { headings, rows: self.0.iter().map(row).collect() })
    }
}

#[derive(Debug)]
pub struct EndpointStatus {
    pub endpoint: String,
    pub response: pb::StatusResponse,
}

#[derive(Debug)]
pub struct Statuses(pub Vec<EndpointStatus>);

const STATUS_HEADINGS: [&str; 16] = [
    "endpoint",
    "ID",
    "version",
    "storage version",
    "db size",
    "in use",
    "percentage not in use",
    "quota",
    "is leader",
    "is learner",
    "raft term",
    "raft index",
    "raft applied index",
    "errors",
    "downgrade target version",
    "downgrade enabled",
];

impl Statuses {
    fn status_table(&self) -> Table {
        Table { headings: &STATUS_HEADINGS, rows: self.0.iter().map(status_row).collect() }
    }
}

fn status_row(status: &EndpointStatus) -> Vec<String> {
    let response = &status.response;
    let member = response.header.as_ref().map_or(0, |header| header.member_id);
    let downgrade = response.downgrade_info.clone().unwrap_or_default();
    let used_percent = response.db_size_in_use.saturating_mul(100).checked_div(response.db_size).unwrap_or(0);
    let size = |bytes: i64| humanize::bytes(bytes.cast_unsigned());
    vec![
        status.endpoint.clone(),
        format!("{member:x}"),
        response.version.clone(),
        response.storage_version.clone(),
        size(response.db_size),
        size(response.db_size_in_use),
        format!("{}%", 100 - used_percent),
        size(response.db_size_quota),
        (response.leader == member).to_string(),
        response.is_learner.to_string(),
        response.raft_term.to_string(),
        response.raft_index.to_string(),
        response.raft_applied_index.to_string(),
        response.errors.join(", "),
        downgrade.target_version,
        downgrade.enabled.to_string(),
    ]
}

impl Printable for Statuses {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        out.extend(self.status_table().lines().into_bytes());
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::bare(style);
        for EndpointStatus { endpoint, response } in &self.0 {
            let downgrade = response.downgrade_info.clone().unwrap_or_default();
            fields.header(response.header.as_ref());
            fields
                .quoted("Version", response.version.as_bytes())
                .quoted("StorageVersion", response.storage_version.as_bytes())
                .value("DBSize", response.db_size)
                .value("DBSizeInUse", response.db_size_in_use)
                .value("DBSizeQuota", response.db_size_quota)
                .value("Leader", response.leader)
                .value("IsLearner", response.is_learner)
                .value("RaftIndex", response.raft_index)
                .value("RaftTerm", response.raft_term)
                .value("RaftAppliedIndex", response.raft_applied_index)
                .value("Errors", format!("[{}]", response.errors.join(" ")))
                .quoted("Endpoint", endpoint.as_bytes())
                .quoted("DowngradeTargetVersion", downgrade.target_version.as_bytes())
                .value("DowngradeEnabled", downgrade.enabled)
                .blank();
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        json_list(out, &self.0, |status, object| {
            object
                .text("Endpoint", &status.endpoint)
                .object("Status", |object| status_members(&status.response, object));
        });
    }

    fn table(&self) -> Option<Table> {
        Some(self.status_table())
    }
}

fn status_members(response: &pb::StatusResponse, object: &mut Object) {
    object
        .header(response.header.as_ref())
        .some_text("version", &response.version)
        .some("dbSize", response.db_size)
        .some("leader", response.leader)
        .some("raftIndex", response.raft_index)
        .some("raftTerm", response.raft_term)
        .some("raftAppliedIndex", response.raft_applied_index)
        .some_list("errors", &response.errors, |error, out| super::json::string(out, error))
        .some("dbSizeInUse", response.db_size_in_use)
        .some("isLearner", response.is_learner)
        .some_text("storageVersion", &response.storage_version)
        .some("dbSizeQuota", response.db_size_quota)
        .some_object("downgradeInfo", response.downgrade_info.as_ref(), |info, object| {
            object.some("enabled", info.enabled).some_text("targetVersion", &info.target_version);
        });
}

#[derive(Debug)]
pub struct EndpointHash {
    pub endpoint: String,
    pub response: pb::HashKvResponse,
}

#[derive(Debug)]
pub struct Hashes(pub Vec<EndpointHash>);

impl Hashes {
    fn hash_table(&self) -> Table {
        let row = |hash: &EndpointHash| {
            vec![
                hash.endpoint.clone(),
                hash.response.hash.to_string(),
                hash.response.hash_revision.to_string(),
            ]
        };
        Table { headings: &["endpoint", "hash", "hash_revision"], rows: self.0.iter().map(row).collect() }
    }
}

impl Printable for Hashes {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        out.extend(self.hash_table().lines().into_bytes());
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::bare(style);
        for EndpointHash { endpoint, response } in &self.0 {
            fields.header(response.header.as_ref());
            fields
                .quoted("Endpoint", endpoint.as_bytes())
                .value("Hash", response.hash)
                .value("HashRevision", response.hash_revision)
                .blank();
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        json_list(out, &self.0, |hash, object| {
            object.text("Endpoint", &hash.endpoint).object("HashKV", |object| {
                object
                    .header(hash.response.header.as_ref())
                    .some("hash", hash.response.hash)
                    .some("compact_revision", hash.response.compact_revision)
                    .some("hash_revision", hash.response.hash_revision);
            });
        });
    }

    fn table(&self) -> Option<Table> {
        Some(self.hash_table())
    }
}
