//! The write transaction.
//!
//! It never writes before `commit` and never keeps an unchanged page: of each tree it holds the nodes on the paths to
//! what changed. Dropped without `commit`, it leaves no trace.

mod edit;
mod node;
mod rebalance;
mod spill;

use crate::{
    Error, Result, Store,
    page::{BUCKET_FLAG, BUCKET_HEADER, BucketValue},
    root::Bucket,
};
use bytes::Bytes;
use edit::Edit;
use node::{Leaf, Node};

/// The write transaction. Reads see its own changes.
#[derive(Debug)]
pub struct WriteTx<'a> {
    store: &'a mut Store,
    edit: Edit,
    /// The tree of buckets.
    root: Node,
    /// Buckets used so far.
    trees: Vec<Tree>,
    /// Index in `trees` of the last used.
    last: usize,
}

/// A bucket in use.
#[derive(Debug)]
struct Tree {
    name: Vec<u8>,
    sequence: u64,
    root: Node,
    changed: bool,
    /// Whether any put said that keys mostly grow.
    append: bool,
}

impl Store {
    /// Begins the write transaction. Dropping it without `commit` discards the changes.
    pub fn begin(&mut self) -> WriteTx<'_> {
        self.unblock();
        WriteTx::new(self)
    }
}

impl<'a> WriteTx<'a> {
    fn new(store: &'a mut Store) -> WriteTx<'a> {
        let base = store.root().clone();
        let root = Node::Page(base.meta.root);
        WriteTx { store, edit: Edit::new(base), root, trees: Vec::new(), last: 0 }
    }

    pub fn create_bucket_if_missing(&mut self, name: &[u8]) -> Result<()> {
        self.create_bucket_with(name, 0)
    }

    /// A bucket that exists keeps its sequence.
    pub(crate) fn create_bucket_with(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        if self.tree(name)?.is_some() {
            return Ok(());
        }
        if self.edit.find(&self.root, name)?.is_some() {
            return Err(Error::Invalid("a bucket and a value under one key".into()));
        }
        // An empty place for it now, so that a bad name is refused here and not at the commit.
        let mut value = Vec::with_capacity(BUCKET_HEADER);
        BucketValue::encode_header(0, 0, &mut value);
        self.edit.put(&mut self.root, name, &value, BUCKET_FLAG, false)?;
        let root = Node::Leaf(Box::new(Leaf::new(Vec::new())));
        self.trees.push(Tree { name: name.to_vec(), sequence, root, changed: true, append: false });
        Ok(())
    }

    /// Inserts or replaces. `append_hint` says that keys of this bucket mostly grow: leaves are then filled to 0.9
    /// instead of 0.5 when they split.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8], append_hint: bool) -> Result<()> {
        let index = self.tree(bucket)?.ok_or_else(|| no_bucket(bucket))?;
        let tree = &mut self.trees[index];
        tree.changed = true;
        tree.append |= append_hint;
        self.edit.put(&mut tree.root, key, value, 0, append_hint)
    }

    /// Removes a key; no error if it is missing.
    pub fn delete(&mut self, bucket: &[u8], key: &[u8]) -> Result<()> {
        let index = self.tree(bucket)?.ok_or_else(|| no_bucket(bucket))?;
        let tree = &mut self.trees[index];
        tree.changed |= self.edit.delete(&mut tree.root, key)?;
        Ok(())
    }

    /// `None` also if the bucket does not exist.
    pub fn get(&mut self, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
        let Some(index) = self.tree(bucket)? else { return Ok(None) };
        let found = self.edit.find(&self.trees[index].root, key)?;
        Ok(found.and_then(|(value, is_bucket)| (!is_bucket).then_some(value)))
    }

    /// Dirty pages, fdatasync, meta, fdatasync; then the new root is what [`Store::reader`] gives. A transaction that
    /// changed nothing does nothing.
    pub fn commit(self) -> Result<()> {
        let WriteTx { store, edit, root, trees, .. } = self;
        store.attempt(|store| write_out(store, edit, root, trees))
    }

    /// The index of a bucket in `trees`; `None` if there is no such bucket.
    fn tree(&mut self, name: &[u8]) -> Result<Option<usize>> {
        if self.trees.get(self.last).is_some_and(|tree| tree.name == name) {
            return Ok(Some(self.last));
        }
        if let Some(index) = self.trees.iter().position(|tree| tree.name == name) {
            self.last = index;
            return Ok(Some(index));
        }
        let Some(Bucket { sequence, id, page, .. }) = self.edit.base.bucket(name)? else { return Ok(None) };
        let root = match id {
            Some(id) => Node::Page(id),
            None => self.edit.open_inline(&page),
        };
        self.trees.push(Tree { name: name.to_vec(), sequence, root, changed: false, append: false });
        self.last = self.trees.len() - 1;
        Ok(Some(self.last))
    }
}

fn no_bucket(name: &[u8]) -> Error {
    Error::NoBucket(String::from_utf8_lossy(name).into_owned())
}

/// Makes pages of the changed trees, and commits them.
fn write_out(store: &mut Store, mut edit: Edit, mut root: Node, trees: Vec<Tree>) -> Result<()> {
    let open = store.open_txids();
    let mut placement = store.placement(&open);
    for mut tree in trees.into_iter().filter(|tree| tree.changed) {
        edit.rebalance(&mut tree.root)?;
        let value = match edit.inline_value(&tree.root, tree.sequence) {
            Some(value) => value,
            None => {
                let page = edit.spill_root(tree.root, tree.append, &mut placement)?;
                let mut value = Vec::with_capacity(BUCKET_HEADER);
                BucketValue::encode_header(page, tree.sequence, &mut value);
                value
            }
        };
        edit.put(&mut root, &tree.name, &value, BUCKET_FLAG, false)?;
    }
    let unchanged = matches!(root, Node::Page(_));
    let root = edit.spill_root(root, false, &mut placement)?;
    let (pages, high_water) = (placement.pages, placement.high_water);
    if unchanged {
        return Ok(());
    }
    store.write(root, high_water, pages, edit.freed)
}
