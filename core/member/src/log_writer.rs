//! The log writer stage: makes entries, hard states and snapshot markers durable.
//!
//! It never reorders jobs and never waits: whatever is queued when a sync ends goes into the next one. Any error is
//! a fault: the process must stop, since what a failed sync left on disk is unknown.

use crate::raft::Persist;
use disk::Disk;
use proto::{raftpb, walpb};
use std::{path::PathBuf, sync::Arc};
use wal::Wal;

/// Work for the stage, done in order.
#[derive(Debug)]
pub enum LogJob {
    Persist(Persist),
    /// The state machine is durable up to this snapshot's index: record it, and let go of segments before it.
    Snapshot(raftpb::Snapshot),
    /// Delete segments and snapshot files beyond these counts.
    Purge {
        wals_max: usize,
        snapshots_max: usize,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub enum LogDone {
    /// This job and all before it are durable.
    Persisted(u64),
    SnapshotSaved {
        index: u64,
    },
    Purged(Vec<String>),
}

#[derive(Debug)]
pub struct LogWriter {
    disk: Arc<dyn Disk>,
    wal: Wal,
    wal_dir: PathBuf,
    snap_dir: PathBuf,
}

impl LogWriter {
    pub fn new(disk: Arc<dyn Disk>, wal: Wal, wal_dir: PathBuf, snap_dir: PathBuf) -> Self {
        LogWriter { disk, wal, wal_dir, snap_dir }
    }

    /// The segment file a background thread should make ready (see [`wal::prepare_segment`]).
    pub fn wants_segment(&self) -> Option<PathBuf> {
        self.wal.wants_segment()
    }

    pub fn segment_ready(&mut self) {
        self.wal.segment_ready();
    }

    /// Makes everything durable and removes what was prepared for later. No segment may be in the making.
    pub fn close(self) -> wal::Result<()> {
        self.wal.close()
    }

    /// Does everything queued with one sync for all of it.
    pub fn handle(&mut self, jobs: Vec<LogJob>) -> wal::Result<Vec<LogDone>> {
        let mut done = Vec::new();
        let mut persisted = None;
        let mut sync = false;
        let mut saved = None;
        for job in jobs {
            match job {
                LogJob::Persist(job) => {
                    sync |= job.sync;
                    persisted = Some(job.number);
                    self.append(job)?;
                }
                LogJob::Snapshot(snapshot) => {
                    let index = self.append_snapshot(&snapshot)?;
                    saved = Some(index);
                    sync = true;
                }
                LogJob::Purge { wals_max, snapshots_max } => {
                    done.push(LogDone::Purged(self.purge(wals_max, snapshots_max)?));
                }
            }
        }
        if sync {
            self.wal.sync()?;
        }
        if let Some(index) = saved {
            self.wal.release_to(index)?;
            done.push(LogDone::SnapshotSaved { index });
        }
        done.extend(persisted.map(LogDone::Persisted));
        Ok(done)
    }

    fn append(&mut self, job: Persist) -> wal::Result<()> {
        if let Some(snapshot) = &job.snapshot {
            self.append_snapshot(snapshot)?;
        }
        for entry in &job.entries {
            self.wal.append_entry(entry);
        }
        if let Some(state) = &job.hard_state {
            self.wal.append_state(state);
        }
        Ok(())
    }

    /// The `.snap` file first, then its marker: a marker without a file could not be opened by etcd 3.4 to 3.6.
    fn append_snapshot(&mut self, snapshot: &raftpb::Snapshot) -> wal::Result<u64> {
        wal::snap::save(&*self.disk, &self.snap_dir, snapshot)?;
        let metadata = snapshot.metadata.clone().unwrap_or_default();
        self.wal.append_snapshot(&walpb::Snapshot {
            index: metadata.index,
            term: metadata.term,
            conf_state: metadata.conf_state.clone(),
        });
        Ok(metadata.index())
    }

    fn purge(&self, wals_max: usize, snapshots_max: usize) -> wal::Result<Vec<String>> {
        let mut gone = wal::purge(&*self.disk, &self.wal_dir, "wal", wals_max)?;
        gone.extend(wal::purge(&*self.disk, &self.snap_dir, "snap", snapshots_max)?);
        gone.extend(wal::purge(&*self.disk, &self.snap_dir, "snap.db", snapshots_max)?);
        Ok(gone)
    }
}
