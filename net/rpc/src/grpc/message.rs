//! Length-prefixed messages: one byte of flags (1: compressed), four of length, big-endian, then the message. They
//! may be cut over DATA frames anywhere. A message that lies in one frame is a slice of what was read; others are
//! assembled.

use super::{
    gzip,
    status::{code, quote},
};
use crate::Status;
use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(super) const PREFIX_BYTES: usize = 5;

/// How the client encodes compressed messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

/// Messages on their way in on one stream.
#[derive(Debug)]
pub(super) struct Incoming {
    encoding: Encoding,
    /// What came last, not yet looked at.
    fresh: Bytes,
    /// The beginning of a message.
    partial: BytesMut,
}

impl Incoming {
    pub(super) fn new(encoding: Encoding) -> Incoming {
        Incoming { encoding, fresh: Bytes::new(), partial: BytesMut::new() }
    }

    /// Takes one frame's payload. All messages of the one before must have been taken out.
    pub(super) fn push(&mut self, payload: Bytes) {
        assert!(self.fresh.is_empty());
        self.fresh = payload;
    }

    /// Bytes held of a message that is not complete.
    pub(super) fn held(&self) -> usize {
        self.partial.len()
    }

    /// The next complete message.
    pub(super) fn next(&mut self, bytes_max: usize) -> Result<Option<Bytes>, Status> {
        if self.partial.is_empty()
            && let Some((flags, length)) = prefix(&self.fresh)
        {
            check_length(length, bytes_max)?;
            if self.fresh.len() - PREFIX_BYTES >= length {
                let mut message = self.fresh.split_to(PREFIX_BYTES + length);
                message.advance(PREFIX_BYTES);
                return self.decoded(flags, message, bytes_max).map(Some);
            }
        }
        self.assemble(bytes_max)
    }

    /// The long way round: through `partial`.
    fn assemble(&mut self, bytes_max: usize) -> Result<Option<Bytes>, Status> {
        self.fill(PREFIX_BYTES);
        let Some((flags, length)) = prefix(&self.partial) else { return Ok(None) };
        check_length(length, bytes_max)?;
        self.fill(PREFIX_BYTES + length);
        if self.partial.len() < PREFIX_BYTES + length {
            return Ok(None);
        }
        let mut message = std::mem::take(&mut self.partial).freeze();
        message.advance(PREFIX_BYTES);
        self.decoded(flags, message, bytes_max).map(Some)
    }

    /// Moves bytes from `fresh` until `partial` holds `length`.
    fn fill(&mut self, length: usize) {
        let missing = length.saturating_sub(self.partial.len()).min(self.fresh.len());
        self.partial.extend_from_slice(&self.fresh[..missing]);
        self.fresh.advance(missing);
    }

    fn decoded(&self, flags: u8, message: Bytes, bytes_max: usize) -> Result<Bytes, Status> {
        let internal = |message: String| Status { code: code::INTERNAL, message };
        match (flags, self.encoding) {
            (0, _) => Ok(message),
            (1, Encoding::Identity) => {
                Err(internal("grpc: compressed flag set with identity or empty encoding".into()))
            }
            (1, Encoding::Gzip) => match gzip::inflate(&message, bytes_max) {
                Ok(message) => Ok(message.into()),
                Err(gzip::Broken::TooLarge) => Err(Status {
                    code: code::RESOURCE_EXHAUSTED,
                    message: format!(
                        "grpc: received message after decompression larger than max {bytes_max}"
                    ),
                }),
                Err(gzip::Broken::Corrupt(why)) => {
                    Err(internal(format!("grpc: failed to decompress the message: {why}")))
                }
            },
            (flags, _) => Err(internal(format!("grpc: received unexpected payload format {flags}"))),
        }
    }
}

fn prefix(bytes: &[u8]) -> Option<(u8, usize)> {
    let (&[flags, a, b, c, d], _) = bytes.split_first_chunk()?;
    Some((flags, u32::from_be_bytes([a, b, c, d]) as usize))
}

fn check_length(length: usize, bytes_max: usize) -> Result<(), Status> {
    if length <= bytes_max {
        return Ok(());
    }
    Err(Status {
        code: code::RESOURCE_EXHAUSTED,
        message: format!("grpc: received message larger than max ({length} vs. {bytes_max})"),
    })
}

/// Appends a message and its prefix; `encode` appends the message.
pub(super) fn write(out: &mut BytesMut, encode: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    out.put_bytes(0, PREFIX_BYTES);
    encode(out);
    let length = u32::try_from(out.len() - start - PREFIX_BYTES).expect("a message is below 4 GiB");
    out[start + 1..start + PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// The same, compressed unless it is empty.
pub(super) fn write_gzip(out: &mut BytesMut, encode: impl FnOnce(&mut BytesMut)) {
    let mut message = BytesMut::new();
    encode(&mut message);
    let start = out.len();
    write(out, |out| {
        if !message.is_empty() {
            gzip::deflate(&message, out);
        }
    });
    out[start] = u8::from(!message.is_empty());
}

/// The answer to an encoding that is not installed.
pub(super) fn no_decompressor(encoding: &[u8]) -> Status {
    let name = quote(encoding);
    Status {
        code: code::UNIMPLEMENTED,
        message: format!("grpc: Decompressor is not installed for grpc-encoding {name}"),
    }
}
