//! The two halves of a stream.
//!
//! They never open a stream again.

use tokio::sync::mpsc;
use tonic::Streaming;

use crate::error::Error;
use crate::lane::Lane;

/// Requests that may wait for the transport on one stream; more is refused to the sender as backpressure.
pub const STREAM_QUEUE: usize = 64;

/// The receiving half of a stream.
pub struct Receiver<Resp> {
    lane: Lane,
    inner: Streaming<Resp>,
}

impl<Resp> Receiver<Resp> {
    pub(crate) fn new(lane: Lane, inner: Streaming<Resp>) -> Self {
        Receiver { lane, inner }
    }

    /// The next message, `None` when the server ended the stream well.
    ///
    /// # Errors
    /// What the server said, or that the connection or the deadline was lost.
    pub async fn next(&mut self) -> Result<Option<Resp>, Error> {
        match self.lane.call.bound(self.inner.message()).await? {
            Ok(message) => Ok(message),
            Err(status) => Err(self.lane.error(&status)),
        }
    }
}

/// The sending half of a bidirectional stream. Dropping it ends that direction.
#[derive(Debug, Clone)]
pub struct Sender<Req> {
    queue: mpsc::Sender<Req>,
}

impl<Req> Sender<Req> {
    pub(crate) fn new(queue: mpsc::Sender<Req>) -> Self {
        Sender { queue }
    }

    /// Queues a request; waits while [`STREAM_QUEUE`] are unsent. A closed stream swallows it: the receiving half
    /// tells why it closed.
    pub async fn send(&self, request: Req) {
        let _closed = self.queue.send(request).await;
    }
}
