//! Request bodies: a known length, or chunks (RFC 9112, section 7.1). Extensions and trailers are skipped.

use bytes::{Buf, BytesMut};

/// A chunk's size line, or a trailer line, in bytes.
const LINE_BYTES_MAX: usize = 4096;
/// Trailer lines.
const TRAILERS_MAX: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Malformed,
    TooLarge,
}

#[derive(Debug)]
enum Next {
    /// This many bytes, then the end.
    Counted(usize),
    ChunkSize,
    /// This many bytes of a chunk.
    Chunk(usize),
    /// The line end that follows a chunk's bytes.
    ChunkEnd,
    /// Trailer lines seen.
    Trailers(usize),
}

#[derive(Debug)]
pub(super) struct Body {
    next: Next,
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Body {
    pub(super) fn counted(length: usize, bytes_max: usize) -> Result<Body, Broken> {
        if length > bytes_max {
            return Err(Broken::TooLarge);
        }
        Ok(Body { next: Next::Counted(length), bytes: Vec::new(), bytes_max })
    }

    pub(super) fn chunked(bytes_max: usize) -> Body {
        Body { next: Next::ChunkSize, bytes: Vec::new(), bytes_max }
    }

    /// Takes what belongs to the body out of the buffer; the body once it is whole.
    pub(super) fn advance(&mut self, buffer: &mut BytesMut) -> Result<Option<Vec<u8>>, Broken> {
        loop {
            match &mut self.next {
                Next::Counted(left) => {
                    let taken = (*left).min(buffer.len());
                    self.bytes.extend_from_slice(&buffer.split_to(taken));
                    *left -= taken;
                    return Ok((*left == 0).then(|| std::mem::take(&mut self.bytes)));
                }
                Next::ChunkSize => {
                    let Some(line) = line(buffer)? else { return Ok(None) };
                    let size = chunk_size(&line)?;
                    if self.bytes.len() + size > self.bytes_max {
                        return Err(Broken::TooLarge);
                    }
                    self.next = if size == 0 { Next::Trailers(0) } else { Next::Chunk(size) };
                }
                Next::Chunk(left) => {
                    let taken = (*left).min(buffer.len());
                    self.bytes.extend_from_slice(&buffer.split_to(taken));
                    *left -= taken;
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.next = Next::ChunkEnd;
                }
                Next::ChunkEnd => {
                    let Some(line) = line(buffer)? else { return Ok(None) };
                    if !line.is_empty() {
                        return Err(Broken::Malformed);
                    }
                    self.next = Next::ChunkSize;
                }
                Next::Trailers(seen) => {
                    let Some(line) = line(buffer)? else { return Ok(None) };
                    if line.is_empty() {
                        return Ok(Some(std::mem::take(&mut self.bytes)));
                    }
                    *seen += 1;
                    if *seen > TRAILERS_MAX {
                        return Err(Broken::Malformed);
                    }
                }
            }
        }
    }
}

/// Takes a line out of the buffer, without its end.
fn line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Broken> {
    let Some(end) = buffer.iter().take(LINE_BYTES_MAX).position(|&byte| byte == b'\n') else {
        return if buffer.len() < LINE_BYTES_MAX { Ok(None) } else { Err(Broken::Malformed) };
    };
    let mut line = buffer.split_to(end);
    buffer.advance(1);
    if line.last() != Some(&b'\r') {
        return Err(Broken::Malformed);
    }
    line.truncate(end - 1);
    Ok(Some(line))
}

/// Hexadecimal, up to an extension.
fn chunk_size(line: &[u8]) -> Result<usize, Broken> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(Broken::Malformed);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Broken::Malformed)?;
    usize::from_str_radix(text, 16).map_err(|_| Broken::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome, whatever way the text is cut.
    fn run(text: &str) -> Result<Option<Vec<u8>>, Broken> {
        let whole = Body::chunked(16).advance(&mut BytesMut::from(text));
        let mut body = Body::chunked(16);
        let mut buffer = BytesMut::new();
        let mut cut = Ok(None);
        for byte in text.bytes() {
            buffer.extend_from_slice(&[byte]);
            cut = body.advance(&mut buffer);
            if !matches!(cut, Ok(None)) {
                break;
            }
        }
        assert_eq!(whole, cut, "{text:?}");
        whole
    }

    #[test]
    fn chunks() {
        for (text, expected) in [
            ("0\r\n\r\n", Ok(Some(""))),
            ("3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nt: v\r\n\r\n", Ok(Some("abc0123456789"))),
            ("3\r\nab", Ok(None)),
            ("3\r\nabcd\r\n", Err(Broken::Malformed)),
            ("x\r\n", Err(Broken::Malformed)),
            ("3\nabc", Err(Broken::Malformed)),
            ("11\r\n", Err(Broken::TooLarge)),
            ("fffffffff\r\n", Err(Broken::Malformed)),
        ] {
            assert_eq!(run(text), expected.map(|body| body.map(|body| body.as_bytes().to_vec())));
        }
    }
}
