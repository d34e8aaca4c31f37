//! RangeStream: the answer of a range in chunks whose size follows the encoded size of the one before.
//!
//! Every chunk is found anew from the key behind the last one, at the revision the first chunk saw; a compaction in
//! between refuses the rest. The index behind the limit is walked once, at the end, for the count.

use super::{
    fetch::{RangeFetch, finish, needs_rows},
    reply::RangeReply,
    task::{FETCH_INLINE_MAX, KEYS_PER_TURN_MAX},
};
use crate::{Failure, State};
use bytes::{BufMut, Bytes, BytesMut};
use mvcc::{KeyRange, Scan};
use proto::etcdserverpb::RangeRequest;

/// Keys of the first chunk.
const FIRST_CHUNK_KEYS: usize = 10;

/// A stream that has begun. It pins nothing between steps but while [`StreamStep::Again`] is answered; one that is
/// given up must be ended with [`State::end_stream`].
#[derive(Debug)]
pub struct RangeStream {
    request: RangeRequest,
    /// The store's revision when the stream began.
    header_revision: i64,
    /// Keys of the next chunk, as far as the limit allows.
    chunk_keys: usize,
    /// `--max-request-bytes`: chunks are steered to between half and twice this.
    target_bytes: usize,
    sent: i64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Looking for the next chunk; the keys found so far in `scan`.
    Chunk(Option<Scan>),
    /// The limit is reached: counting what is left, then the last chunk.
    Count(Scan, Found),
    Over,
}

/// A chunk whose keys are found.
#[derive(Debug)]
struct Found {
    keys: Vec<mvcc::KeyInfo>,
}

/// What a step gave.
#[derive(Debug)]
pub enum StreamStep {
    /// Not through yet: step again.
    Again,
    /// A message: [`RangeReply::encode_body`] unless it is the last, which has the header.
    Chunk { reply: RangeReply, last: bool },
    /// As [`StreamStep::Chunk`], values still to be fetched on a reader thread.
    Fetch { fetch: RangeFetch, last: bool },
}

impl State {
    /// Begins a stream of a request that [`super::check::range_stream`] let through.
    pub fn begin_stream(
        &mut self,
        mut request: RangeRequest,
        target_bytes: usize,
    ) -> Result<RangeStream, Failure> {
        request.revision = self.mvcc.readable(request.revision)?;
        // A negative limit is none, and is not chunked.
        let chunk_keys = if request.limit < 0 || request.count_only { usize::MAX } else { FIRST_CHUNK_KEYS };
        Ok(RangeStream {
            request,
            header_revision: self.mvcc.revision(),
            chunk_keys,
            target_bytes,
            sent: 0,
            phase: Phase::Chunk(None),
        })
    }

    /// The next message, or a turn towards it. The last one says so.
    pub fn step_stream(&mut self, stream: &mut RangeStream) -> Result<StreamStep, Failure> {
        match std::mem::replace(&mut stream.phase, Phase::Over) {
            Phase::Chunk(scan) => self.step_chunk(stream, scan),
            Phase::Count(scan, found) => self.step_count(stream, scan, found),
            Phase::Over => panic!("a stream is not stepped after its last message"),
        }
    }

    /// Gives a stream up.
    pub fn end_stream(&mut self, stream: &mut RangeStream) {
        match std::mem::replace(&mut stream.phase, Phase::Over) {
            Phase::Chunk(Some(scan)) | Phase::Count(scan, _) => self.mvcc.end_scan(&scan),
            Phase::Chunk(None) | Phase::Over => {}
        }
    }

    fn step_chunk(&mut self, stream: &mut RangeStream, scan: Option<Scan>) -> Result<StreamStep, Failure> {
        let request = &stream.request;
        let mut scan = match scan {
            Some(scan) => scan,
            None => self.mvcc.begin_scan(stream.rest(), request.revision, 0, request.count_only)?,
        };
        let wanted = stream.wanted();
        // One key beyond the chunk tells whether it is the last.
        let turn = wanted.saturating_add(1).saturating_sub(scan.found.len()).min(KEYS_PER_TURN_MAX);
        self.mvcc.step_scan(&mut scan, turn);
        if !scan.done && (request.count_only || scan.found.len() <= wanted) {
            stream.phase = Phase::Chunk(Some(scan));
            return Ok(StreamStep::Again);
        }
        self.mvcc.end_scan(&scan);
        let mut keys = std::mem::take(&mut scan.found);
        let beyond = keys.len() > wanted;
        keys.truncate(wanted);
        let count = stream.sent + keys.len() as i64;
        if !beyond {
            let count = if request.count_only { scan.count } else { count };
            return self.chunk(stream, Found { keys }, Some((false, count)));
        }
        let limit_reached = request.limit > 0 && count == request.limit;
        if !limit_reached {
            return self.chunk(stream, Found { keys }, None);
        }
        let rest = stream.after(keys.last().map(|info| &info.key));
        let counting = self.mvcc.begin_scan(rest, request.revision, 0, true)?;
        stream.phase = Phase::Count(counting, Found { keys });
        Ok(StreamStep::Again)
    }

    fn step_count(
        &mut self,
        stream: &mut RangeStream,
        mut scan: Scan,
        found: Found,
    ) -> Result<StreamStep, Failure> {
        self.mvcc.step_scan(&mut scan, KEYS_PER_TURN_MAX);
        if !scan.done {
            stream.phase = Phase::Count(scan, found);
            return Ok(StreamStep::Again);
        }
        self.mvcc.end_scan(&scan);
        let count = stream.sent + found.keys.len() as i64 + scan.count;
        self.chunk(stream, found, Some((true, count)))
    }

    /// Makes a message of found keys. `last`: more and count, for the message that ends the stream.
    fn chunk(
        &mut self,
        stream: &mut RangeStream,
        found: Found,
        last: Option<(bool, i64)>,
    ) -> Result<StreamStep, Failure> {
        let keys = found.keys;
        let (more, count) = last.unwrap_or((false, 0));
        let reply = RangeReply { revision: stream.header_revision, kvs: Vec::new(), more, count };
        let last = last.is_some();
        stream.sent += keys.len() as i64;
        if !last {
            stream.request.key = successor(&keys[keys.len() - 1].key);
            stream.phase = Phase::Chunk(None);
        }
        if needs_rows(&stream.request) && keys.len() > FETCH_INLINE_MAX {
            let request = stream.request.clone();
            let fetch = RangeFetch { request, found: keys, reply, view: self.buffer.view() };
            return Ok(StreamStep::Fetch { fetch, last });
        }
        let reply = finish(&stream.request, &keys, reply, |revision| self.row(revision))?;
        Ok(StreamStep::Chunk { reply, last })
    }
}

impl RangeStream {
    /// Steers the next chunk by the size of the one just encoded.
    pub fn sent_bytes(&mut self, bytes: usize) {
        if self.chunk_keys == usize::MAX {
            return;
        }
        if bytes < self.target_bytes / 2 {
            self.chunk_keys = self.chunk_keys.saturating_mul(2).min(usize::MAX / 2);
        } else if bytes > self.target_bytes.saturating_mul(2) {
            self.chunk_keys = (self.chunk_keys / 2).max(1);
        }
    }

    /// Keys of the next chunk.
    fn wanted(&self) -> usize {
        if self.request.limit <= 0 {
            return self.chunk_keys;
        }
        let left = usize::try_from(self.request.limit - self.sent).unwrap_or(usize::MAX);
        self.chunk_keys.min(left)
    }

    fn rest(&self) -> KeyRange {
        KeyRange::new(self.request.key.clone(), self.request.range_end.clone())
    }

    /// The range behind a key of it.
    fn after(&self, key: Option<&Bytes>) -> KeyRange {
        match key {
            Some(key) => KeyRange::new(successor(key), self.request.range_end.clone()),
            None => self.rest(),
        }
    }
}

/// The next possible key.
fn successor(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.put_u8(0);
    next.freeze()
}
