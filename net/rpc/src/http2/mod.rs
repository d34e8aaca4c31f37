//! A server's side of HTTP/2 (RFC 9113) without I/O: bytes in, events out, output appended to a buffer.
//!
//! It never knows a socket, a clock (time is an argument) or what runs over it; per stream it keeps a value of the
//! layer above. Push, priorities and upgrade from HTTP/1.1 do not exist for it. Start at [`Connection`].

mod connection;
mod flood;
mod flow;
mod frame;
mod hpack;
mod keepalive;
mod receive;
mod request;
mod send;
mod streams;

pub(crate) use connection::{Connection, Event, Fatal, Input, Settings};
pub(crate) use frame::PREFACE;
pub(crate) use hpack::{Block, Fields, KNOWN_BLOCKS};
pub(crate) use keepalive::{Keepalive, Timers};
pub(crate) use streams::Key;
