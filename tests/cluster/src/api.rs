//! Calls to one member, each of which ends in time and says what is known of it. It never repeats a call.

use client::method::{self, Bidirectional, Unary};
use prost::Message;
use proto::etcdserverpb as pb;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::Failure;
use crate::network::client_url;

/// No connection takes longer to open.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// How a call failed.
#[derive(Clone, Debug)]
pub enum Fault {
    /// There was no connection, so nothing was sent.
    NotSent(String),
    /// The member rejected it, and it has no effect.
    Refused(Status),
    /// It may or may not have had an effect, or have it later.
    Unknown(String),
}

/// A stream in each direction.
pub type Duplex<Req, Resp> = (mpsc::Sender<Req>, Streaming<Resp>);

/// A member's client port. One call at a time.
#[derive(Debug)]
pub struct Api {
    endpoint: Endpoint,
    channel: Option<Channel>,
    timeout: Duration,
}

impl Api {
    pub fn new(number: usize, timeout: Duration) -> Api {
        let endpoint =
            Endpoint::from_shared(client_url(number)).expect("a URL").connect_timeout(CONNECT_TIMEOUT);
        Api { endpoint: endpoint.tcp_nodelay(true), channel: None, timeout }
    }

    pub async fn call<Req, Resp>(&mut self, method: &Unary<Req, Resp>, request: Req) -> Result<Resp, Fault>
    where
        Req: Message + Default + 'static,
        Resp: Message + Default + 'static,
    {
        let channel = self.connect().await?;
        let call = async {
            let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let path = http_path(method.path);
            grpc.unary(Request::new(request), path, ProstCodec::<Req, Resp>::default()).await
        };
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.failed(status)),
            Err(_) => Err(self.late()),
        }
    }

    /// Watches everything from a revision on; the sender must be kept.
    pub async fn watch(
        &mut self,
        start_revision: i64,
    ) -> Result<Duplex<pb::WatchRequest, pb::WatchResponse>, Fault> {
        let (key, range_end) = (vec![0].into(), vec![0].into());
        let create = pb::WatchCreateRequest { key, range_end, start_revision, ..Default::default() };
        let union = pb::watch_request::RequestUnion::CreateRequest(create);
        self.open(&method::WATCH, pb::WatchRequest { request_union: Some(union) }).await
    }

    /// Renews a lease once.
    pub async fn keep_alive(&mut self, id: i64) -> Result<pb::LeaseKeepAliveResponse, Fault> {
        let (_sender, mut answers) =
            self.open(&method::LEASE_KEEP_ALIVE, pb::LeaseKeepAliveRequest { id }).await?;
        match tokio::time::timeout(self.timeout, answers.message()).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => Err(Fault::Unknown("the stream ended".to_owned())),
            Ok(Err(status)) => Err(self.failed(status)),
            Err(_) => Err(self.late()),
        }
    }

    async fn open<Req, Resp>(
        &mut self,
        method: &Bidirectional<Req, Resp>,
        first: Req,
    ) -> Result<Duplex<Req, Resp>, Fault>
    where
        Req: Message + Default + 'static,
        Resp: Message + Default + 'static,
    {
        let channel = self.connect().await?;
        let (sender, requests) = mpsc::channel(1);
        sender.try_send(first).expect("room for one");
        let call = async {
            let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let codec = ProstCodec::<Req, Resp>::default();
            grpc.streaming(Request::new(ReceiverStream::new(requests)), http_path(method.path), codec).await
        };
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => Ok((sender, answer.into_inner())),
            Ok(Err(status)) => Err(self.failed(status)),
            Err(_) => Err(self.late()),
        }
    }

    async fn connect(&mut self) -> Result<Channel, Fault> {
        if let Some(channel) = &self.channel {
            return Ok(channel.clone());
        }
        let connected = tokio::time::timeout(self.timeout, self.endpoint.connect()).await;
        match connected {
            Ok(Ok(channel)) => Ok(self.channel.insert(channel).clone()),
            Ok(Err(error)) => Err(Fault::NotSent(deepest(&error))),
            Err(_) => Err(Fault::NotSent("no connection in time".to_owned())),
        }
    }

    fn late(&mut self) -> Fault {
        self.channel = None;
        Fault::Unknown("no answer in time".to_owned())
    }

    fn failed(&mut self, status: Status) -> Fault {
        use Code::{
            AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, OutOfRange, ResourceExhausted,
        };
        let rejections =
            [AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, OutOfRange, ResourceExhausted];
        if rejections.contains(&status.code()) {
            return Fault::Refused(status);
        }
        self.channel = None;
        Fault::Unknown(format!("{}: {}", status.code(), status.message()))
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        match fault {
            Fault::NotSent(text) | Fault::Unknown(text) => text,
            Fault::Refused(status) => format!("{}: {}", status.code(), status.message()),
        }
    }
}

fn http_path(path: &'static str) -> tonic::codegen::http::uri::PathAndQuery {
    tonic::codegen::http::uri::PathAndQuery::from_static(path)
}

/// The cause below an error's general words.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
