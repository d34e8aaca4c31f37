//! Members, status, hashes, alarms, snapshot, defragmentation.

use crate::{done, revision};
use etcd_client::{AlarmAction, AlarmType, Client};
use std::path::Path;

/// What a bolt file's first page holds at its 16th byte.
const BOLT_MAGIC: u32 = 0xED0C_DAED;
/// The snapshot ends with a SHA-256 of what went before it.
const CHECKSUM_BYTES: usize = 32;

pub async fn members_and_status(client: &mut Client) {
    let list = done(client.member_list()).await;
    let header = list.header().expect("a header");
    let [member] = list.members() else { panic!("{list:?}") };
    assert_eq!(member.id(), header.member_id());
    assert!(!member.is_learner() && !member.name().is_empty());
    assert_eq!((member.peer_urls().len(), member.client_urls().len()), (1, 1));

    let status = done(client.status()).await;
    assert_eq!((status.version(), status.storage_version()), ("3.7.1", "3.7.0"));
    assert_eq!(status.leader(), member.id());
    assert!(status.raft_index() >= status.raft_applied_index() && status.raft_term() > 1, "{status:?}");
    assert!(status.db_size() >= status.raft_used_db_size() && status.raft_used_db_size() > 0, "{status:?}");
    assert!(!status.is_learner() && status.errors().is_empty(), "{status:?}");
    assert_eq!(status.db_size_quota(), 2 * 1024 * 1024 * 1024);
    assert!(!status.downgrade_info().is_some_and(|info| info.enabled()));
}

pub async fn hashes(client: &mut Client) {
    let now = revision(client).await;
    assert_ne!(done(client.hash()).await.hash(), 0);
    let (whole, same) = (done(client.hash_kv(0)).await, done(client.hash_kv(now)).await);
    assert_eq!((whole.hash(), whole.hash_revision(), whole.compact_version()), (same.hash(), now, -1));
    assert_ne!(done(client.hash_kv(now - 1)).await.hash(), whole.hash());
}

pub async fn alarms(client: &mut Client) {
    let none = done(client.alarm(AlarmAction::Get, AlarmType::None, None)).await;
    assert!(none.alarms().is_empty());
    let raised = done(client.alarm(AlarmAction::Activate, AlarmType::Nospace, None)).await;
    assert_eq!(raised.alarms()[0].alarm(), AlarmType::Nospace);
    let refused = client.put("m/full", "x", None).await.expect_err("no space");
    assert!(refused.to_string().contains("etcdserver: mvcc: database space exceeded"), "{refused}");
    assert_eq!(done(client.status()).await.errors().len(), 1);
    let listed = done(client.alarm(AlarmAction::Get, AlarmType::None, None)).await;
    assert_eq!(listed.alarms().len(), 1);
    done(client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, None)).await;
    done(client.put("m/full", "x", None)).await;
}

pub async fn snapshot_and_defragment(client: &mut Client, directory: &Path) {
    let mut stream = done(client.snapshot()).await;
    let mut file = Vec::new();
    while let Some(piece) = done(stream.message()).await {
        file.extend_from_slice(piece.blob());
        assert_eq!(piece.version(), "3.7.0");
        if piece.remaining_bytes() == 0 && piece.blob().len() == CHECKSUM_BYTES {
            break;
        }
    }
    assert_eq!(file.len() % 512, CHECKSUM_BYTES);
    assert_eq!(file[16..20], BOLT_MAGIC.to_le_bytes());
    std::fs::write(directory.join("rust-client.db"), &file).expect("a place for the snapshot");

    let before = done(client.hash_kv(0)).await.hash();
    done(client.defragment()).await;
    assert_eq!(done(client.hash_kv(0)).await.hash(), before);
}
