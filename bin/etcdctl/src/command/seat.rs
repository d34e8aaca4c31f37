//! What `lock` and `elect` share: a lease kept alive beside the work, and an end by signal.

use client::lease::KeepAlive;
use client::{Call, Client, Error, method};
use proto::etcdserverpb as pb;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// A lease that lives as long as this value and the server allow.
pub struct Seat {
    pub lease: i64,
    /// Ends when the lease is lost.
    keeper: JoinHandle<()>,
}

impl Seat {
    /// Takes a lease of this time to live in seconds.
    ///
    /// # Errors
    /// The lease was refused.
    pub async fn take(client: &Client, ttl: i64) -> Result<Seat, Error> {
        let request = pb::LeaseGrantRequest { ttl, id: 0 };
        let lease = client.call(&method::LEASE_GRANT, Call::default(), request).await?.id;
        let mut renewals = KeepAlive::new(client, lease);
        let keeper = tokio::spawn(async move { while renewals.next().await.is_some() {} });
        Ok(Seat { lease, keeper })
    }

    /// Returns once the lease is lost.
    pub async fn lost(&mut self) {
        // The task cannot panic and nobody ends it while somebody waits here.
        let _ended = (&mut self.keeper).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// SIGINT and SIGTERM, which no longer end the process by themselves.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Returns once one of them arrived.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
