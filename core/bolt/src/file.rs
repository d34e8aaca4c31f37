//! A file of pages: reads through the cache, writes in long runs.
//!
//! It never decides which page to read or write, and holds no lock during I/O.

use crate::{
    Error, Result,
    cache::PageCache,
    page::{Header, PAGE_BYTES_MAX, PAGE_HEADER, Page},
};
use bytes::Bytes;
use disk::File;
use std::sync::Arc;

/// Bytes of adjacent pages written in one call, about.
const WRITE_RUN_BYTES: usize = 1 << 20;

/// Whether a page that had to be read is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    Yes,
    /// For walks over the whole file.
    No,
}

#[derive(Debug)]
pub struct PagedFile {
    pub file: Arc<dyn File>,
    pub page_size: usize,
    pub cache: PageCache,
}

pub fn corrupt(page: u64, reason: impl Into<String>) -> Error {
    Error::Corrupt { page, reason: reason.into() }
}

impl PagedFile {
    /// Reads a branch or leaf page with its overflow, all below `high_water`.
    pub fn page(&self, id: u64, high_water: u64, keep: Keep) -> Result<Page> {
        check_number(id, high_water)?;
        if let Some(page) = self.cache.get(id) {
            return Ok(page);
        }
        let bytes = self.read_whole(id, high_water)?;
        let page = Page::parse(bytes, id).map_err(|reason| corrupt(id, reason))?;
        if keep == Keep::Yes {
            self.cache.insert_read(id, &page);
        }
        Ok(page)
    }

    fn read_whole(&self, id: u64, high_water: u64) -> Result<Bytes> {
        let mut bytes = vec![0; self.page_size];
        self.read_exact(&mut bytes, id, 0)?;
        let header = Header::decode(&bytes);
        self.check_span(id, header, high_water)?;
        if header.overflow > 0 {
            bytes.resize(header.pages() as usize * self.page_size, 0);
            self.read_exact(&mut bytes[self.page_size..], id, self.page_size)?;
        }
        Ok(bytes.into())
    }

    /// An error unless the page with its overflow lies below `high_water` and may be held in memory.
    pub fn check_span(&self, id: u64, header: Header, high_water: u64) -> Result<()> {
        if header.pages() > high_water - id {
            return Err(corrupt(id, format!("overflow {} reaches beyond the file", header.overflow)));
        }
        if header.pages() * self.page_size as u64 > PAGE_BYTES_MAX {
            return Err(corrupt(id, format!("overflow {} is too large", header.overflow)));
        }
        Ok(())
    }

    /// Fills `buf` from `skip` bytes into page `id`.
    pub fn read_exact(&self, buf: &mut [u8], id: u64, skip: usize) -> Result<()> {
        let read = self.file.read_at(buf, id * self.page_size as u64 + skip as u64)?;
        if read < buf.len() {
            return Err(corrupt(id, "the file ends within it"));
        }
        Ok(())
    }

    /// Writes pages given in ascending order; adjacent ones together.
    pub fn write_pages(&self, pages: &[(u64, Page)]) -> Result<()> {
        let mut run = Vec::new();
        let mut run_start = 0;
        let mut next = 0;
        for (id, page) in pages {
            if !run.is_empty() && (*id != next || run.len() >= WRITE_RUN_BYTES) {
                self.write_at(&run, run_start)?;
                run.clear();
            }
            if run.is_empty() {
                run_start = *id;
            }
            debug_assert!(page.bytes().len() >= PAGE_HEADER && (run.is_empty() || *id == next));
            run.extend_from_slice(page.bytes());
            next = id + (page.bytes().len() / self.page_size) as u64;
        }
        if run.is_empty() { Ok(()) } else { self.write_at(&run, run_start) }
    }

    pub fn write_at(&self, bytes: &[u8], id: u64) -> Result<()> {
        Ok(self.file.write_at(bytes, id * self.page_size as u64)?)
    }
}

/// Pages 0 and 1 are metas, so no tree refers to them.
pub fn check_number(id: u64, high_water: u64) -> Result<()> {
    if (2..high_water).contains(&id) {
        return Ok(());
    }
    Err(corrupt(id, format!("a reference outside of 2..{high_water}")))
}
