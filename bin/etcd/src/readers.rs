//! The queue of the reader threads.

use crate::stages::{Done, Signal};
use member::reader::{self, ReadJob};
use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    thread,
};

/// Threads that read what is long or cold. Two, so that one backup does not hold up a short hash.
const THREADS: usize = 2;

/// Sends jobs to the reader threads; their results come with the other stages'. The queue is bounded by what asks:
/// one pass over history, one job per call under way.
#[derive(Debug)]
pub struct Readers {
    jobs: mpsc::Sender<ReadJob>,
}

impl Readers {
    pub fn start(signal: &Signal) -> io::Result<Readers> {
        let (jobs, queue) = mpsc::channel();
        // Shared by the threads; held only while one waits for the next job.
        let queue = Arc::new(Mutex::new(queue));
        for n in 0..THREADS {
            let (queue, signal) = (queue.clone(), signal.clone());
            thread::Builder::new().name(format!("reader-{n}")).spawn(move || work(&queue, &signal))?;
        }
        Ok(Readers { jobs })
    }

    pub fn submit(&self, job: ReadJob) {
        // The threads end only when this sender is dropped.
        let _ = self.jobs.send(job);
    }
}

fn work(queue: &Mutex<mpsc::Receiver<ReadJob>>, signal: &Signal) {
    loop {
        let Ok(queue) = queue.lock() else { return };
        let Ok(job) = queue.recv() else { return };
        drop(queue);
        match reader::run(job) {
            Ok(done) => signal.send(Done::Read(done)),
            Err(fault) => crate::fault::die(&fault),
        }
    }
}
