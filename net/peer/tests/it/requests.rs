//! Requests that are none of raft's: handed up and answered, and asked of others.

use crate::party::Party;
use bytes::Bytes;
use peer::{Answer, Event, HttpResponse, Request, RequestError};
use std::{net::TcpListener, time::Duration};

fn request(token: u64, urls: Vec<String>, path: &str) -> Request {
    Request {
        token,
        urls,
        method: "POST",
        path: path.into(),
        headers: vec![("Authorization", "token".into())],
        body: Bytes::from_static(b"body"),
        timeout: Duration::from_secs(60),
        response_bytes_max: 1 << 20,
    }
}

fn response(party: &Party) -> (u64, Result<Answer, RequestError>) {
    party.wait("a response", |event| match event {
        Event::Response { token, result } => Some((token, result)),
        _ => None,
    })
}

/// Answers the next request.
fn answer(party: &Party, status: u16, body: Vec<u8>) -> peer::HttpRequest {
    let (id, request) = party.wait("a request", |event| match event {
        Event::Http { id, request } => Some((id, request)),
        _ => None,
    });
    let headers = vec![("X-Etcd-Cluster-ID", "c0ffee".to_owned())];
    party.transport.respond(id, HttpResponse { status, headers, body: body.into() });
    request
}

#[test]
fn urls_are_tried_in_turn_and_any_status_counts() {
    let (asker, other) = (Party::start(1), Party::start(2));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for token in 1..=3 {
        let urls = vec!["nonsense".into(), format!("http://{gone}"), other.url()];
        asker.transport.request(request(token, urls, "/leases?x=y"));
        let got = answer(&other, 404, b"lease not found\n".to_vec());
        assert_eq!((got.method.as_str(), got.path.as_str(), got.query.as_str()), ("POST", "/leases", "x=y"));
        assert_eq!(&got.body[..], b"body");
        assert!(got.headers.contains(&("Authorization".into(), Bytes::from_static(b"token"))));
        let (got, result) = response(&asker);
        let result = result.unwrap();
        assert_eq!((got, result.status, &result.body[..]), (token, 404, &b"lease not found\n"[..]));
        assert_eq!(result.header("x-etcd-cluster-id"), Some("c0ffee"));
    }
}

#[test]
fn requests_end_in_every_case() {
    let (asker, other) = (Party::start(1), Party::start(2));
    asker.transport.request(request(1, Vec::new(), "/"));
    assert_eq!(response(&asker), (1, Err(RequestError::Failed("no valid urls given".into()))));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    asker.transport.request(request(2, vec![format!("http://{gone}")], "/"));
    let refused = format!("dial tcp {gone}: connect: connection refused");
    assert_eq!(response(&asker), (2, Err(RequestError::Failed(refused))));
    asker.transport.request(Request {
        timeout: Duration::from_millis(50),
        ..request(3, vec![other.url()], "/never-answered")
    });
    assert_eq!(response(&asker), (3, Err(RequestError::TimedOut)));
    asker.transport.request(Request { response_bytes_max: 10, ..request(4, vec![other.url(); 2], "/large") });
    while answer(&other, 200, vec![0; 1000]).path != "/large" {}
    assert_eq!(response(&asker), (4, Err(RequestError::TooLarge)));
    for token in 0..peer::REQUESTS_MAX as u64 + 1 {
        let silent = request(token, vec![other.url()], "/never-answered");
        asker.transport.request(Request { timeout: Duration::from_millis(200), ..silent });
    }
    let mut ends: Vec<_> = (0..=peer::REQUESTS_MAX).map(|_| response(&asker)).collect();
    ends.sort_by_key(|(token, _)| *token);
    assert!(ends.iter().enumerate().all(|(index, (token, _))| index as u64 == *token));
    assert_eq!(ends.last().unwrap().1, Err(RequestError::TooMany));
}
