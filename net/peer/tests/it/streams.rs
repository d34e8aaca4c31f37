//! Messages between transports: all kinds, in bulk, over restarts, and after a removal.

use crate::party::{CLUSTER, PATIENCE, Party, beat, message};
use bytes::Bytes;
use peer::Event;
use proto::raftpb::{Entry, EntryType, Message, MessageType};
use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, Instant},
};

const SENT: [MessageType; 14] = [
    MessageType::MsgProp,
    MessageType::MsgApp,
    MessageType::MsgAppResp,
    MessageType::MsgVote,
    MessageType::MsgVoteResp,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResp,
    MessageType::MsgTransferLeader,
    MessageType::MsgTimeoutNow,
    MessageType::MsgReadIndex,
    MessageType::MsgReadIndexResp,
    MessageType::MsgPreVote,
    MessageType::MsgPreVoteResp,
    MessageType::MsgForgetLeader,
];

const LOCAL: [MessageType; 9] = [
    MessageType::MsgHup,
    MessageType::MsgBeat,
    MessageType::MsgUnreachable,
    MessageType::MsgSnapStatus,
    MessageType::MsgCheckQuorum,
    MessageType::MsgStorageAppend,
    MessageType::MsgStorageAppendResp,
    MessageType::MsgStorageApply,
    MessageType::MsgStorageApplyResp,
];

fn full(kind: MessageType, from: u64, to: u64) -> Message {
    Message {
        log_term: Some(7),
        index: Some(8),
        commit: Some(6),
        reject: Some(true),
        reject_hint: Some(5),
        context: Some(Bytes::from_static(b"\x01\0\0\0\0\0\0\0")),
        entries: vec![Entry::new(EntryType::EntryNormal, 9, 9, Bytes::from_static(b"data"))],
        ..message(kind, from, to)
    }
}

#[test]
fn every_kind_arrives_among_three() {
    let parties = [Party::start(1), Party::start(2), Party::start(3)];
    for party in &parties {
        parties.iter().filter(|other| other.id != party.id).for_each(|other| party.knows(other));
    }
    for party in &parties {
        for other in parties.iter().filter(|other| other.id != party.id) {
            let local = LOCAL.map(|kind| full(kind, party.id, other.id));
            let sent = SENT.map(|kind| full(kind, party.id, other.id));
            let nobody = message(MessageType::MsgApp, party.id, 0);
            party.transport.send([local.as_slice(), &[nobody], &sent].concat());
        }
    }
    for party in &parties {
        let mut got: BTreeMap<(u64, i32), Message> = BTreeMap::new();
        for message in party.messages(2 * SENT.len()) {
            assert!(got.insert((message.from(), message.r#type() as i32), message).is_none());
        }
        for other in parties.iter().filter(|other| other.id != party.id) {
            for kind in SENT {
                assert_eq!(got.remove(&(other.id, kind as i32)), Some(full(kind, other.id, party.id)));
            }
        }
        assert!(got.is_empty(), "kinds that raft keeps to itself: {got:?}");
    }
}

/// A leader's appends with a window, as raft sends them: all arrive, whole.
#[test]
fn appends_in_bulk() {
    const APPENDS: u64 = 2000;
    const ENTRIES: u64 = 50;
    const WINDOW: u64 = 32;
    let (leader, follower) = (Party::start(1), Party::start(2));
    leader.knows(&follower);
    follower.knows(&leader);
    let data = |index: u64| Bytes::from(index.to_string().repeat(20));
    let append = |number: u64| {
        let first = number * ENTRIES;
        let entries = (1..=ENTRIES).map(|offset| {
            let index = first + offset;
            Entry::new(EntryType::EntryNormal, 1, index, data(index))
        });
        Message {
            log_term: Some(1),
            index: Some(first),
            commit: Some(first),
            entries: entries.collect(),
            ..message(MessageType::MsgApp, 1, 2)
        }
    };
    let (mut sent, mut got) = (0, vec![false; APPENDS as usize]);
    let mut arrived = 0;
    while arrived < APPENDS {
        while sent < APPENDS && sent < arrived + WINDOW {
            leader.transport.send(vec![append(sent)]);
            sent += 1;
        }
        for message in follower.messages(1) {
            let number = message.index() / ENTRIES;
            assert_eq!(message, append(number));
            assert!(!std::mem::replace(&mut got[number as usize], true), "append {number} came twice");
            arrived += 1;
        }
    }
    let totals = leader.transport.totals();
    assert!(totals.peers[&2].sent_bytes > APPENDS * ENTRIES * 20);
    assert_eq!((totals.peers[&2].sent_failures, totals.peers[&2].active), (0, Some(true)));
}

#[test]
fn a_restarted_member_is_found_again() {
    let first = Party::start(1);
    let second = Party::start(2);
    first.knows(&second);
    second.knows(&first);
    first.wait_active(2);
    let address = second.address;
    drop(second);
    first.wait("an inactive peer", |event| matches!(event, Event::Inactive { id: 2, .. }).then_some(()));
    let second = Party::start_at(2, CLUSTER, TcpListener::bind(address).unwrap());
    second.knows(&first);
    first.wait_active(2);
    first.transport.send(vec![beat(1, 2)]);
    assert_eq!(second.messages(1), [beat(1, 2)]);
    second.transport.send(vec![beat(2, 1)]);
    assert_eq!(first.messages(1), [beat(2, 1)]);
}

#[test]
fn messages_to_nobody_there_make_it_unreachable() {
    let party = Party::start(1);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    party.transport.add_peer(2, vec![format!("http://{gone}")]);
    party.transport.send(vec![beat(1, 2)]);
    party.wait("an unreachable peer", |event| matches!(event, Event::Unreachable(2)).then_some(()));
}

/// The second URL of a member is tried when the first fails.
#[test]
fn urls_take_turns() {
    let (first, second) = (Party::start(1), Party::start(2));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    first.transport.add_peer(2, vec![format!("http://{gone}"), second.url()]);
    second.knows(&first);
    first.wait_active(2);
    let name = format!("http://localhost:{}", second.address.port());
    first.transport.update_peer(2, vec![name]);
    first.transport.send(vec![beat(1, 2)]);
    assert_eq!(second.messages(1), [beat(1, 2)]);
}

#[test]
fn a_removed_member_is_told() {
    let (first, second) = (Party::start(1), Party::start(2));
    first.knows(&second);
    second.knows(&first);
    first.wait_active(2);
    first.transport.remove_peer(2);
    second.wait("word of the removal", |event| matches!(event, Event::Removed).then_some(()));
    second.transport.send(vec![beat(2, 1)]);
    second.wait("a refusal", |event| matches!(event, Event::Unreachable(1)).then_some(()));
    assert!(
        first.events.try_iter().all(|event| !matches!(event, Event::Messages(_))),
        "nothing of a removed member is handed up"
    );
}

/// A member that lists us before we list it: it can be posted to, and posts.
#[test]
fn a_joiner_is_reached_before_it_knows_anybody() {
    let (leader, joiner) = (Party::start(1), Party::start(2));
    leader.knows(&joiner);
    leader.transport.send(vec![beat(1, 2)]);
    assert_eq!(joiner.messages(1), [beat(1, 2)]);
    // The post told where the sender is.
    joiner.transport.send(vec![message(MessageType::MsgHeartbeatResp, 2, 1)]);
    assert_eq!(leader.messages(1), [message(MessageType::MsgHeartbeatResp, 2, 1)]);
}

/// Messages that nobody takes are bounded, and the bound is given back.
#[test]
fn messages_not_taken_are_dropped() {
    const UNTAKEN_MAX: usize = 4096;
    let (first, second) = (Party::start(1), Party::start(2));
    first.knows(&second);
    second.knows(&first);
    second.wait_active(1);
    let mut batches = Vec::new();
    let mut waiting = 0;
    let end = Instant::now() + PATIENCE;
    while second.transport.totals().peers.get(&1).is_none_or(|totals| totals.received_failures == 0) {
        assert!(Instant::now() < end, "nothing is ever dropped");
        first.transport.send(vec![beat(1, 2); 16]);
        for event in second.events.try_iter() {
            if let Event::Messages(batch) = event {
                batches.push(batch);
            }
        }
        std::thread::yield_now();
    }
    for batch in batches {
        waiting += batch.take().len();
    }
    // A drop is counted before the turn that saw it hands its events up.
    while waiting < UNTAKEN_MAX {
        assert!(Instant::now() < end, "only {waiting} waited");
        if let Ok(Event::Messages(batch)) = second.events.recv_timeout(Duration::from_millis(10)) {
            waiting += batch.take().len();
        }
    }
    let proposal = message(MessageType::MsgVote, 1, 2);
    first.transport.send(vec![proposal.clone()]);
    second.wait("a message after the drops", |event| match event {
        Event::Messages(batch) => batch.take().contains(&proposal).then_some(()),
        _ => None,
    });
}
