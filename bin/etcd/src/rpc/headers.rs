//! Response headers: who answers, in which term, at which revision.

use member::Member;
use proto::etcdserverpb::ResponseHeader;
use state::kv::HeaderFields;

/// The fields that do not depend on the call. `raft_term` is the term of the last applied entry, as etcd has it.
pub fn fields(member: &Member) -> HeaderFields {
    HeaderFields {
        cluster_id: member.settings().cluster_id,
        member_id: member.settings().member_id,
        raft_term: member.state().applied_term(),
    }
}

/// A header with this revision.
pub fn at(member: &Member, revision: i64) -> Option<ResponseHeader> {
    Some(fields(member).with_revision(revision))
}

/// A header with the store's current revision.
pub fn current(member: &Member) -> Option<ResponseHeader> {
    at(member, member.state().revision())
}

/// Fills in a header whose revision the state machine has set (0: the current one).
pub fn fill(member: &Member, header: &Option<ResponseHeader>) -> Option<ResponseHeader> {
    match header.as_ref().map_or(0, |h| h.revision) {
        0 => current(member),
        revision => at(member, revision),
    }
}
