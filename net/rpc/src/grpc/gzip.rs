//! gzip, the one compression that is understood. Output is bounded by the caller's limit.

use bytes::BytesMut;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::io::{Read, Write};

#[derive(Debug)]
pub(super) enum Broken {
    TooLarge,
    Corrupt(String),
}

/// Decompresses at most `limit` bytes.
pub(super) fn inflate(text: &[u8], limit: usize) -> Result<Vec<u8>, Broken> {
    let mut out = Vec::new();
    let read = GzDecoder::new(text).take(limit as u64 + 1).read_to_end(&mut out);
    read.map_err(|error| Broken::Corrupt(error.to_string()))?;
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
