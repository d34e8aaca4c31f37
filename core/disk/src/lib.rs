//! The one seam to storage hardware: a [`Disk`] of named files and [`File`]s with positional I/O.
//!
//! It never interprets bytes, never caches and never retries. Two implementations: [`real::RealDisk`], the operating
//! system's files, and [`sim::SimDisk`], an in-memory disk that keeps *live* and *durable* bytes apart so that a test
//! can crash it between any two calls. An error from `sync_data` or `sync_dir` is final for the caller: what was
//! written before it may or may not be durable, so the process must stop.

pub mod real;
pub mod sim;

use std::{fmt::Debug, io, path::Path, sync::Arc};

pub use real::RealDisk;

/// How [`Disk::open`] treats an existing or a missing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; reading only.
    Read,
    /// Must exist; reading and writing.
    ReadWrite,
    /// Created (0600) if missing; reading and writing.
    Create,
    /// Created (0600) or emptied; reading and writing.
    Truncate,
}

/// The two kinds of advisory lock etcd takes. Go and Rust members exclude each other only with the same kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// `F_OFD_SETLK` write lock over the whole file: WAL segments.
    OpenFileDescription,
    /// `flock(LOCK_EX)`: the backend's `db`.
    Flock,
}

/// A directory tree. Paths are absolute or relative to the process's working directory, and taken as they are
/// (a trailing space is part of the name).
pub trait Disk: Send + Sync + Debug {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Creates `path` and missing parents with mode 0700. No error if it exists.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted bytewise.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// Atomic replacement. Durable only after `sync_dir` of the parent.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file. All methods take `&self`: positional I/O needs no cursor.
pub trait File: Send + Sync + Debug {
    /// Fills `buf` from `offset`; returns fewer bytes only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `buf` at `offset`, growing the file (zero-filled) if needed.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;
    /// `fdatasync`: data and length durable on return.
    fn sync_data(&self) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Truncates, or extends with zeroes.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves blocks up to `len` and extends the file to it (`fallocate` mode 0; `set_len` where unsupported).
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// Advice to forget what is cached of the file. What is not yet synced stays; no bytes change.
    fn uncache(&self) -> io::Result<()>;
    /// Takes an exclusive lock without waiting; false if another open file description holds it.
    /// The lock ends when the last `Arc` of this file is dropped.
    fn try_lock(&self, kind: LockKind) -> io::Result<bool>;
}
