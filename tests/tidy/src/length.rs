//! Files of 100 to 300 lines are read whole; above [`LINES_MAX`] nobody does.
//!
//! Tests do not count: neither a package's `tests/` nor the test module at a file's end.

use crate::Tree;

/// Longest file, lines.
const LINES_MAX: usize = 800;

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree.rust_sources() {
        let lines = code_lines(text);
        if lines > LINES_MAX {
            findings.push(format!("{path}: {lines} lines, at most {LINES_MAX}"));
        }
    }
    findings
}

/// Lines before the test module at the end.
fn code_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests =
        |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{');
    lines.windows(2).position(is_tests).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_long_file_is_found() {
        let long = "fn f() {}\n".repeat(LINES_MAX + 1);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", "fn f() {}\n".repeat(LINES_MAX));
        let tree = Tree::of_files(&[
            ("core/wal/src/long.rs", &long),
            ("core/wal/src/tested.rs", &tested),
            ("core/wal/tests/it/long.rs", &long),
            ("tests/sim/src/long.rs", &long),
            ("core/proto/src/generated/long.rs", &long),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("core/wal/src/long.rs") && found[1].starts_with("tests/sim/src/long.rs")
        );
    }
}
