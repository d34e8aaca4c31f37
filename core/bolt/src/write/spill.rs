//! Turns changed nodes into pages: children first, each node cut where a page is full enough.

use super::{
    edit::{Edit, KEYS_PER_PAGE_MIN},
    node::{At, Branch, Child, Leaf, Node},
};
use crate::{
    Error, Result,
    page::{BucketValue, COUNT_MAX, Encoder, PAGE_BYTES_MAX, PAGE_HEADER, Page},
    placement::Placement,
};
use std::ops::Range;

impl Edit {
    /// Places a whole tree and returns its root page. `append` as for puts.
    pub fn spill_root(&self, root: Node, append: bool, placement: &mut Placement<'_>) -> Result<u64> {
        let mut node = root;
        loop {
            if let Node::Page(id) = node {
                return Ok(id);
            }
            let mut pages = Vec::new();
            self.spill(node, append, placement, &mut pages)?;
            node = match pages.pop() {
                Some(only) if pages.is_empty() => only.node,
                last => {
                    pages.extend(last);
                    Node::Branch(Box::new(Branch { children: pages, shrunk: false }))
                }
            };
        }
    }

    /// Places one node and what is below it, and adds its pages to `above`.
    fn spill(
        &self,
        node: Node,
        append: bool,
        placement: &mut Placement<'_>,
        above: &mut Vec<Child>,
    ) -> Result<()> {
        match node {
            Node::Page(_) => unreachable!("an unchanged page keeps its place"),
            Node::Leaf(leaf) => {
                for range in self.cut(leaf.items.len(), leaf.size, append, |index| leaf.items[index].size()) {
                    let (at, key_len) = leaf
                        .items
                        .get(range.start)
                        .map_or((At::default(), 0), |first| (first.at, first.key_len));
                    let id = self.spill_leaf(&leaf, range, placement)?;
                    above.push(Child { at, key_len, node: Node::Page(id) });
                }
            }
            Node::Branch(branch) => {
                let mut children = Vec::with_capacity(branch.children.len());
                for child in branch.children {
                    match child.node {
                        Node::Page(_) => children.push(child),
                        node => self.spill(node, append, placement, &mut children)?,
                    }
                }
                let branch = Branch { children, shrunk: false };
                for range in
                    self.cut(branch.children.len(), branch.size(), append, |i| branch.children[i].size())
                {
                    let Child { at, key_len, .. } = branch.children[range.start];
                    let id = self.spill_branch(&branch, range, placement)?;
                    above.push(Child { at, key_len, node: Node::Page(id) });
                }
            }
        }
        Ok(())
    }

    /// Cuts `count` elements of `size` bytes with page header into pages. A page is closed when the next element would
    /// fill it beyond the fill mark; what fits one page, or is too little to share out, is not cut.
    fn cut(
        &self,
        count: usize,
        mut size: usize,
        append: bool,
        size_of: impl Fn(usize) -> usize,
    ) -> Vec<Range<usize>> {
        let fill = self.fill(append);
        let mut ranges = Vec::new();
        let mut start = 0;
        while count - start > 2 * KEYS_PER_PAGE_MIN
            && (size >= self.page_size() || count - start >= COUNT_MAX)
        {
            let mut page = PAGE_HEADER;
            let mut end = start;
            while end < count - KEYS_PER_PAGE_MIN {
                let full = page + size_of(end) > fill || end - start == COUNT_MAX - 1;
                if end - start >= KEYS_PER_PAGE_MIN && full {
                    break;
                }
                page += size_of(end);
                end += 1;
            }
            ranges.push(start..end);
            size -= page - PAGE_HEADER;
            start = end;
        }
        ranges.push(start..count);
        ranges
    }

    fn spill_leaf(&self, leaf: &Leaf, range: Range<usize>, placement: &mut Placement<'_>) -> Result<u64> {
        let items = &leaf.items[range];
        let size = PAGE_HEADER + items.iter().map(|item| item.size()).sum::<usize>();
        let (id, pages) = self.place(size, placement)?;
        let encoder = Encoder::page(id, true, items.len(), pages, self.page_size());
        placement.pages.push((id, Page::trusted(self.encode_leaf(items, encoder).into())));
        Ok(id)
    }

    fn encode_leaf(&self, items: &[super::node::Item], mut encoder: Encoder) -> Vec<u8> {
        for item in items {
            encoder.leaf_element(u32::from(item.flags), usize::from(item.key_len), item.value_len as usize);
        }
        for item in items {
            encoder.data(self.sources.bytes(item.at, usize::from(item.key_len) + item.value_len as usize));
        }
        encoder.finish()
    }

    fn spill_branch(
        &self,
        branch: &Branch,
        range: Range<usize>,
        placement: &mut Placement<'_>,
    ) -> Result<u64> {
        let children = &branch.children[range];
        let size = PAGE_HEADER + children.iter().map(Child::size).sum::<usize>();
        let (id, pages) = self.place(size, placement)?;
        let mut encoder = Encoder::page(id, false, children.len(), pages, self.page_size());
        for child in children {
            let Node::Page(page) = child.node else { unreachable!("children are placed first") };
            encoder.branch_element(usize::from(child.key_len), page);
        }
        for child in children {
            encoder.data(self.sources.bytes(child.at, usize::from(child.key_len)));
        }
        placement.pages.push((id, Page::trusted(encoder.finish().into())));
        Ok(id)
    }

    fn place(&self, size: usize, placement: &mut Placement<'_>) -> Result<(u64, u64)> {
        let pages = size.div_ceil(self.page_size()) as u64;
        if pages * self.page_size() as u64 > PAGE_BYTES_MAX {
            return Err(Error::Invalid(format!("a page of {size} bytes")));
        }
        Ok((placement.place(pages), pages))
    }

    /// The value of a bucket that is small enough to be inline: one leaf without buckets, of at most a quarter page.
    pub fn inline_value(&self, root: &Node, sequence: u64) -> Option<Vec<u8>> {
        let Node::Leaf(leaf) = root else { return None };
        if leaf.size > self.page_size() / 4 || leaf.items.iter().any(|item| item.is_bucket()) {
            return None;
        }
        let mut value = Vec::new();
        BucketValue::encode_header(0, sequence, &mut value);
        value.extend(self.encode_leaf(&leaf.items, Encoder::inline(leaf.items.len(), leaf.size)));
        Some(value)
    }
}
