//! The part of a tree that a write transaction has changed.
//!
//! A node holds no bytes: its items say where their key and value lie, in a page that was read or in the arena of what
//! was put. So a changed leaf costs 16 bytes an item, and values are copied once in and once out.
//!
//! Invariants: items and children are in strictly ascending order of their keys, except that the key of a branch's
//! first child may be above the least key under it; all children of a branch are at the same depth.

use crate::page::{BUCKET_FLAG, ELEMENT, PAGE_HEADER, Page};
use bytes::Bytes;

/// Bytes of the first arena chunk; each next is twice as large, up to [`CHUNK_MAX`].
const CHUNK_MIN: usize = 4 << 10;
/// Bytes of an arena chunk, unless a single item needs more.
const CHUNK_MAX: usize = 1 << 20;

/// Where the bytes of nodes lie.
#[derive(Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
    /// Index of the chunk that has room.
    chunk: Option<u32>,
    next_chunk_bytes: usize,
}

#[derive(Debug)]
enum Source {
    Page(Bytes),
    Chunk(Vec<u8>),
}

/// A position in one of the [`Sources`].
#[derive(Clone, Copy, Debug, Default)]
pub struct At {
    source: u32,
    offset: u32,
}

/// A key with its value, which follows it.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub at: At,
    pub value_len: u32,
    pub key_len: u16,
    pub flags: u16,
}

impl Item {
    /// Bytes it takes in a page.
    pub fn size(self) -> usize {
        ELEMENT + usize::from(self.key_len) + self.value_len as usize
    }

    pub fn is_bucket(self) -> bool {
        u32::from(self.flags) & BUCKET_FLAG != 0
    }
}

impl Sources {
    fn add(&mut self, source: Source) -> u32 {
        self.list.push(source);
        u32::try_from(self.list.len() - 1).expect("fewer than 2^32 pages change in a transaction")
    }

    /// Copies a key and its value. Their lengths were checked.
    pub fn copy(&mut self, key: &[u8], value: &[u8], flags: u32) -> Item {
        let len = key.len() + value.len();
        let source = match self.chunk {
            Some(index) if self.room(index) >= len => index,
            _ => self.add_chunk(len),
        };
        let Source::Chunk(chunk) = &mut self.list[source as usize] else {
            unreachable!("the index of a chunk")
        };
        let offset = chunk.len() as u32;
        chunk.extend_from_slice(key);
        chunk.extend_from_slice(value);
        Item {
            at: At { source, offset },
            value_len: value.len() as u32,
            key_len: key.len() as u16,
            flags: flags as u16,
        }
    }

    fn room(&self, chunk: u32) -> usize {
        match &self.list[chunk as usize] {
            Source::Chunk(chunk) => chunk.capacity() - chunk.len(),
            Source::Page(_) => 0,
        }
    }

    fn add_chunk(&mut self, len: usize) -> u32 {
        self.next_chunk_bytes = (self.next_chunk_bytes * 2).clamp(CHUNK_MIN, CHUNK_MAX);
        let index = self.add(Source::Chunk(Vec::with_capacity(self.next_chunk_bytes.max(len))));
        self.chunk = Some(index);
        index
    }

    pub fn bytes(&self, at: At, len: usize) -> &[u8] {
        let start = at.offset as usize;
        match &self.list[at.source as usize] {
            Source::Page(page) => &page[start..start + len],
            Source::Chunk(chunk) => &chunk[start..start + len],
        }
    }

    pub fn key(&self, item: Item) -> &[u8] {
        self.bytes(item.at, usize::from(item.key_len))
    }

    /// The item's value: shared if it lies in a page, else copied.
    pub fn value(&self, item: Item) -> Bytes {
        let start = item.at.offset as usize + usize::from(item.key_len);
        let range = start..start + item.value_len as usize;
        match &self.list[item.at.source as usize] {
            Source::Page(page) => page.slice(range),
            Source::Chunk(chunk) => Bytes::copy_from_slice(&chunk[range]),
        }
    }

    /// Makes a node of a page.
    pub fn node(&mut self, page: &Page) -> Node {
        let source = self.add(Source::Page(page.bytes().clone()));
        if !page.is_leaf() {
            let child = |index| {
                let (key, id) = page.child(index);
                let at = At { source, offset: key.start as u32 };
                Child { at, key_len: key.len() as u16, node: Node::Page(id) }
            };
            let children = (0..page.count()).map(child).collect();
            return Node::Branch(Box::new(Branch { children, shrunk: false }));
        }
        let item = |index| {
            let element = page.element(index);
            Item {
                at: At { source, offset: element.start as u32 },
                value_len: element.value_len as u32,
                key_len: element.key_len as u16,
                flags: element.flags as u16,
            }
        };
        Node::Leaf(Box::new(Leaf::new((0..page.count()).map(item).collect())))
    }
}

/// A subtree.
#[derive(Debug)]
pub enum Node {
    /// Unchanged: a page of the committed root.
    Page(u64),
    Leaf(Box<Leaf>),
    Branch(Box<Branch>),
}

#[derive(Debug, Default)]
pub struct Leaf {
    pub items: Vec<Item>,
    /// Bytes it takes as one page.
    pub size: usize,
    /// Whether something was removed, so that it may have to merge.
    pub shrunk: bool,
}

#[derive(Debug, Default)]
pub struct Branch {
    pub children: Vec<Child>,
    pub shrunk: bool,
}

#[derive(Debug)]
pub struct Child {
    pub at: At,
    pub key_len: u16,
    pub node: Node,
}

impl Leaf {
    pub fn new(items: Vec<Item>) -> Leaf {
        let size = PAGE_HEADER + items.iter().map(|item| item.size()).sum::<usize>();
        Leaf { items, size, shrunk: false }
    }

    /// Moves the items from `at` on to a new leaf.
    pub fn split_off(&mut self, at: usize) -> Leaf {
        let mut right = Leaf::new(self.items.split_off(at));
        self.size -= right.size - PAGE_HEADER;
        right.shrunk = self.shrunk;
        right
    }
}

impl Branch {
    /// Bytes it takes as one page.
    pub fn size(&self) -> usize {
        PAGE_HEADER + self.children.iter().map(Child::size).sum::<usize>()
    }
}

impl Child {
    /// Bytes it takes in a page.
    pub fn size(&self) -> usize {
        ELEMENT + usize::from(self.key_len)
    }
}
