//! The stages of a process that block in reality: here jobs wait in queues, and take a time that is drawn.
//!
//! Batches form as in the server: the log writer takes all that is queued, the committer one piece of work after the
//! other. A job's effect on the disk comes at its begin or at its end, so that a crash between the two finds either.

use crate::{
    draw::Draw,
    schedule::{MS, Micros},
};
use backend::{Batch, Committer, ReadTx};
use disk::Disk;
use member::{
    InstallJob,
    log_writer::{LogDone, LogJob, LogWriter},
    reader::{self, ReadDone, ReadJob},
    restart::{self, Layout},
};
use state::State;
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::Arc,
};

/// Why a stage stopped; after that its process must.
pub type Fault = String;

/// How long a disk takes: mostly a little, now and then much longer.
fn disk_time(draw: &mut Draw) -> Micros {
    match draw.below(40) {
        0 => draw.between(5 * MS, 150 * MS),
        _ => draw.between(100, 3 * MS),
    }
}

#[derive(Debug)]
enum Log {
    ToDo(Vec<LogJob>),
    Done(Vec<LogDone>),
}

#[derive(Debug)]
pub struct LogStage {
    disk: Arc<dyn Disk>,
    writer: LogWriter,
    segment_bytes: u64,
    queue: Vec<LogJob>,
    running: Option<Log>,
    preparing: Option<PathBuf>,
}

impl LogStage {
    pub fn new(disk: Arc<dyn Disk>, writer: LogWriter, segment_bytes: u64) -> LogStage {
        LogStage { disk, writer, segment_bytes, queue: Vec::new(), running: None, preparing: None }
    }

    pub fn queue(&mut self, job: LogJob) {
        self.queue.push(job);
    }

    /// Begins with all that is queued; how long it will take.
    pub fn begin(&mut self, draw: &mut Draw) -> Result<Option<Micros>, Fault> {
        if self.running.is_some() || self.queue.is_empty() {
            return Ok(None);
        }
        let jobs = std::mem::take(&mut self.queue);
        self.running = Some(if draw.percent(50) { Log::ToDo(jobs) } else { Log::Done(self.write(jobs)?) });
        Ok(Some(disk_time(draw)))
    }

    pub fn end(&mut self) -> Result<Vec<LogDone>, Fault> {
        match self.running.take().expect("the log writer was at work") {
            Log::ToDo(jobs) => self.write(jobs),
            Log::Done(done) => Ok(done),
        }
    }

    fn write(&mut self, jobs: Vec<LogJob>) -> Result<Vec<LogDone>, Fault> {
        self.writer.handle(jobs).map_err(|e| format!("log writer: {e}"))
    }

    /// Begins to make the next segment ready, if one is wanted; how long it will take.
    pub fn prepare(&mut self, draw: &mut Draw) -> Option<Micros> {
        let wanted = self.writer.wants_segment()?;
        if self.preparing.as_ref() == Some(&wanted) {
            return None;
        }
        self.preparing = Some(wanted);
        Some(draw.between(MS, 80 * MS))
    }

    pub fn prepared(&mut self) -> Result<(), Fault> {
        let path = self.preparing.take().expect("a segment was being prepared");
        wal::prepare_segment_sized(&*self.disk, &path, self.segment_bytes)
            .map_err(|e| format!("segment: {e}"))?;
        self.writer.segment_ready();
        Ok(())
    }
}

#[derive(Debug)]
enum Work {
    Batch(Batch),
    Install(InstallJob),
    Defragment,
}

#[derive(Debug)]
pub enum Committed {
    Batch(ReadTx),
    Installed(Box<State>),
    Defragmented(ReadTx),
}

#[derive(Debug)]
enum Commit {
    ToDo(Work),
    Done(Committed),
}

#[derive(Debug)]
pub struct CommitStage {
    disk: Arc<dyn Disk>,
    layout: Layout,
    bolt: bolt::Options,
    /// Absent only while a snapshot's database takes its file's place.
    committer: Option<Committer>,
    queue: VecDeque<Work>,
    running: Option<Commit>,
}

impl CommitStage {
    pub fn new(
        disk: Arc<dyn Disk>,
        layout: Layout,
        bolt: bolt::Options,
        committer: Committer,
    ) -> CommitStage {
        CommitStage { disk, layout, bolt, committer: Some(committer), queue: VecDeque::new(), running: None }
    }

    pub fn queue(&mut self, batch: Batch) {
        self.queue.push_back(Work::Batch(batch));
    }

    pub fn queue_install(&mut self, job: InstallJob) {
        self.queue.push_back(Work::Install(job));
    }

    pub fn queue_defragment(&mut self) {
        self.queue.push_back(Work::Defragment);
    }

    /// Begins with the next piece of work; how long it will take.
    pub fn begin(&mut self, draw: &mut Draw) -> Result<Option<Micros>, Fault> {
        if self.running.is_some() {
            return Ok(None);
        }
        let Some(work) = self.queue.pop_front() else { return Ok(None) };
        self.running =
            Some(if draw.percent(50) { Commit::ToDo(work) } else { Commit::Done(self.work(work)?) });
        Ok(Some(disk_time(draw)))
    }

    pub fn end(&mut self) -> Result<Committed, Fault> {
        match self.running.take().expect("the committer was at work") {
            Commit::ToDo(work) => self.work(work),
            Commit::Done(done) => Ok(done),
        }
    }

    fn work(&mut self, work: Work) -> Result<Committed, Fault> {
        let mut committer = self.committer.take().expect("a committer");
        match work {
            Work::Batch(batch) => {
                let root = committer.commit(&batch).map_err(|e| format!("commit: {e}"))?;
                self.committer = Some(committer);
                Ok(Committed::Batch(root))
            }
            Work::Defragment => {
                let root = committer.defragment().map_err(|e| format!("defragment: {e}"))?;
                self.committer = Some(committer);
                Ok(Committed::Defragmented(root))
            }
            Work::Install(job) => {
                let installed = restart::install(&self.disk, &self.layout, committer, self.bolt.clone(), job);
                let (committer, state) = installed.map_err(|e| format!("install: {e}"))?;
                self.committer = Some(committer);
                Ok(Committed::Installed(Box::new(state)))
            }
        }
    }
}

/// Reader threads. They end in any order.
#[derive(Debug, Default)]
pub struct ReadStage {
    running: BTreeMap<u64, ReadJob>,
    begun: u64,
}

impl ReadStage {
    /// The job's number, and how long it will take.
    pub fn begin(&mut self, job: ReadJob, draw: &mut Draw) -> (u64, Micros) {
        self.begun += 1;
        self.running.insert(self.begun, job);
        (self.begun, draw.between(50, 20 * MS))
    }

    pub fn end(&mut self, number: u64) -> Result<ReadDone, Fault> {
        let job = self.running.remove(&number).expect("the reader was at work");
        reader::run(job).map_err(|e| format!("reader: {e}"))
    }
}
