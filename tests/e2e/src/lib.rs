//! Scripts of gRPC requests with the answers Go etcd 3.7.1 gives, run against a real server binary.
//!
//! A script (`scripts/*.txt`) is a list of steps: a request, a line of dashes, the answer in protobuf text form,
//! with what must differ between servers (identifiers, terms, sizes) masked. `cargo run -p e2e -- --server ETCD`
//! compares a server with the recorded answers; `--rewrite` records them anew, which is only right with Go etcd.
//! Nothing here knows our server's code: messages are read by reflection from the `.proto` files.
//!
//! Start at [`script::parse`] for the language and [`session::run`] for its meaning.

pub mod mask;
pub mod schema;
pub mod script;
pub mod server;
pub mod session;
pub mod transport;
