//! The program as a process, without any server: what it prints where, and its exit code.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Port 1 is reserved: nobody listens there.
const DEAD: &str = "--endpoints=127.0.0.1:1";

struct Outcome {
    out: String,
    err: String,
    code: Option<i32>,
}

fn run(args: &[&str], env: &[(&str, &str)], input: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_etcdctl"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ETCD")) {
        command.env_remove(name);
    }
    command.args(args).envs(env.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads no input may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
}

/// The error line and exit code of a failing command.
fn check(args: &[&str], error: &str, code: i32) {
    let outcome = run(args, &[], "");
    let last = outcome.err.lines().last().unwrap_or("");
    assert_eq!((last, outcome.out.as_str(), outcome.code), (error, "", Some(code)), "{args:?}");
}

#[test]
fn the_version() {
    let outcome = run(&["version"], &[], "");
    assert_eq!(outcome.out, "etcdctl version: 3.7.1\nAPI version: 3.7\n");
    assert_eq!((outcome.err.as_str(), outcome.code), ("", Some(0)));
}

#[test]
fn help_goes_to_standard_output_and_mistakes_to_standard_error() {
    let help = run(&[], &[], "");
    assert!(help.out.contains("\nKey-value commands\n  compaction  "), "{}", help.out);
    assert_eq!((help.err.as_str(), help.code), ("", Some(0)));
    let mistake = run(&["put", "--foo"], &[], "");
    assert!(mistake.err.starts_with("Error: unknown flag: --foo\nUsage:\n  etcdctl put [options] "));
    assert_eq!((mistake.out.as_str(), mistake.code), ("", Some(1)));
    let unknown = run(&["gett"], &[], "");
    assert_eq!(
        unknown.err,
        "Error: unknown command \"gett\" for \"etcdctl\"\n\nDid you mean this?\n\tget\n\nRun 'etcdctl --help' for usage.\n"
    );
    assert_eq!(unknown.code, Some(1));
}

#[test]
fn bad_arguments_are_found_before_a_server_is_looked_for() {
    check(
        &["get"],
        "Error: get command needs one argument as key and an optional argument as range_end",
        128,
    );
    check(&["put", "k"], "Error: put command needs 1 argument and input from stdin or 2 arguments", 128);
    check(
        &["del"],
        "Error: del command needs one argument as key and an optional argument as range_end",
        128,
    );
    check(&["compaction", "x"], "Error: strconv.ParseInt: parsing \"x\": invalid syntax", 1);
    check(&["get", "k", "-w", "x"], "Error: unsupported output format", 4);
    check(&["watch", "k", "--"], "Error: bad number of arguments (found separator --, but no commands)", 128);
    check(
        &["lease", "revoke", "zz"],
        "Error: bad lease ID arg (strconv.ParseInt: parsing \"zz\": invalid syntax), expecting ID in Hex",
        128,
    );
    check(&["--endpoints=", "get", "k"], "Error: etcdclient: no available endpoints", 2);
}

#[test]
fn an_unreachable_server() {
    let timeout = "--command-timeout=20ms";
    check(&[DEAD, timeout, "get", "k"], "Error: context deadline exceeded", 1);
    check(&[DEAD, timeout, "endpoint", "health"], "Error: unhealthy cluster", 1);
    check(
        &[DEAD, timeout, "endpoint", "status"],
        "Failed to get the status of endpoint 127.0.0.1:1 (context deadline exceeded)",
        1,
    );
    let path = std::env::temp_dir().join(format!("etcdctl-test-{}", std::process::id()));
    let path = path.to_str().unwrap();
    check(&[DEAD, timeout, "snapshot", "save", path], "Error: context deadline exceeded", 5);
    assert!(!std::path::Path::new(&format!("{path}.part")).exists());
}

#[test]
fn what_is_not_built_is_refused() {
    for args in [
        &["--cert", "c.pem", "get", "k"][..],
        &["--insecure-transport=false", "get", "k"],
        &["--discovery-srv", "d", "get", "k"],
        &["make-mirror", "m", "--dest-cert", "c.pem"],
        &["check", "datascale"],
        &["check", "perf"],
    ] {
        let outcome = run(args, &[], "");
        assert!(outcome.err.contains(" is refused: this build of etcdctl "), "{args:?}: {}", outcome.err);
        assert_eq!((outcome.out.as_str(), outcome.code), ("", Some(4)), "{args:?}");
    }
    check(
        &["--endpoints=https://127.0.0.1:1", "get", "k"],
        "Error: endpoint \"https://127.0.0.1:1\" requires TLS, which this client does not support yet",
        2,
    );
}

#[test]
fn the_environment() {
    let shadowed = run(&[DEAD, "get", "k"], &[("ETCDCTL_ENDPOINTS", "x")], "");
    assert!(shadowed.err.starts_with("{\"level\":\"fatal\",\"ts\":"), "{}", shadowed.err);
    assert!(shadowed.err.ends_with(",\"environment-variable\":\"ETCDCTL_ENDPOINTS\"}\n"));
    assert_eq!(shadowed.code, Some(1));
    let unknown = run(&["get", "k", "-w", "x"], &[("ETCDCTL_API", "3")], "");
    assert!(
        unknown
            .err
            .contains("\"unrecognized environment variable\",\"environment-variable\":\"ETCDCTL_API=3\"}")
    );
    let format = run(&["get", "k"], &[("ETCDCTL_WRITE_OUT", "x")], "");
    assert_eq!((format.err.as_str(), format.code), ("Error: unsupported output format\n", Some(4)));
    let conflict = run(&["watch", "k"], &[("ETCDCTL_WATCH_KEY", "x")], "");
    assert_eq!(conflict.err, "Error: bad number of arguments (found conflicting environment key)\n");
}

#[test]
fn a_transaction_is_checked_before_it_is_sent() {
    let txn = |input| run(&[DEAD, "txn"], &[], input);
    let ended = txn("mod(\"a\") > \"0\"\n\nput a b\n");
    assert_eq!((ended.err.as_str(), ended.code), ("Error: EOF\n", Some(3)));
    let malformed = txn("mod(\"a\")> \"0\"\n");
    assert_eq!(malformed.err, "Error: malformed comparison: mod(\"a\")> \"0\"; got mod(\"a\")  \"\"\n");
    let usage = txn("\nput --foo a b\n");
    assert!(usage.err.starts_with("Usage:\n   put [options] "), "{}", usage.err);
    assert!(usage.err.ends_with("\nError: invalid txn request: put --foo a b\n"));
    assert_eq!(usage.code, Some(3));
}

#[test]
fn the_bash_script_can_be_loaded() {
    let script = run(&["completion", "bash"], &[], "").out;
    let mut bash = Command::new("bash")
        .args(["-c", "source /dev/stdin && complete -p etcdctl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "complete -F __etcdctl_complete etcdctl\n");
}
