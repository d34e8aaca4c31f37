//! The replicated state machine: what a committed raft entry does.
//!
//! [`State::apply`] is a function of the log alone: it never asks the time, the leader or the disk size (those come
//! as proposals or as [`Context`]). Only a deterministic rejection becomes a reply; a fault stops the process.
//! Every entry's changes and the consistent index go into the same backend batch.

use bytes::Bytes;
use proto::{etcdserverpb as pb, raftpb};

/// Deterministic refusals. Their texts and gRPC codes are mapped in one table at the RPC edge
/// (`contract/errors.tsv`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    Compacted,
    FutureRevision,
    KeyNotFound,
    LeaseNotFound,
    LeaseExists,
    LeaseTtlTooLarge,
    NoSpace,
    Corrupt,
    MemberExists,
    PeerUrlExists,
    MemberNotFound,
    MemberNotLearner,
    TooManyLearners,
}

/// Local facts an apply may look at without changing the state: they decide replies and raised alarms only.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// This member, for the alarm it raises.
    pub member_id: u64,
    /// Bytes of the backend file as of the last commit.
    pub backend_bytes: u64,
    /// `None`: no quota.
    pub quota_bytes: Option<u64>,
}

/// A reply in the form the edge encodes: a KeyValue in it is the stored bytes.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A put without `prev_kv`: just the revision, encoded without a message tree.
    Put { revision: i64 },
    PutPrev(pb::PutResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compaction(pb::CompactionResponse),
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(pb::LeaseRevokeResponse),
    LeaseCheckpoint(pb::LeaseCheckpointResponse),
    Alarm(pb::AlarmResponse),
    Members(Vec<pb::Member>),
    /// Cluster version, member attributes, downgrade info: nothing to say.
    Done,
}

/// What applying one entry gave.
#[derive(Debug)]
pub struct Applied {
    /// ID of the request in the entry; 0 for entries without one.
    pub request_id: u64,
    pub result: Result<Reply, Reject>,
    /// Changes of the key space, for watchers: all of one revision, in sub-revision order.
    pub changes: Vec<mvcc::Change>,
    /// The key-value revision after this entry.
    pub revision: i64,
    pub effect: Option<Effect>,
}

/// Consequences for the rest of the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The quota was exceeded while applying: propose this alarm for this member.
    RaiseNoSpace,
    /// The member set changed; `conf_change` is what raft must be told (node 0: rejected or no-op for raft).
    ConfChange(raftpb::ConfChange),
    ClusterVersion(String),
    /// A compaction was scheduled: its physical steps can begin. Carries the request ID if the client waits for them.
    Compaction { physical: bool },
}

/// Placeholder until the parts are in: members, leases, alarms, auth, kv.
#[derive(Debug)]
pub struct State {}

impl State {
    pub fn apply(&mut self, _entry: &raftpb::Entry, _context: &Context) -> Result<Applied, mvcc::Error> {
        let _ = Bytes::new();
        todo!()
    }
}
