//! The files of a repository: what git tracks, and what it would if it were added now.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// Directory of code that a tool wrote.
const GENERATED: &str = "/generated/";
/// Directories of files that others wrote, kept byte for byte.
const GOLDEN: &str = "/golden/";

/// Paths, with `/` between their parts and relative to the root, and contents. Binary files are not in it.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// The repository whose root is `root`.
    ///
    /// # Panics
    /// When git cannot list it.
    pub fn of_repository(root: &Path) -> Tree {
        let output = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .expect("git runs");
        assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
        let names = String::from_utf8(output.stdout).expect("file names are UTF-8");
        let mut files = BTreeMap::new();
        for name in names.split_terminator('\0') {
            // A file may be tracked and already removed; a symbolic link to a directory has no text.
            if let Ok(bytes) = fs::read(root.join(name))
                && let Ok(text) = String::from_utf8(bytes)
            {
                files.insert(name.to_string(), text);
            }
        }
        Tree { files }
    }

    /// A tree made up for a test.
    pub fn of_files(files: &[(&str, &str)]) -> Tree {
        Tree { files: files.iter().map(|(path, text)| ((*path).to_string(), (*text).to_string())).collect() }
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// All files, in order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Rust that people write.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs") && !path.contains(GENERATED))
    }

    /// Rust of libraries and programs, tests apart.
    pub(crate) fn rust_sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rust().filter(|(path, _)| !is_test(path))
    }

    /// Text that people write: no generated code and no golden files.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| !path.contains(GENERATED) && !path.contains(GOLDEN))
    }
}

/// True for the integration tests of a package, and for a test module that has a file of its own. (Packages under
/// `tests/` have sources like any other.)
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") && !path.contains("/src/")
}
