//! Finds the free pages of a file at opening, by walking every tree in it.
//!
//! It reads level by level in page order, neighbouring pages in one call, so that a large file is read nearly
//! front to back. It looks at headers, children and buckets only: keys and values are not touched.

use crate::{
    Result,
    file::{PagedFile, check_number, corrupt},
    freelist::{Extent, FreePages},
    meta::{Meta, NO_FREELIST},
    page::{BucketRoot, BucketValue, ELEMENT, FREELIST_FLAG, Header, PAGE_HEADER, Page, u32_at},
    root::DEPTH_MAX,
};

/// Bytes read in one call, at most (one page at least).
const READ_BYTES_MAX: usize = 256 << 10;
/// Unneeded pages that are read along rather than skipped.
const GAP_PAGES_MAX: u64 = 4;

/// The free pages, and the extent of the synced freelist if the file has one. The freelist itself is not trusted: the
/// walk costs little more, and a page it wrongly lists as free would be overwritten.
pub fn free_pages(file: &PagedFile, meta: &Meta) -> Result<(FreePages, Option<Extent>)> {
    let mut used = Used::new(meta.high_water);
    used.mark(0, 2)?;
    let freelist = freelist_extent(file, meta)?;
    if let Some(extent) = freelist {
        used.mark(extent.start, extent.len)?;
    }
    check_number(meta.root, meta.high_water)?;
    let mut level = vec![meta.root];
    // Nested buckets may hang a tree below a tree's leaves.
    for _ in 0..DEPTH_MAX {
        level.sort_unstable();
        let mut below = Vec::new();
        for run in runs(&level, file.page_size) {
            scan_run(file, meta, run, &mut used, &mut below)?;
        }
        level = below;
        if level.is_empty() {
            return Ok((used.free(), freelist));
        }
    }
    Err(corrupt(meta.root, "the tree is too deep"))
}

fn freelist_extent(file: &PagedFile, meta: &Meta) -> Result<Option<Extent>> {
    if meta.freelist == NO_FREELIST {
        return Ok(None);
    }
    check_number(meta.freelist, meta.high_water)?;
    let mut head = [0; PAGE_HEADER];
    file.read_exact(&mut head, meta.freelist, 0)?;
    let header = Header::decode(&head);
    if header.id != meta.freelist || header.flags != FREELIST_FLAG {
        return Err(corrupt(meta.freelist, "not a freelist"));
    }
    file.check_span(meta.freelist, header, meta.high_water)?;
    Ok(Some(Extent { start: meta.freelist, len: header.pages() }))
}

/// Cuts ascending page numbers where the next is too far away to read it along.
fn runs(pages: &[u64], page_size: usize) -> impl Iterator<Item = &[u64]> {
    let span_max = (READ_BYTES_MAX / page_size).max(1) as u64;
    let mut rest = pages;
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let mut len = 1;
        while len < rest.len() && rest[len] - rest[len - 1] <= GAP_PAGES_MAX && rest[len] - first < span_max {
            len += 1;
        }
        let (run, tail) = rest.split_at(len);
        rest = tail;
        Some(run)
    })
}

fn scan_run(file: &PagedFile, meta: &Meta, run: &[u64], used: &mut Used, below: &mut Vec<u64>) -> Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let mut buffer = vec![0; (last - first + 1) as usize * file.page_size];
    file.read_exact(&mut buffer, *first, 0)?;
    for id in run {
        let at = (id - first) as usize * file.page_size;
        scan_page(file, meta, *id, &buffer[at..at + file.page_size], used, below)?;
    }
    Ok(())
}

/// Marks one page and collects the pages it refers to. `head` is its first page-size bytes.
fn scan_page(
    file: &PagedFile,
    meta: &Meta,
    id: u64,
    head: &[u8],
    used: &mut Used,
    below: &mut Vec<u64>,
) -> Result<()> {
    let header = Header::decode(head);
    if header.id != id {
        return Err(corrupt(id, format!("the page calls itself {}", header.id)));
    }
    file.check_span(id, header, meta.high_water)?;
    used.mark(id, header.pages())?;
    let leaf = header.is_leaf().map_err(|reason| corrupt(id, reason))?;
    let elements = PAGE_HEADER..PAGE_HEADER + usize::from(header.count) * ELEMENT;
    let plain_leaf = leaf
        && head
            .get(elements)
            .is_some_and(|elements| elements.chunks_exact(ELEMENT).all(|raw| u32_at(raw, 0) == 0));
    if plain_leaf {
        return Ok(());
    }
    let mut bytes = head.to_vec();
    bytes.resize(header.pages() as usize * file.page_size, 0);
    file.read_exact(&mut bytes[file.page_size..], id, file.page_size)?;
    let page = Page::parse(bytes.into(), id).map_err(|reason| corrupt(id, reason))?;
    for index in 0..page.count() {
        if let Some(child) = reference(&page, index).map_err(|reason| corrupt(id, reason))? {
            check_number(child, meta.high_water)?;
            below.push(child);
        }
    }
    Ok(())
}

/// The page an element refers to, if any.
fn reference(page: &Page, index: usize) -> std::result::Result<Option<u64>, String> {
    if !page.is_leaf() {
        return Ok(Some(page.child(index).1));
    }
    let element = page.element(index);
    if !element.is_bucket() {
        return Ok(None);
    }
    match BucketValue::parse(page.bytes().slice(element.value()))?.root {
        BucketRoot::Page(id) => Ok(Some(id)),
        BucketRoot::Inline(inline) if (0..inline.count()).any(|i| inline.element(i).is_bucket()) => {
            Err("a bucket within an inline bucket".into())
        }
        BucketRoot::Inline(_) => Ok(None),
    }
}

/// One bit for each page below the high-water mark.
pub struct Used {
    words: Vec<u64>,
    pages: u64,
}

impl Used {
    pub fn new(pages: u64) -> Used {
        Used { words: vec![0; pages.div_ceil(64) as usize], pages }
    }

    /// Marks pages below the high-water mark; an error if one is marked already.
    pub fn mark(&mut self, start: u64, len: u64) -> Result<()> {
        for id in start..start + len {
            let (word, bit) = ((id / 64) as usize, 1 << (id % 64));
            if self.words[word] & bit != 0 {
                return Err(corrupt(id, "referenced twice"));
            }
            self.words[word] |= bit;
        }
        Ok(())
    }

    pub fn is_marked(&self, id: u64) -> bool {
        self.words[(id / 64) as usize] & (1 << (id % 64)) != 0
    }

    /// Pages that are not marked.
    pub fn unmarked(&self) -> u64 {
        self.pages - self.words.iter().map(|word| u64::from(word.count_ones())).sum::<u64>()
    }

    fn free(&self) -> FreePages {
        let mut free = FreePages::default();
        let mut start = 0;
        for id in 0..=self.pages {
            if id == self.pages || self.is_marked(id) {
                if start < id {
                    free.insert(Extent { start, len: id - start });
                }
                start = id + 1;
            }
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_break_at_wide_gaps_and_at_their_length() {
        let cut = |pages: &[u64]| runs(pages, 64 << 10).map(<[u64]>::to_vec).collect::<Vec<_>>();
        assert_eq!(cut(&[3, 4, 6, 20, 21]), [vec![3, 4, 6], vec![20, 21]]);
        assert_eq!(cut(&[1, 2, 3, 4, 5]), [vec![1, 2, 3, 4], vec![5]]);
        assert!(cut(&[]).is_empty());
    }

    #[test]
    fn unmarked_pages_are_free() {
        let mut used = Used::new(70);
        used.mark(0, 3).unwrap();
        used.mark(63, 2).unwrap();
        assert!(used.mark(64, 1).is_err());
        assert_eq!((used.unmarked(), used.free().count()), (65, 65));
    }
}
