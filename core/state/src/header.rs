//! Response headers as the state machine makes them.

use proto::etcdserverpb::ResponseHeader;

/// A header that carries the revision only: the edge fills in the rest where the protocol wants it.
pub(crate) fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader { revision, ..ResponseHeader::default() })
}
