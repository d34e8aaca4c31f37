//! A key space with its backend, driven the way the shell drives them: applies, seals and commits interleave.

use backend::{Batch, Bucket, Buffer, Committer};
use bytes::Bytes;
use mvcc::{Change, CompactionStep, HashJob, HashKv, KeyInfo, KeyRange, Mvcc, Reject, Restored};
use std::{collections::VecDeque, path::Path, sync::Arc};

/// Slices after which a compaction must have ended in a test.
const SLICES_MAX: usize = 10_000;

pub struct World {
    pub committer: Committer,
    pub buffer: Buffer,
    pub mvcc: Mvcc,
    pub leases: Vec<(Bytes, i64)>,
    sealed: VecDeque<Batch>,
}

impl World {
    pub fn new() -> World {
        let committer = crate::open_committer();
        World::restored(committer)
    }

    /// Opens what the committer has committed, and resumes an unfinished compaction as a member does.
    pub fn restored(committer: Committer) -> World {
        let mut buffer = Buffer::new(committer.reader());
        let Restored { mut mvcc, leases, resume_compaction } = Mvcc::restore(&buffer).unwrap();
        if let Some(revision) = resume_compaction {
            mvcc.compact(&mut buffer, revision).unwrap();
        }
        World { committer, buffer, mvcc, leases, sealed: VecDeque::new() }
    }

    /// Everything applied becomes durable, then the process restarts.
    pub fn restart(mut self) -> World {
        self.commit_all();
        World::restored(self.committer)
    }

    /// What was not committed is lost.
    pub fn crash(self) -> World {
        World::restored(self.committer)
    }

    pub fn seal(&mut self) {
        self.sealed.extend(self.buffer.seal());
    }

    /// Commits the oldest sealed batch, if there is one.
    pub fn commit(&mut self) {
        if let Some(batch) = self.sealed.pop_front() {
            let root = self.committer.commit(&batch).unwrap();
            self.buffer.committed(root);
        }
    }

    pub fn commit_all(&mut self) {
        self.seal();
        while !self.sealed.is_empty() {
            self.commit();
        }
    }

    pub fn put(&mut self, key: &str, value: &str) -> Vec<Change> {
        self.put_leased(key, value, 0)
    }

    pub fn put_leased(&mut self, key: &str, value: &str, lease: i64) -> Vec<Change> {
        let mut write = self.mvcc.write(&mut self.buffer);
        write.put(Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()), lease);
        write.end()
    }

    pub fn delete(&mut self, key: &str, end: &str) -> Vec<Change> {
        let mut write = self.mvcc.write(&mut self.buffer);
        write.delete_range(&range(key, end));
        write.end()
    }

    pub fn range(&mut self, range: &KeyRange, revision: i64) -> Result<Vec<KeyInfo>, Reject> {
        let mut scan = self.mvcc.begin_scan(range.clone(), revision, 0, false)?;
        while !scan.done {
            self.mvcc.step_scan(&mut scan, 2);
        }
        self.mvcc.end_scan(&scan);
        assert_eq!(scan.count, scan.found.len() as i64);
        Ok(scan.found)
    }

    pub fn hash(&mut self, revision: i64) -> Result<HashKv, Reject> {
        match self.mvcc.hash_kv(&mut self.buffer, revision)? {
            HashJob::Done(hash) => Ok(hash),
            HashJob::Work(work) => Ok(work.run().unwrap()),
        }
    }

    pub fn step(&mut self) -> CompactionStep {
        self.mvcc.compaction_step(&mut self.buffer).unwrap()
    }

    /// Steps until the running compaction is finished, committing when it asks for it.
    pub fn finish_compaction(&mut self) -> Option<CompactionStep> {
        for _ in 0..SLICES_MAX {
            match self.step() {
                CompactionStep::Idle => return None,
                CompactionStep::Again | CompactionStep::Pause => {}
                CompactionStep::NeedsCommit => {
                    self.seal();
                    assert!(!self.sealed.is_empty(), "waits for a commit that nothing would cause");
                    self.commit();
                }
                finished @ CompactionStep::Finished { .. } => return Some(finished),
            }
        }
        panic!("compaction does not end");
    }

    /// Raw keys of the committed `key` rows.
    pub fn row_keys(&self) -> Vec<Bytes> {
        let mut cursor = self.buffer.root().cursor(Bucket::Key.name()).unwrap();
        let mut keys = Vec::new();
        while let Some((key, _)) = cursor.next().unwrap() {
            keys.push(key);
        }
        keys
    }
}

pub fn range(key: &str, end: &str) -> KeyRange {
    KeyRange::new(Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(end.as_bytes()))
}

pub fn open(disk: Arc<dyn disk::Disk>, path: &Path) -> Committer {
    Committer::open(disk, path, bolt::Options::default()).unwrap()
}
