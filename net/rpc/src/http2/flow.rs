//! Flow-control windows, RFC 9113, section 5.2. They never adapt: sizes are fixed, and a window is refilled in one
//! step once half of it is used, whether or not the bytes were consumed (messages are bounded elsewhere).

/// What the peer may send on one stream before it hears from us, in bytes: two messages of the usual bound.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;
/// The same for the whole connection.
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;
/// What every window is until a frame changes it.
pub(crate) const WINDOW_DEFAULT: u32 = 65_535;
const WINDOW_MAX: i64 = (1 << 31) - 1;

/// What the peer may still send.
#[derive(Debug)]
pub(crate) struct Inbound(u32);

impl Inbound {
    pub(crate) fn new(size: u32) -> Inbound {
        Inbound(size)
    }

    /// False: the peer sent more than it may.
    #[must_use]
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let Some(left) = u32::try_from(bytes).ok().and_then(|bytes| self.0.checked_sub(bytes)) else {
            return false;
        };
        self.0 = left;
        true
    }

    /// The increment to send, if it is time; `size` is the window's.
    pub(crate) fn refill(&mut self, size: u32) -> Option<u32> {
        if self.0 >= size / 2 {
            return None;
        }
        let increment = size - self.0;
        self.0 = size;
        Some(increment)
    }
}

/// What we may still send. Negative after the peer has reduced SETTINGS_INITIAL_WINDOW_SIZE.
#[derive(Debug)]
pub(crate) struct Outbound(i64);

impl Outbound {
    pub(crate) fn new(size: u32) -> Outbound {
        Outbound(i64::from(size))
    }

    /// Bytes that may leave now.
    pub(crate) fn room(&self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        assert!(bytes <= self.room());
        self.0 -= bytes as i64;
    }

    /// A WINDOW_UPDATE, or the difference of two initial sizes. False: the window exceeds 2^31 - 1.
    #[must_use]
    pub(crate) fn add(&mut self, difference: i64) -> bool {
        self.0 += difference;
        self.0 <= WINDOW_MAX
    }
}
