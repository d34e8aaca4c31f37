//! A client that watches: it opens a stream, notes every event, and opens another elsewhere when the first breaks.

use crate::{
    evidence,
    scene::{Act, Scene},
    schedule::{MS, SECOND},
};
use bytes::Bytes;
use history::{
    Keys,
    watch::{Received, Watched},
};
use mvcc::{
    KeyRange,
    watch::{Create, Delivery, Filters},
};

#[derive(Clone, Copy, Debug)]
struct Stream {
    number: u64,
    slot: usize,
    life: u64,
    created: bool,
    blocked: bool,
}

#[derive(Debug)]
pub struct Watcher {
    id: u64,
    streams: u64,
    stream: Option<Stream>,
    /// The first revision it has not got.
    next: i64,
    pub watched: Watched,
    /// Ended by compaction; what it had got is judged alone.
    pub past: Vec<Watched>,
}

impl Watcher {
    /// `start` 0: from whatever comes next.
    pub fn new(id: u64, keys: Keys, start: i64) -> Watcher {
        let name = format!("w{id}");
        let watched = Watched { name, keys, start, received: Vec::new(), through: 0 };
        Watcher { id, streams: 0, stream: None, next: start, watched, past: Vec::new() }
    }

    /// It has everything up to here.
    pub fn next(&self) -> i64 {
        self.next
    }

    pub fn wake(&mut self, scene: &mut Scene<'_>) {
        scene.wake(scene.draw.clone().between(100 * MS, 2 * SECOND));
        let Some(stream) = &mut self.stream else { return self.open(scene) };
        let Stream { number: stream_number, slot, life, .. } = *stream;
        if !scene.slots.get(slot).is_some_and(|seen| seen.up && seen.life == life) {
            self.stream = None;
            return self.open(scene);
        }
        if scene.closing || stream.blocked {
            if std::mem::take(&mut stream.blocked) {
                scene.acts.push(Act::Block { slot, stream: stream_number, blocked: false });
            }
            return scene.acts.push(Act::AskProgress { slot, stream: stream_number });
        }
        match scene.draw.below(12) {
            0..=2 => {
                stream.blocked = true;
                scene.acts.push(Act::Block { slot, stream: stream_number, blocked: true });
            }
            3..=5 => scene.acts.push(Act::AskProgress { slot, stream: stream_number }),
            6 => {
                scene.acts.push(Act::CloseStream { slot, stream: stream_number });
                self.stream = None;
                self.open(scene);
            }
            _ => {}
        }
    }

    fn open(&mut self, scene: &mut Scene<'_>) {
        let Some(slot) = scene.any_up() else { return };
        self.streams += 1;
        let number = self.id * 1000 + self.streams;
        let life = scene.slots[slot].life;
        self.stream = Some(Stream { number, slot, life, created: false, blocked: false });
        let create = Create {
            range: range(&self.watched.keys),
            start_revision: self.next,
            watch_id: 0,
            prev_kv: false,
            fragment: false,
            progress_notify: false,
            filters: Filters::default(),
        };
        scene.acts.push(Act::Watch { slot, stream: number, create });
    }

    /// Something came over a stream; what came over an old one is too late.
    pub fn delivered(&mut self, slot: usize, life: u64, delivery: &Delivery, scene: &mut Scene<'_>) {
        let number = stream_of(delivery);
        let Some(stream) = &mut self.stream else { return };
        if (stream.number, stream.slot, stream.life) != (number, slot, life) {
            return;
        }
        match delivery {
            Delivery::Created { revision, .. } => {
                stream.created = true;
                if self.next == 0 {
                    self.next = revision + 1;
                    self.watched.start = self.next;
                }
            }
            Delivery::Events { events, .. } => {
                for (revision, change) in events.iter().map(evidence::of_event) {
                    self.next = self.next.max(revision + 1);
                    self.watched.received.push(Received::Event { revision, change });
                }
            }
            Delivery::Progress { revision, .. } => {
                self.next = self.next.max(revision + 1);
                self.watched.received.push(Received::Progress { revision: *revision });
            }
            Delivery::Compacted { compact_revision, .. } => {
                assert!(*compact_revision >= self.next, "cancelled, though its next revision is there");
                scene.acts.push(Act::CloseStream { slot, stream: number });
                self.stream = None;
                self.next = compact_revision + 1;
                let fresh = Watched { start: self.next, received: Vec::new(), ..self.watched.clone() };
                self.past.push(std::mem::replace(&mut self.watched, fresh));
            }
            Delivery::Canceled { .. } => {}
        }
    }
}

/// Which stream a delivery is for.
pub fn stream_of(delivery: &Delivery) -> u64 {
    match delivery {
        Delivery::Created { stream, .. }
        | Delivery::Canceled { stream, .. }
        | Delivery::Compacted { stream, .. }
        | Delivery::Events { stream, .. }
        | Delivery::Progress { stream, .. } => *stream,
    }
}

/// Keys as a watcher's range.
pub fn range(keys: &Keys) -> KeyRange {
    match keys {
        Keys::One(key) => KeyRange::new(key.clone(), Bytes::new()),
        Keys::Between(first, end) => KeyRange::new(first.clone(), end.clone()),
        Keys::From(first) => KeyRange::new(first.clone(), Bytes::from_static(b"\0")),
    }
}
