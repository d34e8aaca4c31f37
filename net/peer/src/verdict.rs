//! What the answer to a posted message or snapshot says of it. Logs what a human should do something about.

use crate::{
    Answer,
    endpoint::Endpoint,
    http::reason,
    identity::{Foreign, Identity, hex},
};
use std::fmt;

/// etcd's error for a member that learns of its own removal.
pub(crate) const REMOVED: &str = "the member has been permanently removed from the cluster";

/// Why a message did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// We were removed from the cluster.
    Removed,
    Foreign(Foreign),
    Failed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Removed => f.write_str(REMOVED),
            Verdict::Foreign(foreign) => foreign.fmt(f),
            Verdict::Failed(error) => f.write_str(error),
        }
    }
}

impl Verdict {
    /// # Errors
    /// Anything but 204.
    pub(crate) fn of(
        answer: &Answer,
        endpoint: &Endpoint,
        path: &str,
        to: u64,
        identity: &Identity,
    ) -> Result<(), Verdict> {
        let text = String::from_utf8_lossy(&answer.body);
        match answer.status {
            204 => Ok(()),
            // etcd takes any 403 as its own removal. It also answers 403 to a message for a member that was at this
            // URL before, and so would stop a sound member that is merely behind: we look at what it says.
            403 if text.contains("removed member") => Err(Verdict::Removed),
            412 => Err(precondition(&text, answer, to, identity)),
            status => Err(Verdict::Failed(format!(
                "unexpected http status {} while posting to {:?}",
                reason(status),
                format!("{}{path}", endpoint.url)
            ))),
        }
    }
}

fn precondition(text: &str, answer: &Answer, to: u64, identity: &Identity) -> Verdict {
    let line = text.strip_suffix('\n').unwrap_or(text);
    if line == Foreign::Version.to_string() {
        log::error!("remote-peer-id":% = hex(to); "request sent was ignored by peer");
        return Verdict::Foreign(Foreign::Version);
    }
    if line == Foreign::ClusterId.to_string() {
        log::error!(
            "remote-peer-id":% = hex(to),
            "remote-peer-cluster-id" = answer.header("X-Etcd-Cluster-ID").unwrap_or_default(),
            "local-member-cluster-id" = identity.cluster_id;
            "request sent was ignored due to cluster ID mismatch"
        );
        return Verdict::Foreign(Foreign::ClusterId);
    }
    Verdict::Failed(format!("unhandled error {text:?} when precondition failed"))
}
