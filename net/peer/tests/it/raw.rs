//! A transport against byte scripts: foreign requests, broken streams, readers that do not read.

use crate::party::{PATIENCE, Party, beat, message};
use peer::Event;
use proto::{
    Message as _,
    raftpb::{Message, MessageType},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
};

/// One exchange on a connection of its own: status, headers, body.
pub fn exchange(party: &Party, request: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(party.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader);
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    (head[9..12].parse().unwrap(), head, body)
}

fn read_head(reader: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "it ended in its head: {head:?}");
    }
    head
}

const OURS: &str = "X-Server-Version: 3.7.1\r\nX-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: c0ffee\r\n";

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").into_bytes()
}

#[test]
fn foreign_requests_are_answered_as_etcd_does() {
    let party = Party::start(1);
    let other = Party::start(2);
    party.knows(&other);
    party.transport.removed(vec![7]);
    let foreign = OURS.replace("c0ffee", "bad");
    let old = OURS.replace("X-Server-Version: 3.7.1\r\n", "");
    let new = OURS.replace("3.0.0", "3.8.0");
    let ours = OURS.to_owned();
    let to = |id: &str| format!("{OURS}X-Raft-To: {id}\r\n");
    let vote = |from, to| message(MessageType::MsgVote, from, to).encode_to_vec();
    let mismatch = "{\"message\":\"cannot process message to mismatch member\"}";
    let removed = "{\"message\":\"cannot process message from removed member\"}";
    let script: Vec<(Vec<u8>, u16, &str)> = vec![
        (get("/raft", &ours), 405, "Method Not Allowed\n"),
        (get("/raft/snapshot", &ours), 405, "Method Not Allowed\n"),
        (post("/raft/stream/message/2", &ours, b""), 405, "Method Not Allowed\n"),
        (post("/raft", "", &vote(2, 1)), 412, "incompatible version\n"),
        (post("/raft", &old, &vote(2, 1)), 412, "incompatible version\n"),
        (post("/raft", &new, &vote(2, 1)), 412, "incompatible version\n"),
        (post("/raft", &foreign, &vote(2, 1)), 412, "cluster ID mismatch\n"),
        (post("/raft/snapshot", &foreign, b""), 412, "cluster ID mismatch\n"),
        (get("/raft/stream/message/2", &foreign), 412, "cluster ID mismatch\n"),
        (get("/raft/stream/msgapp/2", &old), 412, "incompatible version\n"),
        (get("/raft/stream/other/2", &ours), 404, "invalid path\n"),
        (get("/raft/stream/message/2/", &ours), 404, "invalid path\n"),
        (get("/raft/stream/message/x", &ours), 404, "invalid from\n"),
        (get("/raft/stream/message/7", &ours), 410, "removed member\n"),
        (get("/raft/stream/message/3", &ours), 404, "error sender not found\n"),
        (get("/raft/stream/message/2", &to("3")), 412, "to field mismatch\n"),
        (post("/raft", &ours, b"\xff"), 400, "error unmarshalling raft message\n"),
        (post("/raft", &ours, &vote(2, 3)), 403, mismatch),
        (post("/raft", &ours, &vote(7, 1)), 403, removed),
        (post("/raft", &ours, &message(MessageType::MsgHup, 2, 1).encode_to_vec()), 204, ""),
        (post("/raft", &ours, &vote(2, 1)), 204, ""),
        (b"NONSENSE\r\n\r\n".to_vec(), 400, "400 Bad Request\n"),
        (post("/members", "", &vec![0; peer::BODY_BYTES_MAX + 1]), 413, "request body too large\n"),
    ];
    for (request, status, body) in script {
        let text = String::from_utf8_lossy(&request[..request.len().min(200)]).into_owned();
        let (got, head, got_body) = exchange(&party, &request);
        assert_eq!((got, String::from_utf8_lossy(&got_body).as_ref()), (status, body), "{text}");
        if text.contains("/raft") && ![400, 405].contains(&status) {
            assert!(head.contains("X-Etcd-Cluster-ID: c0ffee\r\n"), "{text} {head}");
        }
        if text.contains("/raft/stream") && status != 405 {
            assert!(head.contains("X-Server-Version: 3.7.1\r\n"), "{text} {head}");
        }
    }
    assert_eq!(party.messages(1), [message(MessageType::MsgVote, 2, 1)]);
    let (status, head, body) = exchange(&party, &get("/raft/probing", ""));
    assert!(
        status == 200 && body.starts_with(b"{\"OK\":true,\"Now\":\"") && body.ends_with(b"\"}\n"),
        "{head}"
    );
    assert_eq!(party.transport.totals().broken.len(), 1);
}

/// A connection serves one request after the other, even if they come at once.
#[test]
fn requests_on_one_connection() {
    let party = Party::start(1);
    let votes: Vec<Message> =
        [2, 3, 4].map(|from| message(MessageType::MsgVote, from, 1)).into_iter().collect();
    let request =
        votes.iter().flat_map(|vote| post("/raft", OURS, &vote.encode_to_vec())).collect::<Vec<u8>>();
    let mut stream = TcpStream::connect(party.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for piece in request.chunks(7) {
        stream.write_all(piece).unwrap();
    }
    let mut reader = BufReader::new(stream);
    for _ in &votes {
        assert!(read_head(&mut reader).starts_with("HTTP/1.1 204 No Content\r\n"));
    }
    assert_eq!(party.messages(3), votes);
}

/// The far end of the streams that a party dials: answers the next connection whose request fits.
fn serve_next(listener: &TcpListener, path: &str, answer: &[u8]) -> TcpStream {
    loop {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream);
        if read_head(&mut reader).starts_with(&format!("GET {path} ")) {
            let mut stream = reader.into_inner();
            stream.write_all(answer).unwrap();
            return stream;
        }
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nX-Server-Version: 3.7.1\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn streams_that_break_are_dialled_again() {
    let party = Party::start(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    party.transport.add_peer(2, vec![format!("http://{}", listener.local_addr().unwrap())]);
    let path = "/raft/stream/msgapp/1";
    // An unknown frame type, a frame beyond the bound, the end of the response, a reset.
    for broken in [&b"1\r\n\x09\r\n"[..], b"9\r\n\x02\xff\xff\xff\xff\xff\xff\xff\xff\r\n", b"0\r\n\r\n", b""]
    {
        let mut stream = serve_next(&listener, path, OK);
        stream.write_all(broken).unwrap();
        if !broken.is_empty() {
            let mut rest = Vec::new();
            assert_eq!(stream.read_to_end(&mut rest).unwrap_or(0), 0, "it is closed from the other side");
        }
    }
    // Of an old release that has no such stream, and refusals.
    for refusal in [
        "HTTP/1.1 200 OK\r\nX-Server-Version: 2.0.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nX-Server-Version: 3.4.23\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 412 P\r\nX-Server-Version: 3.4.23\r\nContent-Length: 20\r\n\r\ncluster ID mismatch\n",
        "HTTP/1.1 302 Found\r\nX-Server-Version: 3.4.23\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    ] {
        serve_next(&listener, path, refusal.as_bytes());
    }
    // A heartbeat, then an append in two chunks: it is read.
    let mut stream = serve_next(&listener, path, OK);
    let append = message(MessageType::MsgApp, 2, 1).encode_to_vec();
    let mut frame = vec![0, 2];
    frame.extend_from_slice(&(append.len() as u64).to_be_bytes());
    frame.extend_from_slice(&append);
    for half in frame.chunks(frame.len() / 2 + 1) {
        stream.write_all(format!("{:x}\r\n", half.len()).as_bytes()).unwrap();
        stream.write_all(half).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    assert_eq!(party.messages(1), [message(MessageType::MsgApp, 2, 1)]);
    assert_eq!(party.transport.totals().peers[&0].received_bytes, 2, "one heartbeat");
    serve_next(
        &listener,
        "/raft/stream/message/1",
        b"HTTP/1.1 410 Gone\r\nX-Server-Version: 3.7.1\r\nContent-Length: 0\r\n\r\n",
    );
    party.wait("word of the removal", |event| matches!(event, Event::Removed).then_some(()));
}

/// Asks for a stream, and stays.
fn open_stream(party: &Party, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(party.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&get(path, &format!("{OURS}X-Raft-To: {:x}\r\n", party.id))).unwrap();
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader);
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Transfer-Encoding: chunked\r\n"),
        "{head}"
    );
    reader
}

/// The messages of a `message` stream, link heartbeats left out.
fn read_messages(reader: &mut BufReader<TcpStream>, count: usize) -> Vec<Message> {
    let (mut bytes, mut messages) = (Vec::new(), Vec::new());
    while messages.len() < count {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let start = bytes.len();
        bytes.resize(start + size, 0);
        reader.read_exact(&mut bytes[start..]).unwrap();
        reader.read_exact(&mut [0; 2]).unwrap();
        while let Some(length) = bytes.first_chunk::<8>().map(|length| u64::from_be_bytes(*length) as usize)
            && bytes.len() >= 8 + length
        {
            let message = Message::decode(&bytes[8..8 + length]).unwrap();
            bytes.drain(..8 + length);
            messages.extend((message.from() != 0).then_some(message));
        }
    }
    messages
}

/// A reader that does not read fills a bounded queue; what got into it arrives in order once it reads.
#[test]
fn a_slow_reader_is_unreachable_and_loses_the_rest() {
    let party = Party::start(1);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    party.transport.add_peer(2, vec![format!("http://{}", nobody.local_addr().unwrap())]);
    let mut reader = open_stream(&party, "/raft/stream/message/2");
    party.wait_active(2);
    let numbered =
        |index: u64| Message { index: Some(index), context: Some(vec![7; 4096].into()), ..beat(1, 2) };
    let mut sent = 0;
    while party.transport.totals().peers.get(&2).is_none_or(|totals| totals.sent_failures == 0) {
        assert!(sent < 100_000, "nothing is ever dropped");
        party.transport.send((sent..sent + 64).map(numbered).collect());
        sent += 64;
        std::thread::yield_now();
    }
    party.wait("an unreachable peer", |event| matches!(event, Event::Unreachable(2)).then_some(()));
    // At least a queue full of them is there, without a gap.
    let messages = read_messages(&mut reader, 4096);
    for (index, message) in messages.iter().enumerate() {
        assert_eq!(message.index(), index as u64);
    }
}

/// A newer stream takes the place of an older one.
#[test]
fn streams_are_replaced() {
    let party = Party::start(1);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    party.transport.add_peer(2, vec![format!("http://{}", nobody.local_addr().unwrap())]);
    let mut older = open_stream(&party, "/raft/stream/message/2");
    let mut newer = open_stream(&party, "/raft/stream/message/2");
    party.transport.send(vec![beat(1, 2)]);
    assert_eq!(read_messages(&mut newer, 1), [beat(1, 2)]);
    let mut rest = String::new();
    older.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "0\r\n\r\n", "it ends well");
    drop(newer);
    party.wait("an inactive peer", |event| matches!(event, Event::Inactive { id: 2, .. }).then_some(()));
}
