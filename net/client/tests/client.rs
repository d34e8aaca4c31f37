//! The client against a server of its own making: what is sent again, what is not, and how loss and refusal look.

mod fake;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use client::lease::KeepAlive;
use client::queue::Ticket;
use client::watch::Watcher;
use client::{Call, Client, Code, Config, Error, Login, ServerStream, method};
use fake::{Fake, Reply};
use proto::etcdserverpb as pb;
use proto::mvccpb::{Event, KeyValue};
use tonic::Status;

/// An address nobody listens on: port 1 is reserved and below what tests may bind.
const DEAD: &str = "127.0.0.1:1";

fn config(endpoints: &[&str]) -> Config {
    Config { endpoints: endpoints.iter().map(|text| (*text).to_owned()).collect(), ..Config::default() }
}

async fn client(server: &Fake) -> Client {
    Client::connect(config(&[&server.address])).await.unwrap()
}

fn range() -> pb::RangeRequest {
    pb::RangeRequest { key: b"k"[..].into(), ..pb::RangeRequest::default() }
}

fn put() -> pb::PutRequest {
    pb::PutRequest { key: b"k"[..].into(), ..pb::PutRequest::default() }
}

fn within_reason() -> Call {
    Call::within(Duration::from_secs(30))
}

#[tokio::test]
async fn a_reading_call_is_repeated_until_the_server_is_back() {
    let calls = AtomicU32::new(0);
    let server = Fake::start(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0..3 => Reply::Fail(Status::unavailable("etcdserver: leader changed")),
        count => {
            Reply::message(&pb::RangeResponse { count: i64::from(count), ..pb::RangeResponse::default() })
        }
    })
    .await;
    let response = client(&server).await.call(&method::RANGE, within_reason(), range()).await.unwrap();
    assert_eq!(response.count, 3);
}

#[tokio::test]
async fn a_writing_call_is_made_once() {
    let server = Fake::start(|_| Reply::Fail(Status::unavailable("etcdserver: leader changed"))).await;
    let error = client(&server).await.call(&method::PUT, within_reason(), put()).await.unwrap_err();
    assert_eq!(error.to_string(), "etcdserver: leader changed");
    assert_eq!(server.calls(), ["/etcdserverpb.KV/Put"]);
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    let text = "etcdserver: mvcc: required revision has been compacted";
    let server = Fake::start(move |_| Reply::Fail(Status::out_of_range(text))).await;
    let error = client(&server).await.call(&method::RANGE, within_reason(), range()).await.unwrap_err();
    assert_eq!(error, Error::etcd(Code::OutOfRange, text));
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_passed_over() {
    let server = Fake::start(|_| Reply::message(&pb::PutResponse::default())).await;
    let client = Client::connect(config(&[DEAD, &server.address])).await.unwrap();
    for _ in 0..3 {
        client.call(&method::PUT, within_reason(), put()).await.unwrap();
    }
}

#[tokio::test]
async fn without_any_server_the_deadline_ends_the_call() {
    let client = Client::connect(config(&[DEAD])).await.unwrap();
    let error = client.call(&method::RANGE, Call::within(Duration::from_millis(20)), range()).await;
    assert_eq!(error.unwrap_err().to_string(), "context deadline exceeded");
}

#[tokio::test]
async fn a_lost_connection_fails_a_write_and_repeats_a_read() {
    let calls = AtomicU32::new(0);
    let server = Fake::start(move |request| match (request.path, calls.fetch_add(1, Ordering::Relaxed)) {
        ("/etcdserverpb.KV/Put", _) | (_, 0..2) => Reply::Hang,
        _ => Reply::message(&pb::RangeResponse::default()),
    })
    .await;
    let client = client(&server).await;
    let (write, ()) =
        tokio::join!(client.call(&method::PUT, within_reason(), put()), server.cut_connections_after(1));
    assert_eq!(
        write.unwrap_err().to_string(),
        "rpc error: code = Unavailable desc = error reading from server: EOF"
    );
    let (read, ()) =
        tokio::join!(client.call(&method::RANGE, within_reason(), range()), server.cut_connections_after(2));
    read.unwrap();
}

#[tokio::test]
async fn an_expired_token_is_renewed() {
    let logins = AtomicU32::new(0);
    let server = Fake::start(move |request| {
        if request.path == method::AUTHENTICATE.path {
            let token = format!("t{}", logins.fetch_add(1, Ordering::Relaxed));
            return Reply::message(&pb::AuthenticateResponse {
                token,
                ..pb::AuthenticateResponse::default()
            });
        }
        if request.token == "t1" {
            Reply::message(&pb::PutResponse::default())
        } else {
            Reply::Fail(Status::unauthenticated("etcdserver: invalid auth token"))
        }
    })
    .await;
    let login = Login::Password { user: "u".into(), password: "p".into() };
    let client = Client::connect(Config { login, ..config(&[&server.address]) }).await.unwrap();
    client.call(&method::PUT, within_reason(), put()).await.unwrap();
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn a_fixed_token_is_sent_and_never_renewed() {
    let server = Fake::start(|request| {
        assert_eq!((request.token, request.api_version), ("jwt", "3.7"));
        Reply::Fail(Status::unauthenticated("etcdserver: invalid auth token"))
    })
    .await;
    let config = Config { login: Login::Token("jwt".into()), ..config(&[&server.address]) };
    let client = Client::connect(config).await.unwrap();
    client.call(&method::PUT, within_reason(), put()).await.unwrap_err();
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn requests_and_responses_above_the_limits() {
    let server = Fake::start(|_| {
        let kvs = vec![KeyValue { value: vec![0; 100].into(), ..KeyValue::default() }];
        Reply::message(&pb::RangeResponse { kvs, ..pb::RangeResponse::default() })
    })
    .await;
    let config = Config { max_send_bytes: 10, max_recv_bytes: 50, ..config(&[&server.address]) };
    let client = Client::connect(config).await.unwrap();
    let large = pb::PutRequest { value: vec![0; 20].into(), ..put() };
    let error = client.call(&method::PUT, within_reason(), large).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "rpc error: code = ResourceExhausted desc = trying to send message larger than max (25 vs. 10)"
    );
    let error = client.call(&method::RANGE, within_reason(), range()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (104 vs. 50)"
    );
}

#[tokio::test]
async fn a_stream_is_opened_again_only_before_its_first_message() {
    let calls = AtomicU32::new(0);
    let part =
        |text: &'static [u8]| pb::SnapshotResponse { blob: text.into(), ..pb::SnapshotResponse::default() };
    let server = Fake::start(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::Fail(Status::unavailable("etcdserver: no leader")),
        _ => Reply::messages(&[part(b"a")], Some(Status::unavailable("etcdserver: server stopped"))),
    })
    .await;
    let client = client(&server).await;
    let mut stream = ServerStream::open(&client, &method::SNAPSHOT, within_reason(), pb::SnapshotRequest {})
        .await
        .unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().blob, b"a"[..]);
    assert_eq!(stream.next().await.unwrap_err().to_string(), "etcdserver: server stopped");
    assert_eq!(server.calls().len(), 2);
}

fn watch_answer(id: i64, revision: i64) -> pb::WatchResponse {
    let header = pb::ResponseHeader { revision, ..pb::ResponseHeader::default() };
    pb::WatchResponse { header: Some(header), watch_id: id, ..pb::WatchResponse::default() }
}

fn created(id: i64, revision: i64) -> pb::WatchResponse {
    pb::WatchResponse { created: true, ..watch_answer(id, revision) }
}

fn event(id: i64, mod_revision: i64) -> pb::WatchResponse {
    let kv = KeyValue { key: b"k"[..].into(), mod_revision, ..KeyValue::default() };
    let events = vec![Event { kv: Some(kv), ..Event::default() }];
    pb::WatchResponse { events, ..watch_answer(id, mod_revision) }
}

#[tokio::test]
async fn a_watch_goes_on_after_the_last_event_it_delivered() {
    let streams = AtomicU32::new(0);
    let server = Fake::start(move |request| {
        assert!(request.require_leader);
        let wanted: pb::WatchRequest = request.decode();
        let Some(pb::watch_request::RequestUnion::CreateRequest(create)) = wanted.request_union else {
            panic!("{wanted:?}")
        };
        let lost = Some(Status::unavailable("etcdserver: server stopped"));
        match (streams.fetch_add(1, Ordering::Relaxed), create.start_revision) {
            (0, 0) => Reply::messages(&[created(7, 4)], lost),
            (1, 4) => Reply::messages(&[created(0, 9), event(0, 5), event(0, 6)], lost),
            (2, 7) => Reply::messages(&[created(0, 9), event(0, 8)], Some(Status::ok(""))),
            other => panic!("{other:?}"),
        }
    })
    .await;
    let mut watcher = Watcher::new(&client(&server).await);
    watcher
        .create(pb::WatchCreateRequest { key: b"k"[..].into(), ..pb::WatchCreateRequest::default() })
        .await
        .unwrap();
    let mut revisions = Vec::new();
    for _ in 0..3 {
        let (number, notification) = watcher.next().await.unwrap();
        assert_eq!(number, 0);
        revisions.extend(notification.events.iter().map(|event| event.kv.as_ref().unwrap().mod_revision));
    }
    assert_eq!(revisions, [5, 6, 8]);
}

#[tokio::test]
async fn a_refused_watch_says_why_and_ends() {
    let server = Fake::start(|_| {
        let reason = "etcdserver: mvcc: required revision has been compacted".to_owned();
        let compacted = pb::WatchResponse { canceled: true, compact_revision: 3, ..watch_answer(0, 0) };
        let refused = pb::WatchResponse { canceled: true, cancel_reason: reason, ..created(-1, 1) };
        Reply::messages_and_wait(&[created(0, 1), compacted, refused])
    })
    .await;
    let mut watcher = Watcher::new(&client(&server).await);
    for _ in 0..2 {
        watcher.create(pb::WatchCreateRequest::default()).await.unwrap();
    }
    let (number, notification) = watcher.next().await.unwrap();
    assert_eq!((number, notification.compact_revision), (0, 3));
    let (number, notification) = watcher.next().await.unwrap();
    assert_eq!(number, 1);
    assert_eq!(
        notification.error().unwrap().to_string(),
        "etcdserver: mvcc: required revision has been compacted"
    );
    assert!(watcher.next().await.is_none());
}

#[tokio::test]
async fn keeping_alive_ends_with_the_lease() {
    let server = Fake::start(|request| {
        let wanted: pb::LeaseKeepAliveRequest = request.decode();
        assert_eq!(wanted.id, 5);
        Reply::messages_and_wait(&[pb::LeaseKeepAliveResponse { id: 5, ttl: 0, header: None }])
    })
    .await;
    let client = client(&server).await;
    assert!(KeepAlive::new(&client, 5).next().await.is_none());
    let error = client::lease::keep_alive_once(&client, within_reason(), 5).await.unwrap_err();
    assert_eq!(error.to_string(), "etcdserver: requested lease not found");
}

#[tokio::test]
async fn tls_endpoints_are_refused_until_tls_exists() {
    let error = Client::connect(config(&["https://127.0.0.1:1"])).await.unwrap_err();
    assert_eq!(error, Error::TlsUnsupported("https://127.0.0.1:1".into()));
}

#[tokio::test]
async fn a_ticket_waits_until_every_older_key_is_deleted() {
    let ranges = AtomicU32::new(0);
    let server = Fake::start(move |request| match request.path {
        "/etcdserverpb.KV/Txn" => {
            let header = pb::ResponseHeader { revision: 7, ..pb::ResponseHeader::default() };
            Reply::message(&pb::TxnResponse { header: Some(header), succeeded: true, responses: vec![] })
        }
        "/etcdserverpb.KV/Range" => {
            let wanted: pb::RangeRequest = request.decode();
            assert_eq!((wanted.max_create_revision, wanted.limit), (6, 1));
            let older = KeyValue { key: b"l/1"[..].into(), ..KeyValue::default() };
            let kvs = if ranges.fetch_add(1, Ordering::Relaxed) == 0 { vec![older] } else { vec![] };
            Reply::message(&pb::RangeResponse { kvs, ..pb::RangeResponse::default() })
        }
        _ => {
            let mut deletion = event(0, 9);
            deletion.events[0].r#type = 1;
            Reply::messages_and_wait(&[created(0, 8), event(0, 8), deletion])
        }
    })
    .await;
    let ticket = Ticket::draw(&client(&server).await, b"l", 10, b"").await.unwrap();
    assert_eq!((ticket.key.as_slice(), ticket.revision), (&b"l/a"[..], 7));
    assert!(ticket.wait_for_head().await.unwrap(), "there was an older key");
    let paths = server.calls();
    let names: Vec<&str> = paths.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["Txn", "Range", "Watch", "Range"]);
}
