//! The `.proto` files against the contract tables, and the generated Rust against the `.proto` files.

#![expect(clippy::disallowed_methods, reason = "tests keep files of their own; the core does not")]

mod contract;
mod generated;

use protox::prost_reflect::prost_types::FileDescriptorSet;
use std::path::PathBuf;

const FILES: [&str; 13] = [
    "auth.proto",
    "etcdserver.proto",
    "health.proto",
    "kv.proto",
    "lease.proto",
    "membership.proto",
    "raft.proto",
    "raft_internal.proto",
    "record.proto",
    "rpc.proto",
    "snap.proto",
    "v3election.proto",
    "v3lock.proto",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn descriptors() -> FileDescriptorSet {
    protox::compile(FILES, [root().join("proto")]).expect("compile .proto files")
}
