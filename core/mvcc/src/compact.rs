//! Compaction: forgetting what no read at or above a revision can see.
//!
//! Logically a compaction is done at once: reads below are refused from then on. The physical work is queued and done
//! in slices, first over the index, which tells the revisions to keep, then over the committed rows. One at a time,
//! in order.
//!
//! Invariants: the index drops a revision only when no open scan needs it; a row is deleted only after the index has
//! dropped its revision and only once it is committed; the mark of a finished compaction commits with its last
//! deletes or after them, so that after a crash the compaction is done again.

use crate::{
    Error, Mvcc, Reject, Revision,
    hash::{CompactionHash, RowHasher},
    history::decode_row_key,
    key::Key,
};
use backend::{Bucket, Buffer, Ticket, meta, row_key};
use std::collections::{BTreeSet, VecDeque};

/// Index keys or rows walked in one slice.
const SLICE_KEYS: usize = 500;
/// Bytes of rows hashed in one slice before it ends early.
const SLICE_BYTES: usize = 512 << 10;
/// Rows deleted between two pauses, unless configured (`--compaction-batch-limit`).
const BATCH_ROWS: usize = 1000;

/// What a slice of compaction achieved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactionStep {
    /// Nothing queued.
    Idle,
    /// More to do now.
    Again,
    /// More to do after the pause between batches (10 ms by default; the caller keeps the time). Also while an open
    /// scan still needs what is to be removed.
    Pause,
    /// Waits for the open batch and those before it to be committed: seal it, and call again when
    /// [`Buffer::committed`] has been told.
    NeedsCommit,
    /// The compaction at `revision` is finished and committed; `removed` rows were deleted.
    Finished { revision: i64, removed: u64, hash: u32 },
}

/// The physical side: what is queued and how far it is.
#[derive(Debug)]
pub(crate) struct Compactor {
    /// Revision of the last compaction begun and of the last one finished, as the file's marks have them.
    scheduled: Option<i64>,
    finished: Option<i64>,
    batch_rows: usize,
    queue: VecDeque<Job>,
    running: Option<(Job, Phase)>,
}

#[derive(Clone, Copy, Debug)]
struct Job {
    revision: i64,
    /// The compacted revision before this one.
    previous: i64,
    /// Whether every row since `previous` is still there to be hashed.
    hash_complete: bool,
}

#[derive(Debug)]
enum Phase {
    Index {
        resume: Option<Key>,
        keep: BTreeSet<Revision>,
    },
    Rows(RowWalk),
    /// All is put into the buffer; waits for it to be committed.
    Settle {
        marked: Ticket,
        removed: u64,
        hash: u32,
    },
}

#[derive(Debug)]
struct RowWalk {
    /// Revisions to keep that the walk has not passed yet.
    keep: BTreeSet<Revision>,
    hasher: RowHasher,
    /// Where the next slice begins.
    next: Revision,
    removed: u64,
    removed_since_pause: usize,
}

impl Compactor {
    /// From the marks in the file.
    pub fn new(scheduled: Option<i64>, finished: Option<i64>) -> Compactor {
        Compactor { scheduled, finished, batch_rows: BATCH_ROWS, queue: VecDeque::new(), running: None }
    }
}

impl Mvcc {
    /// Compacts logically at `revision` and queues the physical work.
    pub fn compact(&mut self, buffer: &mut Buffer, revision: i64) -> Result<(), Reject> {
        if revision <= self.compacted {
            return Err(Reject::Compacted);
        }
        if revision > self.current {
            return Err(Reject::FutureRevision);
        }
        let compactor = &mut self.compactor;
        let hash_complete = compactor.scheduled == compactor.finished;
        compactor.queue.push_back(Job { revision, previous: self.compacted, hash_complete });
        compactor.scheduled = Some(revision);
        self.compacted = revision;
        meta::put_compaction_mark(buffer, meta::SCHEDULED_COMPACT, revision);
        Ok(())
    }

    /// Compactions whose physical work is not finished.
    pub fn compactions_queued(&self) -> usize {
        self.compactor.queue.len() + usize::from(self.compactor.running.is_some())
    }

    /// Rows to delete between two pauses; 0 means the default, 1000.
    pub fn set_compaction_batch(&mut self, rows: usize) {
        self.compactor.batch_rows = if rows == 0 { BATCH_ROWS } else { rows };
    }

    /// Does a slice of the queued physical work (about a millisecond at most), and says what it needs next.
    pub fn compaction_step(&mut self, buffer: &mut Buffer) -> Result<CompactionStep, Error> {
        let begin = || Phase::Index { resume: None, keep: BTreeSet::new() };
        let running = self.compactor.running.take();
        let Some((job, phase)) = running.or_else(|| Some((self.compactor.queue.pop_front()?, begin())))
        else {
            return Ok(CompactionStep::Idle);
        };
        let (phase, step) = match phase {
            Phase::Index { resume, keep } => self.compact_index(job, resume, keep),
            Phase::Rows(walk) => self.compact_rows(job, walk, buffer)?,
            Phase::Settle { marked, removed, hash } if buffer.is_committed(marked) => {
                return Ok(self.finish(job, removed, hash));
            }
            phase @ Phase::Settle { .. } => (phase, CompactionStep::NeedsCommit),
        };
        self.compactor.running = Some((job, phase));
        Ok(step)
    }

    fn compact_index(
        &mut self,
        job: Job,
        resume: Option<Key>,
        mut keep: BTreeSet<Revision>,
    ) -> (Phase, CompactionStep) {
        // Reads below were refused from the moment the compaction was queued, so this waits for old ones only.
        if self.pins.first_key_value().is_some_and(|(pinned, _)| *pinned < job.revision) {
            return (Phase::Index { resume, keep }, CompactionStep::Pause);
        }
        let resume = self.index.compact(resume.as_ref(), SLICE_KEYS, job.revision, |at| _ = keep.insert(at));
        if resume.is_some() {
            return (Phase::Index { resume, keep }, CompactionStep::Again);
        }
        let hasher = RowHasher::new(job.previous, job.revision, keep.is_empty());
        let walk = RowWalk { keep, hasher, next: Revision::default(), removed: 0, removed_since_pause: 0 };
        (Phase::Rows(walk), CompactionStep::Again)
    }

    fn compact_rows(
        &mut self,
        job: Job,
        mut walk: RowWalk,
        buffer: &mut Buffer,
    ) -> Result<(Phase, CompactionStep), Error> {
        if buffer.first_uncommitted().is_some_and(|main| main <= job.revision) {
            return Ok((Phase::Rows(walk), CompactionStep::NeedsCommit));
        }
        if !walk.step(job.revision, self.compactor.batch_rows, buffer)? {
            let step = if walk.removed_since_pause < self.compactor.batch_rows {
                CompactionStep::Again
            } else {
                walk.removed_since_pause = 0;
                CompactionStep::Pause
            };
            return Ok((Phase::Rows(walk), step));
        }
        meta::put_compaction_mark(buffer, meta::FINISHED_COMPACT, job.revision);
        self.compactor.finished = Some(job.revision);
        let settle =
            Phase::Settle { marked: buffer.ticket(), removed: walk.removed, hash: walk.hasher.finish() };
        Ok((settle, CompactionStep::NeedsCommit))
    }

    fn finish(&mut self, job: Job, removed: u64, hash: u32) -> CompactionStep {
        let Job { revision, previous, hash_complete } = job;
        if hash_complete {
            self.hashes.store(CompactionHash { hash, revision, compact_revision: previous });
        }
        CompactionStep::Finished { revision, removed, hash }
    }
}

impl RowWalk {
    /// Walks a slice of the committed rows up to `revision`; true at their end.
    fn step(&mut self, revision: i64, batch_rows: usize, buffer: &mut Buffer) -> Result<bool, Error> {
        let mut cursor = buffer.root().cursor(Bucket::Key.name())?;
        cursor.seek(&self.next.row_key())?;
        let mut bytes = 0;
        for _ in 0..SLICE_KEYS {
            let Some((key, value)) = cursor.next()? else { return Ok(true) };
            let row = decode_row_key(&key)?;
            let at = Revision::from(row);
            if at.main > revision {
                return Ok(true);
            }
            let kept = self.keeps(at);
            self.hasher.row(row, kept, &key, &value);
            if !kept {
                // The cursor's slice would keep the page it points into in memory.
                let key = bytes::Bytes::copy_from_slice(&key);
                buffer.delete(Bucket::Key, key);
                self.removed += 1;
                self.removed_since_pause += 1;
            }
            self.next = Revision { main: at.main, sub: at.sub + 1 };
            bytes += value.len() + row_key::PUT_BYTES;
            if bytes >= SLICE_BYTES || self.removed_since_pause >= batch_rows {
                break;
            }
        }
        Ok(false)
    }

    /// Both sides ascend, so what the walk has passed can go.
    fn keeps(&mut self, at: Revision) -> bool {
        while self.keep.first().is_some_and(|first| *first < at) {
            self.keep.pop_first();
        }
        self.keep.first() == Some(&at)
    }
}
