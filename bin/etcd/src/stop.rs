//! Stopping after a signal: the open calls that are let through, leadership handed on. Decides only when the
//! process may end.

use crate::{connected::Connected, notation::hex};
use member::{Member, raft::Role};

#[derive(Clone, Copy, Debug)]
enum Handover {
    Under { to: u64, since_ms: u64 },
    Over,
}

/// A stop under way.
#[derive(Debug)]
pub struct Stop {
    since_ms: u64,
    limit_ms: u64,
    handover: Option<Handover>,
}

impl Stop {
    /// `limit_ms`: how long the open calls, and then the handing over, may take.
    pub fn begin(now_ms: u64, limit_ms: u64) -> Stop {
        Stop { since_ms: now_ms, limit_ms, handover: None }
    }

    /// True when the process should end. `drained`: no call is open.
    pub fn is_over(
        &mut self,
        drained: bool,
        member: &mut Member,
        connected: &Connected,
        now_ms: u64,
    ) -> bool {
        if !drained && now_ms - self.since_ms < self.limit_ms {
            return false;
        }
        match self.handover {
            None => {
                self.handover = Some(hand_over(member, connected, now_ms));
                matches!(self.handover, Some(Handover::Over))
            }
            Some(Handover::Over) => true,
            Some(Handover::Under { to, since_ms }) => self.handed_over(to, since_ms, member, now_ms),
        }
    }

    fn handed_over(&mut self, to: u64, since_ms: u64, member: &Member, now_ms: u64) -> bool {
        let own = member.settings().member_id;
        let (transferee, own) = (hex(to), hex(own));
        if member.consensus().standing().leader == to {
            log::info!(
                "local-member-id":% = own, "old-leader-member-id":% = own, "new-leader-member-id":% = transferee,
                took:% = crate::notation::GoDuration::from(std::time::Duration::from_millis(now_ms - since_ms));
                "leadership transfer finished"
            );
            return true;
        }
        let late = now_ms - since_ms >= self.limit_ms;
        if late {
            log::warn!(
                "local-member-id":% = own, error = "etcdserver: request timed out, leader transfer took too long";
                "leadership transfer failed"
            );
        }
        late
    }
}

/// Leadership goes to the voter that has been connected for the longest time.
fn hand_over(member: &mut Member, connected: &Connected, now_ms: u64) -> Handover {
    let own = member.settings().member_id;
    if member.consensus().standing().role != Role::Leader {
        log::info!(
            "local-member-id":% = hex(own),
            "current-leader-member-id":% = hex(member.consensus().standing().leader);
            "skipped leadership transfer; local server is not leader"
        );
        return Handover::Over;
    }
    let others: Vec<u64> = member.state().members().voters().map(|m| m.id).filter(|id| *id != own).collect();
    if others.is_empty() {
        log::info!(
            "local-member-id":% = hex(own), "current-leader-member-id":% = hex(own);
            "skipped leadership transfer for single voting member cluster"
        );
        return Handover::Over;
    }
    let Some(to) = connected.longest_active(&others) else {
        log::warn!("local-member-id":% = hex(own), error = "etcdserver: unhealthy cluster"; "leadership transfer failed");
        return Handover::Over;
    };
    log::info!(
        "local-member-id":% = hex(own), "current-leader-member-id":% = hex(own),
        "transferee-member-id":% = hex(to); "leadership transfer starting"
    );
    member.transfer_leader(to);
    Handover::Under { to, since_ms: now_ms }
}
