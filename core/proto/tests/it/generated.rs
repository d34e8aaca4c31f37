//! The generated Rust is what the `.proto` files say.
//!
//! `QUORATE_REGENERATE=1 cargo test -p proto` rewrites `src/generated/`; without it the test compares.

use super::*;
use std::fs;

#[test]
fn generated_code_is_current() {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated");
    let _ = fs::remove_dir_all(&scratch);
    fs::create_dir_all(&scratch).unwrap();
    prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .out_dir(&scratch)
        .compile_fds(descriptors())
        .expect("generate");
    let checked_in = root().join("src/generated");
    let mut names: Vec<_> = fs::read_dir(&scratch).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        let new = fs::read_to_string(scratch.join(&name)).unwrap();
        let path = checked_in.join(&name);
        if std::env::var_os("QUORATE_REGENERATE").is_some() {
            fs::write(&path, &new).unwrap();
        }
        let old = fs::read_to_string(&path).unwrap_or_default();
        assert!(old == new, "{path:?} is stale: run with QUORATE_REGENERATE=1");
    }
}
