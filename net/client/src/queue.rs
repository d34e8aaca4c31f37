//! A queue of keys under one prefix, ordered by creation, each bound to a lease: the shape of locks and elections.
//!
//! It never keeps the lease alive; its owner does. Whoever created the oldest key is at the head; the others wait
//! until every older key is gone. Key of a ticket: `<name>/<lease in hexadecimal>`, so one lease queues once.

use proto::etcdserverpb as pb;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use proto::etcdserverpb::request_op::Request;
use proto::etcdserverpb::response_op::Response;
use proto::mvccpb::KeyValue;
use proto::mvccpb::event::EventType;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::method;
use crate::prefix_range_end;
use crate::watch::Watcher;

/// A place in the queue.
#[derive(Debug, Clone)]
pub struct Ticket {
    client: Client,
    /// `<name>/`.
    prefix: Vec<u8>,
    pub key: Vec<u8>,
    /// Create revision of the key.
    pub revision: i64,
}

impl Ticket {
    /// Queues with this value.
    ///
    /// # Errors
    /// The server refused, or the connection was lost.
    pub async fn draw(client: &Client, name: &[u8], lease: i64, value: &[u8]) -> Result<Ticket, Error> {
        let prefix = [name, b"/"].concat();
        let key = [prefix.as_slice(), format!("{lease:x}").as_bytes()].concat();
        let put = pb::PutRequest {
            key: key.clone().into(),
            value: value.to_vec().into(),
            lease,
            ..pb::PutRequest::default()
        };
        let get = pb::RangeRequest { key: key.clone().into(), ..pb::RangeRequest::default() };
        let request = pb::TxnRequest {
            compare: vec![created_at(&key, 0)],
            success: vec![operation(Request::RequestPut(put))],
            failure: vec![operation(Request::RequestRange(get))],
        };
        let response = client.call(&method::TXN, Call::default(), request).await?;
        let revision = match response.responses.first().and_then(|part| part.response.as_ref()) {
            // The lease queued before: its place counts.
            Some(Response::ResponseRange(range)) => range.kvs.first().map_or(0, |kv| kv.create_revision),
            _ => response.header.unwrap_or_default().revision,
        };
        Ok(Ticket { client: client.clone(), prefix, key, revision })
    }

    /// Waits until no older key is left, and tells whether there was one.
    ///
    /// # Errors
    /// The server refused, or the watch on an older key ended.
    pub async fn wait_for_head(&self) -> Result<bool, Error> {
        let mut waited = false;
        loop {
            let request = pb::RangeRequest {
                max_create_revision: self.revision - 1,
                ..first_by_creation(&self.prefix, SortOrder::Descend)
            };
            // Nothing is older than revision 1.
            if request.max_create_revision == 0 {
                return Ok(waited);
            }
            let response = self.client.call(&method::RANGE, Call::default(), request).await?;
            let Some(older) = response.kvs.into_iter().next() else { return Ok(waited) };
            waited = true;
            self.wait_for_deletion(&older, response.header.unwrap_or_default().revision).await?;
        }
    }

    async fn wait_for_deletion(&self, kv: &KeyValue, revision: i64) -> Result<(), Error> {
        let mut watcher = Watcher::without_leader(&self.client);
        let request = pb::WatchCreateRequest {
            key: kv.key.clone(),
            start_revision: revision,
            ..pb::WatchCreateRequest::default()
        };
        watcher.create(request).await?;
        while let Some((_, notification)) = watcher.next().await {
            if let Some(error) = notification.error() {
                return Err(error);
            }
            if notification.events.iter().any(|event| event.r#type == EventType::Delete as i32) {
                return Ok(());
            }
        }
        Err(Error::Plain("lost watcher waiting for delete".to_owned()))
    }

    /// The ticket's key as it is now; no pairs once it is gone.
    ///
    /// # Errors
    /// As [`Ticket::draw`].
    pub async fn read(&self) -> Result<pb::RangeResponse, Error> {
        let request = pb::RangeRequest { key: self.key.clone().into(), ..pb::RangeRequest::default() };
        self.client.call(&method::RANGE, Call::default(), request).await
    }

    /// Leaves the queue, unless the key is by now somebody else's.
    ///
    /// # Errors
    /// As [`Ticket::draw`].
    pub async fn leave(&self) -> Result<(), Error> {
        let delete =
            pb::DeleteRangeRequest { key: self.key.clone().into(), ..pb::DeleteRangeRequest::default() };
        let request = pb::TxnRequest {
            compare: vec![created_at(&self.key, self.revision)],
            success: vec![operation(Request::RequestDeleteRange(delete))],
            failure: vec![],
        };
        self.client.call(&method::TXN, Call::default(), request).await.map(drop)
    }
}

/// Follows the head of a queue.
pub struct Observer {
    client: Client,
    prefix: Vec<u8>,
    /// The head and the watch on it.
    head: Option<Watcher>,
    /// Answers not taken yet.
    ready: std::collections::VecDeque<pb::RangeResponse>,
}

impl Observer {
    #[must_use]
    pub fn new(client: &Client, name: &[u8]) -> Observer {
        let prefix = [name, b"/"].concat();
        Observer { client: client.clone(), prefix, head: None, ready: std::collections::VecDeque::new() }
    }

    /// The next head, or the next value of the same head.
    ///
    /// # Errors
    /// A call failed or a watch ended.
    pub async fn next(&mut self) -> Result<pb::RangeResponse, Error> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(ready);
            }
            match &mut self.head {
                None => self.find_head().await?,
                Some(watcher) => {
                    let Some((_, notification)) = watcher.next().await else { return Err(lost()) };
                    if let Some(error) = notification.error() {
                        return Err(error);
                    }
                    for event in notification.events {
                        if event.r#type == EventType::Delete as i32 {
                            self.head = None;
                            break;
                        }
                        self.ready.push_back(answer(notification.header, event.kv.unwrap_or_default()));
                    }
                }
            }
        }
    }

    async fn find_head(&mut self) -> Result<(), Error> {
        let request = first_by_creation(&self.prefix, SortOrder::Ascend);
        let response = self.client.call(&method::RANGE, Call::default(), request).await?;
        let header = response.header.unwrap_or_default();
        let (header, kv) = match response.kvs.into_iter().next() {
            Some(kv) => (header, kv),
            None => self.first_put(header).await?,
        };
        let mut watcher = Watcher::without_leader(&self.client);
        let request = pb::WatchCreateRequest {
            key: kv.key.clone(),
            start_revision: header.revision + 1,
            ..pb::WatchCreateRequest::default()
        };
        watcher.create(request).await?;
        self.head = Some(watcher);
        self.ready.push_back(answer(header, kv));
        Ok(())
    }

    /// Waits for the first key of an empty queue.
    async fn first_put(&self, header: pb::ResponseHeader) -> Result<(pb::ResponseHeader, KeyValue), Error> {
        let mut watcher = Watcher::without_leader(&self.client);
        let request = pb::WatchCreateRequest {
            key: self.prefix.clone().into(),
            range_end: prefix_range_end(&self.prefix).into(),
            start_revision: header.revision,
            ..pb::WatchCreateRequest::default()
        };
        watcher.create(request).await?;
        while let Some((_, notification)) = watcher.next().await {
            if let Some(error) = notification.error() {
                return Err(error);
            }
            let put = notification.events.into_iter().find(|event| event.r#type == EventType::Put as i32);
            if let Some(kv) = put.and_then(|event| event.kv) {
                // The notification may hold later events too; what follows this one is yet to be seen.
                let header = pb::ResponseHeader { revision: kv.mod_revision, ..notification.header };
                return Ok((header, kv));
            }
        }
        Err(lost())
    }
}

fn lost() -> Error {
    Error::Plain("lost watcher of the head".to_owned())
}

fn answer(header: pb::ResponseHeader, kv: KeyValue) -> pb::RangeResponse {
    pb::RangeResponse { header: Some(header), kvs: vec![kv], ..pb::RangeResponse::default() }
}

fn operation(request: Request) -> pb::RequestOp {
    pb::RequestOp { request: Some(request) }
}

/// That the key was created at this revision; 0 means that it does not exist.
fn created_at(key: &[u8], revision: i64) -> pb::Compare {
    pb::Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Create as i32,
        key: key.to_vec().into(),
        target_union: Some(TargetUnion::CreateRevision(revision)),
        ..pb::Compare::default()
    }
}

/// The oldest (ascending) or newest key under a prefix.
fn first_by_creation(prefix: &[u8], order: SortOrder) -> pb::RangeRequest {
    pb::RangeRequest {
        key: prefix.to_vec().into(),
        range_end: prefix_range_end(prefix).into(),
        limit: 1,
        sort_order: order as i32,
        sort_target: SortTarget::Create as i32,
        ..pb::RangeRequest::default()
    }
}
