//! Who asked: a client by gRPC, or another member by HTTP on the peer port.

use ::rpc::CallId;

/// A request on the peer port that waits for its response.
pub type PeerCall = ::peer::RequestId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    Client(CallId),
    Peer(PeerCall),
}

/// A promotion that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    pub asker: Asker,
    pub id: u64,
    /// The asker's authentication token.
    pub token: Option<String>,
}
