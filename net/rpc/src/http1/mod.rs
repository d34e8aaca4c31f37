//! HTTP/1.1 without I/O, for the endpoints beside gRPC: one request at a time, pipelined ones wait their turn.
//!
//! It never upgrades a connection. Bodies are whole: by `Content-Length` or chunked, below a bound. Start at
//! [`Exchange`].

mod body;
mod exchange;

pub(crate) use exchange::{Exchange, Turn};
