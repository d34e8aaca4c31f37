//! Where the pages of a commit go. It never looks into them.

use crate::{freelist::FreePages, page::Page};

/// Where the pages of a commit go.
#[derive(Debug)]
pub struct Placement<'a> {
    pub free: &'a mut FreePages,
    pub high_water: u64,
    pub txid: u64,
    /// Transactions of the open roots, ascending.
    pub open: &'a [u64],
    /// Encoded pages, in the order they were made.
    pub pages: Vec<(u64, Page)>,
}

impl Placement<'_> {
    /// Numbers for `pages` neighbouring pages: free ones, or new ones at the end.
    pub fn place(&mut self, pages: u64) -> u64 {
        let id = self.free.allocate(pages).unwrap_or_else(|| {
            let id = self.high_water;
            self.high_water += pages;
            id
        });
        self.free.allocated(id, self.txid, self.open);
        id
    }
}
