//! The open streams of a connection. Closed ones leave nothing behind.

use super::flow::{Inbound, Outbound};
use bytes::BytesMut;
use rustc_hash::FxHashMap;
use slab::Slab;

/// Place of an open stream; valid until the stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(usize);

#[derive(Debug)]
pub(super) struct Stream<T> {
    pub(super) id: u32,
    /// The layer above's; `None` once it has given its last word, though frames may wait here.
    pub(super) state: Option<T>,
    /// The peer has sent END_STREAM.
    pub(super) remote_closed: bool,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
    /// In the connection's line of streams that have something to send and room for it.
    pub(super) waiting: bool,
    /// What few streams have.
    pub(super) rare: Option<Box<Rare>>,
}

#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Body bytes that the peer announced and has not sent, if it announced any.
    pub(super) announced: Option<u64>,
    /// Payload that the windows did not let through.
    pub(super) queue: BytesMut,
    /// Header block to end the stream with once the queue is empty.
    pub(super) trailers: Option<Vec<u8>>,
}

impl<T> Stream<T> {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Payload that waits, in bytes.
    pub(super) fn queued(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.queue.len())
    }
}

#[derive(Debug)]
pub(super) struct Streams<T> {
    slots: Slab<Stream<T>>,
    index: FxHashMap<u32, usize>,
    /// Found last: the next frame is often of the same stream.
    recent: (u32, usize),
}

impl<T> Streams<T> {
    pub(super) fn new() -> Streams<T> {
        Streams { slots: Slab::new(), index: FxHashMap::default(), recent: (0, 0) }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn find(&mut self, id: u32) -> Option<Key> {
        if self.recent.0 != id {
            self.recent = (id, *self.index.get(&id)?);
        }
        Some(Key(self.recent.1))
    }

    pub(super) fn find_shared(&self, id: u32) -> Option<Key> {
        self.index.get(&id).copied().map(Key)
    }

    pub(super) fn get(&self, key: Key) -> &Stream<T> {
        &self.slots[key.0]
    }

    pub(super) fn get_mut(&mut self, key: Key) -> &mut Stream<T> {
        &mut self.slots[key.0]
    }

    pub(super) fn insert(&mut self, stream: Stream<T>) -> Key {
        let id = stream.id;
        let slot = self.slots.insert(stream);
        let before = self.index.insert(id, slot);
        assert!(before.is_none(), "stream {id} opened twice");
        self.recent = (id, slot);
        Key(slot)
    }

    pub(super) fn remove(&mut self, key: Key) -> Stream<T> {
        let stream = self.slots.remove(key.0);
        self.index.remove(&stream.id);
        self.recent = (0, 0);
        if self.slots.is_empty() && self.slots.capacity() > SLOTS_KEPT {
            self.slots = Slab::new();
            self.index = FxHashMap::default();
        }
        stream
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream<T>> {
        self.slots.iter_mut().map(|(_, stream)| stream)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Stream<T>> + '_ {
        self.index.clear();
        self.recent = (0, 0);
        self.slots.drain()
    }
}

/// Slots kept for a connection without open streams.
const SLOTS_KEPT: usize = 64;
