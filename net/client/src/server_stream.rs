//! Responses of a call that has a stream of them.
//!
//! It never opens a stream again that carried something, nor one whose method is not repeatable.

use prost::Message;

use crate::call::Call;
use crate::client::{Client, MAX_ATTEMPTS};
use crate::error::Error;
use crate::method::ServerStreaming;
use crate::stream::Receiver;

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
    /// Opens the stream.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn open(
        client: &Client,
        method: &'static ServerStreaming<Req, Resp>,
        call: Call,
        request: Req,
    ) -> Result<Self, Error> {
        client.log_in(call).await?;
        let receiver = client.open(method, call, request.clone()).await?;
        Ok(ServerStream {
            client: client.clone(),
            method,
            call,
            request,
            receiver,
            carried: false,
            attempts: 1,
        })
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
            && self.attempts < MAX_ATTEMPTS
            && error.code() == Some(tonic::Code::Unavailable)
    }
}
