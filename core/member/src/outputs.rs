//! What a turn of the member gives the shell.

use crate::{log_writer::LogJob, raft::Standing};
use backend::{Batch, ReadTx, View};
use mvcc::watch::{CatchUp, Delivery};
use proto::raftpb;
use state::{Reject, Reply};

/// Everything one turn produced. The shell empties it: jobs to their stages, messages to peers, the rest to callers.
#[derive(Debug, Default)]
pub struct Outputs {
    pub log: Vec<LogJob>,
    /// For the committer, in order; each is answered with [`crate::Member::committed`].
    pub commit: Vec<Batch>,
    /// For peers, in order. None of them is a snapshot.
    pub messages: Vec<raftpb::Message>,
    /// For peers that fell behind; each is answered with [`crate::Member::snapshot_sent`].
    pub snapshots: Vec<SnapshotJob>,
    /// Received snapshots to be opened, in order and after the batches given before; each is answered with
    /// [`crate::Member::installed`].
    pub installs: Vec<InstallJob>,
    /// Every member is to be asked what it runs; answered with [`crate::Member::versions_known`].
    pub ask_versions: bool,
    /// History for watchers that are behind, to be read on a reader thread.
    pub history: Vec<HistoryJob>,
    /// Results of proposals, by request ID, in log order.
    pub replies: Vec<(u64, Result<Reply, Reject>)>,
    /// Request IDs of proposals raft dropped.
    pub dropped: Vec<u64>,
    /// Tokens of reads that may be served now.
    pub readable: Vec<u64>,
    /// Tokens of reads cut off by a change of leader.
    pub cut_off: Vec<u64>,
    pub deliveries: Vec<Delivery>,
    pub notices: Vec<Notice>,
    /// Entries applied in this turn.
    pub applied: u64,
}

/// A snapshot for a peer: the message, and the database image that goes with it.
#[derive(Debug)]
pub struct SnapshotJob {
    pub message: raftpb::Message,
    pub root: ReadTx,
}

/// A received snapshot that is logged: its database is to take the backend's place (see [`crate::restart::install`]).
#[derive(Debug)]
pub struct InstallJob {
    pub index: u64,
    pub options: state::Options,
}

/// A pass over history; read with [`mvcc::history`].
#[derive(Debug)]
pub struct HistoryJob {
    pub view: View,
    pub pass: CatchUp,
}

/// Something the shell logs or counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Role, term or leader changed.
    Standing {
        before: Standing,
        now: Standing,
    },
    /// This member's name and client URLs are known to the cluster: it may serve.
    Published,
    ClusterVersion {
        from: Option<String>,
        to: String,
    },
    StorageVersion(String),
    /// Applied; node 0 if it was refused or says nothing new.
    MembersChanged(raftpb::ConfChange),
    SnapshotTriggered {
        applied: u64,
        last: u64,
    },
    SnapshotSaved {
        index: u64,
    },
    /// A snapshot of the leader's has replaced the whole state; reads under way were of the old one.
    SnapshotInstalled {
        index: u64,
    },
    CompactionScheduled {
        revision: i64,
    },
    CompactionFinished {
        revision: i64,
        removed: u64,
        hash: u32,
    },
    AutoCompaction {
        revision: i64,
    },
    /// The backend is over its quota; the alarm is being raised.
    QuotaExceeded,
    LeasesExpired {
        count: usize,
    },
}

/// Totals since the start, for whoever counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub puts: u64,
    pub deletes: u64,
    /// Entries that changed more than one key.
    pub txns: u64,
    /// Bytes of the rows put.
    pub put_bytes: u64,
    pub leases_granted: u64,
    pub leases_revoked: u64,
    pub leases_renewed: u64,
}

impl Totals {
    pub(crate) fn changes(&mut self, changes: &[mvcc::Change]) {
        for change in changes {
            if change.tombstone {
                self.deletes += 1;
            } else {
                self.puts += 1;
                self.put_bytes += change.kv.len() as u64;
            }
        }
        self.txns += u64::from(changes.len() > 1);
    }

    pub(crate) fn lease(&mut self, event: &state::lease::Event) {
        match event {
            state::lease::Event::Granted { .. } => self.leases_granted += 1,
            state::lease::Event::Revoked { .. } => self.leases_revoked += 1,
            state::lease::Event::Checkpointed { .. } => {}
        }
    }
}
