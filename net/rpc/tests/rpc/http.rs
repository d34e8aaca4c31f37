//! HTTP/1.1 on the same port: raw requests, whole responses.

use crate::{
    echo::{Echo, limits, methods},
    wire::{PREFACE, Wire, settings},
};
use rpc::{Event, HttpResponse, Limits, ListenOptions, Protocols, Server};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

fn connect(echo: &Echo) -> TcpStream {
    TcpStream::connect(echo.address).unwrap()
}

/// Writes a request and reads until the server closes.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn ok(text: &str, close: bool) -> String {
    let close = if close { "Connection: close\r\n" } else { "" };
    let length = text.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{close}Content-Length: {length}\r\n\r\n{text}")
}

#[test]
fn requests_and_their_answers() {
    let echo = Echo::start();
    let long_head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101));
    let plain = |status: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{status}\n",
            status.len() + 1
        )
    };
    for (request, expected) in [
        ("GET /a?b=c&d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", ok("GET /a b=c&d 0", true)),
        ("PUT /a HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", ok("PUT /a  3", true)),
        (
            "POST /a HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n",
            ok("POST /a  3", true),
        ),
        (
            "HEAD /a HTTP/1.1\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 10\r\n\r\n".into(),
        ),
        ("GET /a HTTP/1.0\r\n\r\n", ok("GET /a  0", true)),
        (
            "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\nConnection: close\r\n\r\nGET /d HTTP/1.1\r\n\r\n",
            [ok("GET /a  0", false), ok("GET /b  0", false), ok("GET /c  0", true)].concat(),
        ),
        (
            "GET /parts HTTP/1.1\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none,\r\n4\r\ntwo,\r\n5\r\nthree\r\n0\r\n\r\n".into(),
        ),
        (
            "GET /parts HTTP/1.0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\none,two,three".into(),
        ),
        (
            "POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            ok("POST /a  0", true),
        ),
        ("GET\r\n\r\n", plain("400 Bad Request")),
        ("\x16\x03\x01\x02", plain("400 Bad Request")),
        ("GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", plain("400 Bad Request")),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", plain("400 Bad Request")),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            plain("400 Bad Request"),
        ),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", plain("501 Not Implemented")),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", plain("400 Bad Request")),
        ("POST / HTTP/1.1\r\nContent-Length: 4194305\r\n\r\n", plain("413 Request Entity Too Large")),
        (&long_head, plain("431 Request Header Fields Too Large")),
        (&many_headers, plain("431 Request Header Fields Too Large")),
    ] {
        let name = &request[..request.len().min(200)];
        assert_eq!(exchange(connect(&echo), request.as_bytes()), expected, "{name:?}");
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let echo = Echo::start();
    let mut stream = connect(&echo);
    stream.set_nodelay(true).unwrap();
    for byte in
        b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    {
        stream.write_all(&[*byte]).unwrap();
        echo.turn();
    }
    assert_eq!(exchange(stream, b""), ok("POST /a  2", true));
    let seen = echo.seen.lock().unwrap();
    assert_eq!(seen.http[0].headers[0], ("Transfer-Encoding".to_owned(), "chunked".into()));
}

#[test]
fn one_that_expects_to_be_told_goes_on_when_told() {
    let echo = Echo::start();
    let mut stream = connect(&echo);
    stream
        .write_all(
            b"PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(exchange(stream, b"ab"), ok("PUT /a  2", true));
}

#[test]
fn a_half_closed_client_is_answered() {
    let echo = Echo::start();
    let mut stream = connect(&echo);
    stream.write_all(b"GET /a HTTP/1.1\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = exchange(stream, b"");
    assert!(answer.ends_with("GET /a  0"), "{answer}");
    echo.wait("no connection", |seen| seen.connections == 0);
}

#[test]
fn a_client_that_leaves_is_reported_when_the_answer_fails() {
    let echo = Echo::start();
    let mut stream = connect(&echo);
    stream.write_all(b"GET /endless HTTP/1.1\r\n\r\n").unwrap();
    let mut first = [0; 1000];
    assert_ne!(stream.read(&mut first).unwrap(), 0);
    drop(stream);
    echo.wait("the exchange gone", |seen| seen.gone.len() == 1 && seen.connections == 0);
}

#[test]
fn listeners_may_speak_one_protocol_alone() {
    let mut addresses = Vec::new();
    let directory = std::env::temp_dir().join(format!("rpc-test-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("socket");
    let echo = Echo::with(limits(), |server| {
        for protocols in [Protocols::Grpc, Protocols::Http] {
            let options = ListenOptions { protocols, ..ListenOptions::default() };
            addresses.push(server.listen_with("127.0.0.1:0".parse().unwrap(), options).unwrap());
        }
        // One that was left behind is replaced.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        server.listen_unix(&path, Protocols::Both).unwrap();
        assert_eq!(server.addresses().unwrap()[1..], addresses);
    });
    let get = b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(TcpStream::connect(addresses[0]).unwrap(), get), "", "gRPC alone");
    assert_eq!(exchange(TcpStream::connect(addresses[1]).unwrap(), get), ok("GET /a  0", true));
    let refused = exchange(TcpStream::connect(addresses[1]).unwrap(), PREFACE);
    assert!(refused.starts_with("HTTP/1.1 400 "), "HTTP alone: {refused}");
    drop(Wire::greet(addresses[0], &[]));
    let unix = std::os::unix::net::UnixStream::connect(&path).unwrap();
    assert_eq!(exchange(unix, get), ok("GET /a  0", true));
    let mut unix = std::os::unix::net::UnixStream::connect(&path).unwrap();
    unix.write_all(&[PREFACE, &settings(&[])].concat()).unwrap();
    let mut header = [0; 9];
    unix.read_exact(&mut header).unwrap();
    assert_eq!(header[3], 4, "SETTINGS");
    drop(echo);
    assert!(!path.exists(), "the socket file goes with the server");
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Polls until a request is there, and gives the number of its door.
fn answer_next(server: &mut Server) -> Option<u8> {
    let mut events = Vec::new();
    for _ in 0..100 {
        server.poll(Some(Duration::from_millis(50)), &mut events).unwrap();
        if let Some(Event::Http { id, door, .. }) = events.pop() {
            server.http_reply(id, HttpResponse { status: 200, headers: Vec::new(), body: "".into() });
            server.flush();
            return Some(door);
        }
    }
    None
}

#[test]
fn a_listener_may_accept_before_the_others_and_is_told_apart() {
    let mut server = Server::new(methods(), limits()).unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let patient = server.listen(any).unwrap();
    let early = server
        .listen_with(any, ListenOptions { at_once: true, door: 7, ..ListenOptions::default() })
        .unwrap();
    let get = b"GET /a HTTP/1.1\r\n\r\n";
    let [mut first, mut second] = [patient, early].map(|address| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(get).unwrap();
        stream
    });
    assert_eq!(answer_next(&mut server), Some(7));
    let mut start = [0; 15];
    second.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    assert_eq!(server.connections(), 1, "the other one waits in the kernel");
    server.accept().unwrap();
    assert_eq!(answer_next(&mut server), Some(0));
    first.read_exact(&mut start).unwrap();
    second.write_all(get).unwrap();
    assert_eq!(answer_next(&mut server), Some(7), "accept leaves it as it was");
}

#[test]
fn an_answer_in_parts_can_outgrow_the_socket() {
    let echo = Echo::with(Limits { output_bytes_max: 1 << 16, ..limits() }, |_| {});
    let mut stream = connect(&echo);
    stream.write_all(b"GET /large HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    // Not read until the server has more than any socket takes.
    echo.turn();
    let answer = exchange(stream, b"");
    assert_eq!(answer.matches('~').count(), 32 << 20);
    assert!(answer.ends_with(&ok("GET /a  0", true)));
}

#[test]
fn a_drained_server_answers_and_closes() {
    let echo = Echo::start();
    let mut idle = connect(&echo);
    idle.write_all(b"GET /a HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = vec![0; ok("GET /a  0", false).len()];
    idle.read_exact(&mut answer).unwrap();
    let silent = connect(&echo);
    let mut asking = connect(&echo);
    asking.write_all(b"POST /b HTTP/1.1\r\nContent-Length: 2\r\n\r\na").unwrap();
    echo.wait("three connections", |seen| seen.connections == 3);
    echo.turn();
    echo.drain();
    assert_eq!(exchange(idle, b""), "");
    assert_eq!(exchange(silent, b""), "");
    assert_eq!(exchange(asking, b"b"), ok("POST /b  2", true));
    echo.wait("no connection", |seen| seen.connections == 0 && seen.drained);
    assert!(TcpStream::connect(echo.address).is_err(), "nobody listens any more");
}
