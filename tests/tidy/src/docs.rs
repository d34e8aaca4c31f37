//! Every module begins with what it is: a `//!` comment before anything else. (Tests apart: theirs is the code beside.)

use crate::Tree;

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let undocumented = tree.rust_sources().filter(|(_, text)| !begins_with_doc(text));
    undocumented.map(|(path, _)| format!("{path}: does not begin with a //! comment")).collect()
}

fn begins_with_doc(text: &str) -> bool {
    let first = text.lines().next().unwrap_or("");
    first.strip_prefix("//! ").is_some_and(|sentence| sentence.trim().len() > 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_files_are_found() {
        let tree = Tree::of_files(&[
            ("core/wal/src/bare.rs", "use std::io;\n"),
            ("core/wal/src/late.rs", "use std::io;\n//! Late.\n"),
            ("core/wal/src/empty_doc.rs", "//!\nuse std::io;\n"),
            ("core/wal/src/outer.rs", "/// Of the next item.\nuse std::io;\n"),
            ("tests/sim/src/bare.rs", "use std::io;\n"),
            ("core/wal/src/good.rs", "//! What it is.\nuse std::io;\n"),
            ("core/proto/src/generated/walpb.rs", "pub struct Record;\n"),
        ]);
        assert_eq!(check(&tree).len(), 5, "{:?}", check(&tree));
    }
}
