//! A transport with its events in a channel. It never waits without a bound.

use peer::{Config, Event, Transport};
use proto::raftpb::{Message, MessageType};
use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

/// Long enough for any machine; reached only when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const CLUSTER: u64 = 0xc0ffee;

pub struct Party {
    pub id: u64,
    pub address: SocketAddr,
    pub transport: Transport,
    pub events: Receiver<Event>,
    pub directory: PathBuf,
}

impl Party {
    pub fn start(id: u64) -> Party {
        Party::start_at(id, CLUSTER, TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub fn start_at(id: u64, cluster_id: u64, listener: TcpListener) -> Party {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("peer-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config {
            member_id: id,
            cluster_id,
            server_version: "3.7.1".into(),
            peer_urls: vec![format!("http://{address}")],
            dial_timeout: Duration::from_secs(2),
            snap_dir: directory.clone(),
        };
        let (sender, events) = channel();
        let sink = Box::new(move |batch: Vec<Event>| {
            for event in batch {
                // The test may be over.
                let _ = sender.send(event);
            }
        });
        let transport = Transport::start(config, vec![listener], sink).unwrap();
        Party { id, address, transport, events, directory }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn knows(&self, other: &Party) {
        self.transport.add_peer(other.id, vec![other.url()]);
    }

    /// The first event that fits; others are dropped.
    pub fn wait<T>(&self, what: &str, mut fits: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(event) => {
                    if let Some(found) = fits(event) {
                        return found;
                    }
                }
                Err(error) => panic!("member {} waited for {what}: {error}", self.id),
            }
        }
    }

    /// So many messages, in the order in which they came.
    pub fn messages(&self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.extend(self.wait("messages", |event| match event {
                Event::Messages(batch) => Some(batch.take()),
                _ => None,
            }));
        }
        messages
    }

    pub fn wait_active(&self, id: u64) {
        self.wait("an active peer", |event| {
            matches!(event, Event::Active(other) if other == id).then_some(())
        });
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub fn message(kind: MessageType, from: u64, to: u64) -> Message {
    Message { r#type: Some(kind as i32), from: Some(from), to: Some(to), term: Some(1), ..Message::default() }
}

pub fn beat(from: u64, to: u64) -> Message {
    message(MessageType::MsgHeartbeat, from, to)
}
