//! Removal of old files, oldest first, by name.
//!
//! It never waits for a lock and never removes a file that another descriptor has locked.

use crate::Result;
use disk::{Disk, LockKind, OpenMode};
use std::path::Path;

/// Deletes the oldest files in `dir` with `suffix` beyond `keep`, stopping at the first that is locked.
/// Returns the deleted names.
///
/// # Errors
/// Those of the disk.
pub fn purge(disk: &dyn Disk, dir: &Path, suffix: &str, keep: usize) -> Result<Vec<String>> {
    let mut names = disk.list(dir)?;
    names.retain(|name| name.ends_with(suffix));
    names.truncate(names.len().saturating_sub(keep));
    let mut deleted = Vec::new();
    for name in names {
        let path = dir.join(&name);
        // The lock is held until the name is gone, so that nobody opens the segment in between.
        let file = disk.open(&path, OpenMode::ReadWrite)?;
        if !file.try_lock(LockKind::OpenFileDescription)? {
            break;
        }
        disk.remove_file(&path)?;
        // One after the other also for a disk that loses power: a log with a hole cannot be opened.
        disk.sync_dir(dir)?;
        deleted.push(name);
    }
    Ok(deleted)
}
