//! `.snap` files: a CRC-guarded `raftpb.Snapshot` whose data is the v2 store as JSON.
use crate::Result;
use disk::Disk;
use proto::{raftpb, walpb};
use std::path::Path;

/// Writes `<term>-<index>.snap` durably.
pub fn save(_disk: &dyn Disk, _dir: &Path, _snapshot: &raftpb::Snapshot) -> Result<()> {
    todo!()
}

/// The newest readable snapshot that matches one of `records`; unreadable files are renamed `*.broken`.
pub fn load_newest(_disk: &dyn Disk, _dir: &Path, _records: &[walpb::Snapshot]) -> Result<Option<raftpb::Snapshot>> {
    todo!()
}
