//! A client of etcd's v3 gRPC API that behaves as Go's clientv3 does: the same endpoint forms, the same failover
//! and retries, the same error texts.
//!
//! It never prints, reads no flags and no environment, and retries nothing that could be applied twice: a
//! mutating call whose connection broke under it fails, a reading one is sent again to the next endpoint. What it
//! wants to tell goes to the [`log`] facade under the target that [`Config`] names.
//!
//! Every RPC is one row of [`method`]: path, request and response type, and whether it may be repeated. Calls wait
//! for a connection as long as their deadline allows (gRPC's wait-for-ready), so that an unreachable cluster ends
//! in `context deadline exceeded` and not at once.
//!
//! Limits: [`MAX_ATTEMPTS`] attempts of one unary call, [`STREAM_QUEUE`] unsent requests on a stream.
//! Start at [`Client::connect`]; streams are in [`watch`] and [`lease`], locks and
//! elections in [`queue`].

mod balancer;
mod call;
mod client;
mod config;
mod connect;
pub mod endpoint;
mod error;
mod lane;
pub mod lease;
pub mod method;
pub mod queue;
mod server_stream;
mod stream;
pub mod watch;

pub use call::Call;
pub use client::{Client, MAX_ATTEMPTS};
pub use config::{Config, DEFAULT_LOGGER, Login, Tls};
pub use connect::go_io_text;
pub use error::Error;
pub use server_stream::ServerStream;
pub use stream::{Receiver, STREAM_QUEUE, Sender};
pub use tonic::Code;

/// The API version this client announces in the `client-api-version` metadata of every call.
pub const API_VERSION: &str = "3.7";

/// The end of the range that covers every key with this prefix: the prefix with its last byte below 0xff raised by
/// one and the rest cut off; `\0` (no end) when there is no such byte.
#[must_use]
pub fn prefix_range_end(prefix: &[u8]) -> Vec<u8> {
    match prefix.iter().rposition(|byte| *byte < 0xff) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            end
        }
        None => vec![0],
    }
}

#[cfg(test)]
mod tests {
    use super::prefix_range_end;

    #[test]
    fn prefix_ends_where_the_next_prefix_begins() {
        assert_eq!(prefix_range_end(b"foo"), b"fop");
        assert_eq!(prefix_range_end(b"a\xff\xff"), b"b");
        assert_eq!(prefix_range_end(b"\xff"), b"\0");
        assert_eq!(prefix_range_end(b""), b"\0");
    }
}
