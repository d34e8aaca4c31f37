//! The open log: appending, syncing, and moving from segment to segment.
//!
//! It never prepares a segment by itself unless it must: the shell has one made ready in the background
//! ([`Wal::wants_segment`]), because that takes tens of milliseconds. After the first failed write or sync every
//! further [`Wal::sync`] fails.

use crate::{
    Error, Result,
    decoder::{Decoder, Segment, Stop},
    encoder::{Encoder, Kind, PENDING_MAX_BYTES},
    replay::{self, Fold, Replay},
    segment::{self, SEGMENT_BYTES, SegmentName, prepare_segment_sized},
    tail,
};
use bytes::Bytes;
use disk::{Disk, LockKind, OpenMode};
use prost::Message;
use proto::{etcdserverpb, raftpb, walpb};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// An open log, positioned for appending.
#[derive(Debug)]
pub struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    /// Repeated in every segment, byte for byte.
    metadata: Bytes,
    /// The last one appended; repeated in every new segment.
    state: raftpb::HardState,
    /// Index of the last entry appended, or of a snapshot record above it.
    last_index: u64,
    encoder: Encoder,
    /// Locked, oldest first, never empty; the last is written to.
    segments: Vec<Segment>,
    /// Where the pending bytes go in the last segment.
    offset: u64,
    /// Written since the last fdatasync.
    unsynced: bool,
    spare: Spare,
    /// The first failure: what is on the disk is unknown since.
    failure: Option<(io::ErrorKind, String)>,
}

/// The file that becomes the next segment: `0.tmp` and `1.tmp` in turn, so that one being made ready is never the one
/// just taken into use.
#[derive(Debug, Default)]
struct Spare {
    /// 0 or 1.
    number: u8,
    ready: bool,
}

impl Spare {
    fn path(dir: &Path, number: u8) -> PathBuf {
        dir.join(format!("{number}.tmp"))
    }
}

impl Wal {
    /// True when `dir` holds at least one segment.
    ///
    /// # Errors
    /// Those of the disk. A missing directory is none.
    pub fn exists(disk: &dyn Disk, dir: &Path) -> Result<bool> {
        Ok(disk.exists(dir)? && disk.list(dir)?.iter().any(|name| name.ends_with(".wal")))
    }

    /// Makes a new log: built in `<dir>.tmp`, renamed, parent synced. First records: crc(0), metadata, snapshot{0,0}.
    ///
    /// # Errors
    /// `AlreadyExists` when `dir` holds a log, [`Error::Locked`], or those of the disk.
    pub fn create(disk: Arc<dyn Disk>, dir: &Path, metadata: &etcdserverpb::Metadata) -> Result<Wal> {
        Wal::create_sized(disk, dir, metadata, SEGMENT_BYTES)
    }

    /// [`Wal::create`] with segments of another size: simulations and tests cannot afford 64 MB each.
    ///
    /// # Errors
    /// As [`Wal::create`].
    pub fn create_sized(
        disk: Arc<dyn Disk>,
        dir: &Path,
        metadata: &etcdserverpb::Metadata,
        segment_bytes: u64,
    ) -> Result<Wal> {
        if Wal::exists(&*disk, dir)? {
            return Err(Error::Io(io::ErrorKind::AlreadyExists.into()));
        }
        let building = beside(dir, ".tmp");
        if disk.exists(&building)? {
            disk.remove_dir_all(&building)?;
        }
        disk.create_dir_all(&building)?;
        let name = SegmentName { seq: 0, index: 0 };
        let path = building.join(name.to_string());
        prepare_segment_sized(&*disk, &path, segment_bytes)?;
        let tail = lock(&*disk, &path, name)?;

        let metadata = Bytes::from(metadata.encode_to_vec());
        let mut encoder = Encoder::new(0);
        encoder.crc_mark();
        encoder.bytes(Kind::Metadata, &metadata);
        let nothing = walpb::Snapshot { index: Some(0), term: Some(0), conf_state: None };
        encoder.message(Kind::Snapshot, &nothing);
        tail.file.write_at(encoder.pending(), 0)?;
        tail.file.sync_data()?;
        let offset = encoder.pending().len() as u64;
        encoder.clear();

        disk.sync_dir(&building)?;
        if disk.exists(dir)? {
            disk.remove_dir_all(dir)?;
        }
        disk.rename(&building, dir)?;
        disk.sync_dir(parent(dir))?;
        Ok(Wal {
            disk,
            dir: dir.to_path_buf(),
            segment_bytes,
            metadata,
            state: raftpb::HardState::default(),
            last_index: 0,
            encoder,
            segments: vec![tail],
            offset,
            unsynced: false,
            spare: Spare::default(),
            failure: None,
        })
    }

    /// Opens for appending at `snapshot`: locks the segments, replays, repairs a torn tail at most once.
    ///
    /// # Errors
    /// Any [`Error`]: damage that is not a torn last write is never repaired.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, snapshot: &walpb::Snapshot) -> Result<(Wal, Replay)> {
        Wal::open_sized(disk, dir, snapshot, SEGMENT_BYTES)
    }

    /// [`Wal::open`] that goes on with segments of another size.
    ///
    /// # Errors
    /// As [`Wal::open`].
    pub fn open_sized(
        disk: Arc<dyn Disk>,
        dir: &Path,
        snapshot: &walpb::Snapshot,
        segment_bytes: u64,
    ) -> Result<(Wal, Replay)> {
        let names = segment::select(segment::list(&*disk, dir)?, snapshot.index())?;
        let mut segments = Vec::with_capacity(names.len());
        for name in names {
            segments.push(lock(&*disk, &dir.join(name.to_string()), name)?);
        }
        let mut fold = Fold::new(snapshot);
        let mut decoder = Decoder::new(&segments)?;
        match fold.read(&mut decoder) {
            Ok(()) => {}
            Err(Stop::Torn(_)) if decoder.in_last_segment() => fold.replay.repaired = true,
            // A short write ends the log; here the log goes on after it, so it is something else.
            Err(Stop::Torn(what)) => return Err(Error::Corrupt(what)),
            Err(Stop::Fault(error)) => return Err(error),
        }
        if !fold.found() {
            return Err(Error::SnapshotNotFound);
        }
        let (crc, offset) = (decoder.crc(), decoder.offset());
        let last = segments.last().expect("selection is never empty");
        if fold.replay.repaired {
            tail::repair(&*disk, dir, last, offset, segment_bytes)?;
        } else {
            tail::zero(&*last.file, offset, segment_bytes)?;
        }
        // A process that was killed may have left records and names that only memory holds. From now on they count.
        last.file.sync_data()?;
        disk.sync_dir(dir)?;
        disk.sync_dir(parent(dir))?;
        let wal = Wal {
            disk,
            dir: dir.to_path_buf(),
            segment_bytes,
            metadata: fold.metadata.unwrap_or_default(),
            state: fold.replay.hard_state,
            last_index: fold.last_index,
            encoder: Encoder::new(crc),
            segments,
            offset,
            unsynced: false,
            spare: Spare::default(),
            failure: None,
        };
        Ok((wal, fold.replay))
    }

    /// Reads a log that another process may be writing: without locks and without repair.
    ///
    /// # Errors
    /// As [`Wal::open`], but a torn tail is only left out.
    pub fn read(disk: &dyn Disk, dir: &Path, snapshot: &walpb::Snapshot) -> Result<Replay> {
        replay::read(disk, dir, snapshot)
    }

    /// Every snapshot record whose index is not above the last hard state's commit, oldest first. Read-only.
    ///
    /// # Errors
    /// As [`Wal::read`].
    pub fn valid_snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<walpb::Snapshot>> {
        replay::valid_snapshots(disk, dir)
    }

    /// Encodes an entry into the pending buffer.
    pub fn append_entry(&mut self, entry: &raftpb::Entry) {
        self.encoder.message(Kind::Entry, entry);
        self.last_index = entry.index();
        self.spill();
    }

    /// Encodes a hard state into the pending buffer; an empty one is ignored. The last one is repeated at each cut.
    pub fn append_state(&mut self, state: &raftpb::HardState) {
        if state.is_empty() {
            return;
        }
        self.state = *state;
        self.encoder.message(Kind::State, state);
        self.spill();
    }

    /// Encodes a snapshot record into the pending buffer. Its `.snap` file must be durable already.
    pub fn append_snapshot(&mut self, snapshot: &walpb::Snapshot) {
        self.encoder.message(Kind::Snapshot, snapshot);
        self.last_index = self.last_index.max(snapshot.index());
        self.spill();
    }

    /// Writes the pending buffer in one call, and makes it durable with one fdatasync; cuts the segment if it is full.
    ///
    /// # Errors
    /// Those of the disk. The first one is final: this log is not to be used any more.
    pub fn sync(&mut self) -> Result<()> {
        if let Some((kind, message)) = &self.failure {
            return Err(Error::Io(io::Error::new(*kind, message.clone())));
        }
        let outcome = self.write_and_sync();
        if let Err(error) = &outcome {
            self.fail(error);
        }
        outcome
    }

    /// The path of the next segment file that a background job should make ready with [`prepare_segment`], when none
    /// is ready yet.
    ///
    /// [`prepare_segment`]: crate::prepare_segment
    pub fn wants_segment(&self) -> Option<PathBuf> {
        if self.spare.ready { None } else { Some(Spare::path(&self.dir, self.spare.number)) }
    }

    /// Tells the log that the file of `wants_segment` is ready to be renamed into place.
    pub fn segment_ready(&mut self) {
        self.spare.ready = true;
    }

    /// Unlocks the segments that hold no entry above `index` (all but the newest such), so that purging may take them.
    ///
    /// # Errors
    /// None today; the signature leaves room for a disk whose unlocking can fail.
    pub fn release_to(&mut self, index: u64) -> Result<()> {
        let at_or_above = self.segments.iter().position(|segment| segment.name.index >= index);
        let keep = at_or_above.unwrap_or(self.segments.len()).saturating_sub(1);
        self.segments.drain(..keep);
        Ok(())
    }

    /// Makes everything durable, and removes the spare segment. No background job may be making one ready.
    ///
    /// # Errors
    /// Those of [`Wal::sync`] and of the removal.
    pub fn close(mut self) -> Result<()> {
        self.sync()?;
        if self.spare.ready {
            self.disk.remove_file(&Spare::path(&self.dir, self.spare.number))?;
        }
        Ok(())
    }

    fn tail(&self) -> &Segment {
        self.segments.last().expect("a log always has a segment to write to")
    }

    fn fail(&mut self, error: &Error) {
        let kind = match error {
            Error::Io(error) => error.kind(),
            _ => io::ErrorKind::Other,
        };
        self.failure = Some((kind, format!("an earlier write of the log failed: {error}")));
    }

    /// Keeps the pending buffer bounded. A failure is reported by the next sync, which nobody can do without.
    fn spill(&mut self) {
        if self.encoder.pending().len() < PENDING_MAX_BYTES || self.failure.is_some() {
            return;
        }
        if let Err(error) = self.write() {
            self.fail(&error);
        }
    }

    fn write(&mut self) -> Result<()> {
        let pending = self.encoder.pending();
        if pending.is_empty() {
            return Ok(());
        }
        let count = pending.len() as u64;
        self.tail().file.write_at(pending, self.offset)?;
        self.offset += count;
        self.unsynced = true;
        self.encoder.clear();
        Ok(())
    }

    fn write_and_sync(&mut self) -> Result<()> {
        self.write()?;
        if self.unsynced {
            self.tail().file.sync_data()?;
            self.unsynced = false;
        }
        if self.offset >= self.segment_bytes { self.cut() } else { Ok(()) }
    }

    /// Ends the current segment at its exact length and goes on in the next.
    fn cut(&mut self) -> Result<()> {
        assert!(self.encoder.pending().is_empty() && !self.unsynced, "a segment is cut after a sync");
        let old = self.tail();
        if old.file.len()? != self.offset {
            old.file.set_len(self.offset)?;
            old.file.sync_data()?;
        }
        let name = SegmentName { seq: old.name.seq + 1, index: self.last_index + 1 };
        let spare = self.take_spare()?;
        let new = lock(&*self.disk, &spare, name)?;

        self.encoder.crc_mark();
        self.encoder.bytes(Kind::Metadata, &self.metadata);
        if !self.state.is_empty() {
            self.encoder.message(Kind::State, &self.state);
        }
        new.file.write_at(self.encoder.pending(), 0)?;
        new.file.sync_data()?;
        self.offset = self.encoder.pending().len() as u64;
        self.encoder.clear();

        let path = self.dir.join(name.to_string());
        self.disk.rename(&spare, &path)?;
        self.disk.sync_dir(&self.dir)?;
        self.segments.push(new);
        log::info!(path:% = path.display(); "created a new WAL segment");
        Ok(())
    }

    /// A file for the next segment. If none is ready the background job may be at work on its file this very moment,
    /// so the other number is taken; it is only reserved, not zero-filled, to keep the pause short.
    fn take_spare(&mut self) -> Result<PathBuf> {
        let other = self.spare.number ^ 1;
        if self.spare.ready {
            let path = Spare::path(&self.dir, self.spare.number);
            self.spare = Spare { number: other, ready: false };
            return Ok(path);
        }
        let path = Spare::path(&self.dir, other);
        self.disk.open(&path, OpenMode::Truncate)?.allocate(self.segment_bytes)?;
        Ok(path)
    }
}

/// Opens and locks a segment that is now at `path`.
fn lock(disk: &dyn Disk, path: &Path, name: SegmentName) -> Result<Segment> {
    let file = disk.open(path, OpenMode::ReadWrite)?;
    if !file.try_lock(LockKind::OpenFileDescription)? {
        return Err(Error::Locked);
    }
    Ok(Segment { name, file })
}

/// `dir` with `suffix` added to its last component.
fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut path = dir.components().as_path().as_os_str().to_owned();
    path.push(suffix);
    PathBuf::from(path)
}

fn parent(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
