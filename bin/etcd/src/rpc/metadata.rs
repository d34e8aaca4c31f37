//! What a call's metadata asks for, checked in etcd's order.

use super::status;
use ::rpc::{Metadata, Status};
use member::Member;

fn first<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a [u8]> {
    metadata.headers.iter().find(|(n, _)| n == name.as_bytes()).map(|(_, value)| &value[..])
}

/// True when the call must not be served without a leader.
pub fn has_leader(metadata: &Metadata) -> bool {
    first(metadata, "hasleader") == Some(b"true")
}

/// Refuses a call whose metadata does not allow it.
pub fn check(metadata: &Metadata, member: &Member) -> Result<(), Status> {
    if metadata.headers.is_empty() {
        return Ok(());
    }
    if first(metadata, "client-api-version").is_some_and(|v| std::str::from_utf8(v).is_err()) {
        return Err(status::new(status::INVALID_ARGUMENT, "etcdserver: invalid client api version"));
    }
    if has_leader(metadata) && member.consensus().standing().leader == 0 {
        return Err(status::no_leader());
    }
    Ok(())
}

/// The authentication token, as the call sent it.
pub fn token(metadata: &Metadata) -> Option<String> {
    let value = first(metadata, "token").or_else(|| first(metadata, "authorization"))?;
    String::from_utf8(value.to_vec()).ok()
}
