//! Totals of every method since the start. Counted where messages are framed; read when somebody asks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// gRPC status codes: 0 to 16.
const CODES: usize = 17;

/// One method's totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodTotals {
    pub started: u64,
    pub received: u64,
    pub sent: u64,
    /// Calls ended, by status code; codes beyond 16 count as Unknown (2).
    pub handled: [u64; CODES],
}

#[derive(Debug, Default)]
struct One {
    started: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    handled: [AtomicU64; CODES],
}

/// One writer, so a load and a store do without a locked instruction.
fn count(total: &AtomicU64) {
    total.store(total.load(Relaxed) + 1, Relaxed);
}

/// Shared by the sessions of one server, all on its thread.
#[derive(Debug)]
pub(crate) struct Counts {
    methods: Box<[One]>,
}

impl Counts {
    pub(crate) fn new(methods: usize) -> Counts {
        Counts { methods: (0..methods).map(|_| One::default()).collect() }
    }

    pub(crate) fn started(&self, method: usize) {
        count(&self.methods[method].started);
    }

    pub(crate) fn received(&self, method: usize) {
        count(&self.methods[method].received);
    }

    pub(crate) fn sent(&self, method: usize) {
        count(&self.methods[method].sent);
    }

    pub(crate) fn handled(&self, method: usize, code: u8) {
        let handled = &self.methods[method].handled;
        count(handled.get(usize::from(code)).unwrap_or(&handled[2]));
    }

    pub(crate) fn totals(&self, method: usize) -> MethodTotals {
        let one = &self.methods[method];
        MethodTotals {
            started: one.started.load(Relaxed),
            received: one.received.load(Relaxed),
            sent: one.sent.load(Relaxed),
            handled: std::array::from_fn(|code| one.handled[code].load(Relaxed)),
        }
    }
}
