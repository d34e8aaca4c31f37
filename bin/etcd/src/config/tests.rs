//! What is taken, what is refused and in which words. Every error text is the oracle's (etcd 3.7.1) for that line.

use super::{
    testing::{config, outcome},
    *,
};

fn error(line: &str) -> String {
    outcome(line).expect_err(line).to_string()
}

#[test]
fn defaults_are_those_of_etcd() {
    let found = config("");
    assert_eq!(found.member.data_dir, PathBuf::from("default.etcd"));
    assert_eq!(found.member.wal_dir(), PathBuf::from("default.etcd/member/wal"));
    assert_eq!(found.member.backend_path(), PathBuf::from("default.etcd/member/snap/db"));
    assert_eq!(found.timing.election_timeout(), Duration::from_secs(1));
    assert_eq!(found.timing.request_timeout(), Duration::from_secs(7));
    assert_eq!(found.storage.quota_bytes, Some(2_147_483_648));
    assert_eq!((found.compaction.batch_limit, found.compaction.sleep_interval.as_millis()), (1000, 10));
    assert_eq!(found.compaction.auto(), Ok(AutoCompaction::Off));
    assert_eq!(found.observe.progress_notify_interval, Duration::from_secs(600));
    assert_eq!((found.limits.txn_ops_max, found.limits.request_bytes_max), (128, 1_572_864));
    assert_eq!(found.limits.concurrent_streams_max, u32::MAX);
    assert_eq!(found.http.cors.iter().collect::<Vec<_>>(), ["*"]);
}

#[test]
fn zeros_mean_the_default_and_bounds_hold() {
    let found = config(
        "--snapshot-count 0 --snapshot-catchup-entries 0 --warning-unary-request-duration 0 \
         --watch-progress-notify-interval 1ms --quota-backend-bytes -1 \
         --heartbeat-interval 30 --election-timeout 200",
    );
    assert_eq!((found.storage.snapshot_count, found.storage.catchup_entries), (10_000, 5_000));
    assert_eq!(found.observe.slow_request, Duration::from_millis(300));
    assert_eq!(found.observe.progress_notify_interval, Duration::from_millis(100));
    assert_eq!(found.storage.quota_bytes, None);
    assert_eq!((found.timing.election_ticks, found.timing.election_timeout().as_millis()), (6, 180));
}

#[test]
fn a_data_directory_may_end_in_a_space() {
    let flags = crate::flags::parse(&["--data-dir".into(), "d ".into()]).expect("readable").flags;
    let found = Config::new(flags, logging::Settings::default()).expect("valid");
    assert_eq!(found.member.data_dir, PathBuf::from("d "));
}

#[test]
fn refusals_come_in_etcds_words() {
    for (line, text) in [
        ("--logger capnslog", "--logger=capnslog is removed in v3.5"),
        ("--logger x", "unknown logger option \"x\""),
        ("--log-outputs stderr,default", "multi logoutput for \"default\" is not supported yet"),
        (
            "--log-outputs stderr,systemd/journal",
            "running with systemd/journal but other '--log-outputs' values ([\"stderr\" \"systemd/journal\"]) are \
             configured with 'default'; override 'default' value with something else",
        ),
        ("--log-format x", "unknown log format: x, supported values json, console"),
        ("--log-level x", "unrecognized level: \"x\""),
        (
            "--log-outputs /nonexist/x",
            "open sink \"/nonexist/x\": open /nonexist/x: no such file or directory",
        ),
        ("--listen-peer-urls http://h:1", "expected IP in URL for binding (http://h:1)"),
        ("--listen-client-urls http://:1", "expected IP in URL for binding (http://:1)"),
        ("--listen-metrics-urls http://h:1", "expected IP in URL for binding (http://h:1)"),
        (
            "--initial-advertise-peer-urls http://:1,http://h:2",
            "--initial-advertise-peer-urls \"http://:1,http://h:2\" must be \"host:port\" (unexpected empty host \
             (http://:1))",
        ),
        (
            "--advertise-client-urls http://:1",
            "--advertise-client-urls \"http://:1\" must be in the format \"host:port\", \"unix:/path/to/socket\" or \
             \"unixs:/path/to/socket\" (unexpected empty host (http://:1))",
        ),
        (
            "--initial-cluster a=http://a:1 --discovery-srv x",
            "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \
             \"discovery-endpoints\" or \"discovery-srv\"",
        ),
        ("--discovery-token x", "both --discovery-token and --discovery-endpoints must be set"),
        (
            "--discovery-token x --discovery-endpoints a,,b",
            "--discovery-endpoints must not contain empty endpoints",
        ),
        ("--heartbeat-interval 0", "--heartbeat-interval must be >0 (set to 0ms)"),
        ("--election-timeout 0", "--election-timeout must be >0 (set to 0ms)"),
        (
            "--election-timeout 499",
            "--election-timeout[499ms] should be at least as 5 times as --heartbeat-interval[100ms]",
        ),
        (
            "--election-timeout 50001",
            "--election-timeout[50001ms] is too long, and should be set less than 50000ms",
        ),
        (
            "--listen-client-urls http://127.0.0.1:1",
            "--advertise-client-urls is required when --listen-client-urls is set explicitly",
        ),
        ("--auto-compaction-mode=", "undefined auto-compaction-mode"),
        ("--auto-compaction-mode x", "unknown auto-compaction-mode \"x\""),
        (
            "--enable-distributed-tracing --distributed-tracing-sampling-rate -1",
            "distributed tracing configurition is not valid: (tracing sampling rate must be positive)",
        ),
        (
            "--enable-distributed-tracing --distributed-tracing-sampling-rate 1000001",
            "distributed tracing configurition is not valid: (tracing sampling rate must be less than 1000000)",
        ),
        (
            "--feature-gates LeaseCheckpointPersist=true",
            "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint",
        ),
        ("--compact-hash-check-time 0", "--compact-hash-check-time must be >0 (set to 0s)"),
        ("--tls-min-version x", "unexpected TLS version \"x\" (must be one of: TLS1.2, TLS1.3)"),
        (
            "--tls-min-version TLS1.3 --tls-max-version TLS1.2",
            "min version (TLS1.3) is greater than max version (TLS1.2)",
        ),
        (
            "--tls-min-version TLS1.3 --cipher-suites x",
            "cipher suites cannot be configured when only TLS1.3 is enabled",
        ),
        (
            "--discovery-fallback proxy",
            "v2 proxy is deprecated, and --discovery-fallback can't be configured as \"proxy\"",
        ),
    ] {
        assert_eq!(error(line), text, "{line}");
    }
}

#[test]
fn what_is_not_built_is_refused_and_its_default_is_not() {
    for (line, flag) in [
        ("--cert-file c", "cert-file"),
        ("--feature-gates PriorityRequest=true", "feature-gates"),
        ("--backend-bbolt-freelist-type array", "backend-bbolt-freelist-type"),
        ("--config-file x", "config-file"),
        ("--warning-unary-request-duration 1s", "warning-unary-request-duration"),
        ("--bootstrap-defrag-threshold-megabytes 1", "bootstrap-defrag-threshold-megabytes"),
    ] {
        assert_eq!(error(line), format!("--{flag} is not supported by this build yet"));
    }
    config("--cert-file= --backend-bbolt-freelist-type map --bcrypt-cost 10 --feature-gates AllAlpha=false");
}

#[test]
fn a_compaction_batch_without_a_size_has_the_default() {
    for (text, limit) in [("10", 10), ("0", 1000), ("-1", 1000)] {
        assert_eq!(config(&format!("--compaction-batch-limit={text}")).compaction.batch_limit, limit);
    }
}

#[test]
fn a_member_may_pass_for_an_older_release() {
    for (line, release) in [
        ("", "3.7.1"),
        ("--quorate-cluster-version-max 3.7", "3.7.1"),
        ("--quorate-cluster-version-max=3.6", "3.6.0"),
        ("--quorate-cluster-version-max 3.4", "3.4.0"),
    ] {
        assert_eq!(config(line).cluster.release.to_string(), release, "{line}");
    }
    for bad in ["3.3", "3.8", "3.7.1", "three"] {
        assert_eq!(
            error(&format!("--quorate-cluster-version-max {bad}")),
            format!("--quorate-cluster-version-max must be one of: 3.4, 3.5, 3.6, 3.7 (set to \"{bad}\")")
        );
    }
}
