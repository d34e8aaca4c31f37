//! One connection's exchanges: parse a request, wait for its answer, write it, go on.

use super::body::{Body, Broken};
use crate::{HttpRequest, HttpResponse};
use bytes::{Buf, Bytes, BytesMut};

/// Request line and headers, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 100;

/// What the bytes at hand amount to.
#[derive(Debug)]
pub(crate) enum Turn {
    /// More bytes are needed, or the answer to the request at hand.
    Wait,
    Request(HttpRequest),
    /// The connection is to be closed once the output is written; an error may be in it.
    Close,
}

/// What of a request decides about its answer.
#[derive(Clone, Copy, Debug)]
struct Manner {
    /// The answer has no body (HEAD).
    head_only: bool,
    /// No further request is read.
    close: bool,
    /// No chunks (HTTP/1.0).
    old: bool,
}

#[derive(Debug)]
enum State {
    Idle,
    Body {
        request: HttpRequest,
        body: Body,
        manner: Manner,
    },
    /// With the caller.
    Asked(Manner),
    /// The answer has begun.
    Streaming(Manner),
    Closed,
}

#[derive(Debug)]
pub(crate) struct Exchange {
    state: State,
    body_bytes_max: usize,
}

impl Exchange {
    pub(crate) fn new(body_bytes_max: usize) -> Exchange {
        Exchange { state: State::Idle, body_bytes_max }
    }

    /// A request waits for its answer.
    pub(crate) fn asked(&self) -> bool {
        matches!(self.state, State::Asked(_) | State::Streaming(_))
    }

    pub(crate) fn streaming(&self) -> bool {
        matches!(self.state, State::Streaming(_))
    }

    /// Part of a request has come.
    pub(crate) fn in_body(&self) -> bool {
        matches!(self.state, State::Body { .. })
    }

    pub(crate) fn closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// No further request after the one at hand.
    pub(crate) fn close_after(&mut self) {
        match &mut self.state {
            State::Idle => self.state = State::Closed,
            State::Body { manner, .. } | State::Asked(manner) | State::Streaming(manner) => {
                manner.close = true
            }
            State::Closed => {}
        }
    }

    /// Goes on with the bytes read and not yet used.
    pub(crate) fn receive(&mut self, buffer: &mut BytesMut, out: &mut BytesMut) -> Turn {
        let turn = match std::mem::replace(&mut self.state, State::Closed) {
            State::Idle => self.head(buffer, out),
            State::Body { request, body, manner } => self.body(request, body, manner, buffer),
            State::Closed => Ok(Turn::Close),
            state @ (State::Asked(_) | State::Streaming(_)) => {
                self.state = state;
                Ok(Turn::Wait)
            }
        };
        turn.unwrap_or_else(|status| {
            put_response(
                out,
                &HttpResponse::text(status),
                Manner { head_only: false, close: true, old: false },
            );
            Turn::Close
        })
    }

    /// The error is the HTTP status to answer with.
    fn head(&mut self, buffer: &mut BytesMut, out: &mut BytesMut) -> Result<Turn, u16> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut headers);
        let length = match parsed.parse(buffer) {
            Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
            Ok(httparse::Status::Partial) if buffer.len() < HEAD_BYTES_MAX => {
                self.state = State::Idle;
                return Ok(Turn::Wait);
            }
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(431),
            Err(_) => return Err(400),
        };
        let (request, framing) = Framing::read(&parsed)?;
        buffer.advance(length);
        let body = if framing.chunked {
            Body::chunked(self.body_bytes_max)
        } else {
            Body::counted(framing.length, self.body_bytes_max).map_err(status_of)?
        };
        let empty = !framing.chunked && framing.length == 0;
        if framing.expects_continue && buffer.is_empty() && !empty {
            out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.body(request, body, framing.manner, buffer)
    }

    fn body(
        &mut self,
        mut request: HttpRequest,
        mut body: Body,
        manner: Manner,
        buffer: &mut BytesMut,
    ) -> Result<Turn, u16> {
        match body.advance(buffer).map_err(status_of)? {
            Some(bytes) => {
                request.body = Bytes::from(bytes);
                self.state = State::Asked(manner);
                Ok(Turn::Request(request))
            }
            None => {
                self.state = State::Body { request, body, manner };
                Ok(Turn::Wait)
            }
        }
    }

    /// Answers the request at hand; without one, nothing happens.
    pub(crate) fn reply(&mut self, response: &HttpResponse, out: &mut BytesMut) {
        if let State::Asked(manner) = self.state {
            put_response(out, response, manner);
            self.state = if manner.close { State::Closed } else { State::Idle };
        }
    }

    /// Begins an answer in parts. `response.body` is its first part.
    pub(crate) fn open(&mut self, response: &HttpResponse, out: &mut BytesMut) {
        if let State::Asked(manner) = self.state {
            put_head(out, response, manner);
            if manner.old {
                out.extend_from_slice(b"\r\n");
            } else {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            }
            self.state = State::Streaming(manner);
            self.send(&response.body, out);
        }
    }

    pub(crate) fn send(&mut self, part: &[u8], out: &mut BytesMut) {
        let State::Streaming(manner) = self.state else { return };
        if part.is_empty() || manner.head_only {
            return;
        }
        if manner.old {
            out.extend_from_slice(part);
            return;
        }
        out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn finish(&mut self, out: &mut BytesMut) {
        let State::Streaming(manner) = self.state else { return };
        if !manner.old && !manner.head_only {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        self.state = if manner.close || manner.old { State::Closed } else { State::Idle };
    }
}

/// How a request's body is delimited, and how it wants to be answered.
struct Framing {
    length: usize,
    chunked: bool,
    expects_continue: bool,
    manner: Manner,
}

impl Framing {
    fn read(parsed: &httparse::Request) -> Result<(HttpRequest, Framing), u16> {
        let method = parsed.method.unwrap_or_default();
        let old = parsed.version == Some(0);
        let mut lengths = None;
        let (mut chunked, mut expects_continue, mut close, mut keep) = (false, false, false, false);
        let mut headers = Vec::with_capacity(parsed.headers.len());
        for header in parsed.headers.iter() {
            let value = header.value;
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = decimal(value).ok_or(400u16)?;
                if lengths.replace(length).is_some_and(|before| before != length) {
                    return Err(400);
                }
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                if chunked || old || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(501);
                }
                chunked = true;
            } else if header.name.eq_ignore_ascii_case("connection") {
                let has = |token: &[u8]| {
                    value
                        .split(|&byte| byte == b',')
                        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
                };
                close |= has(b"close");
                keep |= has(b"keep-alive");
            } else if header.name.eq_ignore_ascii_case("expect") {
                expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
            headers.push((header.name.to_owned(), Bytes::copy_from_slice(value)));
        }
        if chunked && lengths.is_some() {
            return Err(400);
        }
        let target = parsed.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: Bytes::new(),
        };
        let manner = Manner { head_only: method == "HEAD", close: close || old && !keep, old };
        let length = lengths.unwrap_or(0);
        Ok((request, Framing { length, chunked, expects_continue, manner }))
    }
}

/// Digits alone. Lengths that no bound would allow need no exact value.
fn decimal(text: &[u8]) -> Option<usize> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = |value: usize, digit: &u8| value.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    Some(text.iter().fold(0, value))
}

fn status_of(broken: Broken) -> u16 {
    match broken {
        Broken::Malformed => 400,
        Broken::TooLarge => 413,
    }
}

fn put_head(out: &mut BytesMut, response: &HttpResponse, manner: Manner) {
    let reason = reason(response.status);
    out.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", response.status).as_bytes());
    for (name, value) in &response.headers {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend(value.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        out.extend_from_slice(b"\r\n");
    }
    if manner.close || manner.old {
        let value = if manner.close { "close" } else { "keep-alive" };
        out.extend_from_slice(format!("Connection: {value}\r\n").as_bytes());
    }
}

fn put_response(out: &mut BytesMut, response: &HttpResponse, manner: Manner) {
    put_head(out, response, manner);
    let bodiless = matches!(response.status, 204 | 304);
    if !bodiless {
        out.extend_from_slice(format!("Content-Length: {}\r\n", response.body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    if !bodiless && !manner.head_only {
        out.extend_from_slice(&response.body);
    }
}

impl HttpResponse {
    /// The reason phrase as plain text.
    fn text(status: u16) -> HttpResponse {
        HttpResponse {
            status,
            headers: vec![("Content-Type", "text/plain; charset=utf-8".into())],
            body: Bytes::from(format!("{status} {}\n", reason(status))),
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
