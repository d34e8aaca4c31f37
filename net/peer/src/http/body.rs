//! Bodies as they come: a known length, chunks (RFC 9112, section 7.1), or all up to the end of the connection.
//!
//! It never keeps bytes: what belongs to the body moves from the connection's buffer to the caller's, so endless
//! bodies work. Chunk extensions and trailers are skipped.

use super::Broken;
use bytes::{Buf, BytesMut};

/// A chunk's size line, or a trailer line, in bytes.
const LINE_BYTES_MAX: usize = 4096;
/// Trailer lines.
const TRAILERS_MAX: usize = 64;

/// How a head says its body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    /// Responses only.
    UntilClose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Counted(u64),
    ChunkSize,
    Chunk(u64),
    /// The line end that follows a chunk's bytes.
    ChunkEnd,
    /// Trailer lines seen.
    Trailers(usize),
    UntilClose,
    Done,
}

#[derive(Debug)]
pub(crate) struct Body {
    next: Next,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Body {
        let next = match framing {
            Framing::Length(0) => Next::Done,
            Framing::Length(length) => Next::Counted(length),
            Framing::Chunked => Next::ChunkSize,
            Framing::UntilClose => Next::UntilClose,
        };
        Body { next }
    }

    /// True once the whole body was moved.
    pub(crate) fn is_done(&self) -> bool {
        self.next == Next::Done
    }

    /// True for a body that the end of the connection ends.
    pub(crate) fn ends_with_connection(&self) -> bool {
        self.next == Next::UntilClose
    }

    /// Moves what belongs to the body from `input` to `out`. What follows the body stays.
    pub(crate) fn advance(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<(), Broken> {
        loop {
            match &mut self.next {
                Next::Done => return Ok(()),
                Next::UntilClose => {
                    out.extend_from_slice(input);
                    input.clear();
                    return Ok(());
                }
                Next::Counted(left) => {
                    move_bytes(input, out, left);
                    if *left > 0 {
                        return Ok(());
                    }
                    self.next = Next::Done;
                }
                Next::Chunk(left) => {
                    move_bytes(input, out, left);
                    if *left > 0 {
                        return Ok(());
                    }
                    self.next = Next::ChunkEnd;
                }
                Next::ChunkSize => {
                    let Some(size) = line(input, chunk_size)? else { return Ok(()) };
                    self.next = if size? == 0 { Next::Trailers(0) } else { Next::Chunk(size?) };
                }
                Next::ChunkEnd => {
                    let Some(empty) = line(input, <[u8]>::is_empty)? else { return Ok(()) };
                    if !empty {
                        return Err(Broken::Malformed);
                    }
                    self.next = Next::ChunkSize;
                }
                Next::Trailers(seen) => {
                    let Some(empty) = line(input, <[u8]>::is_empty)? else { return Ok(()) };
                    *seen += 1;
                    if empty {
                        self.next = Next::Done;
                    } else if *seen > TRAILERS_MAX {
                        return Err(Broken::Malformed);
                    }
                }
            }
        }
    }
}

fn move_bytes(input: &mut BytesMut, out: &mut BytesMut, left: &mut u64) {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    out.extend_from_slice(&input[..taken]);
    input.advance(taken);
    *left -= taken as u64;
}

/// Reads a line, without its end, and drops it.
fn line<T>(input: &mut BytesMut, read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>, Broken> {
    let Some(end) = input.iter().take(LINE_BYTES_MAX).position(|&byte| byte == b'\n') else {
        return if input.len() < LINE_BYTES_MAX { Ok(None) } else { Err(Broken::TooLarge) };
    };
    let line = input[..end].strip_suffix(b"\r").ok_or(Broken::Malformed)?;
    let value = read(line);
    input.advance(end + 1);
    Ok(Some(value))
}

/// Hexadecimal, up to an extension.
fn chunk_size(line: &[u8]) -> Result<u64, Broken> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Broken::Malformed);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Broken::Malformed)?;
    u64::from_str_radix(text, 16).map_err(|_| Broken::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What became of a body, what it held and what followed, in whatever pieces it came.
    fn check(framing: Framing, text: &str, expected: Result<(bool, &str, &str), Broken>) {
        for piece in [1, 3, text.len().max(1)] {
            let (mut body, mut input, mut out) = (Body::new(framing), BytesMut::new(), BytesMut::new());
            let mut result = body.advance(&mut input, &mut out);
            for bytes in text.as_bytes().chunks(piece) {
                input.extend_from_slice(bytes);
                result = body.advance(&mut input, &mut out);
                if result.is_err() {
                    break;
                }
            }
            let result = result.map(|()| (body.is_done(), &out[..], &input[..]));
            let expected = expected.map(|(done, out, rest)| (done, out.as_bytes(), rest.as_bytes()));
            assert_eq!(result, expected, "{text:?} by {piece}");
        }
    }

    #[test]
    fn lengths() {
        check(Framing::Length(0), "GET", Ok((true, "", "GET")));
        check(Framing::Length(3), "abcGET", Ok((true, "abc", "GET")));
        check(Framing::Length(4), "abc", Ok((false, "abc", "")));
        check(Framing::UntilClose, "abc", Ok((false, "abc", "")));
    }

    #[test]
    fn chunks() {
        check(Framing::Chunked, "0\r\n\r\nGET", Ok((true, "", "GET")));
        check(
            Framing::Chunked,
            "3\r\nabc\r\n0000000A;x=y\r\n0123456789\r\n0\r\nt: v\r\n\r\n",
            Ok((true, "abc0123456789", "")),
        );
        check(Framing::Chunked, "3\r\nab", Ok((false, "ab", "")));
        check(Framing::Chunked, "3\r\nabcd\r\n", Err(Broken::Malformed));
        check(Framing::Chunked, "x\r\n", Err(Broken::Malformed));
        check(Framing::Chunked, "-1\r\n", Err(Broken::Malformed));
        check(Framing::Chunked, "\r\n", Err(Broken::Malformed));
        check(Framing::Chunked, "3\nabc", Err(Broken::Malformed));
        check(Framing::Chunked, "fffffffffffffff\r\nab", Ok((false, "ab", "")));
        check(Framing::Chunked, "1000000000000000\r\n", Err(Broken::Malformed));
        check(Framing::Chunked, &"1".repeat(LINE_BYTES_MAX), Err(Broken::TooLarge));
        check(Framing::Chunked, &format!("0\r\n{}", "a: b\r\n".repeat(65)), Err(Broken::Malformed));
    }
}
