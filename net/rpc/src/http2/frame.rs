//! HTTP/2 frames, RFC 9113, sections 4 and 6: header layout, types, flags, error codes, and the frames the server
//! writes. It never keeps state.
//!
//! A frame is 9 bytes of header (length 24 bits, type 8, flags 8, reserved 1, stream 31, big-endian), then payload.

use bytes::{BufMut, BytesMut};

pub(crate) const HEADER_BYTES: usize = 9;
/// Largest payload we take, and the smallest that a peer must take: the default of SETTINGS_MAX_FRAME_SIZE.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16_384;
pub(crate) const STREAM_MAX: u32 = (1 << 31) - 1;
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

pub(crate) mod setting {
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Error codes, RFC 9113, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Code {
    NoError = 0,
    Protocol = 1,
    FlowControl = 3,
    StreamClosed = 5,
    FrameSize = 6,
    RefusedStream = 7,
    Compression = 9,
    EnhanceYourCalm = 11,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Of the payload, in bytes.
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES]) -> Header {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes;
        Header {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & STREAM_MAX,
        }
    }

    pub(crate) fn bytes(&self) -> [u8; HEADER_BYTES] {
        assert!(self.length < 1 << 24);
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s0, s1, s2, s3]
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

pub(crate) fn put(out: &mut BytesMut, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&Header { length: payload.len(), kind, flags, stream }.bytes());
    out.extend_from_slice(payload);
}

pub(crate) fn put_reset(out: &mut BytesMut, stream: u32, code: Code) {
    put(out, kind::RST_STREAM, 0, stream, &(code as u32).to_be_bytes());
}

pub(crate) fn put_window_update(out: &mut BytesMut, stream: u32, increment: u32) {
    put(out, kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
}

pub(crate) fn put_goaway(out: &mut BytesMut, last: u32, code: Code, reason: &str) {
    let length = 8 + reason.len();
    out.extend_from_slice(&Header { length, kind: kind::GOAWAY, flags: 0, stream: 0 }.bytes());
    out.put_u32(last);
    out.put_u32(code as u32);
    out.extend_from_slice(reason.as_bytes());
}

pub(crate) fn put_settings(out: &mut BytesMut, settings: &[(u16, u32)]) {
    out.extend_from_slice(
        &Header { length: settings.len() * 6, kind: kind::SETTINGS, flags: 0, stream: 0 }.bytes(),
    );
    for &(name, value) in settings {
        out.put_u16(name);
        out.put_u32(value);
    }
}

/// The payload without its padding and, for HEADERS, without the priority fields: the range in `payload`. `None`:
/// the padding covers more than there is.
pub(crate) fn unpadded(header: &Header, payload: &[u8]) -> Option<std::ops::Range<usize>> {
    let (mut start, mut end) = (0, payload.len());
    if header.has(flag::PADDED) {
        start = 1;
        end = end.checked_sub(*payload.first()? as usize)?;
    }
    if header.kind == kind::HEADERS && header.has(flag::PRIORITY) {
        start += 5;
    }
    (start <= end).then_some(start..end)
}
