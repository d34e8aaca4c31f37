//! Messages on their way up, and how many of them the owner has not taken yet. Never reorders them.
//!
//! Two counts for each member, as in etcd: proposals, which may wait for a leader, never crowd out the rest.

use proto::raftpb::{Message, MessageType};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Messages of one member that were not taken yet: of all kinds but proposals, and proposals.
pub(crate) const UNTAKEN_MAX: usize = 4096;

/// How many messages are on their way up.
#[derive(Debug, Default)]
pub(crate) struct Untaken {
    others: AtomicUsize,
    proposals: AtomicUsize,
}

/// Messages of one member, in the order in which they came. Counted as waiting until taken or dropped.
#[derive(Debug)]
pub struct Batch {
    messages: Vec<Message>,
    untaken: Arc<Untaken>,
}

impl Batch {
    pub(crate) fn new(untaken: Arc<Untaken>) -> Batch {
        Batch { messages: Vec::new(), untaken }
    }

    /// Adds a message; false: too many wait.
    pub(crate) fn push(&mut self, message: Message) -> bool {
        let count = self.untaken.count(&message);
        // The owner only lowers the count, so a look before the raise is enough.
        if count.load(Relaxed) >= UNTAKEN_MAX {
            return false;
        }
        count.fetch_add(1, Relaxed);
        self.messages.push(message);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages; they no longer count as waiting.
    pub fn take(mut self) -> Vec<Message> {
        self.release();
        std::mem::take(&mut self.messages)
    }

    fn release(&self) {
        for message in &self.messages {
            self.untaken.count(message).fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.release();
    }
}

impl Untaken {
    fn count(&self, message: &Message) -> &AtomicUsize {
        if message.r#type() == MessageType::MsgProp { &self.proposals } else { &self.others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: MessageType) -> Message {
        Message { r#type: Some(kind as i32), ..Message::default() }
    }

    #[test]
    fn proposals_and_others_have_bounds_of_their_own() {
        let untaken = Arc::new(Untaken::default());
        let mut first = Batch::new(untaken.clone());
        for _ in 0..UNTAKEN_MAX {
            assert!(first.push(message(MessageType::MsgProp)));
        }
        let mut second = Batch::new(untaken);
        assert!(!second.push(message(MessageType::MsgProp)), "full");
        assert!(second.push(message(MessageType::MsgApp)));
        assert_eq!(first.take().len(), UNTAKEN_MAX);
        assert!(second.push(message(MessageType::MsgProp)), "taken");
        drop(second);
        assert_eq!(Arc::new(Untaken::default()).count(&message(MessageType::MsgApp)).load(Relaxed), 0);
    }
}
