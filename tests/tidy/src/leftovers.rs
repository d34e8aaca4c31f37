//! Unfinished code: placeholders, notes to oneself, and warnings silenced instead of heeded.

use crate::Tree;

/// Texts that no source may have. Written in two parts, so that this file has none.
const LEFTOVERS: [(&str, &str); 10] = [
    ("to", "do!("),
    ("unimplement", "ed!("),
    ("db", "g!("),
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X"),
    ("allow(dead_", "code"),
    ("allow(unus", "ed"),
    ("expect(dead_", "code"),
    // A test that is passed over without a reason.
    ("#[ign", "ore]"),
];

/// Endings of files with code.
const CODE: [&str; 7] = [".rs", ".sh", ".py", ".go", ".toml", ".proto", ".yml"];

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    let leftovers: Vec<String> = LEFTOVERS.iter().map(|(head, tail)| format!("{head}{tail}")).collect();
    for (path, text) in tree.written().filter(|(path, _)| CODE.iter().any(|ending| path.ends_with(ending))) {
        for (number, line) in text.lines().enumerate() {
            for leftover in leftovers.iter().filter(|leftover| has_word(line, leftover)) {
                findings.push(format!("{path}:{}: {leftover}", number + 1));
            }
        }
    }
    findings
}

/// True when `word` is in `line` and no letter touches its beginning or end.
fn has_word(line: &str, word: &str) -> bool {
    let letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        let bytes = line.as_bytes();
        let ends_in_letter = letter(word.as_bytes().last());
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !letter(before) && (!ends_in_letter || !letter(bytes.get(at + word.len())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_leftovers_are_found() {
        for (head, tail) in LEFTOVERS {
            let tree = Tree::of_files(&[(
                "core/wal/src/lib.rs",
                &format!("//! A log.\nfn f() {{\n    {head}{tail}\n"),
            )]);
            let found = check(&tree);
            assert_eq!(found.len(), 1, "{head}{tail}: {found:?}");
            assert!(found[0].starts_with("core/wal/src/lib.rs:3: "));
        }
        let words = Tree::of_files(&[
            ("core/wal/src/lib.rs", &format!("let method{}DO = 1; // {}XX\n", "TO", "XX")),
            ("core/wal/golden/generate/main.go", &format!("context.{}DO()", "TO")),
            ("NOTES.md", &format!("{}DO", "TO")),
        ]);
        assert_eq!(check(&words), [""; 0]);
    }
}
