//! Frames in, frames out: RFC 9113's rules and grpc-go's manners, one script each.

use crate::{
    echo::{Echo, limits},
    wire::*,
};
use rpc::Limits;
use std::time::Duration;

const UNARY: &str = "/echo.Echo/Unary";
const CHAT: &str = "/echo.Echo/Chat";
const NEVER: &str = "/echo.Echo/Never";

/// What the server makes of the frames, after the greetings.
fn run(echo: &Echo, input: &[u8]) -> String {
    let mut wire = Wire::greet(echo.address, &[]);
    wire.write(input);
    wire.rest(echo).join("\n")
}

/// Pings that end a script's steps are no strikes while a stream is open.
fn patient() -> Echo {
    Echo::with(Limits { ping_interval_min: Duration::ZERO, ..limits() }, |_| {})
}

#[track_caller]
fn check(scripts: Vec<(&str, Vec<u8>, &str)>) {
    let echo = Echo::start();
    for (name, input, expected) in scripts {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(run(&echo, &input), expected.join("\n"), "{name}");
    }
    let works = run(&echo, &[request(1, UNARY), body(1, b"x")].concat());
    assert!(works.starts_with("HEADERS 1 200"), "{works}");
}

const ANSWERED: &str = "HEADERS 1 200 application/grpc\nDATA 1 \"hi\"\nHEADERS 1 end grpc-status=0";

#[test]
fn requests_in_every_shape() {
    let head = fields(UNARY, &[]);
    let padded = [&[3][..], &head, &[0; 3]].concat();
    let weighted = [&[0, 0, 0, 0, 7][..], &head].concat();
    let both = [&[2, 0, 0, 0, 0, 7][..], &head, &[0; 2]].concat();
    let data = [&[4][..], &message(b"hi"), &[0; 4]].concat();
    let (left, right) = head.split_at(20);
    let whole = message(b"hi");
    check(vec![
        ("plain", [request(1, UNARY), body(1, b"hi")].concat(), ANSWERED),
        (
            "padding and priority",
            [
                frame(HEADERS, END_HEADERS | PADDED | PRIORITY, 1, &both),
                frame(DATA, END_STREAM | PADDED, 1, &data),
            ]
            .concat(),
            ANSWERED,
        ),
        ("padding", [frame(HEADERS, END_HEADERS | PADDED, 1, &padded), body(1, b"hi")].concat(), ANSWERED),
        (
            "priority",
            [frame(HEADERS, END_HEADERS | PRIORITY, 1, &weighted), body(1, b"hi")].concat(),
            ANSWERED,
        ),
        (
            "continuation",
            [
                frame(HEADERS, 0, 1, left),
                frame(CONTINUATION, 0, 1, &[]),
                frame(CONTINUATION, END_HEADERS, 1, right),
                body(1, b"hi"),
            ]
            .concat(),
            ANSWERED,
        ),
        (
            "a message cut over frames, an empty last one",
            [
                request(1, UNARY),
                frame(DATA, 0, 1, &whole[..2]),
                frame(DATA, 0, 1, &[]),
                frame(DATA, 0, 1, &whole[2..6]),
                frame(DATA, 0, 1, &whole[6..]),
                frame(DATA, END_STREAM, 1, &[]),
            ]
            .concat(),
            ANSWERED,
        ),
        (
            "trailers end the stream",
            [
                request(1, CHAT),
                frame(DATA, 0, 1, &whole),
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x", "y")])),
            ]
            .concat(),
            ANSWERED,
        ),
        (
            "two messages in a frame",
            [request(1, CHAT), frame(DATA, END_STREAM, 1, &[message(b"a"), message(b"b")].concat())].concat(),
            "HEADERS 1 200 application/grpc\nDATA 1 \"a\"\nDATA 1 \"b\"\nHEADERS 1 end grpc-status=0",
        ),
        (
            "a stream without a message",
            [request(1, CHAT), frame(DATA, END_STREAM, 1, &[])].concat(),
            "HEADERS 1 end 200 application/grpc grpc-status=0 grpc-message=",
        ),
        (
            "answered before the client has ended",
            [request(1, UNARY), frame(DATA, 0, 1, &whole)].concat(),
            &format!("{ANSWERED}\nRST_STREAM 1 NO_ERROR"),
        ),
        (
            "unknown frames, settings and priorities are skipped",
            [
                settings(&[(99, 7), (1, 0), (3, 5)]),
                frame(0xfe, 0xff, 0, b"?"),
                frame(PRIORITY_FRAME, 0, 1, &[0, 0, 0, 0, 9]),
                request(1, UNARY),
                frame(0xfe, 0xff, 1, b"?"),
                body(1, b"hi"),
                frame(GOAWAY, 0, 0, &[0; 8]),
            ]
            .concat(),
            &format!("SETTINGS ack\n{ANSWERED}"),
        ),
        (
            "a subtype is given back",
            [
                frame(HEADERS, END_HEADERS, 1, &fields(UNARY, &[("content-type", "application/grpc+proto")])),
                body(1, b"hi"),
            ]
            .concat(),
            "HEADERS 1 200 application/grpc+proto\nDATA 1 \"hi\"\nHEADERS 1 end grpc-status=0",
        ),
        (
            "content-length that fits",
            [frame(HEADERS, END_HEADERS, 1, &fields(UNARY, &[("content-length", "7")])), body(1, b"hi")]
                .concat(),
            ANSWERED,
        ),
    ]);
}

#[test]
fn refused_calls() {
    let refused = |more: &[(&'static str, &'static str)]| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(UNARY, more))
    };
    let at = |path: &str| frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(path, &[]));
    let compressed = [request(1, UNARY), frame(DATA, END_STREAM, 1, &[1, 0, 0, 0, 1, 9])].concat();
    let odd = [request(1, UNARY), frame(DATA, END_STREAM, 1, &[2, 0, 0, 0, 1, 9])].concat();
    let huge = [request(1, UNARY), frame(DATA, 0, 1, &[0, 0, 32, 0, 1, 9])].concat();
    let huge_chat = [request(1, CHAT), frame(DATA, 0, 1, &[message(b"a"), vec![0, 0, 32, 0, 1, 9]].concat())];
    let gzip = frame(HEADERS, END_HEADERS, 1, &fields(UNARY, &[("grpc-encoding", "gzip")]));
    let broken = [gzip, frame(DATA, END_STREAM, 1, &[1, 0, 0, 0, 3, 1, 2, 3])].concat();
    check(vec![
        (
            "content type",
            refused(&[("content-type", "text/html")]),
            r#"HEADERS 1 end 415 application/grpc grpc-status=3 grpc-message=invalid gRPC request content-type "text/html""#,
        ),
        (
            "content type of another gRPC",
            refused(&[("content-type", "application/grpc-web")]),
            r#"HEADERS 1 end 415 application/grpc grpc-status=3 grpc-message=invalid gRPC request content-type "application/grpc-web""#,
        ),
        (
            "method",
            refused(&[(":method", "GET")]),
            r#"HEADERS 1 end 405 application/grpc grpc-status=13 grpc-message=Received a HEADERS frame with :method "GET" which should be POST"#,
        ),
        (
            "timeout",
            refused(&[("grpc-timeout", "1x")]),
            r#"HEADERS 1 end 400 application/grpc grpc-status=13 grpc-message=malformed grpc-timeout: transport: timeout unit is not recognized: "1x""#,
        ),
        (
            "no time left",
            refused(&[("grpc-timeout", "0n")]),
            "HEADERS 1 end 200 application/grpc grpc-status=4 grpc-message=context deadline exceeded",
        ),
        (
            "encoding",
            refused(&[("grpc-encoding", "snappy")]),
            r#"HEADERS 1 end 200 application/grpc grpc-status=12 grpc-message=grpc: Decompressor is not installed for grpc-encoding "snappy""#,
        ),
        (
            "service",
            at("/a.B/C"),
            "HEADERS 1 end 200 application/grpc grpc-status=12 grpc-message=unknown service a.B",
        ),
        (
            "method of a service",
            at("/echo.Echo/C"),
            "HEADERS 1 end 200 application/grpc grpc-status=12 grpc-message=unknown method C for service echo.Echo",
        ),
        (
            "no slash in front",
            at("echo.Echo/C"),
            r#"HEADERS 1 end 200 application/grpc grpc-status=12 grpc-message=malformed method name: "echo.Echo/C""#,
        ),
        (
            "one slash",
            at("/echo"),
            r#"HEADERS 1 end 200 application/grpc grpc-status=12 grpc-message=malformed method name: "/echo""#,
        ),
        (
            "compressed without an encoding",
            compressed,
            "HEADERS 1 end 200 application/grpc grpc-status=13 grpc-message=grpc: compressed flag set with identity or empty encoding",
        ),
        (
            "payload format",
            odd,
            "HEADERS 1 end 200 application/grpc grpc-status=13 grpc-message=grpc: received unexpected payload format 2",
        ),
        (
            "nothing sent",
            [request(1, UNARY), frame(DATA, END_STREAM, 1, &[0, 0])].concat(),
            "HEADERS 1 end 200 application/grpc grpc-status=2 grpc-message=EOF",
        ),
        (
            "broken off",
            [request(1, UNARY), frame(DATA, END_STREAM, 1, &[0, 0, 0, 0, 9, 1])].concat(),
            "HEADERS 1 end 200 application/grpc grpc-status=2 grpc-message=unexpected EOF",
        ),
        (
            "broken off, in a stream",
            [request(1, CHAT), frame(DATA, END_STREAM, 1, &[0, 0, 0, 0, 9, 1])].concat(),
            "HEADERS 1 end 200 application/grpc grpc-status=13 grpc-message=unexpected EOF",
        ),
        (
            "binary metadata",
            refused(&[("x-bin", "AA=A")]),
            r#"HEADERS 1 end 400 application/grpc grpc-status=13 grpc-message=malformed binary metadata "AA=A" in header "x-bin": illegal base64 data at input byte 2"#,
        ),
        (
            "too large",
            huge,
            "HEADERS 1 end 200 application/grpc grpc-status=8 grpc-message=grpc: received message larger than max (2097153 vs. 2097152)
             RST_STREAM 1 NO_ERROR",
        ),
        (
            "too large, in a stream",
            huge_chat.concat(),
            "HEADERS 1 end 200 application/grpc grpc-status=8 grpc-message=grpc: received message larger than max (2097153 vs. 2097152)
             RST_STREAM 1 NO_ERROR",
        ),
        (
            "no gzip at all",
            broken,
            "HEADERS 1 end 200 application/grpc grpc-status=13 grpc-message=grpc: failed to decompress the message: unexpected EOF",
        ),
    ]);
}

#[test]
fn stream_errors() {
    let head = |fields: &[(&str, &str)]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
    let call = |more: &[(&'static str, &'static str)]| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(UNARY, more))
    };
    let required = [(":method", "POST"), (":scheme", "http"), (":path", UNARY)];
    let twice = [&required[..], &[(":path", UNARY)]].concat();
    let late = [&[("te", "trailers")], &required[..]].concat();
    // One entry of 4,000 bytes into the table, and a hundred times out of it.
    let mut large = vec![0x40, 1, b'x', 127, 0xa1, 30];
    large.extend([b'x'; 4000]);
    large.extend([0xbe; 100]);
    let window = frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffffu32.to_be_bytes());
    check(vec![
        ("no :path", head(&required[..2]), "RST_STREAM 1 PROTOCOL"),
        (":path twice", head(&twice), "RST_STREAM 1 PROTOCOL"),
        ("pseudo-header after others", head(&late), "RST_STREAM 1 PROTOCOL"),
        ("a response's pseudo-header", call(&[(":status", "200")]), "RST_STREAM 1 PROTOCOL"),
        ("upper case", call(&[("Token", "x")]), "RST_STREAM 1 PROTOCOL"),
        ("connection header", call(&[("connection", "close")]), "RST_STREAM 1 PROTOCOL"),
        ("transfer encoding", call(&[("transfer-encoding", "chunked")]), "RST_STREAM 1 PROTOCOL"),
        ("te", call(&[("te", "gzip")]), "RST_STREAM 1 PROTOCOL"),
        ("line feed in a value", call(&[("x", "a\nb")]), "RST_STREAM 1 PROTOCOL"),
        ("content-length without a body", call(&[("content-length", "1")]), "RST_STREAM 1 PROTOCOL"),
        (
            "content-length too short",
            [frame(HEADERS, END_HEADERS, 1, &fields(UNARY, &[("content-length", "6")])), body(1, b"hi")]
                .concat(),
            "RST_STREAM 1 PROTOCOL",
        ),
        (
            "content-length too long",
            [frame(HEADERS, END_HEADERS, 1, &fields(UNARY, &[("content-length", "8")])), body(1, b"hi")]
                .concat(),
            "RST_STREAM 1 PROTOCOL",
        ),
        (
            "large header list, small block",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &large),
            "RST_STREAM 1 FRAME_SIZE",
        ),
        (
            "data after the end",
            [request(1, NEVER), body(1, b"x"), body(1, b"x")].concat(),
            "RST_STREAM 1 STREAM_CLOSED",
        ),
        (
            "headers after the end",
            [request(1, NEVER), body(1, b"x"), request(1, NEVER)].concat(),
            "RST_STREAM 1 STREAM_CLOSED",
        ),
        ("headers in the middle", [request(1, NEVER), request(1, NEVER)].concat(), "RST_STREAM 1 PROTOCOL"),
        ("window update by 0", [request(1, NEVER), window_update(1, 0)].concat(), "RST_STREAM 1 PROTOCOL"),
        (
            "stream window overflow",
            [request(1, NEVER), window.clone(), request(3, UNARY), body(3, b"x")].concat(),
            "RST_STREAM 1 FLOW_CONTROL
             HEADERS 3 200 application/grpc
             DATA 3 \"x\"
             HEADERS 3 end grpc-status=0",
        ),
        ("priority of odd length", frame(PRIORITY_FRAME, 0, 1, &[0; 4]), "RST_STREAM 1 FRAME_SIZE"),
        (
            "the peer's reset, and frames that crossed ours",
            [
                request(1, NEVER),
                frame(RST_STREAM, 0, 1, &8u32.to_be_bytes()),
                frame(DATA, 0, 1, b"late"),
                window_update(1, 5),
                frame(RST_STREAM, 0, 1, &8u32.to_be_bytes()),
            ]
            .concat(),
            "",
        ),
        (
            "trailers for a stream that we reset",
            [
                request(1, NEVER),
                window_update(1, 0),
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x", "y")])),
            ]
            .concat(),
            "RST_STREAM 1 PROTOCOL",
        ),
    ]);
}

#[test]
fn connection_errors() {
    let ended = |last: u32, code: &str, reason: &str| format!("GOAWAY {last} {code} {reason}\nclosed");
    let protocol = |reason| ended(0, "PROTOCOL", reason);
    let size = |reason| ended(0, "FRAME_SIZE", reason);
    let long = vec![b'x'; 16_000];
    let mut flood = frame(HEADERS, 0, 1, &fields(UNARY, &[]));
    (0..40).for_each(|_| flood.extend(frame(CONTINUATION, 0, 1, &long)));
    let mut drip = frame(HEADERS, 0, 1, &fields(UNARY, &[]));
    (0..100).for_each(|_| drip.extend(frame(CONTINUATION, 0, 1, &[])));
    let scripts: Vec<(&str, Vec<u8>, String)> = vec![
        (
            "a frame too long",
            frame(DATA, 0, 1, &[0; 16_385]),
            size("frame larger than SETTINGS_MAX_FRAME_SIZE"),
        ),
        (
            "stream 0",
            frame(HEADERS, END_HEADERS, 0, &[]),
            protocol("HEADERS on a stream that is no client's"),
        ),
        ("even stream", request(2, UNARY), protocol("HEADERS on a stream that is no client's")),
        (
            "an old stream",
            [request(5, NEVER), request(3, NEVER)].concat(),
            ended(5, "STREAM_CLOSED", "HEADERS on a closed stream"),
        ),
        ("data on an idle stream", body(1, b"x"), protocol("DATA on an idle stream")),
        ("data on stream 0", body(0, b"x"), protocol("DATA on an idle stream")),
        (
            "padding longer than data",
            [request(1, UNARY), frame(DATA, PADDED, 1, &[5, 0, 0, 0, 0])].concat(),
            ended(1, "PROTOCOL", "padding longer than the frame"),
        ),
        (
            "padding longer than headers",
            frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0]),
            protocol("padding longer than the frame"),
        ),
        (
            "header block interrupted",
            [frame(HEADERS, 0, 1, &[]), frame(PING, 0, 0, &[0; 8])].concat(),
            protocol("header block interrupted"),
        ),
        (
            "continuation of another stream",
            [frame(HEADERS, 0, 1, &[]), frame(CONTINUATION, END_HEADERS, 3, &[])].concat(),
            protocol("CONTINUATION out of place"),
        ),
        ("continuation of nothing", frame(CONTINUATION, 0, 1, &[]), protocol("CONTINUATION out of place")),
        ("continuation flood", flood, ended(0, "ENHANCE_YOUR_CALM", "header block too large")),
        ("continuation drip", drip, ended(0, "ENHANCE_YOUR_CALM", "header block too large")),
        (
            "corrupt header block",
            frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff]),
            ended(0, "COMPRESSION", "header block does not decode"),
        ),
        ("push", frame(PUSH_PROMISE, END_HEADERS, 1, &[]), protocol("PUSH_PROMISE from a client")),
        ("settings on a stream", frame(SETTINGS, 0, 1, &[]), protocol("SETTINGS on a stream")),
        (
            "settings of odd length",
            frame(SETTINGS, 0, 0, &[0; 5]),
            size("SETTINGS of a length no multiple of 6"),
        ),
        (
            "settings acknowledgement with more",
            frame(SETTINGS, ACK, 0, &[0; 6]),
            size("SETTINGS acknowledgement with a payload"),
        ),
        ("push setting", settings(&[(2, 2)]), protocol("ENABLE_PUSH above 1")),
        (
            "window setting",
            settings(&[(4, 1 << 31)]),
            ended(0, "FLOW_CONTROL", "INITIAL_WINDOW_SIZE above 2^31-1"),
        ),
        ("small frame setting", settings(&[(5, 16_383)]), protocol("MAX_FRAME_SIZE out of range")),
        ("large frame setting", settings(&[(5, 1 << 24)]), protocol("MAX_FRAME_SIZE out of range")),
        ("ping on a stream", frame(PING, 0, 1, &[0; 8]), protocol("PING on a stream")),
        ("ping of odd length", frame(PING, 0, 0, &[0; 7]), size("PING of another length than 8")),
        ("goaway on a stream", frame(GOAWAY, 0, 1, &[0; 8]), protocol("GOAWAY on a stream")),
        ("goaway of odd length", frame(GOAWAY, 0, 0, &[0; 7]), size("short GOAWAY")),
        ("window update on an idle stream", window_update(1, 1), protocol("WINDOW_UPDATE on an idle stream")),
        ("window update by 0", window_update(0, 0), protocol("WINDOW_UPDATE by 0")),
        (
            "window update of odd length",
            frame(WINDOW_UPDATE, 0, 0, &[0; 3]),
            size("WINDOW_UPDATE of another length than 4"),
        ),
        (
            "connection window overflow",
            window_update(0, 0x7fff_ffff),
            ended(0, "FLOW_CONTROL", "connection window above 2^31-1"),
        ),
        (
            "reset of an idle stream",
            frame(RST_STREAM, 0, 1, &[0; 4]),
            protocol("RST_STREAM on an idle stream"),
        ),
        (
            "reset of odd length",
            [request(1, NEVER), frame(RST_STREAM, 0, 1, &[0; 3])].concat(),
            ended(1, "FRAME_SIZE", "RST_STREAM of another length than 4"),
        ),
        (
            "priority of no stream",
            frame(PRIORITY_FRAME, 0, 0, &[0; 5]),
            protocol("PRIORITY without a stream"),
        ),
    ];
    check(scripts.iter().map(|(name, input, expected)| (*name, input.clone(), expected.as_str())).collect());
}

#[test]
fn the_first_frame_must_be_settings() {
    let echo = Echo::start();
    for first in [request(1, UNARY), frame(SETTINGS, ACK, 0, &[])] {
        let mut wire = Wire::connect(echo.address);
        wire.write(PREFACE);
        wire.write(&first);
        let frames = wire.rest(&echo);
        assert_eq!(frames[2..], ["GOAWAY 0 PROTOCOL first frame is not SETTINGS", "closed"]);
    }
}

#[test]
fn the_greeting_names_the_limits() {
    for (streams_max, expected) in
        [(u32::MAX, "SETTINGS 5=16384 4=4194304 6=262144"), (7, "SETTINGS 5=16384 4=4194304 6=262144 3=7")]
    {
        let echo = Echo::with(Limits { streams_max, ..limits() }, |_| {});
        let mut wire = Wire::connect(echo.address);
        wire.write(PREFACE);
        assert_eq!(wire.frame().unwrap(), expected);
    }
}

#[test]
fn streams_above_the_limit_are_refused() {
    let echo = Echo::with(Limits { streams_max: 2, ..limits() }, |_| {});
    let calls: Vec<u8> =
        [1, 3, 5].iter().flat_map(|&id| [request(id, NEVER), body(id, b"x")].concat()).collect();
    let again = [frame(RST_STREAM, 0, 1, &8u32.to_be_bytes()), request(7, UNARY), body(7, b"x")].concat();
    assert_eq!(
        run(&echo, &[calls, again].concat()),
        "RST_STREAM 5 REFUSED_STREAM\nHEADERS 7 200 application/grpc\nDATA 7 \"x\"\nHEADERS 7 end grpc-status=0"
    );
    echo.wait("the cancelled call, and the one cut off, gone", |seen| seen.gone.len() == 2);
}

#[test]
fn windows_hold_replies_back() {
    let echo = patient();
    let mut wire = Wire::greet(echo.address, &[(4, 10)]);
    wire.write(&[request(1, UNARY), body(1, &[b'x'; 30])].concat());
    assert_eq!(wire.rest(&echo), ["HEADERS 1 200 application/grpc", "DATA 1 10 bytes"]);
    wire.write(&window_update(1, 5));
    assert_eq!(wire.rest(&echo), ["DATA 1 5 bytes"]);
    wire.write(&settings(&[(4, 0)]));
    assert_eq!(wire.rest(&echo), ["SETTINGS ack"], "the window is -10 now");
    wire.write(&window_update(1, 10));
    assert_eq!(wire.rest(&echo), [""; 0]);
    wire.write(&settings(&[(4, 8)]));
    assert_eq!(wire.rest(&echo), ["SETTINGS ack", "DATA 1 8 bytes"]);
    wire.write(&window_update(1, 100));
    assert_eq!(wire.rest(&echo), ["DATA 1 12 bytes", "HEADERS 1 end grpc-status=0"]);
    wire.write(&settings(&[(4, 0)]));
    wire.write(&[request(3, UNARY), body(3, b"y")].concat());
    assert_eq!(wire.rest(&echo), ["SETTINGS ack", "HEADERS 3 200 application/grpc"]);
    wire.write(&frame(RST_STREAM, 0, 3, &8u32.to_be_bytes()));
    wire.write(&[request(5, UNARY), body(5, b"y"), window_update(5, 6)].concat());
    assert_eq!(
        wire.rest(&echo),
        ["HEADERS 5 200 application/grpc", "DATA 5 \"y\"", "HEADERS 5 end grpc-status=0"],
        "a stream that was reset while it waited is forgotten"
    );
}

#[test]
fn streams_take_turns_at_the_connection_window() {
    let echo = patient();
    let mut wire = Wire::greet(echo.address, &[(4, 1 << 20)]);
    // 65,535 bytes: the whole window.
    for (id, length) in [(1, 16_000), (3, 16_000), (5, 16_000), (7, 16_000), (9, 1510)] {
        wire.write(&[request(id, UNARY), body(id, &vec![0; length])].concat());
    }
    wire.rest(&echo);
    let large = message(&vec![0; 60_000]);
    for id in [11, 13] {
        wire.write(&request(id, UNARY));
        large.chunks(16_384).for_each(|chunk| wire.write(&frame(DATA, 0, id, chunk)));
        wire.write(&frame(DATA, END_STREAM, id, &[]));
    }
    assert_eq!(wire.rest(&echo), ["HEADERS 11 200 application/grpc", "HEADERS 13 200 application/grpc"]);
    wire.write(&window_update(0, 40_000));
    assert_eq!(wire.rest(&echo), ["DATA 11 16384 bytes", "DATA 13 16384 bytes", "DATA 11 7232 bytes"]);
    wire.write(&window_update(0, 40_000));
    assert_eq!(wire.rest(&echo), ["DATA 13 16384 bytes", "DATA 11 16384 bytes", "DATA 13 7232 bytes"]);
}

#[test]
fn larger_frames_are_used_where_the_peer_takes_them() {
    let echo = Echo::start();
    let mut wire = Wire::greet(echo.address, &[(5, 50_000), (4, 1 << 20)]);
    wire.write(&request(1, UNARY));
    message(&[0; 40_000]).chunks(16_384).for_each(|chunk| wire.write(&frame(DATA, 0, 1, chunk)));
    wire.write(&frame(DATA, END_STREAM, 1, &[]));
    assert!(wire.rest(&echo).contains(&"DATA 1 40005 bytes".to_owned()));
}

#[test]
fn our_windows_are_refilled_and_enforced() {
    let echo = Echo::start();
    let mut wire = Wire::greet(echo.address, &[]);
    wire.write(&request(1, "/echo.Echo/Count"));
    let mut updates = Vec::new();
    // 600 frames of 16,384 bytes: 9.8 MB, of messages of 16,379.
    for _ in 0..600 {
        wire.write(&frame(DATA, 0, 1, &message(&[0; 16_379])));
    }
    updates.extend(wire.rest(&echo));
    let stream: u32 = updates
        .iter()
        .filter_map(|update| update.strip_prefix("WINDOW_UPDATE 1 +"))
        .map(|n| n.parse::<u32>().unwrap())
        .sum();
    let connection: u32 = updates
        .iter()
        .filter_map(|update| update.strip_prefix("WINDOW_UPDATE 0 +"))
        .map(|n| n.parse::<u32>().unwrap())
        .sum();
    assert!(stream > 600 * 16_384 - (2 << 20), "{stream}");
    assert!(connection > 600 * 16_384 - (8 << 20), "{connection}");
    assert_eq!(updates.len(), 5, "not more often than needed: {updates:?}");
}

#[test]
fn pings_too_often_are_three_strikes() {
    let echo = Echo::start();
    let mut wire = Wire::greet(echo.address, &[]);
    let ping = frame(PING, 0, 0, b"12345678");
    wire.write(&ping.repeat(6));
    let mut frames = Vec::new();
    while let Some(frame) = wire.frame() {
        frames.push(frame);
    }
    let acks = ["PING ack 12345678"; 4];
    assert_eq!(frames, [&acks[..], &["GOAWAY 0 ENHANCE_YOUR_CALM too_many_pings"]].concat());

    let mut wire = Wire::greet(echo.address, &[]);
    for id in [1, 3, 5, 7] {
        wire.write(&[ping.clone(), request(id, UNARY), body(id, b"x")].concat());
        assert_eq!(wire.rest(&echo).len(), 4, "each answer forgives");
    }
}

#[test]
fn silence_is_pinged_and_ended() {
    let quick = Limits {
        keepalive_interval: Duration::from_millis(80),
        keepalive_timeout: Duration::from_millis(80),
        ..limits()
    };
    let echo = Echo::with(quick, |_| {});
    let mut wire = Wire::greet(echo.address, &[]);
    assert_eq!(wire.frame().unwrap(), "PING \0\0\0\0\0\0\0\0");
    wire.write(&frame(PING, ACK, 0, &[0; 8]));
    assert_eq!(wire.frame().unwrap(), "PING \0\0\0\0\0\0\0\0", "answered, so it goes on");
    assert_eq!(wire.frame(), None);
    echo.wait("no connection", |seen| seen.connections == 0);
}

#[test]
fn rapid_resets_end_the_connection() {
    let echo = Echo::start();
    let mut wire = Wire::greet(echo.address, &[]);
    let mut script = Vec::new();
    for at in 0..40_000 {
        script.extend(request(2 * at + 1, NEVER));
        script.extend(frame(RST_STREAM, 0, 2 * at + 1, &8u32.to_be_bytes()));
    }
    wire.write(&script);
    let frames = wire.rest(&echo);
    assert!(
        frames[0].starts_with("GOAWAY ") && frames[0].ends_with("ENHANCE_YOUR_CALM too many resets"),
        "{frames:?}"
    );
}

#[test]
fn control_floods_end_the_connection() {
    let echo = Echo::start();
    for flood in [settings(&[]), frame(PRIORITY_FRAME, 0, 1, &[0; 5]), frame(0xaa, 0, 0, &[])] {
        let mut wire = Wire::greet(echo.address, &[]);
        wire.write(&flood.repeat(60_000));
        let last = wire.rest(&echo).into_iter().rev().nth(1);
        assert_eq!(last.as_deref(), Some("GOAWAY 0 ENHANCE_YOUR_CALM too many control frames"));
    }
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from() {
    let echo = Echo::start();
    let mut wire = Wire::greet(echo.address, &[(4, 0x7fff_ffff)]);
    wire.write(&window_update(0, 0x7fff_0000));
    wire.stream.set_nonblocking(true).unwrap();
    // Requests of 16 kB, answered with as much: once the answers stay, the requests must stay as well.
    let call = |id: u32| [request(id, UNARY), frame(DATA, END_STREAM, id, &message(&[0; 16_000]))].concat();
    let (mut sent, mut calls, mut full) = (0, 0, 0);
    let mut pending = Vec::new();
    while full < 200 {
        if pending.is_empty() {
            pending = call(2 * calls + 1);
            calls += 1;
        }
        match std::io::Write::write(&mut wire.stream, &pending) {
            Ok(written) => {
                sent += written;
                full = 0;
                pending.drain(..written);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                full += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 256 << 20, "the server takes requests without end");
    }
    wire.stream.set_nonblocking(false).unwrap();
    let mut reader = Wire { stream: wire.stream.try_clone().unwrap(), ..Wire::connect(echo.address) };
    let answers = std::thread::spawn(move || {
        let mut ended = 0;
        while ended < calls {
            ended += u32::from(reader.frame().unwrap().contains(" end grpc-status=0"));
        }
    });
    wire.write(&pending);
    answers.join().unwrap();
}

#[test]
fn a_lost_connection_loses_its_calls() {
    let echo = Echo::start();
    let mut wire = Wire::greet(echo.address, &[]);
    wire.write(&[request(1, NEVER), body(1, b"x"), request(3, CHAT), request(5, NEVER)].concat());
    wire.rest(&echo);
    drop(wire);
    echo.wait("two calls gone; the third never was one", |seen| {
        seen.gone.len() == 2 && seen.connections == 0
    });
}

#[test]
fn a_drained_connection_says_goodbye_twice() {
    let echo = patient();
    let mut wire = Wire::greet(echo.address, &[]);
    wire.write(&request(1, CHAT));
    wire.rest(&echo);
    echo.drain();
    assert_eq!(wire.frame().unwrap(), "GOAWAY 2147483647 NO_ERROR graceful_stop");
    assert_eq!(wire.frame().unwrap(), "PING draining");
    wire.write(&[request(3, UNARY), body(3, b"x")].concat());
    assert_eq!(wire.rest(&echo).len(), 3, "opened before we were heard");
    wire.write(&frame(PING, ACK, 0, b"draining"));
    assert_eq!(wire.frame().unwrap(), "GOAWAY 3 NO_ERROR graceful_stop");
    wire.write(&[request(5, UNARY), body(5, b"x")].concat());
    assert_eq!(wire.rest(&echo), [""; 0], "opened after");
    wire.write(&frame(DATA, END_STREAM, 1, &message(b"bye")));
    assert_eq!(
        wire.rest(&echo),
        ["HEADERS 1 200 application/grpc", "DATA 1 \"bye\"", "HEADERS 1 end grpc-status=0", "closed"]
    );
}

#[test]
fn connections_above_the_limit_wait() {
    let echo = Echo::with(Limits { connections_max: 1, ..limits() }, |_| {});
    let first = Wire::greet(echo.address, &[]);
    let mut second = Wire::connect(echo.address);
    second.write(PREFACE);
    second.write(&settings(&[]));
    second.stream.set_nonblocking(true).unwrap();
    echo.turn();
    let nothing = std::io::Read::read(&mut second.stream, &mut [0]);
    assert_eq!(nothing.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(echo.seen.lock().unwrap().connections, 1);
    second.stream.set_nonblocking(false).unwrap();
    drop(first);
    assert!(second.frame().unwrap().starts_with("SETTINGS"));
}
