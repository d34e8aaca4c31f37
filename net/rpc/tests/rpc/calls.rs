//! tonic's client: every kind of call.

use crate::echo::Echo;
use bytes::{Buf, BufMut, Bytes};
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint},
};

/// Messages as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

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
    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}

async fn connect(echo: &Echo) -> Grpc<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", echo.address)).unwrap();
    grpc(endpoint.connect().await.unwrap())
}

fn grpc(channel: Channel) -> Grpc<Channel> {
    Grpc::new(channel).max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX)
}

fn path(name: &str) -> PathAndQuery {
    format!("/echo.Echo/{name}").parse().unwrap()
}

async fn unary(client: &mut Grpc<Channel>, name: &str, request: Request<Bytes>) -> Result<Bytes, Status> {
    client.ready().await.unwrap();
    client.unary(request, path(name), Raw).await.map(tonic::Response::into_inner)
}

fn noise(length: usize) -> Bytes {
    (0..length).map(|at| ((at * at) >> 7) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unary_calls_of_all_sizes() {
    let echo = Echo::start();
    let mut client = connect(&echo).await;
    for length in [0, 1, 300, 16_379, 16_380, 70_000, 2 << 20] {
        let body = noise(length);
        assert_eq!(unary(&mut client, "Unary", Request::new(body.clone())).await.unwrap(), body, "{length}");
    }
    let too_large = unary(&mut client, "Unary", Request::new(noise((2 << 20) + 1))).await.unwrap_err();
    assert_eq!(too_large.code(), Code::ResourceExhausted);
    assert_eq!(too_large.message(), "grpc: received message larger than max (2097153 vs. 2097152)");
    assert_eq!(unary(&mut client, "Unary", Request::new(noise(9))).await.unwrap(), noise(9), "it goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_carry_code_and_text() {
    let echo = Echo::start();
    let mut client = connect(&echo).await;
    let text = "100% \u{e4}rger\nzwei";
    let failed = unary(&mut client, "Fail", Request::new(Bytes::from(text))).await.unwrap_err();
    assert_eq!((failed.code(), failed.message()), (Code::FailedPrecondition, text));
    let long = "x".repeat(40_000);
    let failed = unary(&mut client, "Fail", Request::new(Bytes::from(long.clone()))).await;
    assert!(failed.is_err(), "whether the client takes 40 kB of headers is its affair");
    let mut client = connect(&echo).await;
    let unknown = unary(&mut client, "Nope", Request::new(Bytes::new())).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert_eq!(unknown.message(), "unknown method Nope for service echo.Echo");
    client.ready().await.unwrap();
    let unknown = client.unary(Request::new(Bytes::new()), "/a.B/C".parse().unwrap(), Raw).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::Unimplemented, "unknown service a.B"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_calls() {
    let echo = Echo::start();
    let mut client = connect(&echo).await;

    let messages = tokio_stream::iter((0..1000).map(|_| noise(1000)));
    client.ready().await.unwrap();
    let sum = client.client_streaming(Request::new(messages), path("Count"), Raw).await.unwrap().into_inner();
    assert_eq!(u64::from_be_bytes(sum[..].try_into().unwrap()), 1_000_000);

    let mut request = Request::new(noise(50_000));
    request.metadata_mut().insert("times", "400".parse().unwrap());
    client.ready().await.unwrap();
    let mut many = client.server_streaming(request, path("Many"), Raw).await.unwrap().into_inner();
    let mut count = 0;
    while let Some(message) = many.message().await.unwrap() {
        assert_eq!(message, noise(50_000));
        count += 1;
    }
    assert_eq!(count, 400);

    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(receiver);
    client.ready().await.unwrap();
    sender.send(noise(0)).await.unwrap();
    let mut chat = client.streaming(Request::new(outgoing), path("Chat"), Raw).await.unwrap().into_inner();
    assert_eq!(chat.message().await.unwrap().unwrap(), noise(0));
    for length in [1, 20_000, 2 << 20, 5] {
        sender.send(noise(length)).await.unwrap();
        assert_eq!(chat.message().await.unwrap().unwrap(), noise(length));
    }
    drop(sender);
    assert!(chat.message().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_on_one_connection() {
    let echo = Echo::start();
    let client = connect(&echo).await;
    let calls: Vec<_> = (0..1000)
        .map(|at| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let body = noise(at * 37 % 5000);
                assert_eq!(unary(&mut client, "Unary", Request::new(body.clone())).await.unwrap(), body);
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_chats_at_once() {
    let echo = Echo::start();
    let client = connect(&echo).await;
    let mut chats = Vec::new();
    for _ in 0..1000 {
        let mut client = client.clone();
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(receiver);
        client.ready().await.unwrap();
        sender.send(noise(3)).await.unwrap();
        let chat = client.streaming(Request::new(outgoing), path("Chat"), Raw).await.unwrap().into_inner();
        chats.push((sender, chat));
    }
    for (sender, chat) in &mut chats {
        assert_eq!(chat.next().await.unwrap().unwrap(), noise(3));
        sender.send(noise(40)).await.unwrap();
    }
    for (sender, mut chat) in chats {
        assert_eq!(chat.next().await.unwrap().unwrap(), noise(40));
        drop(sender);
        assert!(chat.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_calls_are_reported_gone() {
    let echo = Echo::start();
    let mut client = connect(&echo).await;
    let mut request = Request::new(noise(10));
    request.set_timeout(Duration::from_millis(30));
    let error = unary(&mut client, "Never", request).await.unwrap_err();
    assert!(matches!(error.code(), Code::Cancelled | Code::DeadlineExceeded), "{error:?}");
    echo.wait("one call gone", |seen| seen.gone.len() == 1);
    assert_eq!(echo.seen.lock().unwrap().metadata[0].timeout, Some(Duration::from_millis(30)));

    let never = tokio::spawn({
        let mut client = client.clone();
        async move { unary(&mut client, "Never", Request::new(noise(10))).await }
    });
    echo.wait("the second call", |seen| seen.metadata.len() == 2);
    drop(client);
    never.abort();
    echo.wait("the second call gone", |seen| seen.gone.len() == 2);
    echo.wait("no connection", |seen| seen.connections == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_arrives_raw() {
    let echo = Echo::start();
    let mut client = connect(&echo).await;
    for _ in 0..3 {
        let mut request = Request::new(noise(1));
        let metadata = request.metadata_mut();
        metadata.insert("token", "abc.1".parse().unwrap());
        metadata.append("token", "abc.2".parse().unwrap());
        metadata.insert_bin("key-bin", tonic::metadata::MetadataValue::from_bytes(b"\0\xff"));
        unary(&mut client, "Unary", request).await.unwrap();
    }
    for metadata in &echo.seen.lock().unwrap().metadata {
        let mut headers: Vec<_> =
            metadata.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        headers.sort();
        assert_eq!(headers, [(&b"key-bin"[..], &b"AP8"[..]), (b"token", b"abc.1"), (b"token", b"abc.2")]);
        assert!(metadata.peer.is_some_and(|peer| peer.ip().is_loopback()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gzip_is_answered_with_gzip() {
    let echo = Echo::start();
    let mut client = connect(&echo)
        .await
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    client.ready().await.unwrap();
    let body = noise(100_000);
    let response = client.unary(Request::new(body.clone()), path("Unary"), Raw).await.unwrap();
    assert_eq!(response.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(response.into_inner(), body);
    client.ready().await.unwrap();
    let bomb = Request::new(Bytes::from(vec![0; 3 << 20]));
    let error = client.unary(bomb, path("Unary"), Raw).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted);
    assert_eq!(error.message(), "grpc: received message after decompression larger than max 2097152");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_server_finishes_open_calls() {
    let echo = Echo::start();
    let mut client = connect(&echo).await;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let outgoing = tokio_stream::wrappers::ReceiverStream::new(receiver);
    client.ready().await.unwrap();
    sender.send(noise(1)).await.unwrap();
    let mut chat = client.streaming(Request::new(outgoing), path("Chat"), Raw).await.unwrap().into_inner();
    assert!(chat.message().await.unwrap().is_some());
    echo.drain();
    sender.send(noise(2)).await.unwrap();
    assert_eq!(chat.message().await.unwrap().unwrap(), noise(2));
    assert!(!echo.seen.lock().unwrap().drained);
    drop(sender);
    assert!(chat.message().await.unwrap().is_none());
    echo.wait("drained", |seen| seen.drained);
    echo.wait("no connection", |seen| seen.connections == 0);
}
