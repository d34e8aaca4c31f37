//! Snapshots: of any size while heartbeats flow, kept, refused, broken.

use crate::{
    party::{PATIENCE, Party, beat, message},
    raw::exchange,
};
use peer::{Event, HttpResponse, Image};
use proto::{
    Message as _,
    raftpb::{Message, MessageType, Snapshot, SnapshotMetadata},
};
use std::{
    fs,
    io::{self, Read},
    sync::mpsc::{Receiver, Sender, channel},
    time::Instant,
};

const INDEX: u64 = 0x1234;
const NAME: &str = "0000000000001234.snap.db";

fn snapshot(from: u64, to: u64) -> Message {
    let metadata = SnapshotMetadata { index: Some(INDEX), term: Some(3), ..SnapshotMetadata::default() };
    let snapshot = Snapshot { data: Some("{}".into()), metadata: Some(metadata) };
    Message { snapshot: Some(snapshot), ..message(MessageType::MsgSnap, from, to) }
}

/// The byte at an offset of the image.
fn byte(offset: u64) -> u8 {
    (offset ^ (offset >> 8) ^ (offset >> 16)) as u8
}

/// An image that stops half way until it is told to go on.
struct Halting {
    at: u64,
    length: u64,
    half_way: Option<(Sender<()>, Receiver<()>)>,
}

impl Read for Halting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at * 2 >= self.length
            && let Some((arrived, go_on)) = self.half_way.take()
        {
            arrived.send(()).unwrap();
            go_on.recv_timeout(PATIENCE).unwrap();
        }
        let taken = buffer.len().min((self.length - self.at) as usize);
        for place in &mut buffer[..taken] {
            *place = byte(self.at);
            self.at += 1;
        }
        Ok(taken)
    }
}

fn image(bytes: u64) -> Image {
    Image { bytes, reader: Box::new(Halting { at: 0, length: bytes, half_way: None }) }
}

fn pair() -> (Party, Party) {
    let (leader, follower) = (Party::start(1), Party::start(2));
    leader.knows(&follower);
    follower.knows(&leader);
    leader.wait_active(2);
    (leader, follower)
}

fn sent(party: &Party) -> bool {
    party.wait("the snapshot's end", |event| match event {
        Event::SnapshotSent { to: 2, delivered, .. } => Some(delivered),
        _ => None,
    })
}

/// Takes the next snapshot, and answers it.
fn take(party: &Party, status: u16) -> Message {
    let (message, answer) = party.wait("a snapshot", |event| match event {
        Event::SnapshotReceived { message, answer } => Some((message, answer)),
        _ => None,
    });
    party.transport.respond(answer, HttpResponse { status, headers: Vec::new(), body: "no\n".into() });
    *message
}

#[test]
fn heartbeats_flow_while_a_large_one_is_under_way() {
    const BYTES: u64 = 100 << 20;
    let (leader, follower) = pair();
    let ((arrived, half_way), (go_on, gone_on)) = (channel(), channel());
    let reader = Halting { at: 0, length: BYTES, half_way: Some((arrived, gone_on)) };
    leader.transport.send_snapshot(snapshot(1, 2), Image { bytes: BYTES, reader: Box::new(reader) });
    half_way.recv_timeout(PATIENCE).unwrap();
    for _ in 0..20 {
        leader.transport.send(vec![beat(1, 2)]);
        assert_eq!(follower.messages(1), [beat(1, 2)]);
        follower.transport.send(vec![message(MessageType::MsgHeartbeatResp, 2, 1)]);
        assert_eq!(leader.messages(1).len(), 1);
    }
    assert!(!follower.directory.join(NAME).exists(), "it appears whole or not at all");
    assert_eq!(leader.transport.totals().peers[&2].snapshots_sending, Some(1));
    assert_eq!(follower.transport.totals().peers[&1].snapshots_receiving, Some(1));
    go_on.send(()).unwrap();
    assert_eq!(take(&follower, 204), snapshot(1, 2));
    assert!(sent(&leader));
    let file = fs::read(follower.directory.join(NAME)).unwrap();
    assert_eq!(file.len() as u64, BYTES);
    assert!(file.iter().enumerate().all(|(offset, got)| *got == byte(offset as u64)));
    assert_eq!(fs::read_dir(&follower.directory).unwrap().count(), 1, "nothing else is left");
    follower.wait("its own end", |event| matches!(event, Event::SnapshotTaken { from: 1, .. }).then_some(()));
    let (ours, theirs) = (&leader.transport.totals().peers[&2], &follower.transport.totals().peers[&1]);
    assert_eq!((ours.snapshots_sent, ours.snapshots_sending, ours.snapshot_send_failures), (1, Some(0), 0));
    assert_eq!((theirs.snapshots_received, theirs.snapshots_receiving), (1, Some(0)));
    assert!(ours.sent_bytes > BYTES && theirs.received_bytes > BYTES);
}

#[test]
fn a_database_that_is_there_is_kept() {
    let (leader, follower) = pair();
    fs::write(follower.directory.join(NAME), "kept").unwrap();
    fs::write(follower.directory.join("tmp0000000000"), "of a crash").unwrap();
    leader.transport.send_snapshot(snapshot(1, 2), image(1000));
    take(&follower, 204);
    assert!(sent(&leader));
    assert_eq!(fs::read(follower.directory.join(NAME)).unwrap(), b"kept");
    assert_eq!(fs::read_dir(&follower.directory).unwrap().count(), 2);
}

#[test]
fn what_does_not_arrive_is_reported() {
    let (leader, follower) = pair();
    // The owner refuses it.
    leader.transport.send_snapshot(snapshot(1, 2), image(0));
    take(&follower, 500);
    assert!(!sent(&leader));
    // The image is shorter than announced.
    leader.transport.send_snapshot(snapshot(1, 2), Image { bytes: 10, reader: Box::new(&b"short"[..]) });
    assert!(!sent(&leader));
    // Nobody is there.
    leader.transport.send_snapshot(snapshot(1, 9), image(1));
    leader.wait("the end", |event| {
        matches!(event, Event::SnapshotSent { to: 9, delivered: false, .. }).then_some(())
    });
    // It goes to a directory that is gone. What was cut off before may just be making a file in it.
    let end = Instant::now() + PATIENCE;
    while let Err(error) = fs::remove_dir_all(&follower.directory) {
        assert!(Instant::now() < end, "{error}");
    }
    leader.transport.send_snapshot(snapshot(1, 2), image(10 << 20));
    assert!(!sent(&leader));
    assert_eq!(leader.transport.totals().peers[&2].snapshot_send_failures, 3);
}

#[test]
fn a_removed_sender_learns_of_it() {
    let (leader, follower) = pair();
    follower.transport.remove_peer(1);
    leader.transport.send_snapshot(snapshot(1, 2), image(10));
    leader.wait("word of the removal", |event| matches!(event, Event::Removed).then_some(()));
}

#[test]
fn broken_requests_leave_nothing() {
    let party = Party::start(1);
    let ours = "X-Server-Version: 3.7.1\r\nX-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: c0ffee\r\n";
    let post = |message: &[u8], announced: usize| {
        let head = format!("POST /raft/snapshot HTTP/1.1\r\n{ours}Content-Length: {announced}\r\n\r\n");
        [head.as_bytes(), message].concat()
    };
    let framed = |message: &Message| {
        let message = message.encode_to_vec();
        [&(message.len() as u64).to_be_bytes()[..], &message].concat()
    };
    let long = ((64u64 << 20) + 1).to_be_bytes();
    let (status, _, body) = exchange(&party, &post(&long, 8));
    assert_eq!(
        (status, &body[..]),
        (400, &b"failed to decode raft message (rafthttp: error limit exceeded)\n"[..])
    );
    let (status, _, body) = exchange(&party, &post(&[0, 0, 0, 0], 4));
    assert_eq!((status, &body[..]), (400, &b"failed to decode raft message (unexpected EOF)\n"[..]));
    let vote = framed(&message(MessageType::MsgVote, 2, 1));
    let (status, _, body) = exchange(&party, &post(&vote, vote.len()));
    assert_eq!((status, &body[..]), (400, &b"wrong raft message type\n"[..]));
    // The sender dies half way.
    let whole = framed(&snapshot(2, 1));
    let mut stream = std::net::TcpStream::connect(party.address).unwrap();
    io::Write::write_all(&mut stream, &post(&whole, whole.len() + 1000)).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("failed to save KV snapshot (unexpected EOF)\n"), "{answer}");
    assert_eq!(fs::read_dir(&party.directory).unwrap().count(), 0);
    assert_eq!(party.transport.totals().peers[&2].snapshot_receive_failures, 2);
}
