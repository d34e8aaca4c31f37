//! The messages of every etcd wire and disk format, generated from the `.proto` files beside this crate.
//!
//! It never does I/O and knows no semantics. Field numbers and types are those of `contract/api-messages.tsv`
//! (a test compares them). All `bytes` fields are [`bytes::Bytes`], so decoding from a `Bytes` copies nothing.
//! Messages of proto2 packages (`raftpb`, `walpb`, `snappb`) keep explicit presence: etcd writes their scalars
//! even when zero, so build them with the constructors here.

#![allow(clippy::doc_markdown, clippy::large_enum_variant, clippy::enum_variant_names)]

pub mod authpb {
    include!("generated/authpb.rs");
}
pub mod etcdserverpb {
    include!("generated/etcdserverpb.rs");
}
pub mod health {
    include!("generated/grpc.health.v1.rs");
}
pub mod leasepb {
    include!("generated/leasepb.rs");
}
pub mod membershippb {
    include!("generated/membershippb.rs");
}
pub mod mvccpb {
    include!("generated/mvccpb.rs");
}
pub mod raftpb {
    include!("generated/raftpb.rs");
}
pub mod snappb {
    include!("generated/snappb.rs");
}
pub mod v3electionpb {
    include!("generated/v3electionpb.rs");
}
pub mod v3lockpb {
    include!("generated/v3lockpb.rs");
}
pub mod walpb {
    include!("generated/walpb.rs");
}

mod raft_types;

pub use prost::Message;
