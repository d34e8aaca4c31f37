//! The integrity check: what bbolt's `check` tests, over one committed root.
//!
//! It never repairs. Every page of every tree is read; pages it had to read are not kept in the cache.

use crate::{
    Error, Result,
    file::{Keep, check_number},
    meta::NO_FREELIST,
    page::{BucketRoot, BucketValue, Header, PAGE_HEADER, Page},
    root::{DEPTH_MAX, Root},
    scan::Used,
};

/// Lines reported, at most.
pub const PROBLEMS_MAX: usize = 1000;

/// One line per problem; an `Err` only if the file cannot be read.
pub fn check(root: &Root) -> Result<Vec<String>> {
    let mut check = Check { root, used: Used::new(root.meta.high_water), problems: Vec::new() };
    check.mark(0, 2);
    if root.meta.freelist != NO_FREELIST {
        check.freelist(root.meta.freelist)?;
    }
    check.tree(root.meta.root, None, None, 0)?;
    if check.problems.is_empty() && check.used.unmarked() != root.free_pages {
        let unreached = check.used.unmarked();
        check.report(format!("{unreached} pages are unreachable, but {} are known as free", root.free_pages));
    }
    Ok(check.problems)
}

struct Check<'a> {
    root: &'a Root,
    used: Used,
    problems: Vec<String>,
}

impl Check<'_> {
    fn report(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// False if a page of the span was reached before.
    fn mark(&mut self, start: u64, len: u64) -> bool {
        match self.used.mark(start, len) {
            Ok(()) => true,
            Err(error) => {
                self.report(error.to_string());
                false
            }
        }
    }

    fn freelist(&mut self, id: u64) -> Result<()> {
        let mut head = [0; PAGE_HEADER];
        self.root.file.read_exact(&mut head, id, 0)?;
        self.mark(id, Header::decode(&head).pages());
        Ok(())
    }

    /// The page, unless it cannot be used, which is then reported.
    fn page(&mut self, id: u64) -> Result<Option<Page>> {
        let high_water = self.root.meta.high_water;
        match check_number(id, high_water).and_then(|()| self.root.file.page(id, high_water, Keep::No)) {
            Ok(page) => {
                let pages = (page.bytes().len() / self.root.meta.page_size) as u64;
                Ok(self.mark(id, pages).then_some(page))
            }
            Err(Error::Io(error)) => Err(error.into()),
            Err(error) => {
                self.report(error.to_string());
                Ok(None)
            }
        }
    }

    /// Checks a subtree whose keys must lie in `low..high`; returns its greatest key.
    fn tree(
        &mut self,
        id: u64,
        low: Option<&[u8]>,
        high: Option<&[u8]>,
        depth: usize,
    ) -> Result<Option<Vec<u8>>> {
        if depth == DEPTH_MAX {
            self.report(format!("page {id}: the tree is too deep"));
            return Ok(None);
        }
        let Some(page) = self.page(id)? else { return Ok(None) };
        self.order(id, &page, low, high);
        if page.is_leaf() {
            self.nested(id, &page, depth)?;
            return Ok(page.count().checked_sub(1).map(|last| page.key(last).to_vec()));
        }
        let mut greatest: Option<Vec<u8>> = None;
        for index in 0..page.count() {
            let key = page.key(index);
            if greatest.as_deref().is_some_and(|greatest| greatest >= key) {
                self.report(format!("page {id}: key {index} is not above the keys before it"));
            }
            let next = if index + 1 < page.count() { Some(page.key(index + 1)) } else { high };
            greatest = self.tree(page.child(index).1, Some(key), next, depth + 1)?;
        }
        Ok(greatest)
    }

    fn order(&mut self, id: u64, page: &Page, low: Option<&[u8]>, high: Option<&[u8]>) {
        let mut before: Option<&[u8]> = None;
        for index in 0..page.count() {
            let key = page.key(index);
            if before.is_some_and(|before| before >= key) {
                self.report(format!("page {id}: key {index} is not above the one before"));
            }
            if low.is_some_and(|low| key < low) {
                self.report(format!("page {id}: key {index} is below the key of its branch"));
            }
            if high.is_some_and(|high| key >= high) {
                self.report(format!("page {id}: key {index} is not below the next key of its branch"));
            }
            before = Some(key);
        }
    }

    /// The buckets in a leaf.
    fn nested(&mut self, id: u64, page: &Page, depth: usize) -> Result<()> {
        for index in 0..page.count() {
            let element = page.element(index);
            if !element.is_bucket() {
                continue;
            }
            match BucketValue::parse(page.bytes().slice(element.value())) {
                Ok(BucketValue { root: BucketRoot::Page(child), .. }) => {
                    self.tree(child, None, None, depth + 1)?;
                }
                Ok(BucketValue { root: BucketRoot::Inline(inline), .. }) => {
                    self.order(id, &inline, None, None)
                }
                Err(reason) => self.report(format!("page {id}: element {index}: {reason}")),
            }
        }
        Ok(())
    }
}
