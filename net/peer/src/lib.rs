//! The transport between members: etcd's peer protocol (rafthttp) over HTTP/1.1. Messages in, messages out.
//!
//! It never knows what a raft message does, what a snapshot holds or who the leader is: the caller's loop steps what
//! arrives ([`Event`]) and says whom to reach ([`Transport`]). One thread, `peer`, owns every socket; a snapshot on
//! its way has a thread and a connection of its own, so that bulk never holds up heartbeats.
//!
//! Between two members there are four long-lived responses: each dials two (`msgapp`, `message`) and reads from them
//! what the other writes. Messages without a stream are posted one by one (the pipeline). Every queue is bounded, and
//! a full one drops: raft sends again. Start at [`Transport::start`].

mod batch;
mod blocking;
pub mod bootstrap;
mod endpoint;
mod http;
mod identity;
mod mailbox;
mod node;
mod snapshot;
mod totals;
mod transport;
mod verdict;
mod wire;

pub use batch::Batch;
pub use http::Answer;
pub use rpc::{HttpRequest, HttpResponse};
pub use totals::{PeerTotals, Totals};
pub use transport::Transport;

use bytes::Bytes;
use proto::raftpb::Message;
use std::{io::Read, path::PathBuf, time::Duration};

/// Who we are, and where received databases go.
#[derive(Clone, Debug)]
pub struct Config {
    pub member_id: u64,
    pub cluster_id: u64,
    /// `X.Y.Z`, announced to the other members; it must be a version of etcd's, or their streams to us stay closed.
    pub server_version: String,
    /// Our advertised peer URLs.
    pub peer_urls: Vec<String>,
    /// etcd: 1 s + the election timeout.
    pub dial_timeout: Duration,
    /// Where `<index>.snap.db` files are saved.
    pub snap_dir: PathBuf,
}

/// Takes the events of one turn of the peer thread, in order. It must not block: heartbeats wait meanwhile.
pub type EventSink = Box<dyn FnMut(Vec<Event>) + Send>;

/// What the world sent, or what became of what we sent.
#[derive(Debug)]
pub enum Event {
    /// Messages of one member, addressed to us, none of them of a kind that raft keeps to itself, nor a `MsgSnap`
    /// that came without its database.
    Messages(Batch),
    /// Messages to this member were dropped. At most once a turn.
    Unreachable(u64),
    /// What became of a snapshot given to [`Transport::send_snapshot`]. Sent exactly once for each.
    SnapshotSent { to: u64, delivered: bool, took: Duration },
    /// A snapshot's database is durable as `<index>.snap.db`. Step the message, then answer 204 (or an error) with
    /// [`Transport::respond`].
    SnapshotReceived { message: Box<Message>, answer: RequestId },
    /// A received snapshot was answered 204, so long after its request began.
    SnapshotTaken { from: u64, took: Duration },
    /// A look at the smoothed round-trip time of one of a peer's two probes (zero: none succeeded yet).
    RoundTrip { id: u64, smoothed: Duration },
    /// A peer says that this member was removed from the cluster for good. Sent once.
    Removed,
    /// A stream, post or snapshot succeeded after none had.
    Active(u64),
    /// An active peer's stream, post or snapshot failed.
    Inactive { id: u64, reason: String },
    /// A request on a peer port for anything but raft; its body has at most [`BODY_BYTES_MAX`].
    Http { id: RequestId, request: HttpRequest },
    /// The end of a [`Request`].
    Response { token: u64, result: Result<Answer, RequestError> },
}

/// Largest body of a request that is handed up, in bytes. etcd's limit for lease requests.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// A request that waits for [`Transport::respond`]. Never reused while the transport lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(crate) u64);

/// A database image and its exact length.
pub struct Image {
    pub bytes: u64,
    pub reader: Box<dyn Read + Send>,
}

/// An HTTP request to another member.
#[derive(Clone, Debug)]
pub struct Request {
    /// Comes back with the response.
    pub token: u64,
    /// Base URLs (`http://host:port`), tried in turn until one gives a response, whatever its status.
    pub urls: Vec<String>,
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// For all URLs together.
    pub timeout: Duration,
    /// Largest body of a response, in bytes.
    pub response_bytes_max: usize,
}

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    TimedOut,
    /// The last URL's failure, in words.
    Failed(String),
    /// The response is larger than the caller takes.
    TooLarge,
    /// [`REQUESTS_MAX`] requests are under way.
    TooMany,
}

/// Requests under way at once.
pub const REQUESTS_MAX: usize = 1024;
