//! What happened, as a hash that two runs of one seed must share, and as text when a person wants to read it.
//!
//! It never formats a line nobody reads: a step is hashed as a few numbers.

use crate::schedule::Micros;

#[derive(Debug)]
pub struct Trace {
    hash: u64,
    steps: u64,
    printed: bool,
}

impl Trace {
    pub fn new(printed: bool) -> Trace {
        Trace { hash: 0xcbf2_9ce4_8422_2325, steps: 0, printed }
    }

    /// One step: numbers that tell it from others, and its text.
    pub fn step(&mut self, now: Micros, numbers: &[u64], text: impl FnOnce() -> String) {
        self.steps += 1;
        for number in std::iter::once(&now).chain(numbers) {
            self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
        }
        if self.printed {
            println!("{:>4}.{:06} {}", now / 1_000_000, now % 1_000_000, text());
        }
    }

    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn steps(&self) -> u64 {
        self.steps
    }
}
