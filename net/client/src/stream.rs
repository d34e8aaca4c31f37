//! Streams of responses, and of requests, of one RPC.
//!
//! It never reopens a stream that carried something; only a repeatable server stream that broke before its first
//! message is opened again.

use prost::Message;
use tokio::sync::mpsc;
use tonic::Streaming;

use crate::balancer::Picked;
use crate::client::{Call, Client};
use crate::error::Error;
use crate::method::ServerStreaming;

/// Requests that may wait for the transport on one stream; more is refused to the sender as backpressure.
pub const STREAM_QUEUE: usize = 64;

/// The responses of a server-streaming call.
pub struct ServerStream<Req: 'static, Resp: 'static> {
    client: Client,
    method: &'static ServerStreaming<Req, Resp>,
    call: Call,
    request: Req,
    receiver: Receiver<Resp>,
    /// A message arrived, so opening again would repeat or lose some.
    carried: bool,
    attempts: u32,
}

impl<Req, Resp> ServerStream<Req, Resp>
where
    Req: Message + Clone + Default + 'static,
    Resp: Message + Default + 'static,
{
    pub(crate) fn new(
        client: Client,
        method: &'static ServerStreaming<Req, Resp>,
        call: Call,
        request: Req,
        receiver: Receiver<Resp>,
    ) -> Self {
        ServerStream { client, method, call, request, receiver, carried: false, attempts: 1 }
    }

    /// The next response, `None` at the end.
    ///
    /// # Errors
    /// What the server said, or that the connection or the deadline was lost.
    pub async fn next(&mut self) -> Result<Option<Resp>, Error> {
        loop {
            match self.receiver.next().await {
                Ok(message) => {
                    self.carried = true;
                    return Ok(message);
                }
                Err(error) if self.may_reopen(&error) => {
                    self.client.pause_before(self.attempts, self.call).await?;
                    self.attempts += 1;
                    self.receiver = self.client.open(self.method, self.call, self.request.clone()).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn may_reopen(&self, error: &Error) -> bool {
        self.method.repeatable
            && !self.carried
            && self.attempts < crate::MAX_ATTEMPTS
            && error.code() == Some(tonic::Code::Unavailable)
    }
}

/// The receiving half of a stream.
pub struct Receiver<Resp> {
    client: Client,
    picked: Picked,
    call: Call,
    inner: Streaming<Resp>,
}

impl<Resp> Receiver<Resp> {
    pub(crate) fn new(client: Client, picked: Picked, call: Call, inner: Streaming<Resp>) -> Self {
        Receiver { client, picked, call, inner }
    }

    /// The next message, `None` when the server ended the stream well.
    ///
    /// # Errors
    /// What the server said, or that the connection or the deadline was lost.
    pub async fn next(&mut self) -> Result<Option<Resp>, Error> {
        match self.call.bound(self.inner.message()).await? {
            Ok(message) => Ok(message),
            Err(status) => Err(self.client.status_error(&self.picked, self.call, &status)),
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
