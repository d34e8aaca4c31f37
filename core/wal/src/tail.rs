//! The last segment made fit for appending: a torn record cut off, old bytes beyond the end zeroed.
//!
//! It never reads records; the decoder says where the last good one ends.

use crate::{Result, decoder::Segment, segment::CHUNK_BYTES};
use disk::{Disk, File, OpenMode};
use std::path::Path;

/// Keeps a copy of the torn segment as `<name>.broken`, and cuts the segment off at `end` (by zeroes, so that its
/// blocks stay).
pub(crate) fn repair(
    disk: &dyn Disk,
    dir: &Path,
    segment: &Segment,
    end: u64,
    segment_bytes: u64,
) -> Result<()> {
    let path = dir.join(segment.name.to_string());
    let broken = dir.join(format!("{}.broken", segment.name));
    log::info!(path:% = path.display(); "repairing");
    let copy = disk.open(&broken, OpenMode::Truncate)?;
    let len = segment.file.len()?;
    copy.set_len(len)?;
    each_dirty_chunk(&*segment.file, 0, len, |bytes, offset| copy.write_at(bytes, offset))?;
    copy.sync_data()?;
    disk.sync_dir(dir)?;
    zero(&*segment.file, end, segment_bytes)?;
    log::info!(path:% = path.display(), error = "unexpected EOF"; "repaired");
    Ok(())
}

/// Makes everything from `end` on zero, and the file at least `segment_bytes` long; the caller syncs.
///
/// Bytes of a torn write may follow the zero length that ends the log. They were never acknowledged; but a later
/// write that reached only some of them would leave a mixture that looks like corruption.
pub(crate) fn zero(file: &dyn File, end: u64, segment_bytes: u64) -> Result<()> {
    let len = file.len()?;
    let zeroes = vec![0; CHUNK_BYTES];
    each_dirty_chunk(file, end, len, |bytes, offset| file.write_at(&zeroes[..bytes.len()], offset))?;
    if len < segment_bytes {
        file.allocate(segment_bytes)?;
    }
    Ok(())
}

/// Calls `visit` for each chunk of `from..to` that is not all zero.
fn each_dirty_chunk(
    file: &dyn File,
    from: u64,
    to: u64,
    mut visit: impl FnMut(&[u8], u64) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut offset = from;
    while offset < to {
        let count = (to - offset).min(CHUNK_BYTES as u64) as usize;
        let count = file.read_at(&mut buffer[..count], offset)?;
        if count == 0 {
            break;
        }
        if buffer[..count].iter().any(|byte| *byte != 0) {
            visit(&buffer[..count], offset)?;
        }
        offset += count as u64;
    }
    Ok(())
}
