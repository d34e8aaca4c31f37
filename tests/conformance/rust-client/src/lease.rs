//! Leases: grant, attach, list, time to live, keep-alive, revoke, expiry.

use crate::{done, soon};
use etcd_client::{Client, EventType, LeaseGrantOptions, LeaseTimeToLiveOptions, PutOptions, WatchOptions};

pub async fn grant_attach_and_revoke(client: &mut Client) {
    let granted = done(client.lease_grant(600, Some(LeaseGrantOptions::new().with_id(77)))).await;
    assert_eq!((granted.id(), granted.ttl(), granted.error()), (77, 600, ""));
    for key in ["l/b", "l/a"] {
        done(client.put(key, "held", Some(PutOptions::new().with_lease(77)))).await;
    }
    assert_eq!(done(client.get("l/a", None)).await.kvs()[0].lease(), 77);
    let left = done(client.lease_time_to_live(77, Some(LeaseTimeToLiveOptions::new().with_keys()))).await;
    let mut keys = left.keys().to_vec();
    keys.sort();
    assert_eq!((left.id(), left.granted_ttl(), keys), (77, 600, vec![b"l/a".to_vec(), b"l/b".to_vec()]));
    assert!((1..=600).contains(&left.ttl()), "{left:?}");
    assert_eq!(done(client.leases()).await.leases().iter().map(|lease| lease.id()).collect::<Vec<_>>(), [77]);

    // A put without the lease detaches the key; one that ignores it keeps it.
    done(client.put("l/a", "free", None)).await;
    done(client.put("l/b", "still held", Some(PutOptions::new().with_ignore_lease()))).await;
    done(client.lease_revoke(77)).await;
    assert_eq!(done(client.get("l/a", None)).await.count(), 1);
    assert_eq!(done(client.get("l/b", None)).await.count(), 0);
    let gone = done(client.lease_time_to_live(77, None)).await;
    assert_eq!((gone.ttl(), gone.granted_ttl()), (-1, 0));
    assert!(done(client.leases()).await.leases().is_empty());
}

pub async fn keep_alive(client: &mut Client) {
    let id = done(client.lease_grant(600, None)).await.id();
    assert_ne!(id, 0);
    let (mut keeper, mut answers) = done(client.lease_keep_alive(id)).await;
    assert_eq!(keeper.id(), id);
    for _ in 0..3 {
        done(keeper.keep_alive()).await;
        let answer = done(answers.message()).await.expect("the stream goes on");
        assert_eq!((answer.id(), answer.ttl()), (id, 600));
    }
    done(client.lease_revoke(id)).await;
    // The server answers with a time to live of 0, which this client may turn into an error or hand out.
    done(keeper.keep_alive()).await;
    if let Ok(answer) = soon(answers.message()).await {
        assert_eq!(answer.expect("the stream goes on").ttl(), 0);
    }
    assert!(soon(client.lease_keep_alive(id)).await.is_err());
}

/// A watch sees the key go when nobody keeps its lease alive.
pub async fn expiry_deletes(client: &mut Client) {
    let id = done(client.lease_grant(1, None)).await.id();
    let put = done(client.put("l/short", "x", Some(PutOptions::new().with_lease(id)))).await;
    let start = put.header().expect("a header").revision() + 1;
    let mut stream =
        done(client.watch("l/short", Some(WatchOptions::new().with_start_revision(start)))).await;
    let mut found = Vec::new();
    while found.is_empty() {
        let message = done(stream.message()).await.expect("the stream goes on");
        found.extend(message.events().iter().map(|event| event.event_type()));
    }
    assert_eq!(found, [EventType::Delete]);
    assert_eq!(done(client.get("l/short", None)).await.count(), 0);
}
