//! Keys: checks before proposing, writes at apply, reads on live state.
//!
//! It never encodes a stored value again: a KeyValue in a reply is the row's bytes wherever the request allows it.

pub mod check;
mod compare;
mod delete;
mod duplicates;
mod fetch;
mod invalid;
mod put;
mod range;
mod reply;
mod select;
mod stream;
mod task;
mod txn;

pub use fetch::RangeFetch;
pub use invalid::Invalid;
pub use range::RangeAnswer;
pub use reply::{HeaderFields, RangeReply, encode_put_response};
pub use stream::{RangeStream, StreamStep};
pub use task::{FETCH_INLINE_MAX, KEYS_PER_TURN_MAX, RangeStep, RangeTask};
pub use txn::{is_read_only, is_serializable};

use bytes::Bytes;
use proto::{Message, mvccpb::KeyValue};

/// A stored row as a message. A row of zero bytes (written by restores that bump the revision) is an empty KeyValue.
pub(crate) fn decode_row(row: Bytes) -> Result<KeyValue, crate::Error> {
    KeyValue::decode(row).map_err(|e| crate::Error::row(backend::Bucket::Key, e.to_string()))
}
