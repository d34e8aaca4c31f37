//! A client that speaks bytes: writes what it is told, and prints the frames it reads.

use crate::echo::Echo;
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Payload of the ping whose answer ends a script.
const LAST_PING: &[u8; 8] = b"the end.";

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITY: u8 = 0x20;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY_FRAME: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Literals without indexing, not Huffman coded.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            if text.len() < 127 {
                out.push(text.len() as u8);
            } else {
                let rest = text.len() - 127;
                assert!(rest < 1 << 14);
                out.extend([127, (rest & 0x7f) as u8 | 0x80, (rest >> 7) as u8]);
            }
            out.extend(text.as_bytes());
        }
    }
    out
}

/// Fields of a call, with further ones or others in their place.
pub fn fields<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<u8> {
    let mut all = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for &(name, value) in more {
        match all.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value,
            None => all.push((name, value)),
        }
    }
    block(&all)
}

pub fn request(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &fields(path, &[]))
}

pub fn message(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0];
    out.extend((text.len() as u32).to_be_bytes());
    out.extend(text);
    out
}

/// A message and the end of the stream.
pub fn body(stream: u32, text: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, &message(text))
}

pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in values {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub struct Wire {
    pub stream: TcpStream,
    pub input: Vec<u8>,
}

impl Wire {
    /// Connected; nothing is said yet.
    pub fn connect(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Wire { stream, input: Vec::new() }
    }

    /// Connected, and the greetings are exchanged.
    pub fn greet(address: SocketAddr, values: &[(u16, u32)]) -> Wire {
        let mut wire = Wire::connect(address);
        wire.write(PREFACE);
        wire.write(&settings(values));
        let greeting: Vec<String> = (0..3).map(|_| wire.frame().unwrap()).collect();
        assert!(greeting[0].starts_with("SETTINGS"), "{greeting:?}");
        assert_eq!(greeting[1], "WINDOW_UPDATE 0 +16711681");
        assert_eq!(greeting[2], "SETTINGS ack");
        wire.write(&frame(SETTINGS, ACK, 0, &[]));
        wire
    }

    /// Writes; that the peer has closed is no failure here.
    pub fn write(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            result => result.unwrap(),
        }
    }

    /// The next frame as text; `None` at the end.
    pub fn frame(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.take() {
                return Some(frame);
            }
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                result => self.input.extend(&buffer[..result.unwrap()]),
            }
        }
    }

    /// All frames that what was written before leads to; `closed` if the server then ends the connection.
    pub fn rest(&mut self, echo: &Echo) -> Vec<String> {
        self.write(&frame(PING, 0, 0, LAST_PING));
        let mut frames = Vec::new();
        loop {
            match self.frame() {
                None => {
                    frames.push("closed".into());
                    return frames;
                }
                // Handled; the replies to what came before are written in the same turn, after it.
                Some(frame) if frame == "PING ack the end." => break,
                Some(frame) => frames.push(frame),
            }
        }
        echo.turn();
        self.stream.set_nonblocking(true).unwrap();
        let mut buffer = [0; 65536];
        let ended = loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break false,
                result => self.input.extend(&buffer[..result.unwrap()]),
            }
        };
        self.stream.set_nonblocking(false).unwrap();
        while let Some(frame) = self.take() {
            frames.push(frame);
        }
        if ended {
            frames.push("closed".into());
        }
        frames
    }

    /// The next frame of what was read.
    fn take(&mut self) -> Option<String> {
        let head = self.input.first_chunk::<9>()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if self.input.len() < 9 + length {
            return None;
        }
        let frame: Vec<u8> = self.input.drain(..9 + length).collect();
        Some(print(&frame))
    }
}

const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL",
    "INTERNAL",
    "FLOW_CONTROL",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION",
    "CONNECT",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

fn print(frame: &[u8]) -> String {
    let (kind, flags) = (frame[3], frame[4]);
    let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap());
    let stream = number(5);
    let payload = &frame[9..];
    let end = if flags & END_STREAM != 0 { " end" } else { "" };
    match kind {
        DATA => format!("DATA {stream}{end} {}", data(payload)),
        HEADERS => format!("HEADERS {stream}{end} {}", print_fields(payload)),
        RST_STREAM => format!("RST_STREAM {stream} {}", CODES[number(9) as usize]),
        SETTINGS if flags & ACK != 0 => "SETTINGS ack".into(),
        SETTINGS => {
            let pairs = payload.chunks(6).map(|pair| {
                let value = u32::from_be_bytes(pair[2..].try_into().unwrap());
                format!(" {}={value}", pair[1])
            });
            format!("SETTINGS{}", pairs.collect::<String>())
        }
        PING if flags & ACK != 0 => format!("PING ack {}", String::from_utf8_lossy(payload)),
        PING => format!("PING {}", String::from_utf8_lossy(payload)),
        GOAWAY => {
            let code = CODES[number(13) as usize];
            format!("GOAWAY {} {code} {}", number(9), String::from_utf8_lossy(&payload[8..]))
        }
        WINDOW_UPDATE => format!("WINDOW_UPDATE {stream} +{}", number(9)),
        kind => format!("frame {kind} {flags} {stream} {}", payload.len()),
    }
}

/// Short messages as text, long payloads by length.
fn data(payload: &[u8]) -> String {
    match payload {
        [0, 0, 0, 0, length, text @ ..] if text.len() == usize::from(*length) => {
            format!("{:?}", String::from_utf8_lossy(text))
        }
        _ => format!("{} bytes", payload.len()),
    }
}

/// Knows what the server writes: literals without indexing and `:status: 200`.
fn print_fields(mut block: &[u8]) -> String {
    fn string(block: &mut &[u8]) -> String {
        let mut length = usize::from(block[0]);
        *block = &block[1..];
        if length == 127 {
            let mut shift = 0;
            loop {
                let byte = block[0];
                *block = &block[1..];
                length += usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let (text, rest) = block.split_at(length);
        *block = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }
    let mut fields = Vec::new();
    while let Some((&first, rest)) = block.split_first() {
        block = rest;
        let name = match first {
            0x88 => {
                fields.push("200".into());
                continue;
            }
            0x08 => String::new(),
            0x0f => {
                assert_eq!(block[0], 16);
                block = &block[1..];
                String::new()
            }
            0 => format!("{}=", string(&mut block)),
            other => panic!("the server does not write {other:x}"),
        };
        fields.push(format!("{name}{}", string(&mut block)));
    }
    fields.join(" ")
}
