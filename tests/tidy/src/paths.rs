//! A path that exists on one machine only does not belong into the repository.

use crate::Tree;

/// First parts of such paths. Written without their slash, so that this file has none.
const ROOTS: [&str; 4] = ["work", "root", "home", "Users"];

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        for (number, line) in text.lines().enumerate() {
            for root in ROOTS.iter().filter(|root| has_path(line, root)) {
                findings.push(format!("{path}:{}: /{root}", number + 1));
            }
        }
    }
    findings
}

/// True when an absolute path in `line` begins with `root`.
fn has_path(line: &str, root: &str) -> bool {
    let path = format!("/{root}");
    line.match_indices(&path).any(|(at, _)| {
        let head = &line[..at];
        // `"$dir"/root` goes on after a quote that closes.
        let closing = head.ends_with('"') && head.matches('"').count().is_multiple_of(2);
        let before = head.chars().next_back();
        let after = line[at + path.len()..].chars().next();
        // `a/root` and `https://root` are no absolute paths; `/rooted` has another first part.
        let inside =
            |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '~' | '}' | ')' | '*' | '>');
        !closing
            && !before.is_some_and(inside)
            && !after.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_paths_are_found() {
        for root in ROOTS {
            for line in ["DIR=/ROOT/x", "see /ROOT.", "\"/ROOT\"", "cd /ROOT && ls", "(/ROOT/a/b)"] {
                let text = line.replace("ROOT", root);
                assert!(has_path(&text, root), "{text}");
            }
            for line in [
                "a/ROOT/b",
                "https://x/ROOT",
                "/ROOTed/x",
                "../ROOT",
                "$DIR/ROOT",
                "cp \"$dir\"/ROOT/x",
                "${DIR}/ROOT/x",
                "ROOT/x",
            ] {
                let text = line.replace("ROOT", root);
                assert!(!has_path(&text, root), "{text}");
            }
        }
        let tree = Tree::of_files(&[("README.md", &format!("one\ncd /{}/me\n", ROOTS[2]))]);
        assert_eq!(check(&tree), [format!("README.md:2: /{}", ROOTS[2])]);
    }
}
