//! The key space at one revision, as the history makes it.

use crate::{
    operation::{Keys, Kv},
    revisions::Change,
};
use bytes::Bytes;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    keys: BTreeMap<Bytes, Kv>,
}

impl Model {
    pub(crate) fn apply(&mut self, revision: i64, changes: &[Change]) {
        for change in changes {
            let Some(value) = change.value.clone() else {
                self.keys.remove(&change.key);
                continue;
            };
            let (key, lease) = (change.key.clone(), change.lease);
            let kv = self.keys.entry(key.clone()).or_insert_with(|| Kv {
                key,
                value: Bytes::new(),
                create_revision: revision,
                mod_revision: 0,
                version: 0,
                lease: 0,
            });
            kv.value = value;
            kv.mod_revision = revision;
            kv.version += 1;
            kv.lease = lease;
        }
    }

    pub(crate) fn get(&self, key: &Bytes) -> Option<&Kv> {
        self.keys.get(key)
    }

    pub(crate) fn find(&self, keys: &Keys) -> Vec<Kv> {
        match keys {
            Keys::One(key) => self.get(key).cloned().into_iter().collect(),
            Keys::Between(first, _) | Keys::From(first) => {
                let from = self.keys.range(first.clone()..);
                from.take_while(|(key, _)| keys.hold(key)).map(|(_, kv)| kv.clone()).collect()
            }
        }
    }
}
