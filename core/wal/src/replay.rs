//! What a log says: its records folded into metadata, hard state and entries.
//!
//! It never changes a file. An entry overwritten by a later record of the same or a lower index is dropped as soon as
//! that record is read, and entries at or below the snapshot are never kept; nor are entries beyond it that an
//! earlier entry, or a snapshot of another member's log, has replaced.

use crate::{
    Error, Result,
    decoder::{Decoder, Record, Segment, Stop},
    encoder::Kind,
    segment::{self, SegmentName},
};
use bytes::Bytes;
use disk::{Disk, OpenMode};
use prost::Message;
use proto::{etcdserverpb, raftpb, walpb};
use std::path::Path;

/// What a log held after the snapshot it was opened at.
#[derive(Debug, Default)]
pub struct Replay {
    pub metadata: etcdserverpb::Metadata,
    pub hard_state: raftpb::HardState,
    /// Contiguous, first index = snapshot index + 1. Each entry's `data` is an allocation of its own, so that no
    /// entry keeps more than itself in memory.
    pub entries: Vec<raftpb::Entry>,
    /// True when a torn tail was cut off (and kept as `*.broken`).
    pub repaired: bool,
}

/// A [`Replay`] in the making, and what else the writer needs to go on.
#[derive(Debug)]
pub(crate) struct Fold<'a> {
    start: &'a walpb::Snapshot,
    pub(crate) replay: Replay,
    /// As on the disk: later segments repeat these very bytes.
    pub(crate) metadata: Option<Bytes>,
    /// Highest entry index that the next segment's name must exceed.
    pub(crate) last_index: u64,
    /// The snapshot record of `start` was met.
    matched: bool,
    /// Term of the entry that `start` ends with, as last written.
    start_term: Option<u64>,
}

impl<'a> Fold<'a> {
    pub(crate) fn new(start: &'a walpb::Snapshot) -> Self {
        Fold {
            start,
            replay: Replay::default(),
            metadata: None,
            last_index: 0,
            matched: false,
            start_term: None,
        }
    }

    /// Reads to the log's end; `Stop::Torn` leaves all that was whole folded in.
    pub(crate) fn read(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        while let Some(record) = decoder.next()? {
            self.record(record).map_err(Stop::Fault)?;
        }
        Ok(())
    }

    /// True when the log may be used from the snapshot. Its record may be absent at index 0 only: a log that
    /// was begun by another tool need not name the empty snapshot.
    pub(crate) fn found(&self) -> bool {
        self.matched || self.start.index() == 0
    }

    fn record(&mut self, record: Record) -> Result<()> {
        let Some(kind) = Kind::from_wire(record.kind) else {
            return Err(Error::Corrupt(format!("unexpected block type {}", record.kind)));
        };
        match kind {
            Kind::Metadata => self.metadata(record.data),
            Kind::Entry => self.entry(parse(kind, record.data)?),
            Kind::State => {
                self.replay.hard_state = parse(kind, record.data)?;
                Ok(())
            }
            Kind::Crc => Ok(()),
            Kind::Snapshot => self.snapshot(&parse(kind, record.data)?),
        }
    }

    fn metadata(&mut self, data: Bytes) -> Result<()> {
        if self.metadata.as_ref().is_some_and(|first| *first != data) {
            return Err(Error::MetadataConflict);
        }
        self.replay.metadata = parse(Kind::Metadata, data.clone())?;
        self.metadata = Some(data);
        Ok(())
    }

    fn entry(&mut self, entry: raftpb::Entry) -> Result<()> {
        let index = entry.index();
        self.last_index = index;
        if index <= self.start.index() {
            // It replaces what was written at its index before, and everything after that.
            self.replay.entries.clear();
            self.start_term = (index == self.start.index()).then(|| entry.term());
            return Ok(());
        }
        let slot = index - self.start.index() - 1;
        if slot > self.replay.entries.len() as u64 {
            return Err(Error::SliceOutOfRange);
        }
        self.replay.entries.truncate(slot as usize);
        self.replay.entries.push(entry);
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &walpb::Snapshot) -> Result<()> {
        self.last_index = self.last_index.max(snapshot.index());
        if snapshot.index() == self.start.index() {
            if snapshot.term() != self.start.term() {
                return Err(Error::SnapshotMismatch);
            }
            self.matched = true;
            // Received from a leader, not taken of this log: what the log held beyond it was given up.
            if self.start_term != Some(self.start.term()) {
                self.replay.entries.clear();
            }
        }
        Ok(())
    }
}

fn parse<M: Message + Default>(kind: Kind, data: Bytes) -> Result<M> {
    M::decode(data).map_err(|error| Error::Corrupt(format!("{kind:?} record: {error}")))
}

/// Opens segments without locks.
fn open_for_reading(disk: &dyn Disk, dir: &Path, names: Vec<SegmentName>) -> Result<Vec<Segment>> {
    names
        .into_iter()
        .map(|name| Ok(Segment { name, file: disk.open(&dir.join(name.to_string()), OpenMode::Read)? }))
        .collect()
}

/// Reads a log from `snapshot` without locking or repairing it; a torn tail is left out.
pub(crate) fn read(disk: &dyn Disk, dir: &Path, snapshot: &walpb::Snapshot) -> Result<Replay> {
    let names = segment::select(segment::list(disk, dir)?, snapshot.index())?;
    let segments = open_for_reading(disk, dir, names)?;
    let mut fold = Fold::new(snapshot);
    match fold.read(&mut Decoder::new(&segments)?) {
        Ok(()) | Err(Stop::Torn(_)) => {}
        Err(Stop::Fault(error)) => return Err(error),
    }
    if !fold.matched {
        return Err(Error::SnapshotNotFound);
    }
    Ok(fold.replay)
}

/// Snapshot records not above the last hard state's commit, oldest first.
pub(crate) fn valid_snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<walpb::Snapshot>> {
    let names = segment::list(disk, dir)?;
    segment::check_sequence(&names)?;
    let segments = open_for_reading(disk, dir, names)?;
    let mut decoder = Decoder::new(&segments)?;
    let mut snapshots: Vec<walpb::Snapshot> = Vec::new();
    let mut state = raftpb::HardState::default();
    loop {
        let record = match decoder.next() {
            Ok(Some(record)) => record,
            Ok(None) | Err(Stop::Torn(_)) => break,
            Err(Stop::Fault(error)) => return Err(error),
        };
        match Kind::from_wire(record.kind) {
            Some(Kind::Snapshot) => snapshots.push(parse(Kind::Snapshot, record.data)?),
            Some(Kind::State) => state = parse(Kind::State, record.data)?,
            Some(Kind::Metadata | Kind::Entry | Kind::Crc) | None => {}
        }
    }
    snapshots.retain(|snapshot| snapshot.index() <= state.commit());
    Ok(snapshots)
}
