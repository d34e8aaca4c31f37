//! Makes answers of different servers comparable: what must differ becomes a fixed value, everything else stays.
//!
//! A masked number keeps whether it is zero, for an identifier or a term that is missing is a difference.

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Message and field, `*` any message: numbers that become 1 unless they are 0.
const NUMBERS: &[(&str, &str)] = &[
    ("etcdserverpb.ResponseHeader", "cluster_id"),
    ("etcdserverpb.ResponseHeader", "member_id"),
    ("etcdserverpb.ResponseHeader", "raft_term"),
    ("etcdserverpb.Member", "ID"),
    ("etcdserverpb.AlarmMember", "memberID"),
    ("etcdserverpb.StatusResponse", "dbSize"),
    ("etcdserverpb.StatusResponse", "dbSizeInUse"),
    ("etcdserverpb.StatusResponse", "leader"),
    ("etcdserverpb.StatusResponse", "raftIndex"),
    ("etcdserverpb.StatusResponse", "raftTerm"),
    ("etcdserverpb.StatusResponse", "raftAppliedIndex"),
    ("etcdserverpb.HashResponse", "hash"),
];
/// Longer bytes are shown by length and digest.
const BYTES_SHOWN_MAX: usize = 96;
/// A lease ID the server made, in a lock key, has so many hexadecimal digits at least.
const HEX_DIGITS_MIN: usize = 14;
/// Kept numbers are shown as this plus their place.
const KEPT_BASE: i64 = 777_000_000;

/// What is known of this server and run.
#[derive(Debug, Default)]
pub struct Known {
    /// Texts to replace: the server's URLs.
    pub texts: Vec<(String, &'static str)>,
    /// What `let` kept, by name.
    pub kept: BTreeMap<String, Kept>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Number(i128),
    Text(String),
}

impl Known {
    /// A request with `$NAME` replaced.
    pub fn insert_kept(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.kept {
            let value = match value {
                Kept::Number(number) => number.to_string(),
                Kept::Text(text) => text.clone(),
            };
            text = text.replace(&format!("${name}"), &value);
        }
        text
    }
}

/// Masks a message in place.
pub fn mask(message: &mut DynamicMessage, known: &Known) {
    let name = message.descriptor().full_name().to_owned();
    if name == "etcdserverpb.LeaseTimeToLiveResponse" {
        near_granted(message);
        // Keys of a lease come in any order.
        if let Some(Value::List(keys)) = message.get_field_by_name_mut("keys") {
            keys.sort_by(|a, b| a.as_bytes().cmp(&b.as_bytes()));
        }
    }
    let fields: Vec<_> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        let hidden = NUMBERS.contains(&(name.as_str(), field.name()));
        let token = name == "etcdserverpb.AuthenticateResponse" && field.name() == "token";
        let value = message.get_field_mut(&field);
        if let (Value::List(members), "members") = (&mut *value, field.name()) {
            by_url(members);
        }
        match value {
            Value::U64(number) if hidden => *number = (*number).min(1),
            Value::U32(number) if hidden => *number = (*number).min(1),
            Value::I64(number) if hidden => *number = i64::from(*number != 0),
            Value::String(text) if token => "TOKEN".clone_into(text),
            other => mask_value(other, known),
        }
    }
}

fn mask_value(value: &mut Value, known: &Known) {
    match value {
        Value::Message(inner) => mask(inner, known),
        Value::List(list) => list.iter_mut().for_each(|item| mask_value(item, known)),
        Value::Map(map) => map.iter_mut().for_each(|(_, item): (&MapKey, _)| mask_value(item, known)),
        Value::String(text) => *text = mask_text(text, known),
        Value::Bytes(bytes) if bytes.len() > BYTES_SHOWN_MAX => {
            let digest = Sha256::digest(&bytes[..]);
            *bytes = format!("<{} bytes, SHA-256 {:02x}{:02x}>", bytes.len(), digest[0], digest[1]).into();
        }
        Value::Bytes(bytes) => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                *bytes = mask_text(text, known).into();
            }
        }
        Value::I64(number) => {
            if let Some(place) = known.kept.values().position(|kept| *kept == Kept::Number((*number).into()))
            {
                *number = KEPT_BASE + i64::try_from(place).expect("few");
            }
        }
        Value::Bool(_)
        | Value::I32(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::EnumNumber(_) => {}
    }
}

/// Members come in the order of their IDs, which contain the time: checked here, then ordered by URL.
fn by_url(members: &mut [Value]) {
    let field = |member: &Value, name: &str| {
        member.as_message().and_then(|m| m.get_field_by_name(name)).map(std::borrow::Cow::into_owned)
    };
    let ids: Vec<_> = members.iter().map(|m| field(m, "ID").and_then(|id| id.as_u64())).collect();
    if ids.is_sorted() {
        members.sort_by_key(|member| format!("{:?}", field(member, "peerURLs")));
    }
}

/// A lease ends later by the election timeout, one second, once its leader was elected anew.
const EXTENSION_SECONDS: i64 = 1;

/// The remaining time of a lease runs while we look: it is shown as the granted time if it is positive and not more.
fn near_granted(message: &mut DynamicMessage) {
    let number = |name: &str| message.get_field_by_name(name).and_then(|value| value.as_i64()).unwrap_or(0);
    let (left, granted) = (number("TTL"), number("grantedTTL"));
    if granted > 0 && (1..=granted + EXTENSION_SECONDS).contains(&left) {
        message.set_field_by_name("TTL", Value::I64(granted));
    }
}

/// Texts: URLs of this server, long hexadecimal numbers, and the protobuf text of an alarm in Status, where Go's
/// library varies the spaces.
pub fn mask_text(text: &str, known: &Known) -> String {
    let mut text = text.to_owned();
    for (from, to) in &known.texts {
        text = text.replace(from, to);
    }
    if text.starts_with("memberID:") {
        let digits = text["memberID:".len()..].chars().take_while(char::is_ascii_digit).count();
        let rest = text["memberID:".len() + digits..].split_whitespace().collect::<Vec<_>>().join(" ");
        text = format!("memberID:1 {rest}");
    }
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_ascii_hexdigit() {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() >= HEX_DIGITS_MIN { "HEX" } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let known = Known { texts: vec![("http://127.0.0.1:1".into(), "CLIENT_URL")], kept: BTreeMap::new() };
        for (text, masked) in [
            ("http://127.0.0.1:1/x", "CLIENT_URL/x"),
            ("memberID:99  alarm:NOSPACE", "memberID:1 alarm:NOSPACE"),
            ("lock/694d9a1b2c3d4e5f", "lock/HEX"),
            ("lock/7b", "lock/7b"),
        ] {
            assert_eq!(mask_text(text, &known), masked);
        }
    }
}
