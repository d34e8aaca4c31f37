//! A user's key as the index keeps it: once, and without an allocation if it is short.

use std::{borrow::Borrow, cmp::Ordering, fmt};

/// Longest key kept inline: what makes [`Key`] 24 bytes.
const INLINE_BYTES_MAX: usize = 22;

#[derive(Clone)]
pub(crate) enum Key {
    Inline { len: u8, bytes: [u8; INLINE_BYTES_MAX] },
    Heap(Box<[u8]>),
}

impl Key {
    pub fn new(key: &[u8]) -> Key {
        if key.len() > INLINE_BYTES_MAX {
            return Key::Heap(key.into());
        }
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes[..key.len()].copy_from_slice(key);
        Key::Inline { len: key.len() as u8, bytes }
    }

    /// Whether [`Key::new`] of this key allocates.
    pub fn fits_inline(key: &[u8]) -> bool {
        key.len() <= INLINE_BYTES_MAX
    }

    pub fn as_slice(&self) -> &[u8] {
        match self {
            Key::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Key::Heap(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_bytes_whatever_the_form() {
        assert_eq!(size_of::<Key>(), 24);
        let long = [b'a'; INLINE_BYTES_MAX + 1];
        let sorted: [&[u8]; 7] = [b"", b"\0", b"a", &long[1..], &long, b"ab", b"\xff"];
        for (a, left) in sorted.iter().enumerate() {
            assert_eq!(Key::new(left).as_slice(), *left);
            for (b, right) in sorted.iter().enumerate() {
                assert_eq!(Key::new(left).cmp(&Key::new(right)), a.cmp(&b));
            }
        }
    }
}
