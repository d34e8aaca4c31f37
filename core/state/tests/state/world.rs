//! A state machine with its backend and its log, driven as the member drives it.

use backend::{Batch, Committer};
use bytes::Bytes;
use proto::{Message, etcdserverpb as pb, raftpb};
use state::{Applied, Context, Error, Options, RangeAnswer, RangeReply, RangeStep, State};
use std::{collections::VecDeque, path::Path, sync::Arc};

/// Turns after which a range must have ended in a test.
const TURNS_MAX: usize = 1000;

pub struct World {
    pub committer: Committer,
    pub state: State,
    pub context: Context,
    options: Options,
    sealed: VecDeque<Batch>,
    log: Vec<raftpb::Entry>,
    term: u64,
}

pub fn new_committer() -> Committer {
    let disk = Arc::new(disk::sim::SimDisk::new());
    Committer::open(disk, Path::new("db"), bolt::Options::default()).unwrap()
}

impl World {
    pub fn new(options: Options) -> World {
        World::open(new_committer(), options)
    }

    pub fn open(committer: Committer, options: Options) -> World {
        let state = State::open(committer.reader(), options.clone()).unwrap();
        let context = Context { member_id: 1, backend_bytes: 0, quota_bytes: None };
        World { committer, state, context, options, sealed: VecDeque::new(), log: Vec::new(), term: 2 }
    }

    pub fn apply(&mut self, request: pb::InternalRaftRequest) -> Result<Applied, Error> {
        let data = request.encode_to_vec().into();
        self.apply_data(raftpb::EntryType::EntryNormal, data)
    }

    pub fn apply_data(&mut self, kind: raftpb::EntryType, data: Bytes) -> Result<Applied, Error> {
        let index = self.log.len() as u64 + 1;
        let entry = raftpb::Entry::new(kind, self.term, index, data);
        self.log.push(entry.clone());
        self.state.apply(&entry, &self.context)
    }

    pub fn request_id(&self) -> u64 {
        self.log.len() as u64 + 1001
    }

    /// Everything sealed and committed.
    pub fn commit(&mut self) {
        self.sealed.extend(self.state.seal());
        while let Some(batch) = self.sealed.pop_front() {
            let root = self.committer.commit(&batch).unwrap();
            self.state.committed(root);
        }
    }

    /// What was not committed is lost; then the whole log is applied again.
    pub fn crash(&mut self) {
        self.sealed.clear();
        self.state = State::open(self.committer.reader(), self.options.clone()).unwrap();
        let consistent = self.state.consistent_index();
        for entry in &self.log {
            let applied = self.state.apply(entry, &self.context).unwrap();
            assert_eq!(applied.fresh, entry.index() > consistent);
        }
    }

    pub fn range(&mut self, request: pb::RangeRequest) -> Result<RangeReply, state::Failure> {
        match self.state.range(request)? {
            RangeAnswer::Reply(reply) => Ok(reply),
            RangeAnswer::Task(mut task) => {
                for _ in 0..TURNS_MAX {
                    match self.state.step_range(&mut task)? {
                        RangeStep::Again => {}
                        RangeStep::Reply(reply) => return Ok(reply),
                        RangeStep::Fetch(fetch) => return Ok(fetch.run()?),
                    }
                }
                panic!("a range does not end");
            }
        }
    }

    /// Rows of a bucket as they are committed.
    pub fn rows(&self, bucket: backend::Bucket) -> Vec<(Bytes, Bytes)> {
        let mut cursor = self.state.root().cursor(bucket.name()).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = cursor.next().unwrap() {
            rows.push(row);
        }
        rows
    }
}
