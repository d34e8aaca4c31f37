//! The RPC server: sockets, HTTP/2 and gRPC framing, an HTTP/1.1 side door. Requests in, replies out.
//!
//! It never knows a service, a message type or a policy: the caller owns the method table and the loop. One read
//! system call per readable connection and turn, every frame in it handled; replies are encoded into the
//! connection's output buffer; one write per connection and turn. No task, future or channel per request.
//! Start at [`Server`].

mod answer;
mod connection;
mod counts;
mod grpc;
mod http1;
mod http2;
mod listener;
mod server;
mod transport;

pub use counts::MethodTotals;
pub use listener::{ListenOptions, Protocols, bind};
pub use server::Server;

use bytes::Bytes;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Bounds and timers. Sizes in bytes.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest request message (`--max-request-bytes` + 512 KiB); larger: ResourceExhausted.
    pub message_bytes_max: usize,
    /// `--max-concurrent-streams`; `u32::MAX` = not advertised.
    pub streams_max: u32,
    /// Output buffered for one connection before reading from it pauses.
    pub output_bytes_max: usize,
    pub keepalive_interval: Duration,
    pub keepalive_timeout: Duration,
    /// Client pings closer together than this are strikes; three: GOAWAY too_many_pings.
    pub ping_interval_min: Duration,
    /// Connections open at once; more wait in the kernel. etcd: the file-descriptor limit less 150.
    pub connections_max: usize,
}

/// A call or an HTTP/1.1 exchange, until it is answered or gone. Never reused while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId {
    /// Connection slot, with a generation in the high half.
    pub connection: u64,
    /// HTTP/2 stream; 0 for HTTP/1.1.
    pub stream: u32,
}

/// One row of the method table.
#[derive(Clone, Debug)]
pub struct Method {
    /// `/etcdserverpb.KV/Put`.
    pub path: &'static str,
    /// True: messages arrive as [`Event::Message`] after [`Event::Open`]. False: one [`Event::Call`].
    pub client_stream: bool,
}

/// Metadata a call brought. Only what a server may ask for; names are lower case.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// Custom headers in order (`token`, `authorization`, `hasleader`, `client-api-version`, …), raw values.
    pub headers: Arc<[(Bytes, Bytes)]>,
    /// From `grpc-timeout`.
    pub timeout: Option<Duration>,
    pub peer: Option<SocketAddr>,
}

/// What the world sent.
#[derive(Debug)]
pub enum Event {
    /// A complete request of a unary or server-streaming method. `method` indexes the table.
    Call {
        id: CallId,
        method: usize,
        metadata: Metadata,
        body: Bytes,
    },
    /// A client-streaming call began.
    Open {
        id: CallId,
        method: usize,
        metadata: Metadata,
    },
    Message {
        id: CallId,
        body: Bytes,
    },
    /// The client will send no more messages.
    HalfClose {
        id: CallId,
    },
    /// The client cancelled, or its connection is lost, or it sent what ended the call. Sent for calls that were not
    /// answered when it happened, unary ones included; the caller may have answered since, in the same batch.
    Gone {
        id: CallId,
    },
    /// An HTTP/1.1 request.
    Http {
        id: CallId,
        /// [`ListenOptions::door`] of the listener it came by.
        door: u8,
        request: HttpRequest,
    },
    /// The waker was used.
    Woken,
}

#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub method: String,
    pub path: String,
    /// Without the question mark; empty if none.
    pub query: String,
    pub headers: Vec<(String, Bytes)>,
    pub body: Bytes,
}

#[derive(Clone, Debug)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// A gRPC status that is not OK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u8,
    pub message: String,
}
