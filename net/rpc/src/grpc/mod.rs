//! gRPC over the HTTP/2 engine: calls, messages, statuses, as a grpc-go server has them on the wire.
//!
//! It never knows a message type. Start at [`Session`].

#[cfg(test)]
mod fuzz;
mod gzip;
mod head;
mod message;
mod metadata;
mod methods;
mod session;
mod status;
mod timeout;

pub(crate) use methods::Methods;
pub(crate) use session::{Context, Session};
