//! The real disk: names, permissions, short reads, locks.
use disk::{Disk, LockKind, OpenMode, RealDisk};
use std::{fs, io, os::unix::fs::PermissionsExt, path::PathBuf};

/// A fresh directory that is removed when the test ends well.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn creates_with_private_permissions() {
    let scratch = Scratch::new("permissions");
    let dir = scratch.0.join("a/b");
    RealDisk.create_dir_all(&dir).unwrap();
    RealDisk.create_dir_all(&dir).unwrap();
    let file = dir.join("f");
    RealDisk.open(&file, OpenMode::Create).unwrap();
    assert_eq!((mode(&scratch.0.join("a")), mode(&dir), mode(&file)), (0o700, 0o700, 0o600));
}

#[test]
fn open_modes() {
    let scratch = Scratch::new("modes");
    let path = scratch.0.join("f");
    for mode in [OpenMode::Read, OpenMode::ReadWrite] {
        assert_eq!(RealDisk.open(&path, mode).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
    RealDisk.open(&path, OpenMode::Create).unwrap().write_at(b"abc", 0).unwrap();
    assert_eq!(RealDisk.open(&path, OpenMode::Create).unwrap().len().unwrap(), 3);
    assert!(RealDisk.open(&path, OpenMode::Read).unwrap().write_at(b"x", 0).is_err());
    assert!(RealDisk.open(&path, OpenMode::Truncate).unwrap().is_empty().unwrap());
    assert_eq!(RealDisk.open(&scratch.0, OpenMode::Read).unwrap_err().kind(), io::ErrorKind::IsADirectory);
}

#[test]
fn names_are_taken_as_they_are() {
    let scratch = Scratch::new("names");
    let dir = scratch.0.join("ends in a space ");
    RealDisk.create_dir_all(&dir).unwrap();
    for name in ["b ", "b", "a\u{e9}", " a"] {
        RealDisk.open(&dir.join(name), OpenMode::Create).unwrap();
    }
    assert_eq!(RealDisk.list(&dir).unwrap(), [" a", "a\u{e9}", "b", "b "]);
    RealDisk.rename(&dir.join("b "), &dir.join("c ")).unwrap();
    RealDisk.remove_file(&dir.join("b")).unwrap();
    RealDisk.sync_dir(&dir).unwrap();
    assert_eq!(RealDisk.list(&dir).unwrap(), [" a", "a\u{e9}", "c "]);
    assert!(RealDisk.exists(&dir.join("c ")).unwrap());
    assert!(!RealDisk.exists(&dir.join("c")).unwrap());
    RealDisk.remove_dir_all(&dir).unwrap();
    assert!(!RealDisk.exists(&dir).unwrap());
}

#[test]
fn reads_stop_at_the_end_and_growth_is_zero_filled() {
    let scratch = Scratch::new("growth");
    let file = RealDisk.open(&scratch.0.join("f"), OpenMode::Create).unwrap();
    file.write_at(b"xyz", 5).unwrap();
    let mut buf = [1; 16];
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 8);
    assert_eq!(&buf[..8], b"\0\0\0\0\0xyz");
    assert_eq!(file.read_at(&mut buf, 8).unwrap(), 0);
    file.allocate(4).unwrap();
    assert_eq!(file.len().unwrap(), 8);
    file.allocate(4096).unwrap();
    assert_eq!(file.len().unwrap(), 4096);
    file.set_len(6).unwrap();
    file.set_len(8).unwrap();
    file.uncache().unwrap();
    file.sync_data().unwrap();
    file.uncache().unwrap();
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 8);
    assert_eq!(&buf[..8], b"\0\0\0\0\0x\0\0");
}

#[test]
fn locks_exclude_other_descriptions_until_dropped() {
    let scratch = Scratch::new("locks");
    let path = scratch.0.join("f");
    for kind in [LockKind::OpenFileDescription, LockKind::Flock] {
        let first = RealDisk.open(&path, OpenMode::Create).unwrap();
        let second = RealDisk.open(&path, OpenMode::ReadWrite).unwrap();
        assert!(first.try_lock(kind).unwrap());
        assert!(first.try_lock(kind).unwrap(), "a lock held already is held");
        assert!(!second.try_lock(kind).unwrap());
        let share = first.clone();
        drop(first);
        assert!(!second.try_lock(kind).unwrap(), "another share of the file still holds it");
        drop(share);
        assert!(second.try_lock(kind).unwrap());
    }
}
