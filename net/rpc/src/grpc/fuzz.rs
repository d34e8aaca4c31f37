//! Whatever a peer sends, in whatever pieces: no panic, and the pieces make no difference.

use super::{Context, Methods, Session};
use crate::{CallId, Event, Limits, Method, Status, http2::Input};
use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

fn limits() -> Limits {
    Limits {
        message_bytes_max: 40_000,
        streams_max: 6,
        output_bytes_max: 1 << 20,
        keepalive_interval: Duration::from_secs(7200),
        keepalive_timeout: Duration::from_secs(20),
        ping_interval_min: Duration::from_secs(5),
        connections_max: 1,
    }
}

fn methods() -> Methods {
    Methods::new(vec![
        Method { path: "/a.A/One", client_stream: false },
        Method { path: "/a.A/Many", client_stream: true },
    ])
}

/// What the server under test does with calls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Service {
    Silent,
    Answers,
    Fails,
}

/// One connection over the given pieces: all events and output, as text.
fn run(pieces: &[&[u8]], service: Service) -> (String, Vec<u8>) {
    let (limits, methods, now) = (limits(), methods(), Instant::now());
    let mut out = BytesMut::new();
    let mut session = Session::new(&limits, methods.counts.clone(), now, &mut out);
    let mut tail = BytesMut::new();
    let mut log = String::new();
    let mut open = HashSet::new();
    for piece in pieces {
        tail.extend_from_slice(piece);
        let mut input = Input::new(tail.split().freeze());
        let mut events = Vec::new();
        let mut cx = Context {
            methods: &methods,
            limits: &limits,
            connection: 7,
            peer: None,
            now,
            events: &mut events,
        };
        let result = session.receive(&mut input, &mut cx, &mut out);
        if result.is_err() {
            session.abandon(7, &mut events);
        }
        tail.extend_from_slice(input.rest());
        for event in &events {
            log.push_str(&format!("{event:?}\n"));
            follow(event, &mut open);
        }
        for event in &events {
            answer(event, service, &mut session, &mut out, &mut open);
        }
        if let Err(fatal) = result {
            assert!(open.is_empty(), "calls left over: {open:?}");
            log.push_str(&format!("{fatal:?}"));
            break;
        }
        session.pump(&mut out, limits.output_bytes_max);
    }
    (log, out.to_vec())
}

/// A call is announced once, and heard of only while it is open.
fn follow(event: &Event, open: &mut HashSet<CallId>) {
    match event {
        Event::Call { id, .. } | Event::Open { id, .. } => assert!(open.insert(*id), "{id:?} twice"),
        Event::Gone { id } => assert!(open.remove(id), "{id:?} gone and not open"),
        Event::Message { .. } | Event::HalfClose { .. } => {}
        Event::Http { .. } | Event::Woken => panic!("no event of a session: {event:?}"),
    }
}

fn answer(
    event: &Event,
    service: Service,
    session: &mut Session,
    out: &mut BytesMut,
    open: &mut HashSet<CallId>,
) {
    match (event, service) {
        (_, Service::Silent) => {}
        (Event::Call { id, body, .. }, Service::Answers) => {
            session.reply(id.stream, out, |out| out.put(&body[..]));
            open.remove(id);
        }
        (Event::Message { id, body }, Service::Answers) => {
            session.send(id.stream, out, |out| out.put(&body[..]));
        }
        (Event::HalfClose { id }, Service::Answers) => {
            session.finish(id.stream, out);
            open.remove(id);
        }
        (Event::Call { id, .. } | Event::Message { id, .. }, Service::Fails) => {
            session.fail(id.stream, &Status { code: 9, message: "no".into() }, out);
            open.remove(id);
        }
        _ => {}
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Blocks that use and fill the dynamic table, valid on their own or after others of them.
fn block(choice: u8, value: u8) -> Vec<u8> {
    let literal = |first: &[u8], name: &[u8], value: &[u8]| {
        let mut out = first.to_vec();
        if !name.is_empty() {
            out.push(name.len() as u8);
            out.extend(name);
        }
        out.push(value.len() as u8);
        out.extend(value);
        out
    };
    let base = |path: &[u8]| {
        let content_type = literal(&[0x0f, 16], b"", b"application/grpc");
        [vec![0x83, 0x86], literal(&[0x04], b"", path), content_type].concat()
    };
    let timeout = [b'0' + value % 10, b'S'];
    match choice % 32 {
        8..20 => base(b"/a.A/One"),
        20..31 => base(b"/a.A/Many"),
        0 => base(b"/a.A/One"),
        1 => base(b"/a.A/Many"),
        2 => [base(b"/a.A/One"), literal(&[0x40], b"grpc-timeout", &timeout)].concat(),
        3 => [base(b"/a.A/Many"), literal(&[0x40], b"token", &[b'a' + value % 8])].concat(),
        4 => [base(b"/a.A/One"), vec![0xbe + value % 2]].concat(),
        5 => [base(b"/a.A/One"), literal(&[0], b"grpc-encoding", b"gzip")].concat(),
        6 => [vec![0x20 | (value % 2)], base(b"/a.A/Nope")].concat(),
        _ => literal(&[0x40], b"x", &[b'a' + value % 8; 60]),
    }
}

fn payload(choice: u8, length: u16) -> Vec<u8> {
    let length = match choice % 4 {
        0 => 0,
        1 => usize::from(length % 40),
        2 => usize::from(length % 16_000),
        _ => usize::from(length),
    };
    let mut out = vec![u8::from(choice > 250)];
    out.extend((length as u32).to_be_bytes());
    out.extend(std::iter::repeat_n(choice, length.min(16_379)));
    out
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let stream = (0u32..12).prop_map(|at| at * 2 + 1);
    prop_oneof![
        8 => (stream.clone(), any::<u8>(), any::<u8>(), any::<bool>()).prop_map(|(id, choice, value, end)| {
            frame(1, 4 | u8::from(end), id, &block(choice, value))
        }),
        2 => (stream.clone(), any::<u8>(), any::<u8>(), 0usize..40).prop_map(|(id, choice, value, cut)| {
            let block = block(choice, value);
            let (left, right) = block.split_at(cut.min(block.len()));
            [frame(1, 0, id, left), frame(9, 4, id, right)].concat()
        }),
        8 => (stream.clone(), any::<u8>(), any::<u16>(), any::<bool>()).prop_map(|(id, choice, length, end)| {
            frame(0, u8::from(end), id, &payload(choice, length))
        }),
        2 => (stream.clone(), prop::collection::vec(any::<u8>(), 0..30)).prop_map(|(id, bytes)| {
            frame(0, 0, id, &bytes)
        }),
        1 => (stream.clone(), 0u8..8).prop_map(|(id, pad)| frame(0, 8, id, &[pad, 0, 0, 0, 0, 0, 0])),
        2 => stream.clone().prop_map(|id| frame(3, 0, id, &[0, 0, 0, 8])),
        2 => (stream, 0u32..70_000).prop_map(|(id, by)| frame(8, 0, id, &by.to_be_bytes())),
        1 => (1u32..70_000).prop_map(|by| frame(8, 0, 0, &by.to_be_bytes())),
        1 => (0u8..8, 0u32..20_000).prop_map(|(name, value)| {
            frame(4, 0, 0, &[&[0, name][..], &value.to_be_bytes()].concat())
        }),
        1 => (0u32..60_000).prop_map(|window| frame(4, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat())),
        1 => any::<[u8; 8]>().prop_map(|bytes| frame(6, 0, 0, &bytes)),
        1 => (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(kind, flags, bytes)| {
            frame(kind, flags, 0, &bytes)
        }),
    ]
}

/// Gives frames the stream they most likely mean: requests the next new one, others one opened lately.
fn number(frames: &mut [u8], next: &mut u32) {
    let mut at = 0;
    while let Some(&[_, a, b, kind, _, _, _, _, id]) =
        frames.get(at..at + 9).map(|head| <&[u8; 9]>::try_from(head).unwrap())
    {
        let stream = match kind {
            1 => {
                *next += 2;
                *next - 2
            }
            9 => next.saturating_sub(2).max(1),
            _ => next.saturating_sub(2 + u32::from(id % 4) * 2).max(1),
        };
        if id > 0 {
            frames[at + 5..at + 9].copy_from_slice(&stream.to_be_bytes());
        }
        at += 9 + usize::from(u16::from_be_bytes([a, b]));
    }
}

/// A greeting and frames, perhaps with bytes changed.
fn traffic() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ];
    (prop::collection::vec((frames(), 0u8..40), 0..80), changes).prop_map(|(frames, changes)| {
        let mut bytes =
            [frame(4, 0, 0, &[]), frame(1, 4, 1, &block(3, 0)), frame(1, 4, 3, &block(2, 0))].concat();
        let mut next = 5;
        for (mut frame, luck) in frames {
            if luck > 0 {
                number(&mut frame, &mut next);
            }
            bytes.extend(frame);
        }
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

fn cut<'a>(mut bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while let (false, Some(&size)) = (bytes.is_empty(), sizes.next()) {
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn pieces_make_no_difference(bytes in traffic(), sizes in prop::collection::vec(1usize..3000, 1..8)) {
        let whole = run(&[&bytes], Service::Silent);
        prop_assert_eq!(&whole, &run(&cut(&bytes, &sizes), Service::Silent));
        if bytes.len() < 4000 {
            prop_assert_eq!(&whole, &run(&cut(&bytes, &[1]), Service::Silent));
        }
    }

    #[test]
    fn answering_never_panics(bytes in traffic(), sizes in prop::collection::vec(1usize..3000, 1..8)) {
        for service in [Service::Answers, Service::Fails] {
            run(&[&bytes], service);
            run(&cut(&bytes, &sizes), service);
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let whole = run(&[&bytes], Service::Silent);
        prop_assert_eq!(whole, run(&cut(&bytes, &[7]), Service::Silent));
        let greeted = [frame(4, 0, 0, &[]), frame(1, 4, 1, &bytes), frame(0, 0, 1, &bytes)].concat();
        run(&[&greeted], Service::Answers);
    }
}

/// The generator reaches what it is for: calls that are announced, cut off, answered.
#[test]
fn the_traffic_is_worth_its_name() {
    let bytes = [
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, &block(2, 5)),
        frame(0, 1, 1, &payload(1, 3)),
        frame(1, 4, 3, &block(1, 0)),
        frame(0, 0, 3, &payload(1, 3)),
        frame(3, 0, 3, &[0, 0, 0, 8]),
    ];
    let (log, _) = run(&[&bytes.concat()], Service::Silent);
    let kinds: Vec<&str> = log.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(kinds, ["Call", "Open", "Message", "Gone"]);
    let id = CallId { connection: 7, stream: 3 };
    assert!(log.contains(&format!("{:?}", Event::Message { id, body: Bytes::from_static(&[1; 3]) })));
}
