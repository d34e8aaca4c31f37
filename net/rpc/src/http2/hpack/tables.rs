//! The two tables a header block refers to: the static one of RFC 7541, appendix A, and the dynamic one, which
//! the peer's encoder fills. It never decodes.
//!
//! Invariants: the dynamic table's size (32 bytes an entry, and its text) never exceeds its limit. An entry's
//! [`Id`] is never given to another, however the indices shift.

use std::collections::VecDeque;

/// What RFC 7541 charges for an entry beside its text, in bytes.
pub(super) const ENTRY_OVERHEAD: usize = 32;
/// The limit announced (the default of SETTINGS_HEADER_TABLE_SIZE), in bytes.
pub(super) const TABLE_BYTES_MAX: usize = 4096;

#[derive(Debug)]
struct Entry {
    /// Name, then value.
    text: Box<[u8]>,
    name_length: usize,
}

impl Entry {
    fn size(&self) -> usize {
        self.text.len() + ENTRY_OVERHEAD
    }
}

/// Names an entry for good: a static index, or the number of the insertion (after the static ones).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) u64);

#[derive(Debug)]
pub(super) struct Tables {
    /// Newest first.
    entries: VecDeque<Entry>,
    size: usize,
    limit: usize,
    /// Insertions so far.
    inserted: u64,
    /// Size updates so far.
    resized: u64,
}

impl Tables {
    pub(super) fn new() -> Tables {
        Tables { entries: VecDeque::new(), size: 0, limit: TABLE_BYTES_MAX, inserted: 0, resized: 0 }
    }

    pub(super) fn id(&self, index: usize) -> Option<Id> {
        if index <= STATIC.len() {
            return (index > 0).then_some(Id(index as u64));
        }
        let age = index - 1 - STATIC.len();
        (age < self.entries.len()).then(|| Id(STATIC.len() as u64 + self.inserted - age as u64))
    }

    /// Grows with every change: while it stands, so does the meaning of every index.
    pub(super) fn generation(&self) -> u64 {
        self.inserted + self.resized
    }

    /// Name and value at an index: 1 to 61 are static, the dynamic ones follow, newest first.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        if let Some((name, value)) = STATIC.get(index.checked_sub(1)?) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let entry = self.entries.get(index - 1 - STATIC.len())?;
        Some(entry.text.split_at(entry.name_length))
    }

    /// Inserts at the front and evicts from the back. An entry larger than the table empties it.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let entry = Entry { text: [name, value].concat().into_boxed_slice(), name_length: name.len() };
        self.inserted += 1;
        self.shrink(self.limit.saturating_sub(entry.size()));
        if entry.size() <= self.limit {
            self.size += entry.size();
            self.entries.push_front(entry);
        }
        assert!(self.size <= self.limit);
    }

    /// A size update; false if it exceeds what we announced.
    pub(super) fn resize(&mut self, limit: usize) -> bool {
        if limit > TABLE_BYTES_MAX {
            return false;
        }
        self.resized += 1;
        self.limit = limit;
        self.shrink(limit);
        true
    }

    fn shrink(&mut self, limit: usize) {
        while self.size > limit {
            let Some(entry) = self.entries.pop_back() else { break };
            self.size -= entry.size();
        }
    }
}

#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
