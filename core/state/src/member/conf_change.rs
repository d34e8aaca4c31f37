//! Configuration changes: what one asks for, whether it still holds when it is applied, and its effect.
//!
//! They were checked before they were proposed, but another may have been applied in between. One that does not hold
//! changes nothing, its proposer gets the reason, and raft is told of a change of member 0, which it ignores.

use super::{Member, Membership, row, save, save_removed};
use crate::Reject;
use backend::{Bucket, Buffer};
use bytes::Bytes;
use proto::raftpb::{ConfChange, ConfChangeType};

/// A change, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Add(Member),
    Promote(u64),
    Remove(u64),
    /// Only peer URLs change.
    Update {
        id: u64,
        peer_urls: Vec<String>,
    },
}

/// Context of a change that adds a member.
pub fn add_context(member: &Member) -> Bytes {
    member.to_json()
}

/// Context of a change that makes a learner a voter.
pub fn promote_context(id: u64) -> Bytes {
    Member { id, ..Member::default() }.to_json_with(",\"isPromote\":true").into()
}

/// Context of a change of peer URLs.
pub fn update_context(id: u64, peer_urls: Vec<String>) -> Bytes {
    Member { id, peer_urls, ..Member::default() }.to_json()
}

impl Change {
    /// `Err` for bytes no release of etcd writes.
    pub fn read(change: &ConfChange) -> Result<Change, String> {
        let id = change.node_id();
        let kind = ConfChangeType::try_from(change.r#type.unwrap_or_default())
            .map_err(|_| format!("configuration change of type {}", change.r#type.unwrap_or_default()))?;
        if kind == ConfChangeType::ConfChangeRemoveNode {
            return Ok(Change::Remove(id));
        }
        let context = change.context.as_deref().unwrap_or_default();
        let member =
            Member::from_json(context).map_err(|e| format!("context of a configuration change: {e}"))?;
        if member.id != id {
            return Err(format!("configuration change of member {id:x} with context of {:x}", member.id));
        }
        let promotes = super::json::Object::parse(context).and_then(|object| object.bool("isPromote"))?;
        Ok(match kind {
            ConfChangeType::ConfChangeUpdateNode => Change::Update { id, peer_urls: member.peer_urls },
            ConfChangeType::ConfChangeAddNode | ConfChangeType::ConfChangeAddLearnerNode => {
                if promotes {
                    Change::Promote(id)
                } else {
                    Change::Add(member)
                }
            }
            ConfChangeType::ConfChangeRemoveNode => unreachable!("returned above"),
        })
    }
}

impl Membership {
    /// Whether a change can be applied to the members as they are.
    pub fn validate(&self, change: &Change) -> Result<(), Reject> {
        let (Change::Add(Member { id, .. })
        | Change::Promote(id)
        | Change::Remove(id)
        | Change::Update { id, .. }) = change;
        if self.removed.contains(id) {
            return Err(Reject::MemberNotFound);
        }
        match change {
            Change::Add(member) => self.validate_add(member),
            Change::Promote(id) => match self.members.get(id) {
                None => Err(Reject::MemberNotFound),
                Some(member) if !member.is_learner => Err(Reject::MemberNotLearner),
                Some(_) => Ok(()),
            },
            Change::Remove(id) => self.members.get(id).map(drop).ok_or(Reject::MemberNotFound),
            Change::Update { id, peer_urls } => {
                self.members.get(id).ok_or(Reject::MemberNotFound)?;
                self.urls_free(peer_urls, Some(*id))
            }
        }
    }

    fn validate_add(&self, member: &Member) -> Result<(), Reject> {
        if self.members.contains_key(&member.id) {
            return Err(Reject::MemberExists);
        }
        self.urls_free(&member.peer_urls, None)?;
        let learners = self.iter().filter(|member| member.is_learner).count();
        if member.is_learner && learners + 1 > self.learners_max {
            return Err(Reject::TooManyLearners);
        }
        Ok(())
    }

    fn urls_free(&self, urls: &[String], except: Option<u64>) -> Result<(), Reject> {
        let taken =
            |url| self.iter().any(|member| Some(member.id) != except && member.peer_urls.contains(url));
        if urls.iter().any(taken) { Err(Reject::PeerUrlExists) } else { Ok(()) }
    }

    /// Applies a change that [`Membership::validate`] let through.
    pub(crate) fn change(&mut self, buffer: &mut Buffer, change: Change) {
        match change {
            Change::Add(member) => {
                save(buffer, &member);
                self.members.insert(member.id, member);
            }
            Change::Promote(id) => self.edit(buffer, id, |member| member.is_learner = false),
            Change::Update { id, peer_urls } => self.edit(buffer, id, |member| member.peer_urls = peer_urls),
            Change::Remove(id) => {
                self.members.remove(&id);
                self.removed.insert(id);
                buffer.delete(Bucket::Members, row::id(id));
                save_removed(buffer, id);
            }
        }
    }

    fn edit(&mut self, buffer: &mut Buffer, id: u64, edit: impl FnOnce(&mut Member)) {
        let member = self.members.get_mut(&id).expect("the change was validated");
        edit(member);
        save(buffer, member);
    }
}

#[cfg(test)]
mod tests;
