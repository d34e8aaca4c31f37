//! gRPC calls whose messages are bytes. It knows no message type.

use bytes::{Buf, BufMut, Bytes};
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataKey;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// No awaited message may take longer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a script cannot go on.
pub type Failure = String;

/// Message, or how the stream ended.
pub type Item = Result<Bytes, Status>;

pub async fn client(channel: &Channel) -> Result<tonic::client::Grpc<Channel>, Failure> {
    let mut grpc = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(usize::MAX);
    grpc.ready().await.map_err(|e| e.to_string())?;
    Ok(grpc)
}

pub async fn unary(
    channel: &Channel,
    to: &str,
    metadata: &[(String, String)],
    body: Bytes,
) -> Result<Bytes, Status> {
    let mut grpc = client(channel).await.map_err(Status::unavailable)?;
    let request = request(metadata, body).map_err(Status::internal)?;
    let answer = grpc.unary(request, path(to).map_err(Status::internal)?, Raw);
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::unknown("the test waited too long")),
    }
}

pub fn path(text: &str) -> Result<tonic::codegen::http::uri::PathAndQuery, Failure> {
    text.parse().map_err(|_| format!("{text} is no path"))
}

pub fn request<T>(metadata: &[(String, String)], body: T) -> Result<Request<T>, Failure> {
    let mut request = Request::new(body);
    for (name, value) in metadata {
        let key = MetadataKey::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
        request.metadata_mut().append(key, value.parse().map_err(|_| "metadata is ASCII")?);
    }
    Ok(request)
}

/// Carries a stream's messages into `items`, and at last its status.
pub async fn pump(
    channel: Channel,
    path: tonic::codegen::http::uri::PathAndQuery,
    request: Request<Requests>,
    items: mpsc::Sender<Item>,
) {
    let end = async {
        let mut grpc = client(&channel).await.map_err(Status::unavailable)?;
        let mut messages = grpc.streaming(request, path, Raw).await?.into_inner();
        while let Some(body) = messages.message().await? {
            if items.send(Ok(body)).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    let status = end.await.err().unwrap_or_else(|| Status::new(tonic::Code::Ok, ""));
    // Nobody listens any more if the step that opened the stream has dropped it.
    let _ = items.send(Err(status)).await;
}

/// Requests of a stream: a first one, then what the script sends.
#[derive(Debug)]
pub struct Requests {
    pub first: Option<Bytes>,
    pub rest: mpsc::Receiver<Bytes>,
}

impl tonic::codegen::tokio_stream::Stream for Requests {
    type Item = Bytes;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Bytes>> {
        match self.first.take() {
            Some(first) => std::task::Poll::Ready(Some(first)),
            None => self.rest.poll_recv(context),
        }
    }
}

/// Messages as bytes.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw
    }
    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}
