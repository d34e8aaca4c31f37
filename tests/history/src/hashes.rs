//! Hashes that members gave for a revision: equal where revision and compaction are.

use crate::Violation;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct Hashes {
    /// By hashed revision and compact revision: who said it first, and what.
    known: BTreeMap<(i64, i64), (String, u64)>,
}

impl Hashes {
    /// Notes one member's hash of everything up to `revision`, with what is older than `compacted` gone.
    ///
    /// # Errors
    /// When another member said something else.
    pub fn note(&mut self, member: &str, revision: i64, compacted: i64, hash: u64) -> Result<(), Violation> {
        let known = self.known.entry((revision, compacted)).or_insert_with(|| (member.to_owned(), hash));
        if known.1 == hash {
            return Ok(());
        }
        let (member_a, a) = known.clone();
        Err(Violation::Hash { revision, compacted, member_a, a, member_b: member.to_owned(), b: hash })
    }
}
