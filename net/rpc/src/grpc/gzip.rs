//! gzip, the one compression that is understood. Output is bounded by the caller's limit.

use bytes::BytesMut;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use std::io::{self, Read, Write};

#[derive(Debug)]
pub(super) enum Broken {
    TooLarge,
    /// It is no gzip from the start; why, as Go says it.
    Header(&'static str),
    /// It breaks off, or is corrupt further on.
    Body(&'static str),
}

/// Decompresses at most `limit` bytes.
pub(super) fn inflate(text: &[u8], limit: usize) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::new();
    let mut decoder = MultiGzDecoder::new(text).take(limit as u64 + 1);
    if let Err(error) = decoder.read_to_end(&mut out) {
        let cut = error.kind() == io::ErrorKind::UnexpectedEof;
        return Err(match decoder.get_ref().header() {
            None if text.is_empty() => Broken::Header("EOF"),
            None => Broken::Header(if cut { "unexpected EOF" } else { "gzip: invalid header" }),
            Some(_) => Broken::Body(if cut { "unexpected EOF" } else { "gzip: invalid checksum" }),
        });
    }
    if out.len() > limit {
        return Err(Broken::TooLarge);
    }
    Ok(out)
}

/// Appends the text compressed.
pub(super) fn deflate(text: &[u8], out: &mut BytesMut) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    out.extend_from_slice(&written.expect("writing to memory does not fail"));
}
