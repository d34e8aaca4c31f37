//! What the member proposes by itself: the end of leases, alarms, compactions; its name and versions are next door.
//!
//! It never changes state directly: everything goes through the log. Bounded: one alarm and a few revokes at a time.

use super::Member;
use crate::{
    outputs::{Notice, Outputs},
    proposal::{Payload, Refused},
};
use proto::etcdserverpb as pb;
use state::{Reject, Reply};

/// The leader looks for expired leases this often.
const EXPIRY_INTERVAL_MS: u64 = 500;

/// Revokes of expired leases under way at a time.
const REVOKES_IN_FLIGHT_MAX: usize = 16;

/// Proposals of the member itself.
#[derive(Debug)]
pub(super) enum Own {
    Publish,
    ClusterVersion,
    DowngradeEnd,
    Revoke,
    Checkpoint,
    Alarm,
    CorruptAlarm,
    AutoCompaction { revision: i64 },
}

impl Member {
    pub(super) fn leader_duties(&mut self, out: &mut Outputs) {
        self.version_duties(out);
        if !self.consensus.is_leader() {
            return;
        }
        if self.now_ms >= self.next_expiry_ms {
            self.next_expiry_ms = self.now_ms + EXPIRY_INTERVAL_MS;
            self.expire_leases(out);
        }
        self.revoke_some();
        if let Some(auto) = &mut self.auto_compaction
            && let Some(revision) = auto.poll(self.now_ms, self.state.revision(), true)
        {
            out.notices.push(Notice::AutoCompaction { revision });
            let request = pb::CompactionRequest { revision, physical: false };
            self.propose_own(Own::AutoCompaction { revision }, Payload::Compaction(&request));
        }
    }

    pub(super) fn propose_own(&mut self, own: Own, payload: Payload<'_>) -> bool {
        match self.propose(payload) {
            Ok(id) => self.own.insert(id, own).is_none(),
            Err(_) => false,
        }
    }

    /// `result` is `None` when raft dropped the proposal.
    pub(super) fn own_done(&mut self, own: Own, result: Option<&Result<Reply, Reject>>, out: &mut Outputs) {
        match own {
            Own::Publish if matches!(result, Some(Ok(_))) && !self.published => {
                self.published = true;
                out.notices.push(Notice::Published);
            }
            Own::Publish => self.publish_again_ms = self.now_ms,
            Own::ClusterVersion | Own::DowngradeEnd => self.versions.look_now(),
            Own::Revoke => self.revokes_in_flight -= 1,
            Own::Checkpoint | Own::CorruptAlarm => {}
            Own::Alarm => self.alarm_in_flight = false,
            Own::AutoCompaction { revision } => {
                let compacted = matches!(result, Some(Ok(_) | Err(Reject::Compacted)));
                if let (true, Some(auto)) = (compacted, &mut self.auto_compaction) {
                    auto.done(revision, self.now_ms);
                }
            }
        }
    }

    /// Proposes revokes, a few at a time. One that cannot be proposed is given out again after the retry period.
    fn revoke_some(&mut self) {
        while self.revokes_in_flight < REVOKES_IN_FLIGHT_MAX
            && let Some(id) = self.to_revoke.pop_front()
        {
            if self.propose_own(Own::Revoke, Payload::LeaseRevoke(&pb::LeaseRevokeRequest { id })) {
                self.revokes_in_flight += 1;
            }
        }
    }

    pub(super) fn has_revokes_to_propose(&self) -> bool {
        !self.to_revoke.is_empty() && self.revokes_in_flight < REVOKES_IN_FLIGHT_MAX
    }

    /// No longer the leader: what was proposed as one may be lost, so nothing waits for it any more.
    pub(super) fn forget_leader_proposals(&mut self) {
        self.deadlines.demote();
        self.own.retain(|_, own| {
            !matches!(own, Own::Revoke | Own::Checkpoint | Own::ClusterVersion | Own::DowngradeEnd)
        });
        self.to_revoke.clear();
        self.revokes_in_flight = 0;
    }

    fn expire_leases(&mut self, out: &mut Outputs) {
        if self.to_revoke.is_empty() {
            self.to_revoke.extend(self.deadlines.expired(self.now_ms));
            if !self.to_revoke.is_empty() {
                out.notices.push(Notice::LeasesExpired { count: self.to_revoke.len() });
            }
        }
        let due = self.deadlines.checkpoints_due(self.state.leases(), self.now_ms);
        if !due.is_empty() {
            let checkpoints = due
                .into_iter()
                .map(|(id, remaining_ttl)| pb::LeaseCheckpoint { id, remaining_ttl })
                .collect();
            let request = pb::LeaseCheckpointRequest { checkpoints };
            self.propose_own(Own::Checkpoint, Payload::LeaseCheckpoint(&request));
        }
    }

    /// Proposes the NOSPACE alarm for this member, once at a time.
    pub fn raise_no_space(&mut self, out: &mut Outputs) {
        if std::mem::replace(&mut self.alarm_in_flight, true) {
            return;
        }
        out.notices.push(Notice::QuotaExceeded);
        let request = pb::AlarmRequest {
            action: pb::alarm_request::AlarmAction::Activate as i32,
            member_id: self.settings.member_id,
            alarm: pb::AlarmType::Nospace as i32,
        };
        if !self.propose_own(Own::Alarm, Payload::Alarm(&request)) {
            self.alarm_in_flight = false;
        }
    }

    /// Proposes the CORRUPT alarm for a member, or for nobody (0) in particular.
    pub fn raise_corrupt(&mut self, member_id: u64) {
        let request = pb::AlarmRequest {
            action: pb::alarm_request::AlarmAction::Activate as i32,
            member_id,
            alarm: pb::AlarmType::Corrupt as i32,
        };
        self.propose_own(Own::CorruptAlarm, Payload::Alarm(&request));
    }

    /// A quota check of a proposal of this cost, at the edge.
    pub fn has_room(&self, cost: u64) -> bool {
        state::available(cost, self.state.root().size(), self.settings.quota_bytes)
    }

    /// Clears a lease's stored remaining TTL; a renewal can then go on. The request ID to wait for.
    pub fn clear_checkpoint(&mut self, lease: i64) -> Result<u64, Refused> {
        let checkpoints = vec![pb::LeaseCheckpoint { id: lease, remaining_ttl: 0 }];
        self.propose(Payload::LeaseCheckpoint(&pb::LeaseCheckpointRequest { checkpoints }))
    }
}
