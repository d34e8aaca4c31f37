//! The house rules that a machine can check, each in a file of its own with a test that a planted violation is found.
//!
//! It never looks at what code does, never changes a file, and knows no exception that is not in a table here with
//! its reason. Start at [`Tree`]; `tests/it.rs` runs every rule of [`RULES`] over the repository.

mod circles;
mod docs;
mod layers;
mod leftovers;
mod length;
mod modules;
mod names;
mod paths;
mod tree;

pub use tree::Tree;

/// A rule: its name, and what it finds in a tree (one line each, beginning with the file).
pub type Rule = (&'static str, fn(&Tree) -> Vec<String>);

/// Every rule there is.
pub const RULES: [Rule; 7] = [
    ("crates import only what the architecture allows", layers::check),
    ("modules of a crate do not import each other in circles", circles::check),
    ("files are short", length::check),
    ("file names say what is in them", names::check),
    ("every module says what it is", docs::check),
    ("nothing is left half done", leftovers::check),
    ("no path of somebody's machine", paths::check),
];
