//! Watches: history, live changes, filters, two on one stream, cancel, and a start that is compacted.

use crate::{done, pair, revision};
use etcd_client::{
    Client, CompactionOptions, EventType, WatchFilterType, WatchOptions, WatchResponse, WatchStream,
};

/// Type, key, value and previous value of an event.
type Event = (EventType, String, String, Option<String>);

fn event(event: &etcd_client::Event) -> Event {
    let (key, value) = event.kv().map(pair).expect("a key");
    let previous = event.prev_kv().map(|kv| pair(kv).1.to_owned());
    (event.event_type(), key.to_owned(), value.to_owned(), previous)
}

fn put(key: &str, value: &str, previous: Option<&str>) -> Event {
    (EventType::Put, key.to_owned(), value.to_owned(), previous.map(str::to_owned))
}

fn delete(key: &str, previous: Option<&str>) -> Event {
    (EventType::Delete, key.to_owned(), String::new(), previous.map(str::to_owned))
}

async fn next(stream: &mut WatchStream) -> WatchResponse {
    done(stream.message()).await.expect("the stream goes on")
}

/// The next `count` events; they may come in one message or in several.
async fn events(stream: &mut WatchStream, count: usize) -> Vec<Event> {
    let mut found = Vec::new();
    while found.len() < count {
        let message = next(stream).await;
        assert!(!message.canceled(), "{message:?}");
        found.extend(message.events().iter().map(event));
    }
    assert_eq!(found.len(), count, "{found:?}");
    found
}

async fn created(stream: &mut WatchStream) -> i64 {
    let message = next(stream).await;
    assert!(message.created() && !message.canceled(), "{message:?}");
    message.watch_id()
}

pub async fn history_and_cancel(client: &mut Client) {
    let start = revision(client).await + 1;
    done(client.put("w/a", "1", None)).await;
    done(client.put("w/b", "1", None)).await;
    done(client.put("w/a", "2", None)).await;
    done(client.delete("w/b", None)).await;
    let options = WatchOptions::new().with_prefix().with_start_revision(start).with_prev_key();
    let mut stream = done(client.watch("w/", Some(options))).await;
    let id = created(&mut stream).await;
    let expected =
        [put("w/a", "1", None), put("w/b", "1", None), put("w/a", "2", Some("1")), delete("w/b", Some("1"))];
    assert_eq!(events(&mut stream, 4).await, expected);
    done(client.put("w/live", "x", None)).await;
    assert_eq!(events(&mut stream, 1).await, [put("w/live", "x", None)]);

    done(stream.request_progress()).await;
    let progress = next(&mut stream).await;
    assert!(progress.events().is_empty() && !progress.canceled());
    assert_eq!(progress.header().expect("a header").revision(), start + 4);

    done(stream.cancel(id)).await;
    let last = next(&mut stream).await;
    assert!(last.canceled() && last.watch_id() == id && last.cancel_reason().is_empty(), "{last:?}");
}

pub async fn live_with_filters(client: &mut Client) {
    let options = WatchOptions::new().with_filters([WatchFilterType::NoPut]).with_watch_id(70);
    let mut stream = done(client.watch("w/f", Some(options))).await;
    assert_eq!(created(&mut stream).await, 70);
    done(client.put("w/f", "unseen", None)).await;
    done(client.put("w/other", "unseen", None)).await;
    done(client.delete("w/f", None)).await;
    assert_eq!(events(&mut stream, 1).await, [delete("w/f", None)]);
}

pub async fn two_on_one_stream(client: &mut Client) {
    let mut stream = done(client.watch("w/one", None)).await;
    let one = created(&mut stream).await;
    done(stream.watch("w/two", None)).await;
    let two = created(&mut stream).await;
    assert_ne!(one, two);
    done(client.put("w/two", "2", None)).await;
    let message = next(&mut stream).await;
    assert_eq!((message.watch_id(), event(&message.events()[0])), (two, put("w/two", "2", None)));
    done(client.put("w/one", "1", None)).await;
    let message = next(&mut stream).await;
    assert_eq!((message.watch_id(), event(&message.events()[0])), (one, put("w/one", "1", None)));
}

/// Compacts; it must come last.
pub async fn compacted(client: &mut Client) {
    let now = revision(client).await;
    done(client.compact(now, Some(CompactionOptions::new().with_physical()))).await;
    let mut stream = done(client.watch("w/a", Some(WatchOptions::new().with_start_revision(1)))).await;
    let id = created(&mut stream).await;
    let message = next(&mut stream).await;
    assert!(message.canceled() && message.watch_id() == id, "{message:?}");
    assert_eq!(message.compact_revision(), now);
    assert_eq!(done(client.get("w/a", None)).await.kvs().len(), 1);
}
