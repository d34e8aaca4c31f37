//! A gRPC server that answers every method through one closure, on raw messages.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Frames of one response that may wait to be sent.
const FRAMES: usize = 16;

pub struct Fake {
    pub address: String,
    state: Arc<State>,
    /// Raised to end all open connections.
    cut: watch::Sender<u32>,
}

struct State {
    calls: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
    stopped: AtomicBool,
    answer: Box<dyn Fn(&Call) -> Reply + Send + Sync>,
}

/// One request, its first message and the metadata that tests look at.
pub struct Call<'a> {
    pub path: &'a str,
    pub token: &'a str,
    pub api_version: &'a str,
    pub require_leader: bool,
    message: Bytes,
}

impl Call<'_> {
    pub fn decode<M: Message + Default>(&self) -> M {
        M::decode(self.message.clone()).unwrap()
    }
}

pub enum Reply {
    Messages {
        messages: Vec<Vec<u8>>,
        end: Option<Status>,
    },
    Fail(Status),
    /// Never answers.
    Hang,
}

impl Reply {
    pub fn message(message: &impl Message) -> Reply {
        Reply::Messages { messages: vec![message.encode_to_vec()], end: Some(Status::ok("")) }
    }

    pub fn messages(messages: &[impl Message], end: Option<Status>) -> Reply {
        Reply::Messages { messages: messages.iter().map(Message::encode_to_vec).collect(), end }
    }

    /// Leaves the stream open.
    pub fn messages_and_wait(messages: &[impl Message]) -> Reply {
        Reply::messages(messages, None)
    }
}

impl Fake {
    pub async fn start(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            calls: Mutex::default(),
            count: watch::channel(0).0,
            stopped: AtomicBool::new(false),
            answer: Box::new(answer),
        });
        let (cut, cuts) = watch::channel(0);
        tokio::spawn(accept(listener, state.clone(), cuts));
        Fake { address, state, cut }
    }

    /// Paths of the calls so far.
    pub fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Ends all connections once this many calls have arrived.
    pub async fn cut_connections_after(&self, calls: usize) {
        self.state.count.subscribe().wait_for(|count| *count >= calls).await.unwrap();
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, cuts: watch::Receiver<u32>) {
    while let Ok((stream, _)) = listener.accept().await {
        if state.stopped.load(Ordering::Relaxed) {
            return;
        }
        let service = Service(state.clone());
        let mut cuts = cuts.clone();
        cuts.mark_unchanged();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(
                TokioIo::new(stream),
                hyper_util::service::TowerToHyperService::new(service),
            );
            tokio::select! {
                _ = connection => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

type Body = StreamBody<ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

#[derive(Clone)]
struct Service(Arc<State>);

impl tower::Service<Request<hyper::body::Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<hyper::body::Incoming>) -> Self::Future {
        let state = self.0.clone();
        Box::pin(async move { Ok(state.respond(request).await) })
    }
}

impl State {
    async fn respond(&self, mut request: Request<hyper::body::Incoming>) -> Response<Body> {
        let message = first_message(request.body_mut()).await;
        let header = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap());
        let path = request.uri().path();
        self.calls.lock().unwrap().push(path.to_owned());
        let call = Call {
            path,
            token: header("token"),
            api_version: header("client-api-version"),
            require_leader: header("hasleader") == "true",
            message,
        };
        let reply = (self.answer)(&call);
        self.count.send_modify(|count| *count += 1);
        let (sender, frames) = mpsc::channel(FRAMES);
        let (messages, end) = match reply {
            Reply::Messages { messages, end } => (messages, end),
            Reply::Fail(status) => (Vec::new(), Some(status)),
            Reply::Hang => std::future::pending().await,
        };
        for message in messages {
            sender.send(Ok(Frame::data(frame(&message)))).await.unwrap();
        }
        match end {
            Some(status) => sender.send(Ok(Frame::trailers(trailers(&status)))).await.unwrap(),
            None => drop(tokio::spawn(async move { sender.closed().await })),
        }
        let mut response = Response::new(StreamBody::new(ReceiverStream::new(frames)));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        response
    }
}

/// The first message of a body that need not end.
async fn first_message(body: &mut hyper::body::Incoming) -> Bytes {
    let mut bytes = Vec::new();
    loop {
        if let Some(length) = bytes.get(1..5) {
            let length = u32::from_be_bytes(<[u8; 4]>::try_from(length).unwrap()) as usize;
            if bytes.len() >= 5 + length {
                return bytes[5..5 + length].to_vec().into();
            }
        }
        let frame = body.frame().await.unwrap().unwrap();
        bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
}

fn frame(message: &[u8]) -> Bytes {
    let mut out = vec![0];
    out.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    out.extend_from_slice(message);
    out.into()
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(i32::from(status.code())));
    trailers.insert("grpc-message", HeaderValue::from_str(status.message()).unwrap());
    trailers
}
