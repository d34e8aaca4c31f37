//! A disk that says yes to every `fdatasync` of a segment of the log and does nothing: for the planted bug of that
//! name. It never spoils the making of a log, which is built in a directory of another name.

use disk::{Disk, File, LockKind, OpenMode, sim::SimDisk};
use std::{io, path::Path, sync::Arc};

#[derive(Debug)]
pub struct Unsynced(pub SimDisk);

#[derive(Debug)]
struct Segment(Arc<dyn File>);

impl Disk for Unsynced {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.0.open(path, mode)?;
        let is_segment = path.extension().is_some_and(|extension| extension == "wal")
            && path.parent().is_some_and(|dir| dir.ends_with("wal"));
        Ok(if is_segment { Arc::new(Segment(file)) } else { file })
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir_all(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.0.exists(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir_all(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }
}

impl File for Segment {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(buf, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.0.allocate(len)
    }
    fn uncache(&self) -> io::Result<()> {
        self.0.uncache()
    }
    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.0.try_lock(kind)
    }
}
