//! Opens one HTTP/2 connection to one endpoint.
//!
//! It never retries: the balancer does. TLS will wrap the stream in [`open`], between dialling and HTTP/2.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tonic::transport::{Channel, Uri};

use crate::config::Config;
use crate::endpoint::{Address, Endpoint};

/// Bounds one attempt to connect, as gRPC's minimum connect timeout does.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Flow-control windows in bytes: large enough that ranges and snapshots do not stop for window updates.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Dials the address and speaks the HTTP/2 preface. The error is worded as Go's transport words it.
pub(crate) async fn connect(endpoint: &Endpoint, config: &Config) -> Result<Channel, String> {
    let builder = builder(endpoint, config)?;
    let address = endpoint.address.clone();
    let connector = tower::service_fn(move |_: Uri| open(address.clone()));
    let attempt = builder.connect_with_connector(connector);
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(error)) => Err(dial_text(&endpoint.address, &error)),
        Err(_) => Err(format!("dial tcp {}: i/o timeout", endpoint.address)),
    }
}

fn builder(endpoint: &Endpoint, config: &Config) -> Result<tonic::transport::Endpoint, String> {
    let name = if endpoint.server_name.is_empty() { "localhost" } else { &endpoint.server_name };
    let mut builder = tonic::transport::Endpoint::from_shared(format!("http://{name}"))
        .map_err(|error| format!("invalid target address {name}, {error}"))?
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if let Some((time, timeout)) = config.keepalive() {
        builder = builder.http2_keep_alive_interval(time).keep_alive_timeout(timeout);
    }
    Ok(builder)
}

async fn open(address: Address) -> io::Result<TokioIo<Box<dyn Transport>>> {
    let stream: Box<dyn Transport> = match address {
        Address::Tcp(host) => {
            let stream = TcpStream::connect(host).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
    };
    Ok(TokioIo::new(stream))
}

/// `dial tcp 127.0.0.1:1: connect: connection refused`, from the I/O error at the bottom of tonic's.
fn dial_text(address: &Address, error: &tonic::transport::Error) -> String {
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    let network = match address {
        Address::Tcp(_) => "tcp",
        Address::Unix(_) => "unix",
    };
    format!("dial {network} {address}: connect: {}", go_io_text(&text))
}

/// The text of an operating system error as Go words it: no capital, no number.
#[must_use]
pub fn go_io_text(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::go_io_text;

    #[test]
    fn system_errors_read_as_in_go() {
        let refused = std::io::Error::from_raw_os_error(111).to_string();
        assert_eq!(go_io_text(&refused), "connection refused");
        assert_eq!(go_io_text(""), "");
    }
}
