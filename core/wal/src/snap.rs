//! `.snap` files: a CRC-guarded `raftpb.Snapshot` whose data is the v2 store as JSON.
//!
//! It never looks into that data, and never deletes a file: an unreadable one is renamed.
//!
//! Format: `<term>-<index>.snap` (16 hex digits each) holds a `snappb.Snapshot`: the CRC-32C, from 0, of the encoded
//! `raftpb.Snapshot`, and that encoding.

use crate::Result;
use disk::{Disk, OpenMode};
use prost::Message;
use proto::{raftpb, snappb, walpb};
use std::{io, path::Path};

const SUFFIX: &str = ".snap";

/// Writes `<term>-<index>.snap` durably. A snapshot at index 0 says nothing and is not written.
///
/// # Errors
/// Those of the disk; the incomplete file is removed.
pub fn save(disk: &dyn Disk, dir: &Path, snapshot: &raftpb::Snapshot) -> Result<()> {
    let (term, index) = position(snapshot);
    if index == 0 {
        return Ok(());
    }
    let data = bytes::Bytes::from(snapshot.encode_to_vec());
    let guarded = snappb::Snapshot { crc: Some(crc32c::crc32c(&data)), data: Some(data) };
    let path = dir.join(format!("{term:016x}-{index:016x}{SUFFIX}"));
    if let Err(error) = write(disk, &path, &guarded.encode_to_vec()) {
        log::warn!(path:% = path.display(), error:% = error; "failed to write a snap file");
        if let Err(error) = disk.remove_file(&path) {
            log::warn!(path:% = path.display(), error:% = error; "failed to remove a broken snap file");
        }
        return Err(error.into());
    }
    disk.sync_dir(dir)?;
    Ok(())
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = disk.open(path, OpenMode::Truncate)?;
    file.write_at(bytes, 0)?;
    file.sync_data()
}

/// The newest readable snapshot that matches one of `records`; unreadable files are renamed `*.broken`.
///
/// # Errors
/// Those of listing and renaming. A file that cannot be read or parsed is passed over.
pub fn load_newest(
    disk: &dyn Disk,
    dir: &Path,
    records: &[walpb::Snapshot],
) -> Result<Option<raftpb::Snapshot>> {
    let mut names = disk.list(dir)?;
    names.retain(|name| name.ends_with(SUFFIX));
    for name in names.iter().rev() {
        let path = dir.join(name);
        match read(disk, &path) {
            Ok(snapshot) => {
                let (term, index) = position(&snapshot);
                if records.iter().any(|record| record.term() == term && record.index() == index) {
                    return Ok(Some(snapshot));
                }
            }
            Err(why) => {
                let broken = dir.join(format!("{name}.broken"));
                log::warn!(path:% = path.display(), error:% = why; "failed to read a snap file");
                disk.rename(&path, &broken)?;
                log::warn!(path:% = path.display(), "broken-path":% = broken.display();
                    "renamed to a broken snap file");
            }
        }
    }
    Ok(None)
}

/// The snapshot in the file at `path`, or why it is not one.
fn read(disk: &dyn Disk, path: &Path) -> Result<raftpb::Snapshot, String> {
    let bytes = read_file(disk, path).map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Err("snap: empty snapshot".into());
    }
    let guarded = snappb::Snapshot::decode(bytes::Bytes::from(bytes)).map_err(|error| error.to_string())?;
    let (crc, data) = (guarded.crc(), guarded.data.unwrap_or_default());
    if data.is_empty() || crc == 0 {
        return Err("snap: empty snapshot".into());
    }
    if crc32c::crc32c(&data) != crc {
        return Err("snap: crc mismatch".into());
    }
    raftpb::Snapshot::decode(data).map_err(|error| error.to_string())
}

fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Term and index.
fn position(snapshot: &raftpb::Snapshot) -> (u64, u64) {
    match &snapshot.metadata {
        Some(metadata) => (metadata.term(), metadata.index()),
        None => (0, 0),
    }
}
