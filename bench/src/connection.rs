//! One client HTTP/2 connection, written for little cost per call: no header decoding, no task, no allocation for
//! a call that fits the window. It never interprets a message and never asks the time.
//!
//! A unary call succeeded when DATA came before the END_STREAM; trailers alone, RST_STREAM and a lost connection are
//! failures. That is enough for a load generator, which counts failures and shows them. Start at
//! [`Connection::call`] and [`Connection::read`].

use crate::headers::{Headers, TABLE_BYTES_DEFAULT};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES: usize = 9;
/// Our receive windows, for a stream and for the connection: never the bottleneck.
const WINDOW_BYTES: u32 = (1 << 31) - 1;
/// The windows HTTP/2 starts with (RFC 9113, 6.9.2).
const WINDOW_BYTES_DEFAULT: i64 = 65_535;
/// Received bytes after which the peer gets its credit back.
const CREDIT_BYTES: u32 = 16 << 20;
/// Largest frame the peer may send: the protocol's default.
const FRAME_BYTES_MAX: usize = 16_384;
/// Bytes buffered of what was read; holds at least one frame.
const BUFFER_BYTES: usize = 64 << 10;
/// Calls that may wait for window; a bound against a server that never gives any.
const WAITING_MAX: usize = 100_000;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
}
mod flag {
    pub const END_STREAM: u8 = 1;
    pub const ACK: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
}
mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
}

/// A call that ended.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// The number the caller gave the call.
    pub tag: u32,
    pub ok: bool,
    /// Bytes of DATA it brought, gRPC prefix included.
    pub bytes: usize,
}

#[derive(Debug)]
struct Call {
    tag: u32,
    bytes: usize,
    /// Of a streaming call: the message that is still incomplete.
    partial: Option<Vec<u8>>,
    /// Of a streaming call: what we may still send, bytes.
    window: i64,
    /// Received since the last credit, bytes.
    uncredited: u32,
}

/// What waits for window, in order.
#[derive(Debug)]
enum Waiting {
    Call { path: usize, body: Vec<u8>, tag: u32 },
    Message { stream: u32, body: Vec<u8> },
}

#[derive(Debug)]
pub struct Connection {
    socket: mio::net::TcpStream,
    /// Always [`BUFFER_BYTES`] long.
    input: Vec<u8>,
    /// How much of `input` is a frame that is still incomplete.
    filled: usize,
    output: Vec<u8>,
    headers: Headers,
    calls: FxHashMap<u32, Call>,
    waiting: VecDeque<Waiting>,
    next_stream: u32,
    /// What we may still send on the connection, bytes.
    window: i64,
    window_initial: i64,
    uncredited: u32,
}

impl Connection {
    /// Connects and waits for the server's SETTINGS.
    pub fn connect(address: SocketAddr, paths: &'static [&'static str]) -> io::Result<Connection> {
        let mut socket = std::net::TcpStream::connect_timeout(&address, HANDSHAKE_TIMEOUT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        let mut hello = PREFACE.to_vec();
        frame(&mut hello, kind::SETTINGS, 0, 0, 6);
        hello.extend_from_slice(&setting::INITIAL_WINDOW_SIZE.to_be_bytes());
        hello.extend_from_slice(&WINDOW_BYTES.to_be_bytes());
        frame(&mut hello, kind::WINDOW_UPDATE, 0, 0, 4);
        hello.extend_from_slice(&(WINDOW_BYTES - 65_535).to_be_bytes());
        socket.write_all(&hello)?;
        let mut head = [0; FRAME_HEADER_BYTES];
        socket.read_exact(&mut head)?;
        let (length, frame_kind, ..) = parse(&head);
        if frame_kind != kind::SETTINGS || length > FRAME_BYTES_MAX {
            return Err(protocol("the server's first frame is not SETTINGS"));
        }
        let mut settings = vec![0; length];
        socket.read_exact(&mut settings)?;
        socket.set_nonblocking(true)?;
        let table = value_of(&settings, setting::HEADER_TABLE_SIZE).unwrap_or(TABLE_BYTES_DEFAULT);
        let mut connection = Connection {
            socket: mio::net::TcpStream::from_std(socket),
            input: vec![0; BUFFER_BYTES],
            filled: 0,
            output: Vec::with_capacity(BUFFER_BYTES),
            headers: Headers::new(address.to_string(), paths, table),
            calls: FxHashMap::default(),
            waiting: VecDeque::new(),
            next_stream: 1,
            window: WINDOW_BYTES_DEFAULT,
            window_initial: WINDOW_BYTES_DEFAULT,
            uncredited: 0,
        };
        connection.settings(&settings);
        Ok(connection)
    }

    pub fn socket(&mut self) -> &mut mio::net::TcpStream {
        &mut self.socket
    }

    /// Queues a unary call of the message `body`.
    pub fn call(&mut self, path: usize, body: &[u8], tag: u32) {
        if self.waiting.is_empty() && self.window >= message_bytes(body) {
            self.start(path, body, tag);
        } else {
            self.wait(Waiting::Call { path, body: body.to_vec(), tag });
        }
    }

    /// Opens a streaming call; its messages are reported with `tag`. Returns the stream.
    pub fn open(&mut self, path: usize, tag: u32) -> u32 {
        let stream = self.headers_frame(path);
        let call =
            Call { tag, bytes: 0, partial: Some(Vec::new()), window: self.window_initial, uncredited: 0 };
        self.calls.insert(stream, call);
        stream
    }

    /// Queues a message on a streaming call.
    pub fn send(&mut self, stream: u32, body: &[u8]) {
        if !self.waiting.is_empty() || !self.send_now(stream, body) {
            self.wait(Waiting::Message { stream, body: body.to_vec() });
        }
    }

    /// Reads all there is. Ended calls are appended to `done`; each complete message of a streaming call goes to
    /// `message` with its tag.
    pub fn read(&mut self, done: &mut Vec<Done>, message: &mut dyn FnMut(u32, &[u8])) -> io::Result<()> {
        let mut input = std::mem::take(&mut self.input);
        let result = self.read_into(&mut input, done, message);
        self.input = input;
        result
    }

    fn read_into(
        &mut self,
        input: &mut [u8],
        done: &mut Vec<Done>,
        message: &mut dyn FnMut(u32, &[u8]),
    ) -> io::Result<()> {
        loop {
            let space = &mut input[self.filled..];
            let asked = space.len();
            let got = match self.socket.read(space) {
                Ok(0) => return Err(protocol("the server closed the connection")),
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let end = self.filled + got;
            let used = self.frames(&input[..end], done, message)?;
            input.copy_within(used..end, 0);
            self.filled = end - used;
            // A short read emptied the socket; the next readiness event will say when there is more.
            if got < asked {
                return Ok(());
            }
        }
    }

    /// Writes what the socket takes.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match self.socket.write(&self.output) {
                Ok(wrote) => drop(self.output.drain(..wrote)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn wait(&mut self, waiting: Waiting) {
        assert!(self.waiting.len() < WAITING_MAX, "the server gives no window for {WAITING_MAX} calls");
        self.waiting.push_back(waiting);
    }

    fn headers_frame(&mut self, path: usize) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let at = self.output.len();
        frame(&mut self.output, kind::HEADERS, flag::END_HEADERS, stream, 0);
        self.headers.encode(path, &mut self.output);
        let length = u8::try_from(self.output.len() - at - FRAME_HEADER_BYTES).expect("short header block");
        self.output[at + 2] = length;
        stream
    }

    fn start(&mut self, path: usize, body: &[u8], tag: u32) {
        let stream = self.headers_frame(path);
        self.window -= message_bytes(body);
        data_frame(&mut self.output, flag::END_STREAM, stream, body);
        self.calls.insert(stream, Call { tag, bytes: 0, partial: None, window: 0, uncredited: 0 });
    }

    /// False if a window is too small. A message for a call that has ended is dropped: its end was reported.
    fn send_now(&mut self, stream: u32, body: &[u8]) -> bool {
        let Some(call) = self.calls.get_mut(&stream) else { return true };
        let bytes = message_bytes(body);
        if self.window < bytes || call.window < bytes {
            return false;
        }
        self.window -= bytes;
        call.window -= bytes;
        data_frame(&mut self.output, 0, stream, body);
        true
    }

    fn send_waiting(&mut self) {
        while let Some(first) = self.waiting.pop_front() {
            match first {
                Waiting::Call { path, body, tag } if self.window >= message_bytes(&body) => {
                    self.start(path, &body, tag);
                }
                Waiting::Message { stream, ref body } if self.send_now(stream, body) => {}
                blocked => return self.waiting.push_front(blocked),
            }
        }
    }

    /// Handles the complete frames of `input`; returns the bytes they took.
    fn frames(
        &mut self,
        input: &[u8],
        done: &mut Vec<Done>,
        message: &mut dyn FnMut(u32, &[u8]),
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some(head) = input.get(at..at + FRAME_HEADER_BYTES) {
            let (length, frame_kind, flags, stream) = parse(head);
            if length > FRAME_BYTES_MAX {
                return Err(protocol("a frame is longer than allowed"));
            }
            let Some(payload) = input.get(at + FRAME_HEADER_BYTES..at + FRAME_HEADER_BYTES + length) else {
                break;
            };
            at += FRAME_HEADER_BYTES + length;
            match frame_kind {
                kind::DATA => self.data(stream, flags, payload, done, message)?,
                kind::HEADERS if flags & flag::END_STREAM != 0 => self.end(stream, done),
                kind::RST_STREAM => self.reset(stream, done),
                kind::SETTINGS if flags & flag::ACK == 0 => self.settings(payload),
                kind::PING if flags & flag::ACK == 0 => {
                    frame(&mut self.output, kind::PING, flag::ACK, 0, payload.len());
                    self.output.extend_from_slice(payload);
                }
                kind::WINDOW_UPDATE => self.window_update(stream, payload),
                kind::GOAWAY => return Err(protocol("the server sent GOAWAY")),
                _ => {}
            }
        }
        Ok(at)
    }

    fn data(
        &mut self,
        stream: u32,
        flags: u8,
        payload: &[u8],
        done: &mut Vec<Done>,
        message: &mut dyn FnMut(u32, &[u8]),
    ) -> io::Result<()> {
        if flags & flag::PADDED != 0 {
            return Err(protocol("padded DATA, which no gRPC server sends"));
        }
        let length = u32::try_from(payload.len()).expect("a frame's length has 24 bits");
        self.uncredited += length;
        if self.uncredited >= CREDIT_BYTES {
            credit(&mut self.output, 0, &mut self.uncredited);
        }
        let Some(call) = self.calls.get_mut(&stream) else { return Ok(()) };
        call.bytes += payload.len();
        if let Some(partial) = &mut call.partial {
            call.uncredited += length;
            if call.uncredited >= CREDIT_BYTES {
                credit(&mut self.output, stream, &mut call.uncredited);
            }
            messages(call.tag, partial, payload, message);
        }
        if flags & flag::END_STREAM != 0 {
            self.end(stream, done);
        }
        Ok(())
    }

    fn end(&mut self, stream: u32, done: &mut Vec<Done>) {
        if let Some(call) = self.calls.remove(&stream) {
            done.push(Done {
                tag: call.tag,
                ok: call.bytes > 0 && call.partial.is_none(),
                bytes: call.bytes,
            });
        }
    }

    fn reset(&mut self, stream: u32, done: &mut Vec<Done>) {
        if let Some(call) = self.calls.remove(&stream) {
            done.push(Done { tag: call.tag, ok: false, bytes: call.bytes });
        }
    }

    fn settings(&mut self, payload: &[u8]) {
        if let Some(initial) = value_of(payload, setting::INITIAL_WINDOW_SIZE) {
            let change = i64::from(initial) - self.window_initial;
            self.window_initial = i64::from(initial);
            self.calls.values_mut().for_each(|call| call.window += change);
        }
        frame(&mut self.output, kind::SETTINGS, flag::ACK, 0, 0);
        self.send_waiting();
    }

    fn window_update(&mut self, stream: u32, payload: &[u8]) {
        let Ok(bytes) = <[u8; 4]>::try_from(payload) else { return };
        let increment = i64::from(u32::from_be_bytes(bytes) & (u32::MAX >> 1));
        if stream == 0 {
            self.window += increment;
        } else if let Some(call) = self.calls.get_mut(&stream) {
            call.window += increment;
        }
        self.send_waiting();
    }
}

/// Feeds the payload of one DATA frame to `message`, one complete gRPC message at a time.
fn messages(tag: u32, partial: &mut Vec<u8>, payload: &[u8], message: &mut dyn FnMut(u32, &[u8])) {
    if partial.is_empty() {
        let used = complete(tag, payload, message);
        partial.extend_from_slice(&payload[used..]);
    } else {
        partial.extend_from_slice(payload);
        let used = complete(tag, partial, message);
        partial.drain(..used);
    }
}

fn complete(tag: u32, input: &[u8], message: &mut dyn FnMut(u32, &[u8])) -> usize {
    let mut at = 0;
    while let Some(prefix) = input.get(at..at + 5) {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let Some(body) = input.get(at + 5..at + 5 + length) else { break };
        message(tag, body);
        at += 5 + length;
    }
    at
}

fn frame(out: &mut Vec<u8>, frame_kind: u8, flags: u8, stream: u32, length: usize) {
    let length = u32::try_from(length).expect("our frames are small").to_be_bytes();
    out.extend_from_slice(&[length[1], length[2], length[3], frame_kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

fn data_frame(out: &mut Vec<u8>, flags: u8, stream: u32, body: &[u8]) {
    assert!(body.len() + 5 <= FRAME_BYTES_MAX, "a request fits one frame");
    frame(out, kind::DATA, flags, stream, body.len() + 5);
    out.push(0);
    out.extend_from_slice(&u32::try_from(body.len()).expect("checked above").to_be_bytes());
    out.extend_from_slice(body);
}

fn credit(out: &mut Vec<u8>, stream: u32, uncredited: &mut u32) {
    frame(out, kind::WINDOW_UPDATE, 0, stream, 4);
    out.extend_from_slice(&std::mem::take(uncredited).to_be_bytes());
}

/// Length, kind, flags, stream.
fn parse(head: &[u8]) -> (usize, u8, u8, u32) {
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    (length, head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1))
}

fn value_of(settings: &[u8], id: u16) -> Option<u32> {
    settings
        .chunks_exact(6)
        .filter(|entry| entry[..2] == id.to_be_bytes())
        .map(|entry| u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
        .next_back()
}

fn message_bytes(body: &[u8]) -> i64 {
    body.len() as i64 + 5
}

fn protocol(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
