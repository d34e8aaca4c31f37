//! Keeping leases alive.
//!
//! It never revokes a lease. A renewal is sent every third of the time to live; a lost stream is opened again
//! until the lease must have expired.

use std::time::Duration;

use proto::etcdserverpb as pb;
use tokio::time::Instant;
use tonic::Code;

use crate::call::Call;
use crate::client::Client;
use crate::error::Error;
use crate::method;
use crate::stream::{Receiver, Sender};

/// Pause before a lost stream is opened again, and how often it is checked whether a renewal is due.
const RETRY_WAIT: Duration = Duration::from_millis(500);
/// Added to the dial timeout, the time the first renewal may take.
const FIRST_RENEWAL_SLACK: Duration = Duration::from_secs(1);

pub const LEASE_NOT_FOUND: &str = "etcdserver: requested lease not found";

/// Renews a lease once.
///
/// # Errors
/// [`LEASE_NOT_FOUND`] when the lease is gone, or what ended the call.
pub async fn keep_alive_once(
    client: &Client,
    call: Call,
    id: i64,
) -> Result<pb::LeaseKeepAliveResponse, Error> {
    loop {
        let error = match renew(client, call, id).await {
            Ok(response) if response.ttl <= 0 => return Err(Error::etcd(Code::NotFound, LEASE_NOT_FOUND)),
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if error.is_halt() {
            return Err(error);
        }
        // The server is away: without a pause this would spin until it is back.
        tokio::time::sleep(RETRY_WAIT).await;
    }
}

async fn renew(client: &Client, call: Call, id: i64) -> Result<pb::LeaseKeepAliveResponse, Error> {
    let request = pb::LeaseKeepAliveRequest { id };
    let (_sender, mut receiver) = client.duplex(&method::LEASE_KEEP_ALIVE, call, request).await?;
    receiver.next().await?.ok_or(Error::UnexpectedEof)
}

type Stream = (Sender<pb::LeaseKeepAliveRequest>, Receiver<pb::LeaseKeepAliveResponse>);

/// Renews one lease for as long as it lives.
pub struct KeepAlive {
    client: Client,
    id: i64,
    stream: Option<Stream>,
    /// When the next renewal is sent.
    due: Instant,
    /// When the lease counts as expired.
    expires: Instant,
}

impl KeepAlive {
    #[must_use]
    pub fn new(client: &Client, id: i64) -> KeepAlive {
        let now = Instant::now();
        let expires = now + client.dial_timeout() + FIRST_RENEWAL_SLACK;
        KeepAlive { client: client.clone(), id, stream: None, due: now, expires }
    }

    /// The next renewal's response; `None` once the lease expired or was revoked.
    pub async fn next(&mut self) -> Option<pb::LeaseKeepAliveResponse> {
        loop {
            let step = tokio::time::timeout_at(self.expires, self.step()).await.ok()?;
            let Some(response) = step else {
                self.stream = None;
                if Instant::now() + RETRY_WAIT >= self.expires {
                    return None;
                }
                tokio::time::sleep(RETRY_WAIT).await;
                continue;
            };
            if response.ttl <= 0 {
                return None;
            }
            let ttl = Duration::from_secs(response.ttl.unsigned_abs());
            let now = Instant::now();
            self.due = now + ttl / 3;
            self.expires = now + ttl;
            return Some(response);
        }
    }

    /// Waits until a renewal is due, sends it and receives the answer; `None` when the stream is lost.
    async fn step(&mut self) -> Option<pb::LeaseKeepAliveResponse> {
        tokio::time::sleep_until(self.due).await;
        let request = pb::LeaseKeepAliveRequest { id: self.id };
        let (_, receiver) = match &mut self.stream {
            Some(stream) => {
                stream.0.send(request).await;
                stream
            }
            None => {
                let opened = self.client.duplex(&method::LEASE_KEEP_ALIVE, Call::default(), request).await;
                self.stream.insert(opened.ok()?)
            }
        };
        receiver.next().await.ok().flatten()
    }
}
