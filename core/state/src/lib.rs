//! The replicated state machine: what a committed raft entry does.
//!
//! [`State::apply`] is a function of the log alone: it never asks the time, the leader or the disk size (those come
//! as proposals or as [`Context`]). Only a deterministic rejection becomes a reply; a fault stops the process.
//! It never waits: what is written goes into the open batch of the backend's buffer, and the owner takes it with
//! [`State::seal`].
//!
//! Invariants: every entry's changes and the consistent index that covers it are in the same sealed batch; a rejected
//! request changes nothing (except that a write over the quota is done and refused all the same, as etcd does); two
//! members that applied the same entries hold the same rows, except for lease TTLs raised to a local minimum.
//!
//! Parts: [`command`] reads an entry; `apply` decides and dispatches; [`kv`] keys; [`lease`] leases and, outside the
//! replicated state, their deadlines; [`member`] membership; `alarm`, `quota`, [`version`]; `open` restores. Start at
//! [`State`].

mod alarm;
mod apply;
pub mod command;
mod error;
mod header;
pub mod kv;
pub mod lease;
pub mod member;
mod open;
mod quota;
mod rows;
mod status;
pub mod version;

use backend::{Batch, Bucket, Buffer, ReadTx, View, meta};
use bytes::Bytes;
use proto::{etcdserverpb as pb, raftpb};

pub use alarm::Alarms;
pub use error::{Error, Failure};
pub use kv::{RangeAnswer, RangeFetch, RangeReply, RangeStep, RangeTask};
pub use lease::{Deadlines, Leases};
pub use member::Membership;
pub use open::{Options, is_legacy};
pub use quota::{available, lease_grant_cost, put_cost, txn_cost};
pub use status::{Code, status};
pub use version::Version;

/// Deterministic refusals. [`status`] maps them to the gRPC code and etcd's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// An alarm request whose action is none of etcd's.
    UnknownAlarmAction,
    /// A request of a part that this server does not have.
    NotBuilt,
}

impl From<mvcc::Reject> for Reject {
    fn from(reject: mvcc::Reject) -> Reject {
        match reject {
            mvcc::Reject::Compacted => Reject::Compacted,
            mvcc::Reject::FutureRevision => Reject::FutureRevision,
        }
    }
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

/// A reply in the form the edge encodes: a KeyValue in it is the stored bytes. Headers carry the revision only; the
/// edge adds cluster, member and term.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A put without `prev_kv`: just the revision, encoded without a message tree.
    Put {
        revision: i64,
    },
    PutPrev(pb::PutResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compaction(pb::CompactionResponse),
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(pb::LeaseRevokeResponse),
    LeaseCheckpoint(pb::LeaseCheckpointResponse),
    Alarm(pb::AlarmResponse),
    /// The members after a configuration change, ascending by ID.
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
    /// What [`Deadlines`] must be told.
    pub lease: Option<lease::Event>,
    /// False: the entry was already in the backend (replay); nothing of the v3 state was touched.
    pub fresh: bool,
}

/// Consequences for the rest of the member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The quota was exceeded while applying: propose this alarm for this member.
    RaiseNoSpace,
    /// The member set changed; `conf_change` is what raft must be told (node 0: rejected or no-op for raft).
    ConfChange(raftpb::ConfChange),
    /// Decided (`from` is `None`) or changed.
    ClusterVersion { from: Option<String>, to: String },
    /// A compaction was scheduled: its physical steps can begin. `physical`: the client waits for them (also when
    /// the compaction itself was refused as already done: then it waits for those queued before).
    Compaction { physical: bool },
}

/// The state machine of one member. One owner; nothing in it is shared.
#[derive(Debug)]
pub struct State {
    buffer: Buffer,
    mvcc: mvcc::Mvcc,
    leases: Leases,
    members: Membership,
    alarms: Alarms,
    storage_version: Option<Version>,
    options: Options,
    /// Index and term of the last entry whose effects are in the buffer or the backend. Never decreases.
    index: u64,
    term: u64,
    /// Term of the last entry applied by this process, replayed ones included; 0 before the first.
    applied_term: u64,
    /// The consistent index of the last sealed batch.
    sealed_index: u64,
    /// The configuration changed since the last sealed batch.
    conf_state_changed: bool,
    /// Members come from a v2 store and the log: replayed entries change them.
    replay_members: bool,
}

impl State {
    /// Closes the open batch together with the consistent index; `None` when there is nothing to commit.
    pub fn seal(&mut self) -> Option<Batch> {
        if self.index != self.sealed_index {
            assert!(self.index > self.sealed_index, "the consistent index went back");
            self.put_meta(meta::CONSISTENT_INDEX, rows::be64(self.index));
            if self.term != 0 {
                self.put_meta(meta::TERM, rows::be64(self.term));
            }
            self.sealed_index = self.index;
        }
        if self.conf_state_changed {
            self.put_meta(meta::CONF_STATE, self.members.conf_state_row());
            self.conf_state_changed = false;
        }
        self.buffer.seal()
    }

    /// The oldest sealed batch is part of `root` now.
    pub fn committed(&mut self, root: ReadTx) {
        self.buffer.committed(root);
    }

    /// Changes in the open batch: [`backend::BATCH_CHANGES_MAX`] of them are worth a seal.
    pub fn buffer_pending(&self) -> usize {
        self.buffer.pending()
    }

    /// True when the open batch holds a delete: etcd commits such a batch at the end of the apply turn.
    pub fn buffer_has_delete(&self) -> bool {
        self.buffer.has_delete()
    }

    pub fn root(&self) -> &ReadTx {
        self.buffer.root()
    }

    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// For reader threads.
    pub fn view(&mut self) -> View {
        self.buffer.view()
    }

    /// The file was rewritten (defragmentation): `root` holds what the present root holds. Nothing may be sealed and
    /// uncommitted.
    pub fn rewritten(&mut self, root: ReadTx) {
        self.buffer.rewritten(root);
    }

    /// Names the open batch, to ask later whether it is committed.
    pub fn ticket(&self) -> backend::Ticket {
        self.buffer.ticket()
    }

    pub fn is_committed(&self, ticket: backend::Ticket) -> bool {
        self.buffer.is_committed(ticket)
    }

    /// Index of the last entry whose effects are in the buffer or the backend.
    pub fn consistent_index(&self) -> u64 {
        self.index
    }

    /// Term of that entry; 0 if the backend never stored one.
    pub fn consistent_term(&self) -> u64 {
        self.term
    }

    /// What response headers call `raft_term`: the term of the last entry this process applied.
    pub fn applied_term(&self) -> u64 {
        self.applied_term
    }

    pub fn revision(&self) -> i64 {
        self.mvcc.revision()
    }

    pub fn mvcc(&self) -> &mvcc::Mvcc {
        &self.mvcc
    }

    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    pub fn members(&self) -> &Membership {
        &self.members
    }

    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// A slice of queued compaction work; see [`mvcc::Mvcc::compaction_step`].
    pub fn compaction_step(&mut self) -> Result<mvcc::CompactionStep, Error> {
        self.mvcc.compaction_step(&mut self.buffer).map_err(Error::from_mvcc)
    }

    /// HashKV at `revision` (0: current), or the work that computes it.
    pub fn hash_kv(&mut self, revision: i64) -> Result<mvcc::HashJob, Reject> {
        Ok(self.mvcc.hash_kv(&mut self.buffer, revision)?)
    }

    /// Version of the storage schema as the backend says it.
    pub fn storage_version(&self) -> Option<Version> {
        version::detect_storage(self.storage_version, self.term)
    }

    /// The schema version the backend must be brought to, if it is not there yet: the cluster version's, once that is
    /// decided.
    pub fn storage_target(&self) -> Option<Version> {
        version::storage_target(self.storage_version(), self.members.version())
    }

    /// Brings the schema to `target`. `log_version`: the highest [`version::entry_version`] since the last snapshot,
    /// which forbids going below it.
    pub fn migrate_storage(&mut self, target: Version, log_version: Option<Version>) -> Result<(), String> {
        let current = self.storage_version().ok_or("cannot detect storage schema version")?;
        let row = version::migrate(current, target, log_version)?;
        match row {
            Some(text) => self.put_meta(meta::STORAGE_VERSION, text),
            None => self.buffer.delete(Bucket::Meta, Bytes::from_static(meta::STORAGE_VERSION)),
        }
        self.storage_version = (target >= version::V3_6).then_some(target);
        Ok(())
    }

    fn put_meta(&mut self, key: &'static [u8], value: Bytes) {
        self.buffer.put(Bucket::Meta, Bytes::from_static(key), value);
    }
}
