//! The future: events in the order of their time, then of their making.

use std::collections::BTreeMap;

/// Simulated time since the simulation's begin, in microseconds.
pub type Micros = u64;

pub const MS: Micros = 1000;
pub const SECOND: Micros = 1_000_000;

#[derive(Debug)]
pub struct Schedule<E> {
    events: BTreeMap<(Micros, u64), E>,
    made: u64,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Schedule { events: BTreeMap::new(), made: 0 }
    }
}

impl<E> Schedule<E> {
    pub fn at(&mut self, time: Micros, event: E) {
        self.made += 1;
        self.events.insert((time, self.made), event);
    }

    pub fn pop(&mut self) -> Option<(Micros, E)> {
        self.events.pop_first().map(|((time, _), event)| (time, event))
    }
}
