//! Before a commit: empty nodes go, small ones merge with a neighbour, a root with one child gives way to it.

use super::{
    edit::{Edit, Opened},
    node::{Branch, Child, Leaf, Node},
};
use crate::{Result, file::corrupt};

/// Children of a branch at least, unless it cannot be helped.
const CHILDREN_MIN: usize = 2;

impl Edit {
    /// Rebalances a whole tree.
    pub fn rebalance(&mut self, root: &mut Node) -> Result<()> {
        self.rebalance_below(root)?;
        while let Node::Branch(branch) = root {
            match branch.children.len() {
                0 => *root = Node::Leaf(Box::new(Leaf::new(Vec::new()))),
                1 => {
                    let only = branch.children.pop().expect("one child");
                    *root = only.node;
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn rebalance_below(&mut self, node: &mut Node) -> Result<()> {
        let Node::Branch(branch) = node else { return Ok(()) };
        for child in &mut branch.children {
            self.rebalance_below(&mut child.node)?;
        }
        self.merge_children(branch)
    }

    fn merge_children(&mut self, branch: &mut Branch) -> Result<()> {
        let before = branch.children.len();
        branch.children.retain(|child| match &child.node {
            Node::Page(_) => true,
            Node::Leaf(leaf) => !leaf.items.is_empty(),
            Node::Branch(branch) => !branch.children.is_empty(),
        });
        let mut index = 0;
        while index < branch.children.len() && branch.children.len() > 1 {
            if !self.is_small(&branch.children[index].node) {
                index += 1;
                continue;
            }
            // To the left, if there is a left; what comes of it is looked at again.
            index = index.saturating_sub(1);
            let right = branch.children.remove(index + 1);
            self.merge(&mut branch.children[index], right)?;
        }
        branch.shrunk |= branch.children.len() < before;
        Ok(())
    }

    /// Whether a changed node should merge: what was removed left it at a quarter page or less.
    fn is_small(&self, node: &Node) -> bool {
        let small = self.page_size() / 4;
        match node {
            Node::Page(_) => false,
            Node::Leaf(leaf) => leaf.shrunk && leaf.size <= small,
            Node::Branch(branch) => {
                branch.shrunk && (branch.children.len() < CHILDREN_MIN || branch.size() <= small)
            }
        }
    }

    /// Appends `right` to its left neighbour.
    fn merge(&mut self, left: &mut Child, mut right: Child) -> Result<()> {
        match (self.open(&mut left.node)?, self.open(&mut right.node)?) {
            (Opened::Leaf(left), Opened::Leaf(right)) => {
                *left =
                    Leaf::new([std::mem::take(&mut left.items), std::mem::take(&mut right.items)].concat());
                left.shrunk = true;
                Ok(())
            }
            (Opened::Branch(left), Opened::Branch(right)) => {
                left.children.append(&mut right.children);
                left.shrunk = true;
                // A child that had no neighbour may have one now.
                self.merge_children(left)
            }
            _ => Err(corrupt(self.base.meta.root, "a leaf and a branch at the same depth")),
        }
    }
}
