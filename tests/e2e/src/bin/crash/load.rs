//! Writers that run until the server is gone, and the reader of everything they wrote.

use crate::model::{Found, Kind, Operation, value};
use bytes::Bytes;
use e2e::transport::{Failure, unary};
use prost::Message;
use proto::etcdserverpb as pb;
use std::collections::BTreeMap;
use tonic::transport::Channel;

/// Every so many puts a writer deletes the key before.
const PUTS_PER_DELETE: u32 = 5;
/// Every so many puts the first writer compacts, or defragments in a round that does.
const PUTS_PER_COMPACTION: u32 = 40;
/// Keys of one page of the reader.
const PAGE_KEYS: i64 = 5000;
const PREFIX: &str = "c/";
const PREFIX_END: &str = "c0";

async fn call<R: Message + Default>(channel: &Channel, path: &str, request: &impl Message) -> Option<R> {
    let body = Bytes::from(request.encode_to_vec());
    R::decode(unary(channel, path, &[], body).await.ok()?).ok()
}

/// Writes keys of its own until a call fails; that one may or may not have happened.
pub async fn write(channel: Channel, round: u32, writer: u32, defragments: bool) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for number in 0.. {
        let key = format!("{PREFIX}{round:04}/{writer:02}/{number:06}");
        let request =
            pb::PutRequest { key: key.clone().into(), value: value(&key).into(), ..Default::default() };
        let answer: Option<pb::PutResponse> = call(&channel, "/etcdserverpb.KV/Put", &request).await;
        let acknowledged = answer.and_then(|answer| answer.header).map(|header| header.revision);
        operations.push(Operation { key: key.clone(), kind: Kind::Put, acknowledged });
        let Some(revision) = acknowledged else { break };
        if number % PUTS_PER_DELETE == 0 {
            let request = pb::DeleteRangeRequest { key: key.clone().into(), ..Default::default() };
            let answer: Option<pb::DeleteRangeResponse> =
                call(&channel, "/etcdserverpb.KV/DeleteRange", &request).await;
            let acknowledged = answer.and_then(|answer| answer.header).map(|header| header.revision);
            operations.push(Operation { key, kind: Kind::Delete, acknowledged });
            if acknowledged.is_none() {
                break;
            }
        }
        if writer == 0 && number % PUTS_PER_COMPACTION == PUTS_PER_COMPACTION - 1 {
            // Whether these two are answered does not matter: they change nothing a reader sees.
            let request = pb::CompactionRequest { revision, physical: false };
            let _: Option<pb::CompactionResponse> =
                call(&channel, "/etcdserverpb.KV/Compact", &request).await;
            if defragments {
                let path = "/etcdserverpb.Maintenance/Defragment";
                let _: Option<pb::DefragmentResponse> = call(&channel, path, &pb::DefragmentRequest {}).await;
            }
        }
    }
    operations
}

/// All keys of all writers.
pub async fn read(channel: &Channel) -> Result<BTreeMap<String, Found>, Failure> {
    let mut found = BTreeMap::new();
    let mut next = Bytes::from_static(PREFIX.as_bytes());
    loop {
        let request = pb::RangeRequest {
            key: next,
            range_end: Bytes::from_static(PREFIX_END.as_bytes()),
            limit: PAGE_KEYS,
            ..Default::default()
        };
        let page: pb::RangeResponse =
            call(channel, "/etcdserverpb.KV/Range", &request).await.ok_or("a range failed")?;
        for kv in &page.kvs {
            let key = String::from_utf8(kv.key.to_vec()).map_err(|e| e.to_string())?;
            let held = Found {
                value: kv.value.to_vec(),
                create_revision: kv.create_revision,
                mod_revision: kv.mod_revision,
                version: kv.version,
            };
            found.insert(key, held);
        }
        let Some(last) = page.kvs.last().filter(|_| page.more) else { return Ok(found) };
        next = [&last.key[..], b"\0"].concat().into();
    }
}

/// The hash of everything up to the current revision, and that revision.
pub async fn hash(channel: &Channel) -> Result<(u32, i64), Failure> {
    let answer: pb::HashKvResponse =
        call(channel, "/etcdserverpb.Maintenance/HashKV", &pb::HashKvRequest::default())
            .await
            .ok_or("HashKV failed")?;
    Ok((answer.hash, answer.hash_revision))
}
