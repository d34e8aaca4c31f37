//! The member's part in versions: it publishes its name in the encoding the oldest member understands, brings its
//! schema to the cluster version, and, as leader, decides that version and ends a downgrade.
//!
//! It never asks anybody itself: the shell does, and says what was answered.

use super::{Member, own::Own};
use crate::{
    outputs::{Notice, Outputs},
    proposal::Payload,
    raft::Role,
};
use proto::{Message, membershippb};
use state::{
    Version,
    command::RequestV2,
    member::Attributes,
    version::{UNDECIDED, V3_5},
};
use std::collections::BTreeMap;

/// Versions are looked at this often.
const INTERVAL_MS: u64 = 4000;

#[derive(Debug, Default)]
pub(super) struct Versions {
    next_ms: u64,
    /// What the other members said they run, when they were last asked; `None` for one that did not answer.
    others: Option<BTreeMap<u64, Option<Version>>>,
    asking: bool,
}

impl Versions {
    /// Something has changed: do not wait for the next look.
    pub(super) fn look_now(&mut self) {
        self.next_ms = 0;
    }
}

impl Member {
    pub(super) fn version_duties(&mut self, out: &mut Outputs) {
        let due = self.now_ms >= self.versions.next_ms;
        if due {
            self.versions.next_ms = self.now_ms + INTERVAL_MS;
            self.follow_cluster_version(out);
        }
        let standing = self.consensus.standing();
        // A leader is through with its predecessors' entries once the first of its own term is applied.
        let through = standing.role != Role::Leader || self.state.applied_term() == standing.term;
        if standing.leader == 0 || !through {
            return;
        }
        // A new cluster's version is proposed just before the first name.
        if due && standing.role == Role::Leader {
            if self.is_alone() {
                self.decide_version();
            } else {
                self.ask_versions(out);
            }
        }
        if !self.published && self.now_ms >= self.publish_again_ms {
            match self.speaks_v2() {
                Some(v2) => self.publish(v2),
                None => self.ask_versions(out),
            }
        }
    }

    /// What the other members answered.
    pub fn versions_known(&mut self, others: BTreeMap<u64, Option<Version>>) {
        self.versions.asking = false;
        self.versions.others = Some(others);
        if self.consensus.is_leader() && self.state.applied_term() == self.consensus.standing().term {
            self.decide_version();
        }
    }

    fn is_alone(&self) -> bool {
        self.state.members().iter().all(|member| member.id == self.settings.member_id)
            && !self.state.members().is_empty()
    }

    fn ask_versions(&mut self, out: &mut Outputs) {
        out.ask_versions |= !std::mem::replace(&mut self.versions.asking, true);
    }

    /// Whether names and the cluster version must be proposed as v2 requests, because a member below 3.5 may read
    /// them; `None` while that is not known.
    fn speaks_v2(&self) -> Option<bool> {
        match self.state.members().version() {
            Some(cluster) if cluster >= V3_5 => Some(false),
            Some(cluster) if cluster > UNDECIDED => Some(true),
            _ => {
                let nobody = BTreeMap::new();
                let others = if self.is_alone() { &nobody } else { self.versions.others.as_ref()? };
                let known = others.values().flatten().copied();
                Some(known.fold(self.settings.release, Version::min) < V3_5)
            }
        }
    }

    fn publish(&mut self, v2: bool) {
        self.publish_again_ms = self.now_ms + self.settings.request_timeout_ms;
        let member_id = self.settings.member_id;
        let (name, client_urls) = (self.settings.name.clone(), self.settings.client_urls.clone());
        if v2 {
            let attributes = Attributes { name, client_urls };
            self.propose_v2(Own::Publish, |id| RequestV2::attributes(id, member_id, &attributes));
        } else {
            let attributes = membershippb::Attributes { name, client_urls };
            let request =
                membershippb::ClusterMemberAttrSetRequest { member_id, member_attributes: Some(attributes) };
            self.propose_own(Own::Publish, Payload::MemberAttributes(&request));
        }
    }

    /// Brings the schema to the cluster version.
    pub(super) fn follow_cluster_version(&mut self, out: &mut Outputs) {
        if self.snapshots.installing() {
            return;
        }
        if let Some(target) = self.state.storage_target()
            && self.state.migrate_storage(target, None).is_ok()
        {
            out.notices.push(Notice::StorageVersion(target.to_string()));
        }
    }

    /// The leader's decision, from what every member runs.
    fn decide_version(&mut self) {
        let own = self.settings.member_id;
        let servers: Vec<Option<Version>> = self
            .state
            .members()
            .iter()
            .map(|member| match member.id == own {
                true => Some(self.settings.release),
                false => self.versions.others.as_ref().and_then(|others| *others.get(&member.id)?),
            })
            .collect();
        if let Ok(Some(version)) = self.state.members().decide_version(&servers) {
            let ver = version.to_string();
            if self.speaks_v2() == Some(true) {
                self.propose_v2(Own::ClusterVersion, |id| RequestV2::cluster_version(id, &ver));
            } else {
                let request = membershippb::ClusterVersionSetRequest { ver };
                self.propose_own(Own::ClusterVersion, Payload::ClusterVersion(&request));
            }
        } else if self.state.members().downgrade_finished(&servers) {
            let request = membershippb::DowngradeInfoSetRequest { enabled: false, ver: String::new() };
            self.propose_own(Own::DowngradeEnd, Payload::Downgrade(&request));
        }
    }

    fn propose_v2(&mut self, own: Own, request: impl FnOnce(u64) -> RequestV2) {
        let id = self.ids.draw();
        if self.consensus.propose(id, request(id).encode_to_vec().into()) {
            self.own.insert(id, own);
        }
    }
}
