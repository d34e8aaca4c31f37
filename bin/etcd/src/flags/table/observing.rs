//! Profiling and Monitoring, Logging, Distributed tracing.

use super::{
    Group::{Logging, Monitoring, Tracing},
    Kind, Row, row,
};

const ROTATION: &str =
    r#"{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}"#;

pub const ROWS: &[Row] = &[
    row("enable-pprof", Kind::Bool, "false", Monitoring, "Serve profiles under /debug/pprof/.").not_yet(),
    row("metrics", Kind::Text, "basic", Monitoring, "extensive adds a histogram for every gRPC method.")
        .only(&["basic"]),
    row(
        "listen-metrics-urls",
        Kind::Urls,
        "",
        Monitoring,
        "Further URLs on which to serve metrics and health.",
    )
    .unit("URLs"),
    row("logger", Kind::Text, "zap", Logging, "Kind of log; only zap is known."),
    row("log-outputs", Kind::TextSet, "default", Logging, "Where to log to: default, stderr, stdout, files."),
    row(
        "log-level",
        Kind::Text,
        "info",
        Logging,
        "Lowest level to log: debug, info, warn, error, panic, fatal.",
    ),
    row("log-format", Kind::Text, "json", Logging, "Form of the log's lines: json or console."),
    row("enable-log-rotation", Kind::Bool, "false", Logging, "Rotate the one file that is logged to.")
        .not_yet(),
    row("log-rotation-config-json", Kind::Text, ROTATION, Logging, "When to rotate, and what to keep.")
        .not_yet(),
    row(
        "warning-unary-request-duration",
        Kind::Duration,
        "300ms",
        Logging,
        "A request that takes longer is logged; 0 for the default.",
    )
    .unit("duration")
    .only(&["0s"]),
    row("enable-distributed-tracing", Kind::Bool, "false", Tracing, "Export traces by OTLP.").not_yet(),
    row("distributed-tracing-address", Kind::Text, "localhost:4317", Tracing, "Where to export traces to.")
        .unit("host:port")
        .not_yet(),
    row("distributed-tracing-service-name", Kind::Text, "etcd", Tracing, "Name of the service in traces.")
        .not_yet(),
    row("distributed-tracing-instance-id", Kind::Text, "", Tracing, "Name of this instance in traces.")
        .not_yet(),
    row(
        "distributed-tracing-sampling-rate",
        Kind::Int,
        "0",
        Tracing,
        "How many of a million spans to export.",
    )
    .unit("spans per million")
    .not_yet(),
];
