//! Connections that block, for threads that may wait: bootstrap before the start, snapshots after it. Every wait
//! has a deadline.

use crate::{
    endpoint::Endpoint,
    http::{Answer, response_head},
};
use bytes::BytesMut;
use std::{
    io::{self, Read},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

/// Bytes taken from a socket at once.
const READ_BYTES: usize = 64 << 10;

/// Looks a name up and connects to the first of its addresses that answers.
///
/// # Errors
/// In Go's words: the last address's failure.
pub(crate) fn connect(endpoint: &Endpoint, timeout: Duration) -> Result<TcpStream, String> {
    let deadline = Instant::now() + timeout;
    let mut last = format!("dial tcp: lookup {}: no such host", endpoint.host);
    for address in resolve(&endpoint.host, endpoint.port)? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("dial tcp {address}: i/o timeout"));
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!(error:% = error; "failed to set TCP_NODELAY");
                }
                return Ok(stream);
            }
            Err(error) => last = dial_error(address, &error),
        }
    }
    Err(last)
}

/// The addresses of a name, in the system's order. It blocks for as long as the system's resolver does.
pub(crate) fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let addresses = (host, port).to_socket_addrs();
    let addresses = addresses.map_err(|_| format!("dial tcp: lookup {host}: no such host"))?;
    Ok(addresses.collect())
}

pub(crate) fn dial_error(address: SocketAddr, error: &io::Error) -> String {
    if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
        return format!("dial tcp {address}: i/o timeout");
    }
    format!("dial tcp {address}: connect: {}", words(error))
}

/// A system error without Rust's number behind it, in lower case as Go has it.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Reads a response. Waiting ends at the deadline.
///
/// # Errors
/// In words.
pub(crate) fn read_answer(
    stream: &mut TcpStream,
    deadline: Instant,
    body_bytes_max: usize,
) -> Result<Answer, String> {
    let (mut input, mut body_bytes) = (BytesMut::new(), BytesMut::new());
    let head = loop {
        match response_head(&mut input).map_err(|broken| broken.to_string())? {
            Some(head) => break head,
            None if read_some(stream, &mut input, deadline)? == 0 => return Err("unexpected EOF".into()),
            None => {}
        }
    };
    let mut body = head.body();
    loop {
        body.advance(&mut input, &mut body_bytes).map_err(|broken| broken.to_string())?;
        if body_bytes.len() > body_bytes_max {
            return Err("http: response body too large".into());
        }
        if body.is_done() {
            break;
        }
        if read_some(stream, &mut input, deadline)? == 0 {
            if body.ends_with_connection() {
                break;
            }
            return Err("unexpected EOF".into());
        }
    }
    Ok(Answer { status: head.status, headers: head.headers, body: body_bytes.freeze() })
}

fn read_some(stream: &mut TcpStream, input: &mut BytesMut, deadline: Instant) -> Result<usize, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err("i/o timeout".into());
    }
    stream.set_read_timeout(Some(left)).map_err(|error| words(&error))?;
    let start = input.len();
    input.resize(start + READ_BYTES, 0);
    let result = loop {
        match stream.read(&mut input[start..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result,
        }
    };
    input.truncate(start + result.as_ref().copied().unwrap_or(0));
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => words(&error),
    })
}
