//! The program as it is called: what it prints where, and with which exit code, for command lines and environments
//! that do not start a member, and the log of one that does. Texts and codes are those of etcd 3.7.1 for the same call.

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

/// A call in an empty directory and an environment of its own.
struct Call {
    dir: PathBuf,
    command: Command,
}

impl Call {
    fn new(test: &str, line: &str) -> Call {
        let dir = std::env::temp_dir().join(format!("etcd-edges-{test}-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("the temporary directory can be written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_etcd"));
        command.current_dir(&dir).env_clear().args(line.split_whitespace());
        Call { dir, command }
    }

    fn env(mut self, key: &str, value: &str) -> Call {
        self.command.env(key, value);
        self
    }

    fn run(&mut self) -> Ran {
        let Output { status, stdout, stderr } = self.command.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.dir);
    }
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// Level, message and fields of every line of stderr; the keys that differ from call to call are left out.
    fn lines(&self) -> Vec<(String, String, Value)> {
        self.stderr.lines().map(line).collect()
    }

    fn messages(&self) -> Vec<String> {
        self.lines().into_iter().map(|(level, message, _)| format!("{level} {message}")).collect()
    }
}

fn line(text: &str) -> (String, String, Value) {
    let mut object: serde_json::Map<String, Value> = serde_json::from_str(text).expect("a JSON object");
    let mut take = |key: &str| match object.remove(key) {
        Some(Value::String(text)) => text,
        other => panic!("{key} is {other:?} in {text}"),
    };
    let (level, ts, caller, message) = (take("level"), take("ts"), take("caller"), take("msg"));
    assert_eq!(ts.len(), "2026-01-02T03:04:05.678901Z".len(), "{ts}");
    assert!(caller.contains(".rs:"), "{caller}");
    (level, message, Value::Object(object))
}

const SINGLE_PORT: &str =
    "warn Running http and grpc server on single port. This is not recommended for production.";

#[test]
fn version_and_help_are_printed() {
    let ran = Call::new("version", "--version").run();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout.lines().next(), Some("etcd Version: 3.7.1"));
    assert_eq!(ran.stdout.lines().count(), 4);
    for line in ["-h", "--help", "--name x --help --nope"] {
        let ran = Call::new("help", line).run();
        assert_eq!(ran.code, Some(0));
        assert!(ran.stderr.starts_with("Usage:\n\n  etcd [flags]\n"), "{}", ran.stderr);
        assert!(ran.stdout.starts_with("Member:\n  --name 'default'\n"), "{}", ran.stdout);
    }
}

#[test]
fn a_command_line_that_cannot_be_read_is_told_with_the_usage() {
    for (line, text) in [
        ("--nope", "flag provided but not defined: -nope"),
        ("--nope --version", "flag provided but not defined: -nope"),
        (
            "--v2-deprecation not-yet",
            "invalid value \"not-yet\" for flag -v2-deprecation: invalid value \"not-yet\"",
        ),
    ] {
        let ran = Call::new("mistake", line).run();
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
        assert!(ran.stderr.starts_with(&format!("{text}\nUsage:\n")), "{}", ran.stderr);
    }
}

#[test]
fn a_level_that_is_none_is_a_panic() {
    let ran = Call::new("level", "--log-level bad").run();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(2), "panic: unrecognized level: \"bad\"\n"));
}

#[test]
fn a_configuration_that_is_invalid_is_told_in_the_log() {
    let ran = Call::new("invalid", "--name x --heartbeat-interval 0").run();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    let lines = ran.lines();
    assert_eq!(ran.messages(), [SINGLE_PORT, "info Running: ", "warn failed to verify flags"]);
    let arguments: Vec<&str> =
        lines[1].2["args"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(arguments[1..], ["--name", "x", "--heartbeat-interval", "0"]);
    assert_eq!(lines[2].2, serde_json::json!({"error": "--heartbeat-interval must be >0 (set to 0ms)"}));

    let ran = Call::new("positional", "foo --version").run();
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.lines()[1].2["error"], "\"foo\" is not a valid flag");

    let ran = Call::new("unset", "--name x --listen-client-urls http://127.0.0.1:1").run();
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.messages(),
        [
            SINGLE_PORT,
            "info Running: ",
            "warn failed to verify flags",
            "warn advertise client URLs are not set"
        ]
    );
}

#[test]
fn what_is_not_built_is_refused() {
    let ran = Call::new("unbuilt", "--name x --auto-tls").run();
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.lines()[2].2["error"], "--auto-tls is not supported by this build yet");
    let ran = Call::new("gateway", "gateway start").run();
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (Some(1), "etcd gateway is not supported by this build yet\n")
    );
}

#[test]
fn variables_are_used_reported_or_refused() {
    let ran = Call::new("env", "")
        .env("ETCD_NAME", "zed")
        .env("ETCD_HEARTBEAT_INTERVAL", "x")
        .env("ETCD_FOO", "1")
        .env("ETCD_VERSION", "1")
        .run();
    assert_eq!(ran.code, Some(1));
    let lines = ran.lines();
    assert_eq!(
        ran.messages(),
        [
            "warn cannot set special environment variable",
            "info recognized and used environment variable",
            "warn unrecognized environment variable",
            "info Running: ",
            "warn failed to verify flags",
        ]
    );
    assert_eq!(lines[1].2, serde_json::json!({"variable-name": "ETCD_NAME", "variable-value": "zed"}));
    assert_eq!(lines[2].2, serde_json::json!({"environment-variable": "ETCD_FOO=1"}));
    assert_eq!(lines[4].2["error"], "invalid value \"x\" for ETCD_HEARTBEAT_INTERVAL: parse error");

    let ran = Call::new("shadow", "--name x").env("ETCD_NAME", "").run();
    assert_eq!(ran.code, Some(1));
    let lines = ran.lines();
    assert_eq!(
        ran.messages(),
        [
            "fatal conflicting environment variable is shadowed by corresponding command-line flag (either unset \
          environment variable or disable flag))"
        ]
    );
    assert_eq!(lines[0].2["environment-variable"], "ETCD_NAME");
    assert!(lines[0].2["stacktrace"].is_string());
}

#[test]
fn lines_go_where_the_flags_send_them() {
    let ran = Call::new("stdout", "--name x --heartbeat-interval 0 --log-outputs stdout").run();
    assert_eq!((ran.code, ran.stderr.as_str(), ran.stdout.lines().count()), (Some(1), "", 3));
    let ran = Call::new("null", "--name x --heartbeat-interval 0 --log-outputs stdout,/dev/null").run();
    assert_eq!((ran.code, ran.stderr.as_str(), ran.stdout.as_str()), (Some(1), "", ""));

    let mut call = Call::new("file", "--name x --heartbeat-interval 0 --log-outputs log,stderr");
    for runs in 1..=2 {
        let ran = call.run();
        assert_eq!(ran.stderr.lines().count(), 3);
        let file = fs::read_to_string(call.dir.join("log")).expect("written");
        assert_eq!(file.lines().map(line).count(), 3 * runs);
        assert!(file.ends_with(&ran.stderr));
    }

    let ran = Call::new("console", "--name x --heartbeat-interval 0 --log-format console").run();
    let last = ran.stderr.lines().last().expect("a line");
    let columns: Vec<&str> = last.split('\t').collect();
    assert_eq!(columns.len(), 5, "{last}");
    assert_eq!((columns[1], columns[3]), ("warn", "failed to verify flags"));
    assert_eq!(columns[4], "{\"error\": \"--heartbeat-interval must be >0 (set to 0ms)\"}");

    let ran = Call::new("quiet", "--name x --heartbeat-interval 0 --log-level error").run();
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), ""));
}

#[test]
fn deprecated_flags_are_warned_of() {
    let ran =
        Call::new("deprecated", "--name x --max-snapshots 5 --v2-deprecation gone --heartbeat-interval 0")
            .run();
    assert_eq!(
        ran.messages(),
        [
            SINGLE_PORT,
            "warn --max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.",
            "warn --v2-deprecation is deprecated and scheduled for removal in v3.8. The default value is enforced, \
             ignoring user input.",
            "info Running: ",
            "warn failed to verify flags",
        ]
    );
}

/// Ends with the test.
struct Member(Child);

impl Drop for Member {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Status line and body of the answer to a `GET`.
fn get(port: u16, path: &str) -> (String, String) {
    const TRIES_MAX: usize = 600;
    let mut stream = (0..TRIES_MAX)
        .find_map(|_| match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => Some(stream),
            Err(_) => {
                thread::sleep(Duration::from_millis(50));
                None
            }
        })
        .expect("somebody listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.lines().next().expect("a status line").to_string(), body.to_string())
}

fn free_ports<const N: usize>() -> [u16; N] {
    let sockets = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    sockets.map(|socket| socket.local_addr().expect("bound").port())
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

#[test]
fn metrics_and_health_are_served_on_their_urls_while_there_is_no_leader() {
    let [client, peer, other, metrics] = free_ports();
    let line = format!(
        "--name a --data-dir d --listen-client-urls {0} --advertise-client-urls {0} --listen-peer-urls {1} \
         --initial-advertise-peer-urls {1} --initial-cluster a={1},b={2} --listen-metrics-urls {3}",
        url(client),
        url(peer),
        url(other),
        url(metrics)
    );
    let mut call = Call::new("metrics", &line);
    let command = call.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let member = Member(command.spawn().expect("the program runs"));
    for (path, status, body) in [
        ("/health", "503 Service Unavailable", "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n"),
        ("/livez", "200 OK", "ok\n"),
        ("/readyz/data_corruption", "200 OK", "ok\n"),
        ("/version", "404 Not Found", "404 page not found\n"),
    ] {
        assert_eq!(get(metrics, path), (format!("HTTP/1.1 {status}"), body.to_string()), "{path}");
    }
    let (status, body) = get(metrics, "/metrics");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(body.contains("\netcd_server_has_leader 0\n"), "{body}");
    drop(member);
}

/// Message and keys of lines that operators and other people's tests look for, as Go etcd 3.7.1 writes them for a
/// member that founds its cluster and is ended.
const LIFE: &str = "\
configuring peer listeners: listen-peer-urls
configuring client listeners: listen-client-urls
starting local member: local-member-id cluster-id
kvstore restored: current-rev
starting etcd server: local-member-id local-server-version cluster-version
started as single-node; fast-forwarding election ticks: local-member-id forward-ticks forward-duration election-ticks election-timeout
now serving peer/client/metrics: local-member-id initial-advertise-peer-urls listen-peer-urls advertise-client-urls listen-client-urls listen-metrics-urls
serving peer traffic: address
serving metrics: address
added member: cluster-id local-member-id added-peer-id added-peer-peer-urls added-peer-is-learner
published local member to cluster through raft: local-member-id local-member-attributes cluster-id publish-timeout
ready to serve client requests:
grpc service status changed: service status
serving client traffic insecurely; this is strongly discouraged!: traffic address
set initial cluster version: cluster-id local-member-id cluster-version
enabled capabilities for version: cluster-version
cluster version is updated: cluster-version
received signal; shutting down: signal
closing etcd server: name data-dir advertise-peer-urls advertise-client-urls
skipped leadership transfer for single voting member cluster: local-member-id current-leader-member-id
stopping serving peer traffic: address
stopped serving peer traffic: address
closed etcd server: name data-dir advertise-peer-urls advertise-client-urls
";

/// The same of a second run, where it says something else.
const SECOND_LIFE: &str = "\
recovered v3 backend: backend-size-bytes backend-size backend-size-in-use-bytes backend-size-in-use
restarting local member: cluster-id local-member-id commit-index
recovered/added member from store: cluster-id local-member-id recovered-remote-peer-id recovered-remote-peer-urls recovered-remote-peer-is-learner
set cluster version from store: cluster-version
starting etcd server: local-member-id local-server-version cluster-id cluster-version
closed etcd server: name data-dir advertise-peer-urls advertise-client-urls
";

/// Runs a member until a message, ends it, and gives its log as message and keys.
fn log_until(call: &mut Call, message: &str) -> Vec<String> {
    let command = call.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut member = Member(command.spawn().expect("the program runs"));
    let stderr = member.0.stderr.take().expect("piped");
    let mut lines = Vec::new();
    for text in BufReader::new(stderr).lines() {
        let text = text.expect("text");
        let (_, found, _) = line(&text);
        if found == message {
            let id = member.0.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
        }
        lines.push(format!("{found}: {}", keys(&text)).trim_end().to_string());
    }
    lines
}

/// The keys of a line's fields in their order, which a parsed object may not keep.
fn keys(text: &str) -> String {
    let object: serde_json::Map<String, Value> = serde_json::from_str(text).expect("a JSON object");
    let mut keys: Vec<&String> = object
        .keys()
        .filter(|key| !["level", "ts", "caller", "msg", "logger", "stacktrace"].contains(&key.as_str()))
        .collect();
    keys.sort_by_key(|key| text.find(&format!("\"{key}\":")));
    keys.into_iter().cloned().collect::<Vec<String>>().join(" ")
}

#[test]
fn the_log_tells_of_starts_and_stops_in_the_words_of_etcd() {
    let [client, peer, metrics] = free_ports();
    let line = format!(
        "--name a --data-dir d --listen-client-urls {0} --advertise-client-urls {0} --listen-peer-urls {1} \
         --initial-advertise-peer-urls {1} --initial-cluster a={1} --listen-metrics-urls {2}",
        url(client),
        url(peer),
        url(metrics)
    );
    let mut call = Call::new("log", &line);
    for (until, expected) in [
        ("cluster version is updated", LIFE),
        ("serving client traffic insecurely; this is strongly discouraged!", SECOND_LIFE),
    ] {
        let lines = log_until(&mut call, until);
        for expected in expected.lines() {
            assert!(lines.iter().any(|line| line == expected), "{expected:?} is not in {lines:#?}");
        }
    }
}
