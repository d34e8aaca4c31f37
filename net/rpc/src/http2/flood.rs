//! Budgets for frames that cost the peer nothing and us something. They never count what a call needs.

use std::time::{Duration, Instant};

/// Resets (the peer's, or ours after its errors) in a burst; every answered call earns one back.
pub(super) const RESETS_BURST: u32 = 10_000;
/// Frames in a burst that carry neither a request nor a byte of one (SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty
/// DATA, what we do not know). Grown far above what a client with thousands of streams needs in a second.
pub(super) const CONTROL_BURST: u32 = 20_000;
/// Both budgets regain this many a second.
const REFILL_PER_SECOND: u32 = 1_000;

#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    burst: u32,
    refilled: Instant,
}

impl Budget {
    pub(super) fn new(burst: u32, now: Instant) -> Budget {
        Budget { left: burst, burst, refilled: now }
    }

    pub(super) fn earn(&mut self) {
        self.left = self.burst.min(self.left + 1);
    }

    /// False: nothing is left.
    #[must_use]
    pub(super) fn spend(&mut self, now: Instant) -> bool {
        if self.left == 0 {
            let elapsed = now.saturating_duration_since(self.refilled).min(Duration::from_secs(3600));
            let earned = elapsed.as_millis() as u64 * u64::from(REFILL_PER_SECOND) / 1000;
            self.left = u64::from(self.burst).min(earned) as u32;
            self.refilled = now;
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}
