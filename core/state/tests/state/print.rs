//! Replies and changes as script output.

use proto::{
    Message,
    etcdserverpb::{self as pb, AlarmType, response_op::Response},
    mvccpb::KeyValue,
};
use state::{Applied, Effect, RangeReply, Reply};
use std::fmt::Write;

pub fn applied(applied: &Applied) -> String {
    let mut out = match &applied.result {
        Ok(reply) => self::reply(reply),
        Err(reject) => format!("refused: {reject:?}"),
    };
    for change in &applied.changes {
        let sign = if change.tombstone { '-' } else { '+' };
        let key = String::from_utf8_lossy(&change.key);
        write!(out, "\n  {sign}{key} @{}.{}", change.revision.main, change.revision.sub).unwrap();
    }
    match &applied.effect {
        Some(Effect::ConfChange(change)) => {
            write!(out, "\n  raft: {:?} of {}", change.r#type(), change.node_id()).unwrap();
        }
        Some(effect) => write!(out, "\n  effect: {effect:?}").unwrap(),
        None => {}
    }
    if let Some(event) = &applied.lease {
        write!(out, "\n  lease: {event:?}").unwrap();
    }
    out
}

fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Put { revision } => format!("put r{revision}"),
        Reply::PutPrev(response) => put(response),
        Reply::DeleteRange(response) => delete(response),
        Reply::Txn(response) => format!("r{} {}", revision(&response.header), txn(response)),
        Reply::Compaction(response) => format!("compacted r{}", revision(&response.header)),
        Reply::LeaseGrant(response) => {
            format!("granted {} ttl {} r{}", response.id, response.ttl, revision(&response.header))
        }
        Reply::LeaseRevoke(response) => format!("revoked r{}", revision(&response.header)),
        Reply::LeaseCheckpoint(response) => format!("checkpointed r{}", revision(&response.header)),
        Reply::Alarm(response) => {
            let name = |alarm| AlarmType::try_from(alarm).map_or("?", |alarm| alarm.as_str_name());
            let alarms: Vec<String> =
                response.alarms.iter().map(|m| format!("{}:{}", name(m.alarm), m.member_id)).collect();
            format!("alarms [{}] r{}", alarms.join(" "), revision(&response.header))
        }
        Reply::Members(members) => format!("members {}", self::members(members)),
        Reply::Done => "done".into(),
    }
}

pub fn members(members: &[pb::Member]) -> String {
    let one = |member: &pb::Member| {
        let learner = if member.is_learner { " learner" } else { "" };
        let published = if member.name.is_empty() {
            String::new()
        } else {
            format!(" {}={}", member.name, member.client_ur_ls.join(","))
        };
        format!("({:x} {}{learner}{published})", member.id, member.peer_ur_ls.join(","))
    };
    members.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn revision(header: &Option<pb::ResponseHeader>) -> i64 {
    header.as_ref().map_or(-1, |header| header.revision)
}

fn put(response: &pb::PutResponse) -> String {
    let previous = response.prev_kv.as_ref().map_or(String::new(), |kv| format!(" prev {}", self::kv(kv)));
    format!("put r{}{previous}", revision(&response.header))
}

fn delete(response: &pb::DeleteRangeResponse) -> String {
    let mut out = format!("deleted {} r{}", response.deleted, revision(&response.header));
    for kv in &response.prev_kvs {
        write!(out, " {}", self::kv(kv)).unwrap();
    }
    out
}

pub fn txn(response: &pb::TxnResponse) -> String {
    let ops: Vec<String> = response
        .responses
        .iter()
        .map(|op| match &op.response {
            Some(Response::ResponsePut(response)) => put(response),
            Some(Response::ResponseDeleteRange(response)) => delete(response),
            Some(Response::ResponseRange(response)) => {
                range(revision(&response.header), &response.kvs, response.more, response.count)
            }
            Some(Response::ResponseTxn(response)) => {
                assert_eq!(response.header, Some(pb::ResponseHeader::default()), "a nested header is empty");
                txn(response)
            }
            None => "empty".into(),
        })
        .collect();
    format!("{} {{{}}}", if response.succeeded { "then" } else { "else" }, ops.join("; "))
}

pub fn range_reply(reply: &RangeReply) -> String {
    let kvs: Vec<KeyValue> = reply.kvs.iter().map(|kv| KeyValue::decode(kv.clone()).unwrap()).collect();
    range(reply.revision, &kvs, reply.more, reply.count)
}

fn range(revision: i64, kvs: &[KeyValue], more: bool, count: i64) -> String {
    let mut out = format!("r{revision} count {count}{}", if more { " more" } else { "" });
    for kv in kvs {
        write!(out, " {}", self::kv(kv)).unwrap();
    }
    out
}

/// `key=value(create,mod,version[,lease])`
fn kv(kv: &KeyValue) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let lease = if kv.lease == 0 { String::new() } else { format!(",{}", kv.lease) };
    let (create, modified, version) = (kv.create_revision, kv.mod_revision, kv.version);
    format!("{}={}({create},{modified},{version}{lease})", text(&kv.key), text(&kv.value))
}
