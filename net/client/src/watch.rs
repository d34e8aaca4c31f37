//! Watches that outlive their connection.
//!
//! It never reorders or repeats an event: a watch that lost its stream is created again at the revision after the
//! last one it delivered. It does not use fragments.
//!
//! One [`Watcher`] is one gRPC stream with any number of watches. Watches are created one at a time, in order,
//! since the server's answers carry no request id. Invariant: every watch is in exactly one of `waiting`
//! (numbers, the head being asked for) and `active` (server's id to number).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use proto::etcdserverpb as pb;
use proto::mvccpb::Event;
use tonic::Code;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::method;
use crate::stream::{Receiver, Sender};

/// Pauses before a lost stream is opened again: first, growth, greatest.
const BACKOFF_FIRST: Duration = Duration::from_millis(1);
const BACKOFF_FACTOR: f64 = 1.25;
const BACKOFF_MAX: Duration = Duration::from_millis(100);
/// The id of answers meant for every watch of the stream.
const BROADCAST: i64 = -1;

const COMPACTED: &str = "etcdserver: mvcc: required revision has been compacted";
const FUTURE: &str = "etcdserver: mvcc: required revision is a future revision";
const NO_LEADER: &str = "etcdserver: no leader";

/// What a watch delivers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notification {
    pub header: pb::ResponseHeader,
    pub events: Vec<Event>,
    /// Not zero: the watch ended because its next revision was compacted; the oldest that can be watched.
    pub compact_revision: i64,
    /// The watch ended; [`Notification::error`] tells why.
    pub canceled: bool,
    pub cancel_reason: String,
    /// What ended the stream below it, if the server did not end the watch itself.
    pub close_error: Option<Error>,
}

/// Number of a watch of one [`Watcher`], counted from 0 in order of creation.
pub type WatchNumber = usize;

/// One stream of watches.
pub struct Watcher {
    client: Client,
    watches: Vec<Watch>,
    waiting: VecDeque<WatchNumber>,
    active: BTreeMap<i64, WatchNumber>,
    stream: Option<(Sender<pb::WatchRequest>, Receiver<pb::WatchResponse>)>,
    /// Notifications ready to be taken.
    ready: VecDeque<(WatchNumber, Notification)>,
    backoff: Duration,
    call: Call,
}

struct Watch {
    request: pb::WatchCreateRequest,
    created_once: bool,
}

impl Notification {
    /// Why the watch ended, if it did.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        if let Some(error) = &self.close_error {
            return Some(error.clone());
        }
        if self.compact_revision != 0 {
            return Some(Error::etcd(Code::OutOfRange, COMPACTED));
        }
        if !self.canceled {
            return None;
        }
        if self.cancel_reason.is_empty() {
            return Some(Error::etcd(Code::OutOfRange, FUTURE));
        }
        Some(Error::from_reason(Some(Code::FailedPrecondition), &self.cancel_reason))
    }

    /// Whether this only tells how far the watch has come.
    #[must_use]
    pub fn is_progress(&self) -> bool {
        self.events.is_empty() && !self.canceled && self.compact_revision == 0 && self.header.revision != 0
    }

    fn closed(error: Error) -> Notification {
        Notification { canceled: true, close_error: Some(error), ..Notification::default() }
    }
}

impl Watcher {
    /// Watches that end while the server knows no leader.
    #[must_use]
    pub fn new(client: &Client) -> Watcher {
        Watcher::with_call(client, Call { deadline: None, require_leader: true })
    }

    /// Watches that go on without a leader, silent as long as it is missing.
    #[must_use]
    pub fn without_leader(client: &Client) -> Watcher {
        Watcher::with_call(client, Call::default())
    }

    fn with_call(client: &Client, call: Call) -> Watcher {
        Watcher {
            client: client.clone(),
            watches: Vec::new(),
            waiting: VecDeque::new(),
            active: BTreeMap::new(),
            stream: None,
            ready: VecDeque::new(),
            backoff: BACKOFF_FIRST,
            call,
        }
    }

    /// Adds a watch; its notifications come from [`Watcher::next`].
    ///
    /// # Errors
    /// The stream could not be opened and trying again is hopeless.
    pub async fn create(&mut self, request: pb::WatchCreateRequest) -> Result<WatchNumber, Error> {
        let number = self.watches.len();
        self.watches.push(Watch { request, created_once: false });
        self.waiting.push_back(number);
        if self.waiting.len() == 1 {
            self.ask_for_head().await?;
        }
        Ok(number)
    }

    /// Asks for a progress notification on all watches.
    ///
    /// # Errors
    /// As [`Watcher::create`].
    pub async fn request_progress(&mut self) -> Result<(), Error> {
        let union = pb::watch_request::RequestUnion::ProgressRequest(pb::WatchProgressRequest {});
        self.send(pb::WatchRequest { request_union: Some(union) }).await
    }

    /// The next notification of any watch; `None` when no watch is left. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<(WatchNumber, Notification)> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Some(ready);
            }
            if self.waiting.is_empty() && self.active.is_empty() {
                return None;
            }
            if self.stream.is_none() {
                self.reopen().await;
                continue;
            }
            let Some((_, receiver)) = &mut self.stream else { continue };
            match receiver.next().await {
                Ok(Some(response)) => self.accept(response).await,
                Ok(None) => self.lose(&Error::connection_lost()),
                Err(error) => self.lose(&error),
            }
        }
    }

    async fn accept(&mut self, response: pb::WatchResponse) {
        self.backoff = BACKOFF_FIRST;
        if response.created {
            self.created(response);
            if let Err(error) = self.ask_for_head().await {
                self.lose(&error);
            }
            return;
        }
        let id = response.watch_id;
        if response.canceled && response.compact_revision == 0 {
            // Such an end is silent: the receiver only sees that the watch is gone.
            self.active.remove(&id);
            return;
        }
        let numbers: Vec<WatchNumber> = if id == BROADCAST {
            self.active.values().copied().collect()
        } else {
            self.active.get(&id).copied().into_iter().collect()
        };
        for number in numbers {
            self.deliver(number, &response);
        }
        if response.canceled {
            self.active.remove(&id);
        }
    }

    fn created(&mut self, response: pb::WatchResponse) {
        let Some(number) = self.waiting.pop_front() else { return };
        if response.canceled && !response.cancel_reason.is_empty() {
            let error = Error::from_reason(None, &response.cancel_reason);
            self.ready.push_back((number, Notification::closed(error)));
            return;
        }
        self.active.insert(response.watch_id, number);
        let watch = &mut self.watches[number];
        if !std::mem::replace(&mut watch.created_once, true) && watch.request.start_revision == 0 {
            // Should the stream be lost before the first event, the watch goes on from here.
            watch.request.start_revision = response.header.unwrap_or_default().revision;
        }
    }

    fn deliver(&mut self, number: WatchNumber, response: &pb::WatchResponse) {
        let header = response.header.unwrap_or_default();
        let next = match response.events.last().and_then(|event| event.kv.as_ref()) {
            Some(kv) => kv.mod_revision + 1,
            None => header.revision + 1,
        };
        self.watches[number].request.start_revision = next;
        let notification = Notification {
            header,
            events: response.events.clone(),
            compact_revision: response.compact_revision,
            canceled: response.canceled,
            cancel_reason: response.cancel_reason.clone(),
            close_error: None,
        };
        self.ready.push_back((number, notification));
    }

    /// Sends the create request of the first waiting watch.
    async fn ask_for_head(&mut self) -> Result<(), Error> {
        let Some(head) = self.waiting.front() else { return Ok(()) };
        let create = self.watches[*head].request.clone();
        let union = pb::watch_request::RequestUnion::CreateRequest(create);
        self.send(pb::WatchRequest { request_union: Some(union) }).await
    }

    async fn send(&mut self, request: pb::WatchRequest) -> Result<(), Error> {
        if let Some((sender, _)) = &self.stream {
            sender.send(request).await;
            return Ok(());
        }
        loop {
            match self.client.duplex(&method::WATCH, self.call, request.clone()).await {
                Ok(stream) => {
                    self.stream = Some(stream);
                    return Ok(());
                }
                Err(error) if error.is_halt() || error.is(NO_LEADER) => return Err(error),
                Err(_) => self.pause().await,
            }
        }
    }

    async fn reopen(&mut self) {
        self.pause().await;
        if let Err(error) = self.ask_for_head().await {
            self.lose(&error);
        }
    }

    async fn pause(&mut self) {
        self.backoff = self.backoff.mul_f64(BACKOFF_FACTOR).min(BACKOFF_MAX);
        tokio::time::sleep(self.backoff).await;
    }

    /// The stream is gone: every watch waits again, or ends if another stream would fare no better.
    fn lose(&mut self, error: &Error) {
        self.stream = None;
        let active = std::mem::take(&mut self.active);
        self.waiting.extend(active.into_values());
        if error.is_halt() || error.is(NO_LEADER) {
            for number in std::mem::take(&mut self.waiting) {
                self.ready.push_back((number, Notification::closed(error.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(notification: Notification, text: &str) {
        assert_eq!(notification.error().map(|error| error.to_string()).unwrap_or_default(), text);
    }

    #[test]
    fn why_a_watch_ended() {
        check(Notification::default(), "");
        check(Notification { compact_revision: 3, canceled: true, ..Notification::default() }, COMPACTED);
        check(Notification { canceled: true, ..Notification::default() }, FUTURE);
        check(
            Notification { canceled: true, cancel_reason: "x".into(), ..Notification::default() },
            "rpc error: code = FailedPrecondition desc = x",
        );
    }
}
