//! Translation between etcd's raft messages and the crate's.
//!
//! A configuration change is the delicate part: type numbers differ (add-learner is 3 at etcd, 2 in the crate,
//! where update-node does not exist), and the crate's leader parses the data of every such proposal. So inside the
//! crate an entry of that type carries etcd's own bytes in `context` and a stand-in the crate understands in `data`;
//! on the way out the bytes are swapped back. An update becomes "add node 0", which the crate treats as no change.

use bytes::Bytes;
use proto::{Message as _, raftpb};
use protobuf::Message as _;
use raft::eraftpb;

/// The highest message type that may come from the network (MsgPreVoteResp).
const NETWORK_TYPE_MAX: i32 = 18;

/// Message types that only a member itself may create.
const LOCAL_TYPES: [i32; 5] = [0, 1, 10, 11, 12];

/// Node ID that makes a configuration change a no-op for the crate.
const NO_NODE: u64 = 0;

/// Why a message from the network is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("message type {0} does not come from the network")]
    Type(i32),
    #[error("configuration change cannot be decoded")]
    ConfChange,
    #[error("entry type {0} is not supported")]
    EntryType(i32),
}

/// The crate's form of a configuration change, by etcd's meaning.
pub fn conf_change_in(change: &raftpb::ConfChange) -> eraftpb::ConfChange {
    use raftpb::ConfChangeType as T;
    let mut out = eraftpb::ConfChange::default();
    let (kind, node) = match change.r#type() {
        T::ConfChangeAddNode => (eraftpb::ConfChangeType::AddNode, change.node_id()),
        T::ConfChangeRemoveNode => (eraftpb::ConfChangeType::RemoveNode, change.node_id()),
        T::ConfChangeUpdateNode => (eraftpb::ConfChangeType::AddNode, NO_NODE),
        T::ConfChangeAddLearnerNode => (eraftpb::ConfChangeType::AddLearnerNode, change.node_id()),
    };
    out.set_change_type(kind);
    out.node_id = node;
    out
}

/// An entry on its way into the crate.
pub fn entry_in(entry: &raftpb::Entry) -> Result<eraftpb::Entry, Refused> {
    let mut out = eraftpb::Entry { term: entry.term(), index: entry.index(), ..Default::default() };
    let data = entry.data.clone().unwrap_or_default();
    match entry.r#type.unwrap_or(0) {
        0 => out.data = data,
        1 => {
            out.set_entry_type(eraftpb::EntryType::EntryConfChange);
            let change = raftpb::ConfChange::decode(data.clone()).map_err(|_| Refused::ConfChange)?;
            out.data = conf_change_in(&change).write_to_bytes().map_err(|_| Refused::ConfChange)?.into();
            out.context = data;
        }
        other => return Err(Refused::EntryType(other)),
    }
    Ok(out)
}

/// An entry on its way out: to the log, to peers, to apply. A refused configuration change has become an empty
/// normal entry inside the crate and leaves as one.
pub fn entry_out(entry: &eraftpb::Entry) -> raftpb::Entry {
    let (kind, data): (raftpb::EntryType, &Bytes) = match entry.get_entry_type() {
        eraftpb::EntryType::EntryConfChange => (raftpb::EntryType::EntryConfChange, &entry.context),
        _ => (raftpb::EntryType::EntryNormal, &entry.data),
    };
    raftpb::Entry::new(kind, entry.term, entry.index, data.clone())
}

pub fn message_in(message: &raftpb::Message) -> Result<eraftpb::Message, Refused> {
    let kind = message.r#type.unwrap_or(0);
    if kind > NETWORK_TYPE_MAX || LOCAL_TYPES.contains(&kind) {
        return Err(Refused::Type(kind));
    }
    let mut out = eraftpb::Message {
        msg_type: protobuf::ProtobufEnum::from_i32(kind).ok_or(Refused::Type(kind))?,
        to: message.to(),
        from: message.from(),
        term: message.term(),
        log_term: message.log_term(),
        index: message.index(),
        commit: message.commit(),
        reject: message.reject(),
        reject_hint: message.reject_hint(),
        context: message.context.clone().unwrap_or_default(),
        ..Default::default()
    };
    let entries: Result<Vec<_>, _> = message.entries.iter().map(entry_in).collect();
    out.set_entries(entries?.into());
    if kind == raftpb::MessageType::MsgSnap as i32
        && let Some(snapshot) = &message.snapshot
    {
        out.set_snapshot(snapshot_in(snapshot));
    }
    Ok(out)
}

pub fn message_out(message: eraftpb::Message) -> raftpb::Message {
    let snapshot = message.snapshot.as_ref().map(snapshot_out);
    raftpb::Message {
        r#type: Some(protobuf::ProtobufEnum::value(&message.msg_type)),
        to: Some(message.to),
        from: Some(message.from),
        term: Some(message.term),
        log_term: Some(message.log_term),
        index: Some(message.index),
        entries: message.entries.iter().map(entry_out).collect(),
        commit: Some(message.commit),
        snapshot,
        reject: Some(message.reject),
        reject_hint: Some(message.reject_hint),
        context: (!message.context.is_empty()).then_some(message.context),
        vote: None,
        responses: Vec::new(),
    }
}

pub fn snapshot_in(snapshot: &raftpb::Snapshot) -> eraftpb::Snapshot {
    let data = snapshot.data.clone().unwrap_or_default();
    let mut out = eraftpb::Snapshot { data, ..Default::default() };
    if let Some(metadata) = &snapshot.metadata {
        let to = out.mut_metadata();
        to.index = metadata.index();
        to.term = metadata.term();
        if let Some(state) = &metadata.conf_state {
            to.set_conf_state(conf_state_in(state));
        }
    }
    out
}

pub fn snapshot_out(snapshot: &eraftpb::Snapshot) -> raftpb::Snapshot {
    let metadata = snapshot.get_metadata();
    raftpb::Snapshot {
        data: Some(snapshot.data.clone()),
        metadata: Some(raftpb::SnapshotMetadata {
            conf_state: Some(conf_state_out(metadata.get_conf_state())),
            index: Some(metadata.index),
            term: Some(metadata.term),
        }),
    }
}

pub fn conf_state_in(state: &raftpb::ConfState) -> eraftpb::ConfState {
    let mut out = eraftpb::ConfState::default();
    out.set_voters(state.voters.clone());
    out.set_learners(state.learners.clone());
    out
}

pub fn conf_state_out(state: &eraftpb::ConfState) -> raftpb::ConfState {
    raftpb::ConfState::simple(state.get_voters().to_vec(), state.get_learners().to_vec())
}

pub fn hard_state_in(state: &raftpb::HardState) -> eraftpb::HardState {
    eraftpb::HardState {
        term: state.term(),
        vote: state.vote(),
        commit: state.commit(),
        ..Default::default()
    }
}

pub fn hard_state_out(state: &eraftpb::HardState) -> raftpb::HardState {
    raftpb::HardState::new(state.term, state.vote, state.commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: raftpb::ConfChangeType, node: u64) -> raftpb::Entry {
        let change = raftpb::ConfChange {
            id: Some(7),
            r#type: Some(kind as i32),
            node_id: Some(node),
            context: Some(Bytes::from_static(b"{}")),
        };
        raftpb::Entry::new(raftpb::EntryType::EntryConfChange, 2, 3, change.encode_to_vec().into())
    }

    #[test]
    fn every_change_type_keeps_its_bytes_and_gets_the_right_stand_in() {
        use eraftpb::ConfChangeType as E;
        use raftpb::ConfChangeType as T;
        for (kind, node, expected_kind, expected_node) in [
            (T::ConfChangeAddNode, 5, E::AddNode, 5),
            (T::ConfChangeRemoveNode, 5, E::RemoveNode, 5),
            (T::ConfChangeUpdateNode, 5, E::AddNode, 0),
            (T::ConfChangeAddLearnerNode, 5, E::AddLearnerNode, 5),
        ] {
            let entry = change(kind, node);
            let inside = entry_in(&entry).unwrap();
            let mut parsed = eraftpb::ConfChange::default();
            parsed.merge_from_bytes(&inside.data).unwrap();
            assert_eq!((parsed.get_change_type(), parsed.node_id), (expected_kind, expected_node));
            assert_eq!(entry_out(&inside), entry);
        }
    }

    #[test]
    fn local_and_unknown_types_are_refused() {
        for kind in [0, 1, 10, 11, 12, 19, 23, 99] {
            let message = raftpb::Message { r#type: Some(kind), ..Default::default() };
            assert_eq!(message_in(&message), Err(Refused::Type(kind)));
        }
        let v2 = raftpb::Entry { r#type: Some(2), ..Default::default() };
        assert_eq!(entry_in(&v2), Err(Refused::EntryType(2)));
    }

    #[test]
    fn a_message_survives_the_round_trip() {
        let message = raftpb::Message {
            r#type: Some(raftpb::MessageType::MsgApp as i32),
            to: Some(1),
            from: Some(2),
            term: Some(3),
            log_term: Some(2),
            index: Some(9),
            entries: vec![
                raftpb::Entry::new(raftpb::EntryType::EntryNormal, 3, 10, Bytes::from_static(b"x")),
                change(raftpb::ConfChangeType::ConfChangeAddLearnerNode, 8),
            ],
            commit: Some(9),
            reject: Some(false),
            reject_hint: Some(0),
            context: Some(Bytes::from_static(b"ctx")),
            ..Default::default()
        };
        assert_eq!(message_out(message_in(&message).unwrap()), message);
    }
}
