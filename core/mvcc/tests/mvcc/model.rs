//! What the key space must be: every version ever written, in a list, searched from end to end.

use mvcc::{KeyRange, Revision};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub created: i64,
    pub version: i64,
    pub value: String,
    pub lease: i64,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub at: Revision,
    pub key: String,
    /// `None`: a tombstone.
    pub state: Option<State>,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub rows: Vec<Row>,
    pub current: i64,
    pub compacted: i64,
    /// Compactions whose rows are removed, oldest first.
    removed: Vec<i64>,
}

impl Model {
    pub fn new() -> Model {
        Model { rows: Vec::new(), current: 1, compacted: -1, removed: Vec::new() }
    }

    pub fn at(&self, key: &str, revision: i64) -> Option<&Row> {
        let newest = self.rows.iter().rfind(|row| row.key == key && row.at.main <= revision)?;
        newest.state.is_some().then_some(newest)
    }

    /// Live rows of a range, by key.
    pub fn range(&self, range: &KeyRange, revision: i64) -> Vec<&Row> {
        let keys: BTreeSet<_> =
            self.rows.iter().map(|row| &row.key).filter(|k| range.contains(k.as_bytes())).collect();
        keys.into_iter().filter_map(|key| self.at(key, revision)).collect()
    }

    pub fn leases(&self) -> Vec<(String, i64)> {
        let all = mvcc::KeyRange { key: Default::default(), end: mvcc::RangeEnd::Open };
        let leases = self
            .range(&all, self.current)
            .into_iter()
            .map(|row| (row.key.clone(), row.state.as_ref().unwrap().lease));
        leases.filter(|(_, lease)| *lease != 0).collect()
    }

    pub fn put(&mut self, sub: i64, key: &str, value: &str, lease: i64) {
        let at = Revision { main: self.current + 1, sub };
        let previous = self.at(key, at.main).and_then(|row| row.state.clone());
        let (created, version) = previous.map_or((at.main, 0), |p| (p.created, p.version));
        let state = State { created, version: version + 1, value: value.to_owned(), lease };
        self.rows.push(Row { at, key: key.to_owned(), state: Some(state) });
    }

    pub fn delete(&mut self, sub: i64, key: &str) {
        let at = Revision { main: self.current + 1, sub };
        self.rows.push(Row { at, key: key.to_owned(), state: None });
    }

    /// The rows of the last compaction are removed.
    pub fn remove_compacted(&mut self, revision: i64) {
        self.removed.push(revision);
    }

    /// Rows that exist on disk when every compaction in `removed` is done.
    pub fn present(&self) -> Vec<&Row> {
        let Some(last) = self.removed.last() else { return self.rows.iter().collect() };
        self.rows.iter().filter(|row| row.at.main > *last || self.kept(row, *last)).collect()
    }

    /// Whether a compaction at `revision` keeps this row.
    fn kept(&self, row: &Row, revision: i64) -> bool {
        self.newest(row, revision) && (row.state.is_some() || row.at.main == revision)
    }

    fn newest(&self, row: &Row, revision: i64) -> bool {
        let newest = self.rows.iter().rfind(|other| other.key == row.key && other.at.main <= revision);
        newest.is_some_and(|newest| newest.at == row.at)
    }

    /// HashKV by the rules of the format's description; `None` where the answer depends on how far the removal is.
    pub fn hash(&self, revision: i64, compacted: i64, settled: bool) -> Option<u32> {
        let kept: BTreeSet<_> = self
            .rows
            .iter()
            .filter(|r| r.state.is_some() && self.newest(r, revision))
            .map(|r| r.at)
            .collect();
        if kept.is_empty() && !settled {
            return None;
        }
        Some(self.hash_rows(revision, compacted, &kept))
    }

    /// What a compaction at `revision` after one at `previous` hashes.
    pub fn compaction_hash(&self, revision: i64, previous: i64) -> u32 {
        let kept: BTreeSet<_> = self.rows.iter().filter(|r| self.kept(r, revision)).map(|r| r.at).collect();
        self.hash_rows(revision, previous, &kept)
    }

    fn hash_rows(&self, revision: i64, compacted: i64, kept: &BTreeSet<Revision>) -> u32 {
        let mut bytes = b"key".to_vec();
        for row in self.present() {
            let main = row.at.main;
            let tombstone = row.state.is_none();
            if main > revision
                || (main <= compacted && !kept.is_empty() && !kept.contains(&row.at))
                || (main == compacted && tombstone)
            {
                continue;
            }
            let (key, value) = row.encode();
            bytes.extend(key);
            bytes.extend(value);
        }
        crc32c::crc32c(&bytes)
    }
}

impl Row {
    pub fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let mut key = self.at.row_key().to_vec();
        let mut kv = proto::mvccpb::KeyValue { key: self.key.clone().into(), ..Default::default() };
        match &self.state {
            None => key.push(b't'),
            Some(state) => {
                kv.create_revision = state.created;
                kv.mod_revision = self.at.main;
                kv.version = state.version;
                kv.value = state.value.clone().into();
                kv.lease = state.lease;
            }
        }
        (key, proto::Message::encode_to_vec(&kv))
    }
}
