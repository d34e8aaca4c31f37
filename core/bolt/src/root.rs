//! A committed root: everything a reader needs to see the file as of one commit.
//!
//! Immutable and shared. While any [`Root`] lives, the pages it reaches are not rewritten (the store watches roots
//! through weak references), so dropping the last share is what frees its pages for reuse.

use crate::{
    Result,
    file::{Keep, PagedFile, corrupt},
    meta::Meta,
    page::{BucketRoot, BucketValue, Element, Page},
};
use bytes::Bytes;
use std::sync::Arc;

/// Levels of a tree, at most: more than any file of at least two keys a branch can have.
pub const DEPTH_MAX: usize = 64;
/// Buckets whose root page is held by the root itself, so that a lookup starts one level below.
const BUCKETS_HELD_MAX: usize = 16;

/// A bucket with its first page at hand.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub name: Bytes,
    pub sequence: u64,
    /// `None` for an inline bucket.
    pub id: Option<u64>,
    pub page: Page,
}

#[derive(Debug)]
pub struct Root {
    pub file: Arc<PagedFile>,
    pub meta: Meta,
    /// Pages below the high-water mark that this root does not reach.
    pub free_pages: u64,
    /// The first buckets of the file, in order.
    held: Vec<Bucket>,
    /// Whether `held` has all buckets.
    all_held: bool,
}

impl Root {
    /// Reads the buckets of a committed meta. `before` may lend pages that did not change.
    pub fn load(file: Arc<PagedFile>, meta: Meta, free_pages: u64, before: Option<&Root>) -> Result<Root> {
        let mut root = Root { file, meta, free_pages, held: Vec::new(), all_held: false };
        let mut held = Vec::new();
        let mut walk = Walk::new(root.page(root.meta.root)?);
        walk.descend(&root, Toward::First)?;
        while held.len() < BUCKETS_HELD_MAX {
            let Some((page, element)) = walk.next(&root)? else {
                root.all_held = true;
                break;
            };
            if element.is_bucket() {
                held.push(root.open_bucket(page, element, before)?);
            }
        }
        root.held = held;
        Ok(root)
    }

    pub fn page(&self, id: u64) -> Result<Page> {
        self.file.page(id, self.meta.high_water, Keep::Yes)
    }

    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket>> {
        if let Some(bucket) = self.held(name) {
            return Ok(Some(bucket.clone()));
        }
        if self.all_held {
            return Ok(None);
        }
        match self.lookup(&self.page(self.meta.root)?, name)? {
            Some((page, element)) if element.is_bucket() => Ok(Some(self.open_bucket(&page, element, None)?)),
            _ => Ok(None),
        }
    }

    /// The bucket, if it is among those held: no I/O, no copy.
    pub fn held(&self, name: &[u8]) -> Option<&Bucket> {
        self.held.iter().find(|bucket| bucket.name == name)
    }

    fn open_bucket(&self, page: &Page, element: Element, before: Option<&Root>) -> Result<Bucket> {
        let name = page.bytes().slice(element.key());
        let value =
            BucketValue::parse(page.bytes().slice(element.value())).map_err(|reason| corrupt(0, reason))?;
        let (id, page) = match value.root {
            BucketRoot::Inline(page) => (None, page),
            BucketRoot::Page(id) => {
                let unchanged =
                    before.and_then(|root| root.held(&name)).filter(|bucket| bucket.id == Some(id));
                (Some(id), unchanged.map_or_else(|| self.page(id), |bucket| Ok(bucket.page.clone()))?)
            }
        };
        Ok(Bucket { name, sequence: value.sequence, id, page })
    }

    /// Finds `key` under `top`.
    pub fn lookup(&self, top: &Page, key: &[u8]) -> Result<Option<(Page, Element)>> {
        if top.is_leaf() {
            return Ok(find_in_leaf(top, key).map(|element| (top.clone(), element)));
        }
        let mut page = self.page(top.child(top.child_for(key)).1)?;
        for _ in 1..DEPTH_MAX {
            if page.is_leaf() {
                return Ok(find_in_leaf(&page, key).map(|element| (page, element)));
            }
            page = self.page(page.child(page.child_for(key)).1)?;
        }
        Err(corrupt(self.meta.root, "the tree is too deep"))
    }
}

fn find_in_leaf(page: &Page, key: &[u8]) -> Option<Element> {
    match page.lower_bound(key) {
        (index, true) => Some(page.element(index)),
        (_, false) => None,
    }
}

/// Which way a [`Walk`] goes down.
#[derive(Clone, Copy, Debug)]
pub enum Toward<'a> {
    First,
    Last,
    Key(&'a [u8]),
}

/// A path from a bucket's root page to a leaf element. It holds pages, not a root: the caller passes the same root
/// each time.
#[derive(Debug)]
pub struct Walk {
    top: Page,
    /// Pages from the top down, each with the index of the child gone into; at the leaf, of the next element.
    path: Vec<(Page, usize)>,
}

impl Walk {
    pub fn new(top: Page) -> Walk {
        Walk { top, path: Vec::new() }
    }

    /// Starts again at the top.
    pub fn descend(&mut self, root: &Root, toward: Toward<'_>) -> Result<()> {
        self.path.clear();
        self.go_down(root, self.top.clone(), toward)
    }

    fn go_down(&mut self, root: &Root, mut page: Page, toward: Toward<'_>) -> Result<()> {
        loop {
            if self.path.len() == DEPTH_MAX {
                return Err(corrupt(root.meta.root, "the tree is too deep"));
            }
            let last = page.count().saturating_sub(1);
            let leaf = page.is_leaf();
            let index = match toward {
                Toward::First => 0,
                Toward::Last => last,
                Toward::Key(key) if leaf => page.lower_bound(key).0,
                Toward::Key(key) => page.child_for(key),
            };
            let child = (!leaf).then(|| page.child(index).1);
            self.path.push((page, index));
            match child {
                Some(id) => page = root.page(id)?,
                None => return Ok(()),
            }
        }
    }

    /// The element at the position, which then moves on; `None` at the end.
    pub fn next(&mut self, root: &Root) -> Result<Option<(&Page, Element)>> {
        if !self.reach_element(root)? {
            return Ok(None);
        }
        Ok(self.path.last_mut().map(|(page, index)| {
            let element = page.element(*index);
            *index += 1;
            (&*page, element)
        }))
    }

    /// Moves on to a leaf that has an element at its index; false at the end.
    fn reach_element(&mut self, root: &Root) -> Result<bool> {
        while let Some((page, index)) = self.path.last_mut() {
            if page.is_leaf() && *index < page.count() {
                return Ok(true);
            }
            if !page.is_leaf() && *index + 1 < page.count() {
                *index += 1;
                let (_, child) = page.child(*index);
                self.go_down(root, root.page(child)?, Toward::First)?;
                continue;
            }
            self.path.pop();
        }
        Ok(false)
    }
}
