//! An in-memory disk that can crash.
//!
//! It never touches the machine's disk and never draws a random number: what a crash loses follows from the seed it is
//! given. Every file keeps its *live* bytes (what reads see) apart from its *durable* bytes (what the last `sync_data`
//! promised), and every directory its live names apart from those `sync_dir` promised. A synced file whose name was
//! never synced is lost, as POSIX allows. All paths start at one root: `a/b` and `/a/b` are the same file.
//!
//! Invariants: live = durable + unsynced changes, in order; a handle opened before a crash answers only errors after
//! it. Start at [`SimDisk`]; `crash` shows what is lost, [`Fault`] how to make calls fail.

mod content;
mod crash;
mod fault;
mod tree;

use super::*;
use std::{
    ffi::OsString,
    path::PathBuf,
    sync::{Mutex, MutexGuard},
};

pub use crash::{Crash, SECTOR_BYTES};
pub use fault::{Fault, FaultOn};

use content::{Change, Content};
use fault::{Calls, Verdict};
use tree::{FileNode, Tree};

/// A disk shared by its clones. [`SimDisk::fork`] makes an independent copy.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    calls: Calls,
    /// Raised by every crash; handles of an earlier epoch are dead.
    epoch: u64,
    next_handle: u64,
    /// Bytes of blocks all files may hold together; `None` for no limit.
    capacity: Option<u64>,
    /// Copies of the tree as it was before each changing call, while recording.
    crash_points: Option<Vec<(u64, Tree)>>,
    crash_points_max: usize,
}

impl SimDisk {
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// An independent disk in the same state, with no open handle, lock or fault.
    pub fn fork(&self) -> SimDisk {
        SimDisk::from_tree(self.lock().tree.clone())
    }

    fn from_tree(mut tree: Tree) -> SimDisk {
        tree.release_handles();
        SimDisk { state: Arc::new(Mutex::new(State { tree, ..State::default() })) }
    }

    /// Loses power: unsynced changes are lost as `crash` says, every open handle is dead, locks and faults are gone.
    /// A process that is only killed leaves the faults.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.lock();
        state.epoch += 1;
        state.tree.release_handles();
        crash::apply(&mut state.tree, crash);
        if crash != Crash::Killed {
            let count = state.calls.count();
            state.calls = Calls::starting_at(count);
        }
    }

    /// Makes a later call fail; several may be pending.
    pub fn inject(&self, fault: Fault) {
        self.lock().calls.inject(fault);
    }

    /// Forgets every fault that was injected.
    pub fn clear_faults(&self) {
        self.lock().calls.clear();
    }

    /// From the `calls`th changing call on (0: the next) everything fails, as if power were already gone; follow with
    /// [`SimDisk::crash`].
    pub fn halt_after(&self, calls: u64) {
        self.inject(Fault {
            on: FaultOn::Change,
            after: calls,
            error: io::ErrorKind::ConnectionAborted,
            lasting: true,
        });
    }

    /// Limits the bytes all files may hold (counted in 4 KiB blocks that are not all zero); writes beyond fail with
    /// `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock().capacity = bytes;
    }

    /// Changing calls made so far: writes, `set_len`, `allocate`, syncs, and changes of names.
    pub fn changes(&self) -> u64 {
        self.lock().calls.count()
    }

    /// From now on keeps a copy of the disk as it was before each changing call, at most `max` of them.
    pub fn record_crash_points(&self, max: usize) {
        let mut state = self.lock();
        state.crash_points = Some(Vec::new());
        state.crash_points_max = max;
    }

    /// Ends recording. Each item is the number of changing calls that had been made, and the disk at that moment.
    pub fn take_crash_points(&self) -> Vec<(u64, SimDisk)> {
        let points = self.lock().crash_points.take().unwrap_or_default();
        points.into_iter().map(|(count, tree)| (count, SimDisk::from_tree(tree))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }
}

impl State {
    /// Counts a call that changes the disk, records the moment, and applies faults.
    fn change(&mut self, on: FaultOn) -> io::Result<()> {
        if let Some(points) = &mut self.crash_points
            && points.len() < self.crash_points_max
        {
            points.push((self.calls.count(), self.tree.clone()));
        }
        match self.calls.call(on) {
            Verdict::Proceed => Ok(()),
            Verdict::Fail(kind) => Err(kind.into()),
        }
    }

    fn read(&mut self) -> io::Result<()> {
        match self.calls.read() {
            Verdict::Proceed => Ok(()),
            Verdict::Fail(kind) => Err(kind.into()),
        }
    }

    fn file(&mut self, handle: &SimFile) -> io::Result<&mut FileNode> {
        if handle.epoch != self.epoch {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the disk crashed"));
        }
        Ok(self.tree.file(handle.inode))
    }

    /// Applies a change, unless it needs more blocks than the capacity leaves.
    fn alter(&mut self, handle: &SimFile, change: Change) -> io::Result<()> {
        if !handle.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let capacity = self.capacity;
        let used = if capacity.is_some() { self.tree.bytes() } else { 0 };
        let file = self.file(handle)?;
        if capacity.is_some_and(|max| used + file.live.growth(&change) > max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.alter(change);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock();
        let found = state.tree.find(path)?;
        let inode = match (found, mode) {
            (None, OpenMode::Read | OpenMode::ReadWrite) => return Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::Create | OpenMode::Truncate) => {
                let (dir, name) = state.tree.parent_of(path)?;
                state.change(FaultOn::Name)?;
                state.tree.create_file(dir, name)
            }
            (Some(inode), _) => inode,
        };
        if state.tree.is_dir(inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if mode == OpenMode::Truncate && state.tree.file(inode).live.len() > 0 {
            state.change(FaultOn::Write)?;
            state.tree.file(inode).alter(Change::SetLen(0));
        }
        state.next_handle += 1;
        state.tree.file(inode).handles += 1;
        let file = SimFile {
            disk: self.clone(),
            inode,
            handle: state.next_handle,
            epoch: state.epoch,
            writable: mode != OpenMode::Read,
        };
        Ok(Arc::new(file))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let mut partial = PathBuf::new();
        for part in path.components() {
            partial.push(part);
            match state.tree.find(&partial)? {
                Some(inode) if state.tree.is_dir(inode) => {}
                Some(_) => return Err(io::ErrorKind::NotADirectory.into()),
                None => {
                    let (dir, name) = state.tree.parent_of(&partial)?;
                    state.change(FaultOn::Name)?;
                    state.tree.create_dir(dir, name);
                }
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.lock();
        state.read()?;
        let inode = state.tree.find_dir(dir)?;
        Ok(state.tree.names(inode).map(|name: &OsString| name.to_string_lossy().into_owned()).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.lock();
        state.read()?;
        Ok(state.tree.find(path)?.is_some())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.tree.find(from)?.ok_or(io::ErrorKind::NotFound)?;
        let source = state.tree.parent_of(from)?;
        let target = state.tree.parent_of(to)?;
        if let Some(replaced) = state.tree.find(to)? {
            match (state.tree.is_dir(inode), state.tree.is_dir(replaced)) {
                (true, false) => return Err(io::ErrorKind::NotADirectory.into()),
                (false, true) => return Err(io::ErrorKind::IsADirectory.into()),
                (true, true) if state.tree.names(replaced).next().is_some() => {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                (true, true) | (false, false) => {}
            }
        }
        state.change(FaultOn::Name)?;
        state.tree.rename(source, target, inode);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.tree.find(path)?.ok_or(io::ErrorKind::NotFound)?;
        if state.tree.is_dir(inode) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (dir, name) = state.tree.parent_of(path)?;
        state.change(FaultOn::Name)?;
        state.tree.remove(dir, name);
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.tree.find_dir(path)?;
        let (dir, name) = state.tree.parent_of(path)?;
        state.change(FaultOn::Name)?;
        state.tree.remove(dir, name);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let inode = state.tree.find_dir(dir)?;
        state.change(FaultOn::Sync)?;
        state.tree.sync_dir(inode);
        Ok(())
    }
}

/// One open file description.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    handle: u64,
    epoch: u64,
    writable: bool,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.lock();
        if state.epoch == self.epoch {
            state.tree.close(self.inode, self.handle);
        }
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.lock();
        state.read()?;
        Ok(state.file(self)?.live.read_at(buf, offset))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.file(self)?;
        let verdict = state.change(FaultOn::Write);
        if verdict.is_err() && !state.calls.halted() {
            // A write that failed may have reached the disk in part: whole sectors of the file.
            let end = (offset as usize + buf.len() / 2) / SECTOR_BYTES * SECTOR_BYTES;
            let part = end.saturating_sub(offset as usize);
            state.alter(self, Change::write(&buf[..part], offset))?;
        }
        verdict?;
        state.alter(self, Change::write(buf, offset))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.file(self)?;
        state.change(FaultOn::Sync)?;
        state.file(self)?.sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.lock();
        state.read()?;
        Ok(state.file(self)?.live.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.file(self)?;
        state.change(FaultOn::Write)?;
        state.alter(self, Change::SetLen(len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let current = state.file(self)?.live.len();
        state.change(FaultOn::Write)?;
        state.alter(self, Change::SetLen(len.max(current)))
    }

    /// Nothing is cached here.
    fn uncache(&self) -> io::Result<()> {
        self.disk.lock().file(self).map(|_| ())
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let mut state = self.disk.lock();
        let file = state.file(self)?;
        if kind == LockKind::OpenFileDescription && !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let holder = file.lock_mut(kind);
        Ok(*holder.get_or_insert(self.handle) == self.handle)
    }
}

/// A deterministic stream of numbers from a seed (splitmix64).
#[derive(Debug)]
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound` (which is not 0).
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
