//! The part of the strict reconfiguration check that looks at who has started. The other part, who is connected, is
//! the member's. Only voters count.

use super::Membership;

/// The change would leave a quorum that has too few started members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("etcdserver: re-configuration failed due to not enough started members")]
pub struct NotEnoughStarted;

impl Membership {
    /// May a voter be added? A second member may always join a single one that has started.
    pub fn ready_to_add_voter(&self) -> Result<(), NotEnoughStarted> {
        let (voters, started) = (self.voters().count() + 1, self.voters().filter(|m| m.is_started()).count());
        if started == 1 && voters == 2 { Ok(()) } else { quorum(voters, started) }
    }

    /// May this member be removed? A learner always may.
    pub fn ready_to_remove(&self, id: u64) -> Result<(), NotEnoughStarted> {
        if self.get(id).is_some_and(|member| member.is_learner) {
            return Ok(());
        }
        let others = || self.voters().filter(|member| member.id != id);
        quorum(others().count(), others().filter(|m| m.is_started()).count())
    }

    /// May a learner become a voter? It counts as started.
    pub fn ready_to_promote(&self) -> Result<(), NotEnoughStarted> {
        quorum(self.voters().count() + 1, self.voters().filter(|m| m.is_started()).count() + 1)
    }
}

fn quorum(voters: usize, started: usize) -> Result<(), NotEnoughStarted> {
    if started > voters / 2 { Ok(()) } else { Err(NotEnoughStarted) }
}

#[cfg(test)]
mod tests {
    use super::super::{Attributes, Member};
    use super::*;

    fn cluster(members: &str) -> Membership {
        // One letter per member: S started voter, u unstarted voter, l learner.
        let mut membership = Membership::default();
        for (id, kind) in (1..).zip(members.chars()) {
            let name = if kind == 'S' { "started" } else { "" };
            let attributes = Attributes { name: name.into(), client_urls: vec![] };
            let member = Member { id, is_learner: kind == 'l', attributes, ..Member::default() };
            membership.members.insert(id, member);
        }
        membership
    }

    #[test]
    fn started_quorums() {
        // members, then: may add, may remove the first, may promote.
        for (members, add, remove, promote) in [
            ("S", true, false, true),
            ("u", false, false, false),
            ("SS", true, true, true),
            ("Su", false, false, true),
            ("SuS", false, false, true),
            ("SSS", true, true, true),
            ("lS", true, true, true),
            ("uSS", false, true, true),
        ] {
            let membership = cluster(members);
            assert_eq!(membership.ready_to_add_voter().is_ok(), add, "add to {members}");
            assert_eq!(membership.ready_to_remove(1).is_ok(), remove, "remove from {members}");
            assert_eq!(membership.ready_to_promote().is_ok(), promote, "promote in {members}");
        }
    }
}
