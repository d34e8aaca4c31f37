//! Contexts as etcd writes them, and changes that no longer hold.

use super::*;
use proto::raftpb::ConfChangeType::{
    ConfChangeAddLearnerNode, ConfChangeAddNode, ConfChangeRemoveNode, ConfChangeUpdateNode,
};

fn change(kind: ConfChangeType, id: u64, context: impl Into<Bytes>) -> Result<Change, String> {
    Change::read(&ConfChange {
        id: Some(1),
        r#type: Some(kind as i32),
        node_id: Some(id),
        context: Some(context.into()),
    })
}

fn member(id: u64, url: &str, is_learner: bool) -> Member {
    Member { id, peer_urls: vec![url.into()], is_learner, ..Member::default() }
}

#[test]
fn contexts_are_etcds() {
    let added = member(3, "http://c:2380", true);
    assert_eq!(add_context(&added), r#"{"id":3,"peerURLs":["http://c:2380"],"isLearner":true}"#.as_bytes());
    assert_eq!(promote_context(3), r#"{"id":3,"peerURLs":null,"isPromote":true}"#.as_bytes());
    assert_eq!(update_context(3, vec!["u".into()]), r#"{"id":3,"peerURLs":["u"]}"#.as_bytes());
}

#[test]
fn changes_are_read() {
    let added = member(3, "http://c:2380", true);
    assert_eq!(change(ConfChangeAddLearnerNode, 3, add_context(&added)), Ok(Change::Add(added)));
    assert_eq!(change(ConfChangeAddNode, 3, promote_context(3)), Ok(Change::Promote(3)));
    assert_eq!(change(ConfChangeRemoveNode, 3, ""), Ok(Change::Remove(3)));
    let urls = vec!["u".to_owned()];
    assert_eq!(
        change(ConfChangeUpdateNode, 3, update_context(3, urls.clone())),
        Ok(Change::Update { id: 3, peer_urls: urls })
    );
    assert!(change(ConfChangeAddNode, 4, promote_context(3)).is_err(), "IDs differ");
    assert!(change(ConfChangeAddNode, 3, "").is_err(), "no context");
    let unknown = ConfChange { r#type: Some(9), ..ConfChange::default() };
    assert!(Change::read(&unknown).is_err());
}

#[test]
fn what_does_not_hold_any_more() {
    let mut members = Membership::new(1);
    for member in [member(1, "a", false), member(2, "b", true)] {
        members.members.insert(member.id, member);
    }
    members.removed.insert(9);
    let update = |id, url: &str| Change::Update { id, peer_urls: vec![url.into()] };
    for (change, expected) in [
        (Change::Add(member(3, "c", false)), Ok(())),
        (Change::Add(member(1, "c", false)), Err(Reject::MemberExists)),
        (Change::Add(member(9, "c", false)), Err(Reject::MemberNotFound)),
        (Change::Add(member(3, "b", false)), Err(Reject::PeerUrlExists)),
        (Change::Add(member(3, "c", true)), Err(Reject::TooManyLearners)),
        (Change::Promote(2), Ok(())),
        (Change::Promote(1), Err(Reject::MemberNotLearner)),
        (Change::Promote(3), Err(Reject::MemberNotFound)),
        (Change::Promote(9), Err(Reject::MemberNotFound)),
        (Change::Remove(1), Ok(())),
        (Change::Remove(9), Err(Reject::MemberNotFound)),
        (Change::Remove(3), Err(Reject::MemberNotFound)),
        (update(1, "a"), Ok(())),
        (update(1, "b"), Err(Reject::PeerUrlExists)),
        (update(3, "c"), Err(Reject::MemberNotFound)),
        (update(9, "c"), Err(Reject::MemberNotFound)),
    ] {
        assert_eq!(members.validate(&change), expected, "{change:?}");
    }
}
