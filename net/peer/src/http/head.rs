//! Heads of requests and responses: read with `httparse`, written by hand.
//!
//! It never accepts what two readers could understand differently: two lengths, a length beside chunks.

use super::{Body, Broken, Framing, find};
use bytes::{Buf, Bytes, BytesMut};
use rpc::{HttpRequest, HttpResponse};
use std::fmt::Write;

/// A whole head, in bytes. Go's server allows 1 MiB; no member sends more than a few hundred bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;

/// A request up to its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    /// The connection serves nothing after this.
    pub(crate) close: bool,
    pub(crate) expects_continue: bool,
}

impl RequestHead {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn into_request(self, body: Bytes) -> HttpRequest {
        let headers = self.headers.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();
        HttpRequest { method: self.method, path: self.path, query: self.query, headers, body }
    }
}

/// A response up to its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    pub(crate) close: bool,
}

impl ResponseHead {
    pub(crate) fn body(&self) -> Body {
        Body::new(self.framing)
    }
}

/// Takes a request's head out of the buffer once it is whole.
pub(crate) fn request_head(input: &mut BytesMut) -> Result<Option<RequestHead>, Broken> {
    let mut space = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut space);
    let Some(length) = whole(parsed.parse(input), input)? else { return Ok(None) };
    let old = parsed.version == Some(0);
    let fields = Fields::read(parsed.headers)?;
    if old && fields.chunked {
        return Err(Broken::Unsupported);
    }
    let target = parsed.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let head = RequestHead {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        framing: if fields.chunked { Framing::Chunked } else { Framing::Length(fields.length.unwrap_or(0)) },
        close: fields.close || old && !fields.keep,
        expects_continue: fields.expects_continue,
        headers: fields.headers,
    };
    input.advance(length);
    Ok(Some(head))
}

/// Takes a response's head out of the buffer once it is whole. Interim ones (1xx) are skipped.
pub(crate) fn response_head(input: &mut BytesMut) -> Result<Option<ResponseHead>, Broken> {
    loop {
        let mut space = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut space);
        let Some(length) = whole(parsed.parse(input), input)? else { return Ok(None) };
        let old = parsed.version == Some(0);
        let status = parsed.code.ok_or(Broken::Malformed)?;
        let fields = Fields::read(parsed.headers)?;
        input.advance(length);
        if status < 200 {
            continue;
        }
        let framing = match (status, fields.chunked, fields.length) {
            (204 | 304, ..) => Framing::Length(0),
            (_, true, _) => Framing::Chunked,
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::UntilClose,
        };
        let close = fields.close || old && !fields.keep || framing == Framing::UntilClose;
        return Ok(Some(ResponseHead { status, headers: fields.headers, framing, close }));
    }
}

fn whole(
    parsed: Result<httparse::Status<usize>, httparse::Error>,
    input: &BytesMut,
) -> Result<Option<usize>, Broken> {
    match parsed {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => Ok(Some(length)),
        Ok(httparse::Status::Partial) if input.len() < HEAD_BYTES_MAX => Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Err(Broken::TooLarge),
        Err(_) => Err(Broken::Malformed),
    }
}

/// What of the headers tells how to read on.
#[derive(Default)]
struct Fields {
    headers: Vec<(String, String)>,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep: bool,
    expects_continue: bool,
}

impl Fields {
    fn read(headers: &[httparse::Header<'_>]) -> Result<Fields, Broken> {
        let mut fields = Fields::default();
        for header in headers {
            let value = String::from_utf8_lossy(header.value).into_owned();
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            if is("content-length") {
                let length = decimal(&value).ok_or(Broken::Malformed)?;
                if fields.length.replace(length).is_some_and(|before| before != length) {
                    return Err(Broken::Malformed);
                }
            } else if is("transfer-encoding") {
                if fields.chunked || !value.eq_ignore_ascii_case("chunked") {
                    return Err(Broken::Unsupported);
                }
                fields.chunked = true;
            } else if is("connection") {
                let has = |token: &str| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token));
                fields.close |= has("close");
                fields.keep |= has("keep-alive");
            } else if is("expect") {
                fields.expects_continue = value.eq_ignore_ascii_case("100-continue");
            }
            fields.headers.push((header.name.to_owned(), value));
        }
        if fields.chunked && fields.length.is_some() {
            return Err(Broken::Malformed);
        }
        Ok(fields)
    }
}

fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Writes a request's head. `headers` are whole lines, each with its end.
pub(crate) fn put_request(
    out: &mut BytesMut,
    method: &str,
    path: &str,
    authority: &str,
    headers: &[&str],
    framing: Framing,
) {
    let _ =
        write!(out, "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: Go-http-client/1.1\r\n");
    for lines in headers {
        out.extend_from_slice(lines.as_bytes());
    }
    match framing {
        Framing::Length(0) if method == "GET" => {}
        Framing::Length(length) => {
            let _ = write!(out, "Content-Length: {length}\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        Framing::UntilClose => unreachable!("requests have an end of their own"),
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a whole response.
pub(crate) fn put_response(out: &mut BytesMut, response: &HttpResponse, close: bool, head_only: bool) {
    put_response_head(out, response.status, &response.headers);
    if close {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    let bodiless = matches!(response.status, 204 | 304);
    if !bodiless {
        let _ = write!(out, "Content-Length: {}\r\n", response.body.len());
    }
    out.extend_from_slice(b"\r\n");
    if !bodiless && !head_only {
        out.extend_from_slice(&response.body);
    }
}

/// Writes the head of a response without end.
pub(crate) fn put_stream_head(out: &mut BytesMut, headers: &[(&'static str, String)]) {
    put_response_head(out, 200, headers);
    out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
}

fn put_response_head(out: &mut BytesMut, status: u16, headers: &[(&'static str, String)]) {
    let _ = write!(out, "HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        let value: String = value.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
        let _ = write!(out, "{name}: {value}\r\n");
    }
}

/// What Go's `http.Error` writes.
pub(crate) fn text(status: u16, line: &str) -> HttpResponse {
    HttpResponse {
        status,
        headers: vec![
            ("Content-Type", "text/plain; charset=utf-8".to_owned()),
            ("X-Content-Type-Options", "nosniff".to_owned()),
        ],
        body: Bytes::from(format!("{line}\n")),
    }
}

/// The reason phrase of the statuses that members answer with.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head read in every way of cutting it; what follows stays.
    fn request(text: &str) -> Result<Option<RequestHead>, Broken> {
        let mut whole = BytesMut::from(format!("{text}rest").as_bytes());
        let at_once = request_head(&mut whole);
        let mut cut = BytesMut::new();
        let mut last = Ok(None);
        for byte in text.bytes() {
            cut.extend_from_slice(&[byte]);
            last = request_head(&mut cut);
            if !matches!(last, Ok(None)) {
                break;
            }
        }
        assert_eq!(at_once, last, "{text:?}");
        if matches!(at_once, Ok(Some(_))) {
            assert_eq!((&whole[..], cut.len()), (&b"rest"[..], 0));
        }
        at_once
    }

    #[test]
    fn requests() {
        let head = request(
            "POST /raft?x=1 HTTP/1.1\r\nHost: a\r\nX-Raft-To: 1\r\ncontent-length: 5\r\nConnection: a, close\r\n\r\n",
        );
        let head = head.unwrap().unwrap();
        assert_eq!((head.method.as_str(), head.path.as_str(), head.query.as_str()), ("POST", "/raft", "x=1"));
        assert_eq!((head.framing, head.close), (Framing::Length(5), true));
        assert_eq!((head.header("x-raft-to"), head.header("absent")), (Some("1"), None));
        let chunked = request("PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n");
        let chunked = chunked.unwrap().unwrap();
        assert_eq!(
            (chunked.framing, chunked.close, chunked.expects_continue),
            (Framing::Chunked, false, true)
        );
        assert!(request("GET / HTTP/1.0\r\n\r\n").unwrap().unwrap().close);
    }

    #[test]
    fn hostile_requests_are_refused() {
        for (text, expected) in [
            ("GET /\r\n\r\n", Broken::Malformed),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", Broken::Malformed),
            ("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Broken::Malformed),
            ("GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", Broken::Malformed),
            ("GET / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", Broken::Malformed),
            ("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", Broken::Unsupported),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Broken::Unsupported),
        ] {
            assert_eq!(request(text), Err(expected), "{text:?}");
        }
        let mut endless = BytesMut::from(format!("GET /{}", "a".repeat(HEAD_BYTES_MAX)).as_bytes());
        assert_eq!(request_head(&mut endless), Err(Broken::TooLarge));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(request_head(&mut BytesMut::from(many.as_bytes())), Err(Broken::TooLarge));
    }

    #[test]
    fn responses() {
        for (text, status, framing, close) in [
            ("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", 204, Framing::Length(0), false),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, Framing::Chunked, false),
            ("HTTP/1.1 200 OK\r\n\r\n", 200, Framing::UntilClose, true),
            ("HTTP/1.0 412 P\r\nContent-Length: 2\r\n\r\n", 412, Framing::Length(2), true),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 E\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                500,
                Framing::Length(0),
                true,
            ),
        ] {
            let head = response_head(&mut BytesMut::from(text)).unwrap().unwrap();
            assert_eq!((head.status, head.framing, head.close), (status, framing, close), "{text:?}");
        }
        assert_eq!(response_head(&mut BytesMut::from("HTTP/1.1 20")), Ok(None));
        assert_eq!(response_head(&mut BytesMut::from("SSH-2.0\r\n")), Err(Broken::Malformed));
    }

    #[test]
    fn heads_are_written() {
        let mut out = BytesMut::new();
        put_request(&mut out, "POST", "/raft", "a:1", &["X-A: 1\r\n"], Framing::Length(3));
        let expected = "POST /raft HTTP/1.1\r\nHost: a:1\r\nUser-Agent: Go-http-client/1.1\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(out, expected.as_bytes());
        let mut out = BytesMut::new();
        let response =
            HttpResponse { status: 412, headers: vec![("X-A", "b\r\nc".into())], body: Bytes::from("no\n") };
        put_response(&mut out, &response, true, false);
        let expected = "HTTP/1.1 412 Precondition Failed\r\nX-A: bc\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n";
        assert_eq!(out, expected.as_bytes());
    }
}
