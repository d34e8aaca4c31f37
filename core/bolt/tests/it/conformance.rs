//! Go's bbolt as judge of our files, and as the other writer of one file. Needs Go: `cargo test -- --ignored`.
use crate::{
    golden::{hex, parse},
    history::{BUCKETS, Model, apply, assert_sound, content, histories},
};
use bolt::{Options, Store};
use disk::RealDisk;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

fn build_oracle() -> PathBuf {
    let binary = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bolt-oracle");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/oracle");
    let built =
        Command::new("go").args(["build", "-o"]).arg(&binary).arg(".").current_dir(source).status().unwrap();
    assert!(built.success());
    binary
}

fn oracle(binary: &Path, command: &str, file: &Path, input: &str) -> String {
    let mut child = Command::new(binary)
        .arg(command)
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command}");
    String::from_utf8(output.stdout).unwrap()
}

/// Lets Go change a few keys of every bucket.
fn go_writes(binary: &Path, file: &Path, model: &mut Model, round: usize) {
    let mut script = String::new();
    for bucket in BUCKETS {
        let rows = model.entry(bucket.to_vec()).or_default();
        for key in rows.keys().skip(round % 3).step_by(4).cloned().collect::<Vec<_>>() {
            script += &format!("delete {} {}\n", hex(bucket), hex(&key));
            rows.remove(&key);
        }
        for number in 0..40usize {
            let (key, value) = (vec![number as u8, round as u8], vec![number as u8; 1 + number * round % 90]);
            script += &format!("put {} {} {}\n", hex(bucket), hex(&key), hex(&value));
            rows.insert(key, value);
        }
    }
    oracle(binary, "apply", file, &(script + "commit\n"));
}

#[test]
#[ignore = "needs Go"]
fn go_accepts_our_files_and_we_accept_its_changes() {
    let binary = build_oracle();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("conformance.db");
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let page_sizes = prop::sample::select(vec![4096usize, 1024, 16384]);
    let outcome = runner.run(&(histories(1..12), page_sizes), |(history, page_size)| {
        let _ = fs::remove_file(&path);
        let mut model = Model::new();
        for (round, step) in history.iter().enumerate() {
            let options = Options { page_size, no_sync: true, ..Options::default() };
            let mut store = Store::open(Arc::new(RealDisk), &path, options).unwrap();
            assert_eq!(content(&store.reader()), model);
            assert_sound(&store.reader());
            let mut tx = store.begin();
            for bucket in BUCKETS {
                tx.create_bucket_if_missing(bucket).unwrap();
                model.entry(bucket.to_vec()).or_default();
            }
            for change in &step.changes {
                apply(&mut tx, &mut model, change, round).unwrap();
            }
            tx.commit().unwrap();
            if round % 4 == 3 {
                store.defragment().unwrap();
            }
            drop(store);
            assert_eq!(oracle(&binary, "check", &path, ""), "ok\n");
            assert_eq!(parse(&oracle(&binary, "dump", &path, "")), model);
            go_writes(&binary, &path, &mut model, round);
        }
        Ok(())
    });
    outcome.unwrap();
    fs::remove_file(&path).unwrap();
}
