//! Every rule, over this repository.

use std::path::Path;
use tidy::{RULES, Tree};

/// Fewer files than the repository ever had: a tree that was not read passes every rule.
const FILES_MIN: usize = 50;

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tree = Tree::of_repository(&root);
    assert!(tree.len() >= FILES_MIN, "{} files in {}", tree.len(), root.display());
    let mut report = String::new();
    for (name, check) in RULES {
        for finding in check(&tree) {
            report.push_str(&format!("\n{name}: {finding}"));
        }
    }
    assert!(report.is_empty(), "{report}");
}
