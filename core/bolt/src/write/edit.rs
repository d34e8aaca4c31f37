//! Putting, removing and finding keys in a tree under change.

use super::node::{Branch, Child, Item, Leaf, Node, Sources};
use crate::{
    Error, Result,
    file::corrupt,
    freelist::Extent,
    page::{KEY_MAX, Page, VALUE_MAX},
    root::Root,
};
use bytes::Bytes;
use std::sync::Arc;

/// Items of a leaf in memory before it is halved: inserting into a longer one would move too much.
const LEAF_ITEMS_MAX: usize = 512;
/// Children of a branch in memory before it is halved.
const BRANCH_CHILDREN_MAX: usize = 1024;
/// Keys on a page at least, when a node is cut into pages.
pub const KEYS_PER_PAGE_MIN: usize = 2;

/// What the trees of one transaction share.
#[derive(Debug)]
pub struct Edit {
    pub base: Arc<Root>,
    pub sources: Sources,
    /// Pages of the base root that the transaction replaces.
    pub freed: Vec<Extent>,
}

/// A key on its way into a tree.
struct Put<'a> {
    key: &'a [u8],
    item: Item,
    /// Leaf size in bytes at which a greater key begins a new leaf, if keys mostly grow.
    append_at: Option<usize>,
}

pub enum Opened<'a> {
    Leaf(&'a mut Leaf),
    Branch(&'a mut Branch),
}

impl Edit {
    pub fn new(base: Arc<Root>) -> Edit {
        Edit { base, sources: Sources::default(), freed: Vec::new() }
    }

    pub fn page_size(&self) -> usize {
        self.base.meta.page_size
    }

    /// Bytes at which a leaf of growing keys is full.
    pub fn fill(&self, append: bool) -> usize {
        if append { self.page_size() * 9 / 10 } else { self.page_size() / 2 }
    }

    /// Makes a page ready for change; its old place is free once the transaction commits.
    pub fn open<'a>(&mut self, node: &'a mut Node) -> Result<Opened<'a>> {
        if let Node::Page(id) = *node {
            let page = self.base.page(id)?;
            *node = self.sources.node(&page);
            let len = (page.bytes().len() / self.page_size()) as u64;
            self.freed.push(Extent { start: id, len });
        }
        match node {
            Node::Leaf(leaf) => Ok(Opened::Leaf(leaf)),
            Node::Branch(branch) => Ok(Opened::Branch(branch)),
            Node::Page(_) => unreachable!("it was opened above"),
        }
    }

    /// The node of an inline bucket's page.
    pub fn open_inline(&mut self, page: &Page) -> Node {
        self.sources.node(page)
    }

    /// Inserts or replaces a key. A bucket and a plain value do not replace each other.
    pub fn put(&mut self, root: &mut Node, key: &[u8], value: &[u8], flags: u32, append: bool) -> Result<()> {
        if key.is_empty() || key.len() > KEY_MAX {
            return Err(Error::Invalid(format!("a key of {} bytes", key.len())));
        }
        if value.len() > VALUE_MAX {
            return Err(Error::Invalid(format!("a value of {} bytes", value.len())));
        }
        let item = self.sources.copy(key, value, flags);
        let append_at = append.then(|| self.fill(true));
        let Some(right) = self.put_below(root, &Put { key, item, append_at })? else { return Ok(()) };
        let left = std::mem::replace(root, Node::Page(0));
        let (at, key_len) = match &left {
            Node::Leaf(leaf) => (leaf.items[0].at, leaf.items[0].key_len),
            Node::Branch(branch) => (branch.children[0].at, branch.children[0].key_len),
            Node::Page(_) => unreachable!("only a changed node is split"),
        };
        let children = vec![Child { at, key_len, node: left }, right];
        *root = Node::Branch(Box::new(Branch { children, shrunk: false }));
        Ok(())
    }

    /// Returns the right part of `node` if it was split.
    fn put_below(&mut self, node: &mut Node, put: &Put<'_>) -> Result<Option<Child>> {
        match self.open(node)? {
            Opened::Leaf(leaf) => self.put_in_leaf(leaf, put),
            Opened::Branch(branch) => {
                let index = self.child_for(branch, put.key);
                if let Some(right) = self.put_below(&mut branch.children[index].node, put)? {
                    branch.children.insert(index + 1, right);
                }
                if branch.children.len() <= BRANCH_CHILDREN_MAX {
                    return Ok(None);
                }
                let children = branch.children.split_off(branch.children.len() / 2);
                let (at, key_len) = (children[0].at, children[0].key_len);
                let node = Node::Branch(Box::new(Branch { children, shrunk: branch.shrunk }));
                Ok(Some(Child { at, key_len, node }))
            }
        }
    }

    fn put_in_leaf(&mut self, leaf: &mut Leaf, put: &Put<'_>) -> Result<Option<Child>> {
        let (index, found) = self.find_in_leaf(leaf, put.key);
        if found {
            let old = &mut leaf.items[index];
            if old.is_bucket() != put.item.is_bucket() {
                return Err(Error::Invalid("a bucket and a value under one key".into()));
            }
            leaf.size = leaf.size - old.size() + put.item.size();
            *old = put.item;
            return Ok(None);
        }
        let full = |append_at| leaf.size + put.item.size() > append_at;
        let right =
            if index == leaf.items.len() && index >= KEYS_PER_PAGE_MIN && put.append_at.is_some_and(full) {
                Leaf::new(vec![put.item])
            } else {
                leaf.items.insert(index, put.item);
                leaf.size += put.item.size();
                if leaf.items.len() <= LEAF_ITEMS_MAX {
                    return Ok(None);
                }
                leaf.split_off(leaf.items.len() / 2)
            };
        let (at, key_len) = (right.items[0].at, right.items[0].key_len);
        Ok(Some(Child { at, key_len, node: Node::Leaf(Box::new(right)) }))
    }

    /// The first item whose key is not below `key`, and whether it equals it.
    fn find_in_leaf(&self, leaf: &Leaf, key: &[u8]) -> (usize, bool) {
        // Growing keys go to the end.
        match leaf.items.last() {
            Some(last) if self.sources.key(*last) < key => return (leaf.items.len(), false),
            Some(_) => {}
            None => return (0, false),
        }
        match leaf.items.binary_search_by(|item| self.sources.key(*item).cmp(key)) {
            Ok(index) => (index, true),
            Err(index) => (index, false),
        }
    }

    fn child_for(&self, branch: &Branch, key: &[u8]) -> usize {
        let child_key = |child: &Child| self.sources.bytes(child.at, usize::from(child.key_len));
        let last = branch.children.len() - 1;
        if child_key(&branch.children[last]) <= key {
            return last;
        }
        branch.children.partition_point(|child| child_key(child) <= key).saturating_sub(1)
    }

    /// The value under a key, and whether it is a bucket.
    pub fn find(&self, mut node: &Node, key: &[u8]) -> Result<Option<(Bytes, bool)>> {
        loop {
            match node {
                Node::Page(id) => {
                    let found = self.base.lookup(&self.base.page(*id)?, key)?;
                    return Ok(found
                        .map(|(page, element)| (page.bytes().slice(element.value()), element.is_bucket())));
                }
                Node::Leaf(leaf) => {
                    let (index, found) = self.find_in_leaf(leaf, key);
                    return Ok(
                        found.then(|| (self.sources.value(leaf.items[index]), leaf.items[index].is_bucket()))
                    );
                }
                Node::Branch(branch) => node = &branch.children[self.child_for(branch, key)].node,
            }
        }
    }

    /// Removes a key; false if it is not there, and then nothing is changed.
    pub fn delete(&mut self, root: &mut Node, key: &[u8]) -> Result<bool> {
        match self.find(root, key)? {
            None => return Ok(false),
            Some((_, true)) => return Err(Error::Invalid("a bucket is not deleted as a key".into())),
            Some((_, false)) => {}
        }
        let mut node = root;
        loop {
            match self.open(node)? {
                Opened::Leaf(leaf) => {
                    let (index, found) = self.find_in_leaf(leaf, key);
                    if !found {
                        return Err(corrupt(
                            self.base.meta.root,
                            "a key is found or not, depending on the way",
                        ));
                    }
                    leaf.size -= leaf.items.remove(index).size();
                    leaf.shrunk = true;
                    return Ok(true);
                }
                Opened::Branch(branch) => {
                    let index = self.child_for(branch, key);
                    node = &mut branch.children[index].node;
                }
            }
        }
    }
}
