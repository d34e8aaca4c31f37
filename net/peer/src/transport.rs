//! The handle: what the owner's loop calls. No call blocks or fails; what cannot be done comes back as an event.

use crate::{
    Config, EventSink, Image, Request, RequestId, Totals,
    mailbox::{Command, Mailbox},
    node::Node,
    totals::Counts,
};
use proto::raftpb::Message;
use rpc::HttpResponse;
use std::{
    io,
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// The peer thread, from outside.
pub struct Transport {
    mailbox: Arc<Mailbox>,
    counts: Arc<Counts>,
    /// `None` once stopped.
    thread: Option<JoinHandle<()>>,
}

impl Transport {
    /// Starts the peer thread. Connections are accepted at once.
    ///
    /// # Errors
    /// The system refuses a poll, a listener in it, or a thread.
    ///
    /// # Panics
    /// If `server_version` is not `X.Y.Z`, or one of our own URLs has characters that no header may carry.
    pub fn start(config: Config, listeners: Vec<TcpListener>, events: EventSink) -> io::Result<Transport> {
        let counts = Arc::new(Counts::default());
        let node = Node::new(config, listeners, events, counts.clone())?;
        let mailbox = node.mailbox();
        let thread = thread::Builder::new().name("peer".into()).spawn(move || node.run())?;
        Ok(Transport { mailbox, counts, thread: Some(thread) })
    }

    /// Sends each message to the member its `to` names; 0 means nobody. Snapshots go through
    /// [`Transport::send_snapshot`].
    pub fn send(&self, messages: Vec<Message>) {
        self.mailbox.post(Command::Send(messages));
    }

    /// Sends a `MsgSnap` and the database it stands for. [`crate::Event::SnapshotSent`] tells the outcome.
    pub fn send_snapshot(&self, message: Message, image: Image) {
        self.mailbox.post(Command::SendSnapshot(message, image));
    }

    /// A member of the cluster: it is dialled, its streams are served. A known one stays as it is.
    pub fn add_peer(&self, id: u64, urls: Vec<String>) {
        self.mailbox.post(Command::AddPeer(id, urls));
    }

    /// A member that the local state does not list yet: messages to it are posted, nothing is dialled.
    pub fn add_remote(&self, id: u64, urls: Vec<String>) {
        self.mailbox.post(Command::AddRemote(id, urls));
    }

    pub fn update_peer(&self, id: u64, urls: Vec<String>) {
        self.mailbox.post(Command::UpdatePeer(id, urls));
    }

    /// Closes its streams and answers it with 410 and 403 from now on.
    pub fn remove_peer(&self, id: u64) {
        self.mailbox.post(Command::RemovePeer(id));
    }

    /// Members removed before the start.
    pub fn removed(&self, ids: Vec<u64>) {
        self.mailbox.post(Command::Removed(ids));
    }

    /// [`crate::Event::Response`] tells the outcome, once.
    pub fn request(&self, request: Request) {
        self.mailbox.post(Command::Request(request));
    }

    /// Answers a request. One whose sender is gone is forgotten.
    pub fn respond(&self, id: RequestId, response: HttpResponse) {
        self.mailbox.post(Command::Respond(id, response));
    }

    pub fn totals(&self) -> Totals {
        self.counts.totals()
    }

    /// Writes what the sockets take at once, closes them and waits for the thread. Threads of snapshots find their
    /// sockets closed and end by themselves.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.mailbox.post(Command::Stop);
            if thread.join().is_err() {
                log::error!("the peer thread has panicked");
            }
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.end();
    }
}
