//! The recorded scripts against our own server binary: `target/PROFILE/etcd` of this build, or `$QUORATE_ETCD`.
//!
//! `not_built/` holds the answers Go etcd gave to what is not built yet (auth, lock): a script moves
//! to `scripts/` with the part it is about.

use e2e::{schema::Schema, script, session};
use std::path::{Path, PathBuf};

const PORT: u16 = 21_420;

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("QUORATE_ETCD") {
        return path.into();
    }
    // This test runs as target/PROFILE/deps/e2e-HASH.
    let test = std::env::current_exe().expect("a path");
    let path = test.parent().and_then(Path::parent).expect("two directories up").join("etcd");
    assert!(path.exists(), "{} is missing: build it first (cargo build -p etcd)", path.display());
    path
}

#[test]
fn answers_are_the_recorded_ones() {
    let schema = Schema::load();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let binary = binary();
    let data = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut differences = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap();
        let script = script::parse(&std::fs::read_to_string(&path).unwrap());
        let data = data.join(name);
        let place = session::Place {
            binary: &binary,
            other: None,
            etcdutl: None,
            data: &data,
            port: PORT,
            flags: &[],
        };
        let run = session::run(&script, &schema, &place);
        let answers = runtime.block_on(run).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (step, answer) in script.steps.iter().zip(answers) {
            if step.expected != answer {
                let (at, command) = (format!("{}:{}", name.display(), step.line), &step.command);
                differences.push(format!("{at}: {command}\nexpected\n{}got\n{answer}", step.expected));
            }
        }
    }
    assert!(differences.is_empty(), "{} differences\n{}", differences.len(), differences.join("\n"));
}
