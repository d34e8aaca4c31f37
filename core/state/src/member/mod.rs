//! Membership: who is in the cluster, who was removed, the cluster version, a downgrade under way.
//!
//! It never decides what to propose and never knows which member is connected. Rows are JSON as Go writes it, in
//! buckets `members`, `members_removed` and `cluster`. Invariant: no ID is both a member and removed; rows and memory
//! agree.

mod conf_change;
mod identity;
mod json;
mod reconfig;
mod row;
mod upgrade;
mod urls;
mod v2store;

pub use conf_change::{Change, add_context, promote_context, update_context};
pub use identity::{cluster_id, member_id};
pub use reconfig::NotEnoughStarted;
pub use upgrade::DowngradeRefusal;
pub use urls::{BadUrls, peer_urls};

use crate::{Error, Version, rows};
use backend::{Bucket, Buffer, ReadTx};
use bytes::Bytes;
use proto::{etcdserverpb as pb, raftpb};
use std::collections::{BTreeMap, BTreeSet};

const VERSION_KEY: &[u8] = b"clusterVersion";
const DOWNGRADE_KEY: &[u8] = b"downgrade";

/// What a member publishes about itself; empty until it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub name: String,
    pub client_urls: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub id: u64,
    pub peer_urls: Vec<String>,
    pub is_learner: bool,
    pub attributes: Attributes,
}

impl Member {
    /// It has published its name.
    pub fn is_started(&self) -> bool {
        !self.attributes.name.is_empty()
    }

    pub fn to_proto(&self) -> pb::Member {
        pb::Member {
            id: self.id,
            name: self.attributes.name.clone(),
            peer_ur_ls: self.peer_urls.clone(),
            client_ur_ls: self.attributes.client_urls.clone(),
            is_learner: self.is_learner,
        }
    }
}

/// A downgrade that an administrator allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Downgrade {
    pub enabled: bool,
    /// `X.Y.0`; empty when not enabled.
    pub target: String,
}

/// The members and what is agreed about the cluster as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    members: BTreeMap<u64, Member>,
    removed: BTreeSet<u64>,
    version: Option<Version>,
    downgrade: Downgrade,
    learners_max: usize,
}

impl Membership {
    /// Without members.
    pub(crate) fn new(learners_max: usize) -> Membership {
        Membership { learners_max, ..Membership::default() }
    }

    pub(crate) fn restore(root: &ReadTx, learners_max: usize) -> Result<Membership, Error> {
        let mut membership = Membership::new(learners_max);
        for (key, value) in rows::all(root, Bucket::Members)? {
            let id = row::parse_id(Bucket::Members, &key)?;
            let member = Member::from_json(&value).map_err(|e| Error::row(Bucket::Members, e))?;
            membership.members.insert(id, Member { id, ..member });
        }
        for (key, _) in rows::all(root, Bucket::MembersRemoved)? {
            membership.removed.insert(row::parse_id(Bucket::MembersRemoved, &key)?);
        }
        if let Some(value) = root.get(Bucket::Cluster.name(), VERSION_KEY)? {
            let text = rows::text(Bucket::Cluster, &value)?;
            membership.version = Some(Version::parse(text).map_err(|e| Error::row(Bucket::Cluster, e))?);
        }
        if let Some(value) = root.get(Bucket::Cluster.name(), DOWNGRADE_KEY)? {
            membership.downgrade =
                Downgrade::from_json(&value).map_err(|e| Error::row(Bucket::Cluster, e))?;
        }
        Ok(membership)
    }

    /// Makes the rows of a database what this says, whatever they are: for members taken from a v2 store.
    pub(crate) fn rewrite(&self, root: &ReadTx, buffer: &mut Buffer) -> Result<(), Error> {
        for (bucket, known) in [
            (Bucket::Members, self.members.keys().copied().collect::<BTreeSet<u64>>()),
            (Bucket::MembersRemoved, self.removed.clone()),
        ] {
            for (key, _) in rows::all(root, bucket)? {
                if !known.contains(&row::parse_id(bucket, &key)?) {
                    buffer.delete(bucket, key);
                }
            }
        }
        for member in self.members.values() {
            save(buffer, member);
        }
        for id in &self.removed {
            save_removed(buffer, *id);
        }
        if let Some(version) = self.version {
            buffer.put(Bucket::Cluster, Bytes::from_static(VERSION_KEY), version.to_string().into());
        }
        Ok(())
    }

    /// v2 stores know nothing of downgrades.
    pub(crate) fn with_downgrade_of(self, stored: Membership) -> Membership {
        Membership { downgrade: stored.downgrade, ..self }
    }

    pub fn get(&self, id: u64) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Ascending by ID.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A removed ID never comes back.
    pub fn is_removed(&self, id: u64) -> bool {
        self.removed.contains(&id)
    }

    /// Ascending.
    pub fn removed(&self) -> impl Iterator<Item = u64> {
        self.removed.iter().copied()
    }

    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|member| !member.is_learner)
    }

    /// The cluster version, once decided.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    pub fn downgrade(&self) -> &Downgrade {
        &self.downgrade
    }

    pub fn to_proto(&self) -> Vec<pb::Member> {
        self.iter().map(Member::to_proto).collect()
    }

    /// Raft's configuration: learners, and all others as voters; ascending.
    pub fn conf_state(&self) -> raftpb::ConfState {
        let (learners, voters): (Vec<&Member>, Vec<&Member>) = self.iter().partition(|m| m.is_learner);
        let ids = |members: Vec<&Member>| members.iter().map(|member| member.id).collect();
        raftpb::ConfState::simple(ids(voters), ids(learners))
    }

    pub(crate) fn conf_state_row(&self) -> Bytes {
        row::conf_state(&self.conf_state())
    }

    /// Sets what a member published. `Err` for an ID that never was a member; a removed one is no error.
    pub(crate) fn set_attributes(
        &mut self,
        buffer: &mut Buffer,
        id: u64,
        attributes: Attributes,
    ) -> Result<(), String> {
        match self.members.get_mut(&id) {
            Some(member) => {
                member.attributes = attributes;
                save(buffer, member);
                Ok(())
            }
            None if self.removed.contains(&id) => Ok(()),
            None => Err(format!("attributes of member {id:x}, which is unknown")),
        }
    }

    pub(crate) fn set_version(&mut self, buffer: &mut Buffer, version: Version) {
        self.version = Some(version);
        buffer.put(Bucket::Cluster, Bytes::from_static(VERSION_KEY), version.to_string().into());
    }

    pub(crate) fn set_downgrade(&mut self, buffer: &mut Buffer, downgrade: Downgrade) {
        buffer.put(Bucket::Cluster, Bytes::from_static(DOWNGRADE_KEY), downgrade.to_json());
        self.downgrade = downgrade;
    }
}

fn save(buffer: &mut Buffer, member: &Member) {
    buffer.put(Bucket::Members, row::id(member.id), member.to_json());
}

fn save_removed(buffer: &mut Buffer, id: u64) {
    buffer.put(Bucket::MembersRemoved, row::id(id), Bytes::from_static(b"removed"));
}
