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

/// A message on its way in on one stream, of which something has come.
pub(super) type Partial = Option<Box<BytesMut>>;

/// The next complete message; `partial` is what is held of it from frames before, `fresh` what came last.
pub(super) fn next(
    partial: &mut Partial,
    fresh: &mut Bytes,
    encoding: Encoding,
    bytes_max: usize,
) -> Result<Option<Bytes>, Status> {
    if partial.is_none()
        && let Some((flags, length)) = prefix(fresh)
    {
        check_length(length, bytes_max)?;
        if fresh.len() - PREFIX_BYTES >= length {
            let mut message = fresh.split_to(PREFIX_BYTES + length);
            message.advance(PREFIX_BYTES);
            return decoded(flags, message, encoding, bytes_max).map(Some);
        }
    }
    if fresh.is_empty() {
        return Ok(None);
    }
    let Some((flags, message)) = assemble(partial.get_or_insert_default(), fresh, bytes_max)? else {
        return Ok(None);
    };
    *partial = None;
    decoded(flags, message, encoding, bytes_max).map(Some)
}

/// The long way round: through `partial`, which is left as it was emptied.
fn assemble(
    partial: &mut BytesMut,
    fresh: &mut Bytes,
    bytes_max: usize,
) -> Result<Option<(u8, Bytes)>, Status> {
    let mut fill = |partial: &mut BytesMut, length: usize| {
        let missing = length.saturating_sub(partial.len()).min(fresh.len());
        partial.extend_from_slice(&fresh.split_to(missing));
    };
    fill(partial, PREFIX_BYTES);
    let Some((flags, length)) = prefix(partial) else { return Ok(None) };
    check_length(length, bytes_max)?;
    fill(partial, PREFIX_BYTES + length);
    if partial.len() < PREFIX_BYTES + length {
        return Ok(None);
    }
    let mut message = std::mem::take(partial).freeze();
    message.advance(PREFIX_BYTES);
    Ok(Some((flags, message)))
}

fn decoded(flags: u8, message: Bytes, encoding: Encoding, bytes_max: usize) -> Result<Bytes, Status> {
    let internal = |message: String| Status { code: code::INTERNAL, message };
    match (flags, encoding) {
        (0, _) => Ok(message),
        (1, Encoding::Identity) => {
            Err(internal("grpc: compressed flag set with identity or empty encoding".into()))
        }
        (1, Encoding::Gzip) => match gzip::inflate(&message, bytes_max) {
            Ok(message) => Ok(message.into()),
            Err(gzip::Broken::TooLarge) => Err(Status {
                code: code::RESOURCE_EXHAUSTED,
                message: format!("grpc: received message after decompression larger than max {bytes_max}"),
            }),
            Err(gzip::Broken::Header(why)) => {
                Err(internal(format!("grpc: failed to decompress the message: {why}")))
            }
            Err(gzip::Broken::Body(why)) => {
                Err(internal(format!("grpc: failed to read decompressed data: {why}")))
            }
        },
        (flags, _) => Err(internal(format!("grpc: received unexpected payload format {flags}"))),
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
