//! Who is a peer, who is active, which messages go out and come in.

use super::{
    Node, Role,
    peer::{Peer, Pipeline},
};
use crate::{Event, batch::Batch, endpoint::Picker, identity::hex};
use proto::raftpb::{Message, MessageType};
use std::{sync::atomic::Ordering, time::Duration};

/// Members learned from requests and not listed by the owner.
const REMOTES_MAX: usize = 128;

/// Why a message is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// Its sender was removed.
    Removed,
    /// It is for another member.
    Mismatch,
    /// Of a kind that no member sends.
    Local,
    /// A snapshot without its database.
    BareSnapshot,
    /// Too many wait to be taken.
    Full,
}

impl Node {
    pub(super) fn add_peer(&mut self, id: u64, urls: &[String]) {
        if id == self.identity.member_id || self.peers.get(&id).is_some_and(|peer| peer.streams.is_some()) {
            return;
        }
        let Some(picker) = parse_urls(id, urls) else { return };
        // A remote's posts go on.
        let pipeline = self.peers.remove(&id).map_or_else(Pipeline::default, |remote| remote.pipeline);
        log::info!("remote-peer-id":% = hex(id); "starting remote peer");
        self.peers.insert(id, Peer::member(picker, pipeline, self.now));
        self.due = self.now;
        log::info!(
            "local-member-id":% = hex(self.identity.member_id), "remote-peer-id":% = hex(id),
            "remote-peer-urls":serde = urls; "added remote peer"
        );
    }

    pub(super) fn add_remote(&mut self, id: u64, urls: &[String]) {
        let remotes = self.peers.values().filter(|peer| peer.streams.is_none()).count();
        if id == self.identity.member_id || self.peers.contains_key(&id) || remotes >= REMOTES_MAX {
            return;
        }
        let Some(picker) = parse_urls(id, urls) else { return };
        self.peers.insert(id, Peer::remote(picker));
        log::info!(
            "local-member-id":% = hex(self.identity.member_id), "remote-peer-id":% = hex(id),
            "remote-peer-urls":serde = urls; "added new remote peer"
        );
    }

    pub(super) fn update_peer(&mut self, id: u64, urls: &[String]) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.streams.is_some()) else { return };
        let Some(picker) = parse_urls(id, urls) else { return };
        peer.urls = picker;
        peer.forget_health(self.now);
        log::info!(
            "local-member-id":% = hex(self.identity.member_id), "updated-remote-peer-id":% = hex(id),
            "updated-remote-peer-urls":serde = urls; "updated remote peer"
        );
    }

    pub(super) fn remove_peer(&mut self, id: u64) {
        self.removed.insert(id);
        for thread in self.snapshot_threads.values().filter(|thread| thread.to == Some(id)) {
            thread.stop.store(true, Ordering::Relaxed);
        }
        let Some(peer) = self.peers.remove(&id) else {
            log::warn!(
                "local-member-id":% = hex(self.identity.member_id), "removed-remote-peer-id":% = hex(id);
                "skipped removing already removed peer"
            );
            return;
        };
        self.forget_attempts(id);
        let keys: Vec<usize> =
            self.connections.iter().filter(|(_, c)| c.role.is_of(id)).map(|(key, _)| key).collect();
        for key in keys {
            self.accepted -= usize::from(self.connections[key].role.writes_to(id));
            self.drop_connection(key);
        }
        if peer.active {
            self.counts.peer(id, |totals| totals.active = Some(false));
        }
        log::info!(
            "local-member-id":% = hex(self.identity.member_id), "removed-remote-peer-id":% = hex(id);
            "removed remote peer"
        );
    }

    /// Sends a message by the best way that is open.
    pub(super) fn send(&mut self, message: Message) {
        let (to, from, kind) = (message.to(), message.from(), message.r#type());
        if to == 0 {
            return;
        }
        let Some(peer) = self.peers.get_mut(&to) else {
            log::debug!(
                "type" = kind.as_str_name(), "unknown-target-peer-id":% = hex(to);
                "ignored message send request; unknown remote peer target"
            );
            return;
        };
        if !peer.push(message) {
            let active = peer.active;
            if !self.unreachable.contains(&to) {
                log::warn!(
                    "message-type" = kind.as_str_name(), "local-member-id":% = hex(self.identity.member_id),
                    "from":% = hex(from), "remote-peer-id":% = hex(to), "remote-peer-active" = active;
                    "dropped internal Raft message since sending buffer is full"
                );
            }
            self.dropped(to, kind, 1);
        }
    }

    /// Messages to a member will not arrive.
    pub(super) fn dropped(&mut self, to: u64, kind: MessageType, count: u64) {
        self.unreachable.insert(to);
        if kind == MessageType::MsgSnap {
            self.events.push(Event::SnapshotSent { to, delivered: false, took: Duration::ZERO });
        }
        self.counts.peer(to, |totals| totals.sent_failures += count);
    }

    /// Takes a message in, or says why not. Logged and counted here.
    pub(super) fn admit(&mut self, message: Message, batch: &mut Batch) -> Option<Rejected> {
        if let Err(rejected) = self.examine(&message) {
            return Some(rejected);
        }
        let (from, to, kind) = (message.from(), message.to(), message.r#type());
        if batch.push(message) {
            return None;
        }
        log::warn!(
            "message-type" = kind.as_str_name(), "local-member-id":% = hex(self.identity.member_id),
            "from":% = hex(from), "remote-peer-id":% = hex(to),
            "remote-peer-active" = self.peers.get(&from).is_some_and(|peer| peer.active);
            "dropped internal Raft message since receiving buffer is full (overloaded network)"
        );
        self.counts.peer(from, |totals| totals.received_failures += 1);
        Some(Rejected::Full)
    }

    /// Whether a message may be stepped.
    pub(super) fn examine(&self, message: &Message) -> Result<(), Rejected> {
        self.examine_ends(message)?;
        match message.r#type.map_or(Ok(MessageType::MsgHup), MessageType::try_from) {
            Ok(MessageType::MsgSnap) => Err(Rejected::BareSnapshot),
            Ok(kind) if is_sent_by_members(kind) => Ok(()),
            Ok(_) | Err(_) => Err(Rejected::Local),
        }
    }

    pub(super) fn examine_ends(&self, message: &Message) -> Result<(), Rejected> {
        let local = self.identity.member_id;
        if self.removed.contains(&message.from()) {
            log::warn!(
                "local-member-id":% = hex(local), "removed-member-id":% = hex(message.from());
                "rejected Raft message from removed member"
            );
            return Err(Rejected::Removed);
        }
        if message.to() != local {
            log::warn!(
                "local-member-id":% = hex(local), "mismatch-member-id":% = hex(message.to());
                "rejected Raft message to mismatch member"
            );
            return Err(Rejected::Mismatch);
        }
        Ok(())
    }

    pub(super) fn hand_over(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.events.push(Event::Messages(batch));
        }
    }

    pub(super) fn activate(&mut self, id: u64) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !std::mem::replace(&mut peer.active, true) {
            log::info!("peer-id":% = hex(id); "peer became active");
            self.counts.peer(id, |totals| totals.active = Some(true));
            self.events.push(Event::Active(id));
        }
    }

    pub(super) fn deactivate(&mut self, id: u64, source: &str, action: &str, reason: &str) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let error = format!("failed to {action} {id:x} on {source} ({reason})");
        if std::mem::replace(&mut peer.active, false) {
            log::warn!("peer-id":% = hex(id), error = error; "peer became inactive (message send to peer failed)");
            self.counts.peer(id, |totals| {
                totals.active = Some(false);
                totals.disconnects += 1;
            });
            self.events.push(Event::Inactive { id, reason: error });
        } else {
            log::debug!("peer-id":% = hex(id), error = error; "peer deactivated again");
        }
    }

    /// A peer says that we were removed.
    pub(super) fn tell_removed(&mut self) {
        if !std::mem::replace(&mut self.told_removed, true) {
            self.events.push(Event::Removed);
        }
    }
}

impl Role {
    /// Whether it is a connection to, or a stream for, this member as a peer.
    fn is_of(&self, id: u64) -> bool {
        match self {
            Role::Writing { peer, .. } => *peer == id,
            Role::Dialling(dialling) => dialling.is_of(id),
            Role::Reading(reading) => reading.peer == id,
            Role::Answering(answering) => answering.is_of(id),
            Role::Serving(_) | Role::Idle(_) | Role::Taken => false,
        }
    }
}

/// False for kinds that raft keeps to itself.
fn is_sent_by_members(kind: MessageType) -> bool {
    use MessageType as M;
    match kind {
        M::MsgProp
        | M::MsgApp
        | M::MsgAppResp
        | M::MsgVote
        | M::MsgVoteResp
        | M::MsgHeartbeat
        | M::MsgHeartbeatResp
        | M::MsgTransferLeader
        | M::MsgTimeoutNow
        | M::MsgReadIndex
        | M::MsgReadIndexResp
        | M::MsgPreVote
        | M::MsgPreVoteResp
        | M::MsgSnap
        | M::MsgForgetLeader => true,
        M::MsgHup
        | M::MsgBeat
        | M::MsgUnreachable
        | M::MsgSnapStatus
        | M::MsgCheckQuorum
        | M::MsgStorageAppend
        | M::MsgStorageAppendResp
        | M::MsgStorageApply
        | M::MsgStorageApplyResp => false,
    }
}

fn parse_urls(id: u64, urls: &[String]) -> Option<Picker> {
    let parsed = Picker::parse(urls);
    if let Err(error) = &parsed {
        log::error!("remote-peer-id":% = hex(id), urls:? = urls, error = error.as_str(); "failed NewURLs");
    }
    parsed.ok()
}
