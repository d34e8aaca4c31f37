//! Member.

use super::{Group::Member, Kind, Row, row};

pub const ROWS: &[Row] = &[
    row("name", Kind::Text, "default", Member, "Name of this member, unique in its cluster."),
    row("data-dir", Kind::Text, "", Member, "Directory that holds the data; by default ${name}.etcd.")
        .unit("path"),
    row("wal-dir", Kind::Text, "", Member, "Directory for the write-ahead log, if it shall lie apart.")
        .unit("path"),
    row(
        "snapshot-count",
        Kind::Uint,
        "10000",
        Member,
        "Applied entries from one snapshot on disk to the next.",
    )
    .unit("entries"),
    row("heartbeat-interval", Kind::Uint, "100", Member, "Time between two heartbeats of a leader.")
        .unit("milliseconds"),
    row(
        "election-timeout",
        Kind::Uint,
        "1000",
        Member,
        "Time without heartbeats after which to stand for election.",
    )
    .unit("milliseconds"),
    row(
        "initial-election-tick-advance",
        Kind::Bool,
        "true",
        Member,
        "Skip part of the first election timeout after start.",
    ),
    row(
        "listen-peer-urls",
        Kind::Urls,
        "http://localhost:2380",
        Member,
        "URLs on which to serve other members.",
    )
    .unit("URLs"),
    row("listen-client-urls", Kind::Urls, "http://localhost:2379", Member, "URLs on which to serve clients.")
        .unit("URLs"),
    row(
        "listen-client-http-urls",
        Kind::Urls,
        "",
        Member,
        "URLs for clients of HTTP alone; takes HTTP off --listen-client-urls.",
    )
    .unit("URLs")
    .not_yet(),
    row("max-snapshots", Kind::Uint, "5", Member, "Snapshot files to keep, 0 for all. Deprecated.")
        .unit("files"),
    row("max-wals", Kind::Uint, "5", Member, "Files of the write-ahead log to keep, 0 for all.")
        .unit("files"),
    row("memory-mlock", Kind::Bool, "false", Member, "Lock the pages of the database in memory.").not_yet(),
    row(
        "quota-backend-bytes",
        Kind::Int,
        "0",
        Member,
        "Size of the database beyond which writes are refused: 0 for 2 GiB, negative for none.",
    )
    .unit("bytes"),
    row(
        "backend-bbolt-freelist-type",
        Kind::Text,
        "",
        Member,
        "How free pages are held in memory: map or array; by default map.",
    )
    .only(&["map"]),
    row(
        "backend-batch-interval",
        Kind::Duration,
        "0s",
        Member,
        "Longest time before changes are committed to the database, 0 for 100ms.",
    )
    .unit("duration")
    .not_yet(),
    row(
        "backend-batch-limit",
        Kind::Int,
        "0",
        Member,
        "Most changes before they are committed to the database, 0 for 10000.",
    )
    .unit("operations")
    .not_yet(),
    row("max-txn-ops", Kind::Uint, "128", Member, "Operations allowed in each list of a transaction.")
        .unit("operations"),
    row("max-request-bytes", Kind::Uint, "1572864", Member, "Size of the largest request taken.")
        .unit("bytes"),
    row(
        "max-concurrent-streams",
        Kind::Uint32,
        "4294967295",
        Member,
        "Streams that a client may hold open on one connection.",
    )
    .unit("streams"),
    row(
        "grpc-keepalive-min-time",
        Kind::Duration,
        "5s",
        Member,
        "Shortest time between two pings of a client that is tolerated.",
    )
    .unit("duration"),
    row(
        "grpc-keepalive-interval",
        Kind::Duration,
        "2h",
        Member,
        "Time between two pings to a client, 0 for none.",
    )
    .unit("duration"),
    row(
        "grpc-keepalive-timeout",
        Kind::Duration,
        "20s",
        Member,
        "Time for a client to answer a ping before it is cut off, 0 for none.",
    )
    .unit("duration"),
    row("socket-reuse-port", Kind::Bool, "false", Member, "Set SO_REUSEPORT on listening sockets.")
        .yaml("socket-options.reuse-port"),
    row("socket-reuse-address", Kind::Bool, "false", Member, "Set SO_REUSEADDR on listening sockets.")
        .yaml("socket-options.reuse-address"),
    row("enable-grpc-gateway", Kind::Bool, "true", Member, "Serve the JSON gateway under /v3/."),
    row("raft-read-timeout", Kind::Duration, "5s", Member, "Read timeout of connections between members.")
        .unit("duration")
        .no_yaml()
        .not_yet(),
    row("raft-write-timeout", Kind::Duration, "5s", Member, "Write timeout of connections between members.")
        .unit("duration")
        .no_yaml()
        .not_yet(),
    row("feature-gates", Kind::Gates, "", Member, "Switches of features that are on trial:"),
];
