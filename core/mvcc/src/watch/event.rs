//! One event, encoded once and shared by all who watch it.
//!
//! The bytes are the body of an `mvccpb.Event`: field 1 type (absent for PUT), field 2 the stored `KeyValue`, and,
//! kept apart because only some watchers ask for it, field 3 the previous one.

use crate::Change;
use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

const FIELD_TYPE: u32 = 1;
const FIELD_KV: u32 = 2;
const FIELD_PREV_KV: u32 = 3;
const TYPE_DELETE: u64 = 1;

/// Field number of a tombstone's mod revision inside its `KeyValue`.
const KV_FIELD_MOD_REVISION: u32 = 3;

/// An encoded event. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    head: Bytes,
    prev: Option<Bytes>,
}

impl Event {
    /// A tombstone row stores only the key; watchers see its revision too.
    pub fn new(change: &Change) -> Event {
        let mut head = BytesMut::with_capacity(change.kv.len() + 24);
        if change.tombstone {
            encode_key(FIELD_TYPE, WireType::Varint, &mut head);
            encode_varint(TYPE_DELETE, &mut head);
            let revision = change.revision.main as u64;
            let len = change.kv.len() + 1 + encoded_len_varint(revision);
            encode_key(FIELD_KV, WireType::LengthDelimited, &mut head);
            encode_varint(len as u64, &mut head);
            head.put_slice(&change.kv);
            encode_key(KV_FIELD_MOD_REVISION, WireType::Varint, &mut head);
            encode_varint(revision, &mut head);
        } else {
            encode_key(FIELD_KV, WireType::LengthDelimited, &mut head);
            encode_varint(change.kv.len() as u64, &mut head);
            head.put_slice(&change.kv);
        }
        Event { head: head.freeze(), prev: None }
    }

    /// The same event with the key's previous `KeyValue` (encoded).
    pub fn with_prev(&self, prev: Option<Bytes>) -> Event {
        Event { head: self.head.clone(), prev }
    }

    pub fn encoded_len(&self) -> usize {
        let prev = self.prev.as_ref().map_or(0, |p| 1 + encoded_len_varint(p.len() as u64) + p.len());
        self.head.len() + prev
    }

    /// Appends the body of the `mvccpb.Event`.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.head);
        if let Some(prev) = &self.prev {
            encode_key(FIELD_PREV_KV, WireType::LengthDelimited, out);
            encode_varint(prev.len() as u64, out);
            out.put_slice(prev);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Revision;
    use prost::Message;
    use proto::mvccpb;

    fn check(tombstone: bool, kv: mvccpb::KeyValue, expected: mvccpb::Event) {
        let change = Change {
            revision: Revision { main: 300, sub: 0 },
            tombstone,
            key: kv.key.clone(),
            kv: kv.encode_to_vec().into(),
            created: false,
        };
        let prev = mvccpb::KeyValue { key: kv.key.clone(), version: 9, ..Default::default() };
        let event = Event::new(&change).with_prev(Some(prev.encode_to_vec().into()));
        let mut bytes = BytesMut::new();
        event.encode(&mut bytes);
        assert_eq!(bytes.len(), event.encoded_len());
        let expected = mvccpb::Event { prev_kv: Some(prev), ..expected };
        assert_eq!(mvccpb::Event::decode(bytes.freeze()).unwrap(), expected);
    }

    #[test]
    fn puts_and_deletes_decode_as_etcd_sends_them() {
        let kv =
            mvccpb::KeyValue { key: "k".into(), mod_revision: 300, value: "v".into(), ..Default::default() };
        check(false, kv.clone(), mvccpb::Event { r#type: 0, kv: Some(kv), prev_kv: None });
        let stored = mvccpb::KeyValue { key: "k".into(), ..Default::default() };
        let seen = mvccpb::KeyValue { mod_revision: 300, ..stored.clone() };
        check(true, stored, mvccpb::Event { r#type: 1, kv: Some(seen), prev_kv: None });
    }
}
