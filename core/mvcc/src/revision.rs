//! A place in the history of the key space.

use backend::row_key::{self, RowKey};

/// `main` is the transaction's revision, `sub` the change number within it (from 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    pub main: i64,
    pub sub: i64,
}

impl Revision {
    /// The key of the row a put at this revision wrote.
    pub fn row_key(self) -> [u8; row_key::PUT_BYTES] {
        row_key::encode_put(self.main, self.sub)
    }
}

impl From<RowKey> for Revision {
    fn from(at: RowKey) -> Revision {
        Revision { main: at.main, sub: at.sub }
    }
}
