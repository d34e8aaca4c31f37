//! A client that reads, puts, swaps and deletes a few keys that all clients share.

use super::random::Random;
use super::{CALL_TIMEOUT, Clients, Done, PAUSE, PAUSE_UNCONNECTED, unanswered};
use crate::api::{Api, Fault};
use client::method;
use history::{Answer, Call, Keys, Kv, Operation, Outcome, Seen};
use prost::bytes::Bytes;
use proto::etcdserverpb as pb;
use proto::mvccpb::KeyValue;
use std::sync::Arc;

/// Keys of one load. Few enough for conflicts, enough to keep each one's history short.
const KEYS: usize = 8;
/// One value in so many is of that many bytes, the others are short.
const LARGE_ONE_IN: usize = 10;
const LARGE_SIZE: usize = 2000;

pub async fn run(clients: Arc<Clients>, member: usize, client: u64, mut random: Random) -> Done {
    let mut api = Api::new(member, CALL_TIMEOUT);
    let mut operations = Vec::new();
    // What this client last saw of each key: the base of a swap.
    let mut seen = [0; KEYS];
    for number in 0.. {
        if clients.are_stopped() {
            break;
        }
        let key = random.below(KEYS);
        // Written once in a whole run.
        let mut value = format!("{}.{client}.{number}", clients.round);
        if random.below(LARGE_ONE_IN) == 0 {
            value += &".".repeat(LARGE_SIZE);
        }
        let call = draw(&format!("register/{:04}/{key}", clients.round), value, seen[key], &mut random);
        let called = clients.clock.now();
        let answer = perform(&mut api, &call).await;
        let ended = clients.clock.now();
        let outcome = match answer {
            Ok(answer) => {
                if let Some(revision) = mod_revision(&call, &answer) {
                    seen[key] = revision;
                }
                clients.count();
                Outcome::Answered(answer)
            }
            Err(fault) => unanswered(&fault),
        };
        let pause = if outcome == Outcome::Failed { PAUSE_UNCONNECTED } else { PAUSE };
        operations.push(Operation { client, call, called, ended, outcome });
        tokio::time::sleep(pause).await;
    }
    Done { operations, ..Done::default() }
}

fn draw(key: &str, value: String, expected: i64, random: &mut Random) -> Call {
    let (name, value) = (key.to_owned().into(), value.into());
    let get = |keys, revision, serializable| Call::Get { keys, revision, serializable };
    match random.below(24) {
        0..8 => get(Keys::one(key), 0, false),
        8 => get(Keys::one(key), 0, true),
        // As it was when it was last seen; 0 is now.
        9 => get(Keys::one(key), expected, false),
        10..12 => get(all_of_round(key), 0, false),
        12..18 => Call::Put { key: name, value, lease: 0 },
        18..22 => Call::Swap { key: name, expected, value },
        _ => Call::Delete { keys: Keys::one(key) },
    }
}

/// The keys that have all but the number behind the last slash in common.
fn all_of_round(key: &str) -> Keys {
    let prefix = &key[..=key.rfind('/').expect("keys have slashes")];
    Keys::Between(prefix.to_owned().into(), client::prefix_range_end(prefix.as_bytes()).into())
}

/// The revision of the key's last change, as an answer lets one believe.
fn mod_revision(call: &Call, answer: &Answer) -> Option<i64> {
    match &answer.seen {
        Seen::Put | Seen::Swapped => Some(answer.revision),
        Seen::Found(kvs) if matches!(call, Call::Get { keys: Keys::One(_), .. }) => {
            Some(kvs.first().map_or(0, |kv| kv.mod_revision))
        }
        Seen::Found(_) => None,
        Seen::NotSwapped(kv) => Some(kv.as_ref().map_or(0, |kv| kv.mod_revision)),
        Seen::Deleted(_) => Some(0),
    }
}

async fn perform(api: &mut Api, call: &Call) -> Result<Answer, Fault> {
    match call.clone() {
        Call::Get { keys, revision, serializable } => {
            let (key, range_end) = ends(keys);
            let request = pb::RangeRequest { key, range_end, revision, serializable, ..Default::default() };
            let answer = api.call(&method::RANGE, request).await?;
            let found = answer.kvs.into_iter().map(kv).collect();
            Ok(Answer { revision: header_revision(answer.header), seen: Seen::Found(found) })
        }
        Call::Put { key, value, lease } => {
            let request = pb::PutRequest { key, value, lease, ..Default::default() };
            let answer = api.call(&method::PUT, request).await?;
            Ok(Answer { revision: header_revision(answer.header), seen: Seen::Put })
        }
        Call::Delete { keys } => {
            let (key, range_end) = ends(keys);
            let request = pb::DeleteRangeRequest { key, range_end, ..Default::default() };
            let answer = api.call(&method::DELETE_RANGE, request).await?;
            let seen = Seen::Deleted(answer.deleted.unsigned_abs());
            Ok(Answer { revision: header_revision(answer.header), seen })
        }
        Call::Swap { key, expected, value } => {
            let put = pb::PutRequest { key: key.clone(), value, ..Default::default() };
            let answer = api.call(&method::TXN, swap(expected, put)).await?;
            let seen = if answer.succeeded { Seen::Swapped } else { not_swapped(&answer)? };
            Ok(Answer { revision: header_revision(answer.header), seen })
        }
    }
}

/// Put if the key is of that revision, else get.
fn swap(mod_revision: i64, put: pb::PutRequest) -> pb::TxnRequest {
    let compare = pb::Compare {
        result: pb::compare::CompareResult::Equal.into(),
        target: pb::compare::CompareTarget::Mod.into(),
        key: put.key.clone(),
        target_union: Some(pb::compare::TargetUnion::ModRevision(mod_revision)),
        ..Default::default()
    };
    let range = pb::RangeRequest { key: put.key.clone(), ..Default::default() };
    let operation = |request| pb::RequestOp { request: Some(request) };
    pb::TxnRequest {
        compare: vec![compare],
        success: vec![operation(pb::request_op::Request::RequestPut(put))],
        failure: vec![operation(pb::request_op::Request::RequestRange(range))],
    }
}

fn not_swapped(answer: &pb::TxnResponse) -> Result<Seen, Fault> {
    match answer.responses.first().and_then(|first| first.response.as_ref()) {
        Some(pb::response_op::Response::ResponseRange(range)) => {
            Ok(Seen::NotSwapped(range.kvs.first().cloned().map(kv)))
        }
        _ => Err(Fault::Unknown("a txn failed without the read it asked for".to_owned())),
    }
}

/// Key and range end, as requests have them.
fn ends(keys: Keys) -> (Bytes, Bytes) {
    match keys {
        Keys::One(key) => (key, Bytes::new()),
        Keys::Between(key, end) => (key, end),
        Keys::From(key) => (key, Bytes::from_static(b"\0")),
    }
}

fn header_revision(header: Option<pb::ResponseHeader>) -> i64 {
    header.unwrap_or_default().revision
}

fn kv(kv: KeyValue) -> Kv {
    let KeyValue { key, value, create_revision, mod_revision, version, lease } = kv;
    Kv { key, value, create_revision, mod_revision, version, lease }
}
