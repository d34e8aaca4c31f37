//! Threads for the stages that block: the log writer, the preparer of its segments, the committer.
//!
//! Each owns its stage alone. Jobs go in by a channel, results come back by one channel and wake the loop once per
//! batch. A fault ends the process at once: after a failed write nothing may be answered.

use backend::{Batch, Committer, ReadTx};
use disk::Disk;
use member::{
    InstallJob,
    log_writer::{LogDone, LogJob, LogWriter},
    reader::ReadDone,
    restart::{self, Layout},
};
use state::State;
use std::{
    io,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What the threads tell the loop.
#[derive(Debug)]
pub enum Done {
    Log { done: Vec<LogDone>, took: Duration },
    Committed { root: ReadTx, took: Duration },
    Defragmented { root: ReadTx, took: Duration },
    Installed { state: Box<State>, took: Duration },
    Read(ReadDone),
}

/// The way back to the loop.
#[derive(Clone, Debug)]
pub struct Signal {
    done: mpsc::Sender<Done>,
    waker: Arc<mio::Waker>,
}

impl Signal {
    pub fn new(done: mpsc::Sender<Done>, waker: Arc<mio::Waker>) -> Self {
        Signal { done, waker }
    }

    pub fn send(&self, done: Done) {
        // The loop has ended if nobody listens any more.
        if self.done.send(done).is_ok()
            && let Err(error) = self.waker.wake()
        {
            crate::fault::die(&error);
        }
    }
}

/// The committer and what it takes to exchange its file for a received one.
#[derive(Debug)]
pub struct Backend {
    pub committer: Committer,
    pub disk: Arc<dyn Disk>,
    pub layout: Layout,
    pub options: bolt::Options,
}

#[derive(Debug)]
enum LogWork {
    Job(Box<LogJob>),
    SegmentReady,
    Stop,
}

#[derive(Debug)]
enum CommitWork {
    Batch(Batch),
    Defragment,
    Install(InstallJob),
    Stop,
}

/// Handles to the stage threads, which end with [`Stages::stop`].
#[derive(Debug)]
pub struct Stages {
    log: mpsc::Sender<LogWork>,
    commit: mpsc::Sender<CommitWork>,
    threads: Vec<JoinHandle<()>>,
}

impl Stages {
    pub fn start(
        disk: Arc<dyn Disk>,
        writer: LogWriter,
        backend: Backend,
        signal: &Signal,
    ) -> io::Result<Stages> {
        let (log, log_queue) = mpsc::channel();
        let (commit, commit_queue) = mpsc::channel();
        let (segments, segment_queue) = mpsc::channel::<PathBuf>();
        let ready = log.clone();
        // Not joined: it may be in the middle of writing 64 MB of zeroes that nobody will need.
        thread::Builder::new().name("wal-prepare".into()).spawn(move || {
            while let Ok(path) = segment_queue.recv() {
                match wal::prepare_segment(&*disk, &path) {
                    Ok(()) if ready.send(LogWork::SegmentReady).is_ok() => {}
                    Ok(()) => return,
                    Err(fault) => crate::fault::die(&fault),
                }
            }
        })?;
        let (log_signal, commit_signal) = (signal.clone(), signal.clone());
        let log_thread = thread::Builder::new()
            .name("wal".into())
            .spawn(move || write_log(writer, &log_queue, &segments, &log_signal))?;
        let commit_thread = thread::Builder::new()
            .name("commit".into())
            .spawn(move || commit_batches(backend, &commit_queue, &commit_signal))?;
        Ok(Stages { log, commit, threads: vec![log_thread, commit_thread] })
    }

    pub fn log(&self, job: LogJob) {
        let _ = self.log.send(LogWork::Job(Box::new(job)));
    }

    pub fn commit(&self, batch: Batch) {
        let _ = self.commit.send(CommitWork::Batch(batch));
    }

    pub fn defragment(&self) {
        let _ = self.commit.send(CommitWork::Defragment);
    }

    /// Behind the batches given before.
    pub fn install(&self, job: InstallJob) {
        let _ = self.commit.send(CommitWork::Install(job));
    }

    /// Lets the threads finish what is queued and waits for them.
    pub fn stop(self) {
        let _ = self.log.send(LogWork::Stop);
        let _ = self.commit.send(CommitWork::Stop);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// Everything queued when a sync ends goes into the next one; a lone job waits for nobody.
fn write_log(
    mut writer: LogWriter,
    queue: &mpsc::Receiver<LogWork>,
    segments: &mpsc::Sender<PathBuf>,
    signal: &Signal,
) {
    let mut asked: Option<PathBuf> = None;
    loop {
        if let Some(path) = writer.wants_segment()
            && asked.as_ref() != Some(&path)
        {
            asked = Some(path.clone());
            let _ = segments.send(path);
        }
        let Ok(first) = queue.recv() else { return };
        let mut jobs = Vec::new();
        let mut stop = false;
        for work in std::iter::once(first).chain(queue.try_iter()) {
            match work {
                LogWork::Job(job) => jobs.push(*job),
                LogWork::SegmentReady => {
                    writer.segment_ready();
                    asked = None;
                }
                LogWork::Stop => stop = true,
            }
        }
        if !jobs.is_empty() {
            let begun = Instant::now();
            match writer.handle(jobs) {
                Ok(done) => signal.send(Done::Log { done, took: begun.elapsed() }),
                Err(fault) => crate::fault::die(&fault),
            }
        }
        if stop {
            return close_log(writer, queue, asked.is_some());
        }
    }
}

/// A segment that is just being prepared is waited for, so that closing can remove it.
fn close_log(mut writer: LogWriter, queue: &mpsc::Receiver<LogWork>, preparing: bool) {
    let ready = |work: &LogWork| matches!(work, LogWork::SegmentReady);
    if preparing && queue.iter().any(|work| ready(&work)) {
        writer.segment_ready();
    }
    if let Err(fault) = writer.close() {
        crate::fault::die(&fault);
    }
}

fn commit_batches(backend: Backend, queue: &mpsc::Receiver<CommitWork>, signal: &Signal) {
    let Backend { mut committer, disk, layout, options } = backend;
    while let Ok(work) = queue.recv() {
        let begun = Instant::now();
        let done = match work {
            CommitWork::Batch(batch) => {
                committer.commit(&batch).map(|root| Done::Committed { root, took: begun.elapsed() })
            }
            CommitWork::Defragment => {
                committer.defragment().map(|root| Done::Defragmented { root, took: begun.elapsed() })
            }
            CommitWork::Install(job) => {
                match restart::install(&disk, &layout, committer, options.clone(), job) {
                    Ok((new, state)) => {
                        committer = new;
                        Ok(Done::Installed { state: Box::new(state), took: begun.elapsed() })
                    }
                    Err(fault) => crate::fault::die(&fault),
                }
            }
            CommitWork::Stop => return,
        };
        match done {
            Ok(done) => signal.send(done),
            Err(fault) => crate::fault::die(&fault),
        }
    }
}
