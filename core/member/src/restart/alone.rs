//! The log of a member that goes on without the others (`--force-new-cluster`): what is not committed is dropped, and
//! their removal committed in its place. Its data and its ID stay.

use super::{Error, Opened, add_change, change_entry, remove_change};
use crate::raft::NodeLog;
use proto::{Message, raftpb};
use std::collections::BTreeSet;

/// Peer URL of a member that its own configuration does not list; etcd's default.
const DEFAULT_PEER_URL: &str = "http://localhost:2380";

/// What [`super::open_alone`] did to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forced {
    /// The log's commit index as it was.
    pub commit: u64,
    /// Entries that were not committed, and are gone.
    pub discarded: usize,
}

/// Makes this member the only one. A member that its configuration does not list is added first: at no time may the
/// configuration be empty.
pub(super) fn drop_others(opened: &mut Opened) -> Result<(), Error> {
    let NodeLog { hard_state, entries, .. } = &mut opened.log;
    let before = hard_state.commit();
    // A commit index that rises alone is not synced, so entries beyond it may be applied already.
    let mut commit = before.max(opened.state.consistent_index());
    let kept = entries.iter().take_while(|entry| entry.index() <= commit).count();
    let discarded = entries.len() - kept;
    entries.truncate(kept);

    let mut others: BTreeSet<u64> = opened.state.members().iter().map(|member| member.id).collect();
    for entry in entries.iter().filter(|e| e.r#type() == raftpb::EntryType::EntryConfChange) {
        let change = raftpb::ConfChange::decode(entry.data.clone().unwrap_or_default());
        let change = change.map_err(|e| Error::ConfChange { index: entry.index(), reason: e.to_string() })?;
        match change.r#type() {
            raftpb::ConfChangeType::ConfChangeRemoveNode => others.remove(&change.node_id()),
            raftpb::ConfChangeType::ConfChangeUpdateNode => false,
            raftpb::ConfChangeType::ConfChangeAddNode | raftpb::ConfChangeType::ConfChangeAddLearnerNode => {
                others.insert(change.node_id())
            }
        };
    }
    let own = opened.member_id;
    let add = (!others.remove(&own)).then(|| {
        add_change(&state::member::Member {
            id: own,
            peer_urls: vec![DEFAULT_PEER_URL.to_owned()],
            ..Default::default()
        })
    });
    for change in add.into_iter().chain(others.into_iter().map(remove_change)) {
        commit += 1;
        let entry = change_entry(hard_state.term(), commit, &change);
        opened.wal.append_entry(&entry);
        entries.push(entry);
    }
    *hard_state = raftpb::HardState::new(hard_state.term(), hard_state.vote(), commit);
    opened.wal.append_state(hard_state);
    opened.wal.sync()?;
    opened.forced = Some(Forced { commit: before, discarded });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Beginning, InitialMember, Layout, NewCluster, open, open_alone};
    use super::*;
    use disk::{Disk, sim::SimDisk};
    use std::{path::PathBuf, sync::Arc};

    type Open = fn(
        &Arc<dyn Disk>,
        &Layout,
        bolt::Options,
        state::Options,
        fn() -> Result<Beginning, Error>,
    ) -> Result<Opened, Error>;

    fn opened(disk: &Arc<dyn Disk>, open: Open) -> Opened {
        let layout = Layout {
            wal_dir: PathBuf::from("d/wal"),
            snap_dir: PathBuf::from("d/snap"),
            segment_bytes: wal::SEGMENT_BYTES,
        };
        open(disk, &layout, bolt::Options::default(), state::Options::default(), || {
            let member = |name: &str| InitialMember {
                name: name.to_owned(),
                peer_urls: vec![format!("http://{name}:2380")],
            };
            let members = ["a", "b", "c"].map(member).into();
            Ok(Beginning::Found(NewCluster { token: "t".into(), name: "b".into(), members }))
        })
        .unwrap()
    }

    fn changes(opened: &Opened) -> Vec<(u64, raftpb::ConfChangeType, u64)> {
        let change = |entry: &raftpb::Entry| {
            let change = raftpb::ConfChange::decode(entry.data.clone()?).ok()?;
            Some((entry.index(), change.r#type(), change.node_id()))
        };
        let entries = opened.log.entries.iter();
        entries.filter(|e| e.r#type() == raftpb::EntryType::EntryConfChange).filter_map(change).collect()
    }

    /// Three founders, a member added and one removed, a write, and behind the commit index a learner.
    #[test]
    fn the_others_are_removed_where_the_uncommitted_began() {
        use raftpb::ConfChangeType::ConfChangeRemoveNode as Remove;
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let mut first = opened(&disk, open);
        let own = first.member_id;
        let ids: Vec<u64> = changes(&first).iter().map(|(_, _, id)| *id).collect();
        let others: Vec<u64> = ids.iter().copied().filter(|id| *id != own).collect();
        let added = state::member::Member {
            id: u64::MAX,
            peer_urls: vec!["http://d:2380".into()],
            ..Default::default()
        };
        let learner = raftpb::ConfChange {
            r#type: Some(raftpb::ConfChangeType::ConfChangeAddLearnerNode as i32),
            ..add_change(&added)
        };
        first.wal.append_entry(&change_entry(2, 4, &add_change(&added)));
        first.wal.append_entry(&change_entry(2, 5, &remove_change(others[0])));
        first.wal.append_entry(&raftpb::Entry::new(
            raftpb::EntryType::EntryNormal,
            2,
            6,
            bytes::Bytes::new(),
        ));
        first.wal.append_state(&raftpb::HardState::new(2, own, 6));
        first.wal.append_entry(&change_entry(2, 7, &learner));
        first.wal.append_entry(&change_entry(2, 8, &remove_change(own)));
        first.wal.sync().unwrap();
        drop(first);

        let forced = opened(&disk, open_alone);
        assert_eq!(forced.forced, Some(Forced { commit: 6, discarded: 2 }));
        assert_eq!(forced.member_id, own);
        assert_eq!(forced.log.hard_state, raftpb::HardState::new(2, own, 8));
        let mut removed: Vec<u64> = vec![others[1], u64::MAX];
        removed.sort_unstable();
        assert_eq!(changes(&forced)[5..], [(7, Remove, removed[0]), (8, Remove, removed[1])]);
        drop(forced);

        let again = opened(&disk, open);
        assert_eq!((again.forced, again.log.hard_state.commit()), (None, 8), "the log says so from now on");
        let repeated = changes(&again);
        drop(again);
        let forced = opened(&disk, open_alone);
        assert_eq!(changes(&forced), repeated, "there is nobody left to remove");
    }

    #[test]
    fn a_member_that_was_never_told_of_itself_is_added() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let layout = Layout {
            wal_dir: PathBuf::from("d/wal"),
            snap_dir: PathBuf::from("d/snap"),
            segment_bytes: wal::SEGMENT_BYTES,
        };
        let join = || Ok(Beginning::Join { member_id: 7, cluster_id: 1 });
        let options = (bolt::Options::default(), state::Options::default());
        drop(open(&disk, &layout, options.0.clone(), options.1.clone(), join).unwrap());
        let forced = open_alone(&disk, &layout, options.0, options.1, join).unwrap();
        assert_eq!(changes(&forced), [(1, raftpb::ConfChangeType::ConfChangeAddNode, 7)]);
        assert_eq!(forced.log.hard_state.commit(), 1);
    }
}
