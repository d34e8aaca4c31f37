//! The peer thread: every socket and every peer.

use crate::{
    Config, Event, EventSink,
    mailbox::{Command, Mailbox},
    totals::Counts,
};
use mio::{Events, Poll, Token, Waker};
use std::{io, net::TcpListener, sync::Arc};

pub(crate) struct Node {
    poll: Poll,
    mailbox: Arc<Mailbox>,
    sink: EventSink,
}

impl Node {
    pub(crate) fn new(
        _config: Config,
        _listeners: Vec<TcpListener>,
        sink: EventSink,
        _counts: Arc<Counts>,
    ) -> io::Result<Node> {
        let poll = Poll::new()?;
        let mailbox = Arc::new(Mailbox::new(Waker::new(poll.registry(), Token(0))?));
        Ok(Node { poll, mailbox, sink })
    }

    pub(crate) fn mailbox(&self) -> Arc<Mailbox> {
        self.mailbox.clone()
    }

    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(16);
        while self.poll.poll(&mut events, None).is_ok() {
            let letters = self.mailbox.take();
            let dropped = letters.dropped.into_iter().map(Event::Unreachable).collect();
            (self.sink)(dropped);
            if letters.commands.iter().any(|command| matches!(command, Command::Stop)) {
                return;
            }
        }
    }
}
