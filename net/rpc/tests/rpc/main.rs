//! The server over real sockets, against tonic's client and against raw bytes.

mod calls;
mod echo;
mod frames;
mod http;
mod wire;
