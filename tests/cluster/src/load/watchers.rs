//! Watchers of everything, one on each member, that go on through all faults; and the history read anew. They hand events
//! on in the order they came and judge nothing.

use super::{CALL_TIMEOUT, Clock};
use crate::Failure;
use crate::api::Api;
use crate::cluster::{PATIENCE, POLL};
use history::{Change, Position};
use proto::etcdserverpb as pb;
use proto::mvccpb::{Event as Wire, event::EventType};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events of one watcher that nobody has taken yet; beyond, the watcher reads no more.
const EVENTS_WAITING_MAX: usize = 1 << 17;

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub revision: i64,
    pub change: Change,
    /// When it came.
    pub at: Position,
}

/// Watches a member from revision 1 on, over as many streams as it takes.
#[derive(Debug)]
pub struct Watcher {
    pub member: usize,
    events: mpsc::Receiver<Result<Event, Failure>>,
    task: JoinHandle<()>,
}

impl Watcher {
    pub fn start(member: usize, clock: Clock) -> Watcher {
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        Watcher { member, events, task: tokio::spawn(watch(member, clock, sender)) }
    }

    /// All events up to one of this revision or a higher one, which must come.
    ///
    /// # Errors
    /// Nothing came for [`PATIENCE`], or the member ended the watch.
    pub async fn through(&mut self, revision: i64, from: &mut Vec<Event>) -> Result<(), Failure> {
        while from.last().is_none_or(|event| event.revision < revision) {
            match tokio::time::timeout(PATIENCE, self.events.recv()).await {
                Ok(Some(event)) => from.push(event?),
                Ok(None) => return Err("the watcher has ended".to_owned()),
                Err(_) => {
                    let last = from.last().map_or(0, |event| event.revision);
                    let member = self.member;
                    return Err(format!("the watcher of member {member} gets nothing after revision {last}"));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(member: usize, clock: Clock, events: mpsc::Sender<Result<Event, Failure>>) {
    let mut api = Api::new(member, CALL_TIMEOUT);
    let mut next = 1;
    while !events.is_closed() {
        if let Ok((_sender, mut answers)) = api.watch(next).await {
            while let Ok(Some(answer)) = answers.message().await {
                if answer.canceled {
                    let reason = format!("the watch from {next} was canceled: {answer:?}");
                    // The receiver is gone only when the test is over.
                    let _ = events.send(Err(reason)).await;
                    return;
                }
                for event in answer.events {
                    let event = from_wire(event, clock.now());
                    next = event.revision + 1;
                    if events.send(Ok(event)).await.is_err() {
                        return;
                    }
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// All events of the revisions from `first` to `last`, which the member has already or gets.
///
/// # Errors
/// They do not come.
pub async fn history(member: usize, first: i64, last: i64, clock: Clock) -> Result<Vec<Event>, Failure> {
    let mut events: Vec<Event> = Vec::new();
    if first > last {
        return Ok(events);
    }
    let (_sender, mut answers) = Api::new(member, CALL_TIMEOUT).watch(first).await?;
    // A revision comes whole: all its events are in one answer.
    while events.last().is_none_or(|event| event.revision < last) {
        let answer: pb::WatchResponse = tokio::time::timeout(PATIENCE, answers.message())
            .await
            .map_err(|_| format!("member {member}: the history from {first} to {last} does not come"))?
            .map_err(|status| status.to_string())?
            .ok_or("the watch ended")?;
        if answer.canceled {
            return Err(format!("member {member}: the watch from {first} was canceled: {answer:?}"));
        }
        events.extend(answer.events.into_iter().map(|event| from_wire(event, clock.now())));
    }
    events.retain(|event| event.revision <= last);
    Ok(events)
}

fn from_wire(event: Wire, at: Position) -> Event {
    let put = event.r#type() == EventType::Put;
    let kv = event.kv.unwrap_or_default();
    let revision = kv.mod_revision;
    let change = if put { Change::put(kv.key, kv.value, kv.lease) } else { Change::delete(kv.key) };
    Event { revision, change, at }
}
