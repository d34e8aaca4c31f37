//! The interval of keys a request names.

use bytes::Bytes;

/// The half-open key interval of a request: one key, `[key, end)`, or everything from `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub key: Bytes,
    pub end: RangeEnd,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeEnd {
    /// Just the one key.
    Single,
    /// Exclusive. Not after `key`: the interval is empty.
    Before(Bytes),
    /// Every key `>= key`.
    Open,
}

impl KeyRange {
    /// From a request's `key` and `range_end` (empty: single; one zero byte: open).
    pub fn new(key: Bytes, range_end: Bytes) -> KeyRange {
        let end = if range_end.is_empty() {
            RangeEnd::Single
        } else if range_end[..] == [0] {
            RangeEnd::Open
        } else {
            RangeEnd::Before(range_end)
        };
        KeyRange { key, end }
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            RangeEnd::Single => self.key == key,
            RangeEnd::Before(end) => self.key <= key && key < end,
            RangeEnd::Open => self.key <= key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_fields_name_intervals() {
        let range = |key: &'static str, end: &'static str| KeyRange::new(key.into(), end.into());
        let keys = ["", "a", "b", "b\0", "c", "d"];
        let inside = |r: KeyRange| keys.into_iter().filter(|k| r.contains(k.as_bytes())).collect::<Vec<_>>();
        assert_eq!(inside(range("b", "")), ["b"]);
        assert_eq!(inside(range("b", "d")), ["b", "b\0", "c"]);
        assert_eq!(inside(range("b", "\0")), ["b", "b\0", "c", "d"]);
        assert_eq!(inside(range("c", "b")), [""; 0]);
        assert_eq!(inside(range("", "b")), ["", "a"]);
    }
}
