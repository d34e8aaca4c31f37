//! Keys: checks before proposing, writes at apply, reads on live state.
//!
//! It never encodes a stored value again: a KeyValue in a reply is the row's bytes wherever the request allows it.

pub mod check;
mod compare;
mod delete;
mod duplicates;
mod encode;
mod put;
mod range;
mod select;
mod stream;
mod task;
mod txn;

pub use check::Invalid;
pub use encode::{HeaderFields, encode_put_response};
pub use range::{RangeAnswer, RangeFetch, RangeReply};
pub use stream::{RangeStream, StreamStep};
pub use task::{FETCH_INLINE_MAX, KEYS_PER_TURN_MAX, RangeStep, RangeTask};
pub use txn::{is_read_only, is_serializable};

use bytes::Bytes;
use proto::{Message, etcdserverpb as pb, mvccpb::KeyValue};

/// A stored row as a message. A row of zero bytes (written by restores that bump the revision) is an empty KeyValue.
pub(crate) fn decode_row(row: Bytes) -> Result<KeyValue, crate::Error> {
    KeyValue::decode(row).map_err(|e| crate::Error::row(backend::Bucket::Key, e.to_string()))
}

/// A header that carries the revision only: the edge fills in the rest where the protocol wants it.
pub(crate) fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { revision, ..pb::ResponseHeader::default() })
}
