//! One operation of a client: what it asked, when, and what came of it.
//!
//! It never judges. Answers are kept as the client got them; revisions are etcd's.

use bytes::Bytes;
use std::fmt;

/// A moment of one monotonic clock shared by all clients; its unit is the recorder's.
pub type Position = u64;

/// The keys an operation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Keys {
    One(Bytes),
    /// From the first, up to and not including the second.
    Between(Bytes, Bytes),
    /// This key and all after it.
    From(Bytes),
}

impl Keys {
    pub fn one(key: &str) -> Keys {
        Keys::One(Bytes::copy_from_slice(key.as_bytes()))
    }

    pub fn all() -> Keys {
        Keys::From(Bytes::from_static(b"\0"))
    }

    pub fn hold(&self, key: &[u8]) -> bool {
        match self {
            Keys::One(one) => one[..] == *key,
            Keys::Between(first, end) => first[..] <= *key && *key < end[..],
            Keys::From(first) => first[..] <= *key,
        }
    }
}

/// A key as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kv {
    pub key: Bytes,
    pub value: Bytes,
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
    pub lease: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Put {
        key: Bytes,
        value: Bytes,
        /// 0: none.
        lease: i64,
    },
    Delete {
        keys: Keys,
    },
    /// A get or a range.
    Get {
        keys: Keys,
        /// 0: the present one.
        revision: i64,
        serializable: bool,
    },
    /// A transaction: if the key's mod revision is `expected` (0: there is no such key) put the value, else get it.
    Swap {
        key: Bytes,
        expected: i64,
        value: Bytes,
    },
}

/// What an answered operation says it did or saw.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    Put,
    /// How many keys were deleted.
    Deleted(u64),
    /// Ascending by key.
    Found(Vec<Kv>),
    Swapped,
    /// The comparison failed; this is the key as it is.
    NotSwapped(Option<Kv>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    /// The response header's.
    pub revision: i64,
    pub seen: Seen,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Answered(Answer),
    /// It had no effect and never will have.
    Failed,
    /// It may have happened, at any time from its call on, even after the client gave up.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    pub client: u64,
    pub call: Call,
    pub called: Position,
    /// When the outcome was known, or the client gave up.
    pub ended: Position,
    pub outcome: Outcome,
}

impl Operation {
    pub fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            Outcome::Answered(answer) => Some(answer),
            Outcome::Failed | Outcome::Unknown => None,
        }
    }

    /// The revision this answered operation made; `None` if it changed nothing or its outcome is not known.
    pub fn wrote_at(&self) -> Option<i64> {
        let answer = self.answer()?;
        match answer.seen {
            Seen::Put | Seen::Swapped | Seen::Deleted(1..) => Some(answer.revision),
            Seen::Deleted(0) | Seen::Found(_) | Seen::NotSwapped(_) => None,
        }
    }

    /// True for what a member may answer from its own, older state.
    pub fn is_serializable(&self) -> bool {
        matches!(self.call, Call::Get { serializable: true, .. })
    }

    /// The key and value it puts, if it does.
    pub fn puts(&self) -> Option<(&Bytes, &Bytes)> {
        match &self.call {
            Call::Put { key, value, .. } | Call::Swap { key, value, .. } => Some((key, value)),
            Call::Delete { .. } | Call::Get { .. } => None,
        }
    }
}

/// Bytes for people: escaped where they are not text.
pub(crate) struct Text<'a>(pub &'a [u8]);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keys::One(key) => write!(f, "{}", Text(key)),
            Keys::Between(first, end) => write!(f, "[{}, {})", Text(first), Text(end)),
            Keys::From(first) => write!(f, "[{}, ..)", Text(first)),
        }
    }
}

impl fmt::Display for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kv { key, value, create_revision, mod_revision, version, lease } = self;
        write!(f, "{}={} (", Text(key), Text(value))?;
        write!(f, "created {create_revision}, modified {mod_revision}, version {version}")?;
        if *lease != 0 {
            write!(f, ", lease {lease}")?;
        }
        write!(f, ")")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Put { key, value, lease: 0 } => write!(f, "put {}={}", Text(key), Text(value)),
            Call::Put { key, value, lease } => {
                write!(f, "put {}={} with lease {lease}", Text(key), Text(value))
            }
            Call::Delete { keys } => write!(f, "delete {keys}"),
            Call::Get { keys, revision, serializable } => {
                write!(f, "get {keys}")?;
                if *revision != 0 {
                    write!(f, " at {revision}")?;
                }
                write!(f, "{}", if *serializable { " (serializable)" } else { "" })
            }
            Call::Swap { key, expected, value } => {
                write!(f, "if {} is of {expected} put {}", Text(key), Text(value))
            }
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Put => write!(f, "done"),
            Seen::Deleted(count) => write!(f, "{count} deleted"),
            Seen::Found(found) if found.is_empty() => write!(f, "nothing"),
            Seen::Found(found) => {
                let list: Vec<String> = found.iter().map(Kv::to_string).collect();
                write!(f, "{}", list.join(", "))
            }
            Seen::Swapped => write!(f, "put"),
            Seen::NotSwapped(None) => write!(f, "not put, there is none"),
            Seen::NotSwapped(Some(kv)) => write!(f, "not put, it is {kv}"),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Operation { client, call, called, ended, outcome } = self;
        write!(f, "client {client} [{called}, {ended}] {call} -> ")?;
        match outcome {
            Outcome::Answered(answer) => write!(f, "{} at revision {}", answer.seen, answer.revision),
            Outcome::Failed => write!(f, "failed"),
            Outcome::Unknown => write!(f, "unknown"),
        }
    }
}
