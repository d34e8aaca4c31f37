//! What the handle tells the peer thread. It never blocks either side: the lock is held for a push or a swap.
//!
//! Messages that wait here are bounded by count; those beyond are dropped and their receivers remembered, so that
//! the thread can report them as unreachable.

use crate::{
    Image, Request, RequestId,
    snapshot::{Saved, Sent},
};
use mio::Waker;
use proto::raftpb::Message;
use rpc::HttpResponse;
use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Messages not yet taken by the peer thread, which takes them once a turn.
const MESSAGES_MAX: usize = 16 << 10;

/// One wish of the owner, or word from a thread of ours.
pub(crate) enum Command {
    Send(Vec<Message>),
    SendSnapshot(Message, Image),
    AddPeer(u64, Vec<String>),
    AddRemote(u64, Vec<String>),
    UpdatePeer(u64, Vec<String>),
    RemovePeer(u64),
    Removed(Vec<u64>),
    Request(Request),
    Respond(RequestId, HttpResponse),
    /// A name was looked up.
    Resolved {
        host: String,
        result: Result<Vec<SocketAddr>, String>,
    },
    SnapshotSent(Sent),
    SnapshotSaved(Saved),
    /// A receiving thread has ended; `took` if its snapshot was taken.
    SnapshotTaken {
        thread: u64,
        from: u64,
        took: Option<Duration>,
    },
    Stop,
}

#[derive(Default)]
pub(crate) struct Letters {
    pub(crate) commands: Vec<Command>,
    /// Receivers of dropped messages.
    pub(crate) dropped: BTreeSet<u64>,
    messages: usize,
}

pub(crate) struct Mailbox {
    /// A lock because every thread may write and one reads; see the module for how long it is held.
    letters: Mutex<Letters>,
    waker: Waker,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> Mailbox {
        Mailbox { letters: Mutex::new(Letters::default()), waker }
    }

    pub(crate) fn post(&self, command: Command) {
        let mut letters = self.lock();
        let idle = letters.commands.is_empty() && letters.dropped.is_empty();
        if let Command::Send(messages) = &command {
            if letters.messages + messages.len() > MESSAGES_MAX {
                letters.dropped.extend(messages.iter().map(Message::to));
            } else {
                letters.messages += messages.len();
                letters.commands.push(command);
            }
        } else {
            letters.commands.push(command);
        }
        drop(letters);
        if idle {
            self.wake();
        }
    }

    pub(crate) fn take(&self) -> Letters {
        std::mem::take(&mut *self.lock())
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            // The descriptor is ours and open: only a full counter can refuse, and then the thread is awake.
            debug_assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(to: u64, count: usize) -> Command {
        Command::Send(vec![Message { to: Some(to), ..Message::default() }; count])
    }

    #[test]
    fn messages_beyond_the_bound_are_dropped_and_their_receivers_known() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = Mailbox::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        mailbox.post(messages(1, MESSAGES_MAX));
        mailbox.post(messages(2, 1));
        mailbox.post(messages(3, 2));
        mailbox.post(Command::RemovePeer(9));
        let letters = mailbox.take();
        assert_eq!(letters.commands.len(), 2);
        assert_eq!(Vec::from_iter(letters.dropped), [2, 3]);
        mailbox.post(messages(2, 1));
        let letters = mailbox.take();
        assert_eq!((letters.commands.len(), letters.dropped.len()), (1, 0));
    }
}
