//! The operating system's files.
//!
//! It never retries a failed sync and never changes a name it is given. Reads and writes that the kernel cuts short or
//! interrupts are continued, so a caller sees a whole transfer or an error.

use super::*;
use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, FcntlArg, Flock, FlockArg, PosixFadviseAdvice, fallocate, fcntl, posix_fadvise},
    libc,
};
use std::{
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    },
    sync::Mutex,
};

/// Permissions of a file that [`Disk::open`] creates (before the umask).
const FILE_MODE: u32 = 0o600;
/// Permissions of a directory that [`Disk::create_dir_all`] creates (before the umask).
const DIR_MODE: u32 = 0o700;

/// The operating system's file tree.
#[derive(Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::Create => options.write(true).create(true).mode(FILE_MODE),
            OpenMode::Truncate => options.write(true).create(true).truncate(true).mode(FILE_MODE),
        };
        let file = options.open(path)?;
        // A directory opens for reading without complaint, and only its reads fail.
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(Arc::new(RealFile { file, flock: Mutex::new(None) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name());
        }
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        // A name that is not UTF-8 is none of etcd's: callers only report it.
        Ok(names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
    /// The held `flock`, on a duplicate descriptor of the same open file description; released when dropped.
    flock: Mutex<Option<Flock<fs::File>>>,
}

impl File for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(buf, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        let bytes = i64::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        loop {
            match fallocate(&self.file, FallocateFlags::empty(), 0, bytes) {
                Ok(()) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        if self.len()? < len { self.set_len(len) } else { Ok(()) }
    }

    fn uncache(&self) -> io::Result<()> {
        posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(Into::into)
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        match kind {
            LockKind::OpenFileDescription => self.try_lock_description(),
            LockKind::Flock => self.try_flock(),
        }
    }
}

impl RealFile {
    fn try_lock_description(&self) -> io::Result<bool> {
        let whole_file = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&whole_file)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn try_flock(&self) -> io::Result<bool> {
        let mut held = self.flock.lock().expect("no panic while held");
        if held.is_some() {
            return Ok(true);
        }
        match Flock::lock(self.file.try_clone()?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => {
                *held = Some(lock);
                Ok(true)
            }
            Err((_, Errno::EWOULDBLOCK)) => Ok(false),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}
