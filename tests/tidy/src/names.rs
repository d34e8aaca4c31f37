//! A file whose name fits everything has no home for what is in it.

use crate::Tree;

/// Names, without ending, of files and directories.
const BANNED: [&str; 12] = [
    "common",
    "commons",
    "helper",
    "helpers",
    "manager",
    "misc",
    "type",
    "types",
    "util",
    "utils",
    "utilities",
    "shared",
];

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, _) in tree.files() {
        let parts = path.split('/').map(|part| part.split('.').next().unwrap_or(part));
        if let Some(name) = parts.into_iter().find(|part| BANNED.contains(part)) {
            findings.push(format!("{path}: {name} is no name"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_names_are_found() {
        let tree = Tree::of_files(&[
            ("core/wal/src/util.rs", ""),
            ("core/wal/src/helpers/lock.rs", ""),
            ("core/common/src/lib.rs", ""),
            ("bench/misc.sh", ""),
            ("core/wal/src/raft_types.rs", ""),
            ("core/wal/src/lib.rs", ""),
        ]);
        assert_eq!(check(&tree).len(), 4, "{:?}", check(&tree));
    }
}
