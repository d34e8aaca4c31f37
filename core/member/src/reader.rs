//! Reader jobs: what is long or cold, done on immutable views so that no apply waits for it.
//!
//! [`run`] is a function; the shell gives it threads, a simulation its turn. Results go back to the loop that owns
//! the member. `tag` is the caller's and comes back unchanged.

use crate::outputs::HistoryJob;
use backend::{HashScope, ReadTx};
use bytes::{Bytes, BytesMut};
use mvcc::{
    Change, HashKv, HashWork,
    watch::{CatchUp, REVISIONS_PER_PASS_MAX},
};
use sha2::{Digest, Sha256};
use state::{RangeFetch, RangeReply};

/// Bytes of one chunk of a database image, as etcd sends them.
pub const IMAGE_CHUNK_BYTES: usize = 32 * 1024;

/// Chunks read in one job.
const IMAGE_CHUNKS_PER_JOB: usize = 32;

#[derive(Debug)]
pub enum ReadJob {
    History(HistoryJob),
    Range {
        tag: u64,
        fetch: RangeFetch,
    },
    HashKv {
        tag: u64,
        work: HashWork,
    },
    /// Every bucket, as `Maintenance.Hash` wants it.
    Hash {
        tag: u64,
        root: ReadTx,
    },
    /// The next chunks of a database image.
    Image {
        tag: u64,
        image: Box<ImageReader>,
    },
}

#[derive(Debug)]
pub enum ReadDone {
    History { pass: CatchUp, changes: Vec<Change>, next: i64 },
    Range { tag: u64, reply: RangeReply },
    HashKv { tag: u64, hash: HashKv },
    Hash { tag: u64, hash: u32 },
    Image { tag: u64, image: Box<ImageReader>, chunks: Vec<Chunk> },
}

/// A piece of an image and what is left after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk {
    pub remaining: u64,
    pub bytes: Bytes,
}

/// Streams a database image followed by its SHA-256.
#[derive(Debug)]
pub struct ImageReader {
    image: bolt::Image,
    hash: Sha256,
    finished: bool,
}

impl ImageReader {
    pub fn new(root: &ReadTx) -> Self {
        ImageReader { image: root.image(), hash: Sha256::new(), finished: false }
    }

    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// A full chunk, or what is left: the image itself comes in pieces of its own.
    fn fill(&mut self) -> backend::Result<Bytes> {
        let first = self.image.read(IMAGE_CHUNK_BYTES)?;
        if first.len() == IMAGE_CHUNK_BYTES || self.image.remaining() == 0 {
            return Ok(first);
        }
        let mut chunk = BytesMut::with_capacity(IMAGE_CHUNK_BYTES);
        chunk.extend_from_slice(&first);
        while chunk.len() < IMAGE_CHUNK_BYTES && self.image.remaining() > 0 {
            chunk.extend_from_slice(&self.image.read(IMAGE_CHUNK_BYTES - chunk.len())?);
        }
        Ok(chunk.freeze())
    }

    fn next(&mut self) -> backend::Result<Option<Chunk>> {
        if self.finished {
            return Ok(None);
        }
        let bytes = self.fill()?;
        if bytes.is_empty() {
            self.finished = true;
            let digest = std::mem::take(&mut self.hash).finalize();
            return Ok(Some(Chunk { remaining: 0, bytes: Bytes::copy_from_slice(&digest) }));
        }
        self.hash.update(&bytes);
        Ok(Some(Chunk { remaining: self.image.remaining(), bytes }))
    }
}

/// Does a job. An error is a fault of the disk or the file: the process must stop.
pub fn run(job: ReadJob) -> Result<ReadDone, state::Error> {
    let fault = |e: mvcc::Error| state::Error::Inconsistent(e.to_string());
    Ok(match job {
        ReadJob::History(HistoryJob { view, pass }) => {
            let (changes, next) =
                mvcc::history(&view, pass.from, pass.to + 1, REVISIONS_PER_PASS_MAX).map_err(fault)?;
            ReadDone::History { pass, changes, next }
        }
        ReadJob::Range { tag, fetch } => ReadDone::Range { tag, reply: fetch.run()? },
        ReadJob::HashKv { tag, work } => ReadDone::HashKv { tag, hash: work.run().map_err(fault)? },
        ReadJob::Hash { tag, root } => {
            ReadDone::Hash { tag, hash: backend::hash(&root, HashScope::Comparable)? }
        }
        ReadJob::Image { tag, mut image } => {
            let mut chunks = Vec::new();
            while chunks.len() < IMAGE_CHUNKS_PER_JOB
                && let Some(chunk) = image.next()?
            {
                chunks.push(chunk);
            }
            ReadDone::Image { tag, image, chunks }
        }
    })
}
