//! Reading: transactions, cursors and images of one committed root.
//!
//! Nothing here writes or waits for the writer. A read transaction is one shared pointer.

use crate::{
    Error, Result, check,
    root::{Bucket, Root, Toward, Walk},
};
use bytes::Bytes;
use std::sync::Arc;

/// A consistent view of the file as of one commit. Cheap to clone; clones share the pin on its pages.
#[derive(Clone, Debug)]
pub struct ReadTx {
    pub(crate) root: Arc<Root>,
}

impl ReadTx {
    /// The value shares the page that holds it: copy it to keep it long.
    pub fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Bytes>> {
        let found = match self.root.held(bucket) {
            Some(bucket) => self.root.lookup(&bucket.page, key)?,
            None => match self.root.bucket(bucket)? {
                Some(bucket) => self.root.lookup(&bucket.page, key)?,
                None => None,
            },
        };
        Ok(match found {
            Some((page, element)) if !element.is_bucket() => Some(page.bytes().slice(element.value())),
            _ => None,
        })
    }

    /// A cursor before the first key of one bucket; an empty one if the bucket does not exist.
    pub fn cursor(&self, bucket: &[u8]) -> Result<Cursor> {
        let walk = match self.root.bucket(bucket)? {
            Some(Bucket { page, .. }) => {
                let mut walk = Walk::new(page);
                walk.descend(&self.root, Toward::First)?;
                Some(walk)
            }
            None => None,
        };
        Ok(Cursor { root: self.root.clone(), walk })
    }

    /// The top-level bucket names in byte order.
    pub fn buckets(&self) -> Result<Vec<Bytes>> {
        let mut walk = Walk::new(self.root.page(self.root.meta.root)?);
        walk.descend(&self.root, Toward::First)?;
        let mut names = Vec::new();
        while let Some((page, element)) = walk.next(&self.root)? {
            if element.is_bucket() {
                names.push(page.bytes().slice(element.key()));
            }
        }
        Ok(names)
    }

    /// Bytes of the file as of this commit: high-water mark times page size. This is also the length of [`Image`].
    pub fn size(&self) -> u64 {
        self.root.meta.bytes()
    }

    /// [`ReadTx::size`] less free (and pending-free) pages.
    pub fn size_in_use(&self) -> u64 {
        self.size() - self.root.free_pages * self.root.meta.page_size as u64
    }

    pub fn page_size(&self) -> usize {
        self.root.meta.page_size
    }

    /// A position for reading this commit's image in chunks: both metas rewritten as bolt's `WriteTo` does (meta 0
    /// with this txid, meta 1 with txid - 1), then pages as they are.
    pub fn image(&self) -> Image {
        let meta = self.root.meta;
        let mut metas = meta.encode(0);
        metas.extend_from_slice(&crate::meta::Meta { txid: meta.txid.wrapping_sub(1), ..meta }.encode(1));
        Image { root: self.root.clone(), metas: metas.into(), at: 0 }
    }

    /// Reachability, order, double references, bounds. One line per problem found (at most
    /// [`crate::PROBLEMS_MAX`]); empty when sound.
    pub fn check(&self) -> Result<Vec<String>> {
        check::check(&self.root)
    }
}

/// Walks a bucket in key order.
#[derive(Debug)]
pub struct Cursor {
    root: Arc<Root>,
    /// `None` if the bucket does not exist.
    walk: Option<Walk>,
}

impl Cursor {
    /// Moves to the first key `>= key`. The next call of `next` returns it.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.descend(Toward::Key(key))
    }

    /// Moves to the last key. The next call of `next` returns it.
    pub fn seek_last(&mut self) -> Result<()> {
        self.descend(Toward::Last)
    }

    fn descend(&mut self, toward: Toward<'_>) -> Result<()> {
        match &mut self.walk {
            Some(walk) => walk.descend(&self.root, toward),
            None => Ok(()),
        }
    }

    /// The next key and value, or `None` at the end. Slices share the cached page. A nested bucket has an empty value.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        let Some(walk) = &mut self.walk else { return Ok(None) };
        Ok(walk.next(&self.root)?.map(|(page, element)| {
            let value = if element.is_bucket() { Bytes::new() } else { page.bytes().slice(element.value()) };
            (page.bytes().slice(element.key()), value)
        }))
    }

    /// As `next`, but a nested bucket is an error.
    pub(crate) fn next_plain(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        let Some(walk) = &mut self.walk else { return Ok(None) };
        match walk.next(&self.root)? {
            Some((_, element)) if element.is_bucket() => {
                Err(Error::Invalid("a bucket within a bucket".into()))
            }
            Some((page, element)) => {
                Ok(Some((page.bytes().slice(element.key()), page.bytes().slice(element.value()))))
            }
            None => Ok(None),
        }
    }
}

/// Streams a database image: what `snapshot save` and snapshots between members carry.
#[derive(Debug)]
pub struct Image {
    root: Arc<Root>,
    metas: Bytes,
    at: u64,
}

impl Image {
    /// Bytes not yet returned.
    pub fn remaining(&self) -> u64 {
        self.root.meta.bytes() - self.at
    }

    /// The next at most `max` bytes; empty at the end.
    pub fn read(&mut self, max: usize) -> Result<Bytes> {
        let want = self.remaining().min(max as u64) as usize;
        let metas = self.metas.len() as u64;
        let chunk = if self.at < metas {
            let at = self.at as usize;
            self.metas.slice(at..self.metas.len().min(at + want))
        } else {
            let mut bytes = vec![0; want];
            let page_size = self.root.meta.page_size as u64;
            let skip = (self.at % page_size) as usize;
            self.root.file.read_exact(&mut bytes, self.at / page_size, skip)?;
            bytes.into()
        };
        self.at += chunk.len() as u64;
        Ok(chunk)
    }
}
