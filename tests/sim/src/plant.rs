//! Bugs planted to show that the simulation finds them.
//!
//! They never touch the code under test: each sits between it and the simulated world, and does what a server with
//! that bug would do there.

use backend::{Batch, Bucket, Op, meta};
use member::{Member, log_writer::LogJob};
use proto::raftpb;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// The log is said to be durable without an fdatasync.
    SkippedSync,
    /// A heartbeat's answer counts for whichever read round is the newest, not for the one it was sent for.
    ReusedReadContext,
    /// The vote is not in the hard state that is logged.
    LostVote,
    /// The consistent index is not in the batch whose changes it covers, so a restart applies entries again.
    AppliedTwice,
    /// A member goes on ending leases by the deadlines it had as a leader.
    StaleLeaseExpiry,
}

impl Bug {
    pub const ALL: [Bug; 5] =
        [Bug::SkippedSync, Bug::ReusedReadContext, Bug::LostVote, Bug::AppliedTwice, Bug::StaleLeaseExpiry];
}

/// The bug of one process, if any.
#[derive(Debug, Default)]
pub struct Plant {
    pub bug: Option<Bug>,
    /// Context of the last heartbeat sent.
    context: Option<bytes::Bytes>,
    /// Leases and when they end, from the time as leader.
    deadlines: Vec<(i64, u64)>,
}

impl Plant {
    pub fn new(bug: Option<Bug>) -> Plant {
        Plant { bug, ..Plant::default() }
    }

    pub fn log_job(&mut self, mut job: LogJob) -> LogJob {
        if self.bug == Some(Bug::LostVote)
            && let LogJob::Persist(persist) = &mut job
            && let Some(state) = &mut persist.hard_state
        {
            state.vote = Some(0);
        }
        job
    }

    pub fn batch(&mut self, mut batch: Batch) -> Batch {
        if self.bug == Some(Bug::AppliedTwice) {
            let index = |op: &Op| matches!(op, Op::Put { bucket: Bucket::Meta, key, .. } if key[..] == *meta::CONSISTENT_INDEX);
            batch.ops.retain(|op| !index(op));
        }
        batch
    }

    pub fn sent(&mut self, message: &raftpb::Message) {
        if message.r#type() == raftpb::MessageType::MsgHeartbeat
            && let Some(context) = message.context.as_ref().filter(|context| !context.is_empty())
        {
            self.context = Some(context.clone());
        }
    }

    pub fn received(&mut self, message: &mut raftpb::Message) {
        if self.bug == Some(Bug::ReusedReadContext)
            && message.r#type() == raftpb::MessageType::MsgHeartbeatResp
            && let Some(context) = &self.context
        {
            message.context = Some(context.clone());
        }
    }

    /// The member of this process is about to have its turn.
    pub fn before_turn(&mut self, member: &mut Member, now_ms: u64) {
        if self.bug != Some(Bug::StaleLeaseExpiry) {
            return;
        }
        if member.deadlines().is_primary() {
            let ids: Vec<i64> = member.state().leases().iter().map(|lease| lease.id).collect();
            let left = |id| member.remaining(id).map(|left_s| (id, now_ms + 1000 * left_s.max(0) as u64));
            self.deadlines = ids.into_iter().filter_map(left).collect();
            return;
        }
        for (id, _) in self.deadlines.extract_if(.., |(_, ends_ms)| *ends_ms <= now_ms) {
            let request = proto::etcdserverpb::LeaseRevokeRequest { id };
            let _ = member.propose(member::proposal::Payload::LeaseRevoke(&request));
        }
    }
}
