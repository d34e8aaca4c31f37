//! Clustering.

use super::{Group::Clustering, Kind, Row, row};

const STATES: &[&str] = &["new", "existing"];
const FALLBACKS: &[&str] = &["exit", "proxy"];
const V2_STAGES: &[&str] = &["write-only", "write-only-skip-check", "write-only-drop-data", "gone"];

pub const ROWS: &[Row] = &[
    row(
        "initial-advertise-peer-urls",
        Kind::Urls,
        "http://localhost:2380",
        Clustering,
        "URLs under which other members find this one.",
    )
    .unit("URLs"),
    row(
        "initial-cluster",
        Kind::Text,
        "default=http://localhost:2380",
        Clustering,
        "The members a new cluster starts with.",
    )
    .unit("name=URL,..."),
    row(
        "initial-cluster-state",
        Kind::Choice(STATES),
        "new",
        Clustering,
        "Whether to found a cluster (new) or to join one (existing); ignored once there is data.",
    ),
    row(
        "initial-cluster-token",
        Kind::Text,
        "etcd-cluster",
        Clustering,
        "Tells clusters apart that are founded with the same URLs.",
    ),
    row(
        "advertise-client-urls",
        Kind::Urls,
        "http://localhost:2379",
        Clustering,
        "URLs under which clients find this member.",
    )
    .unit("URLs"),
    row(
        "discovery-token",
        Kind::Text,
        "",
        Clustering,
        "Discovery service: token of the cluster to be founded.",
    )
    .yaml("discovery-config.token")
    .not_yet(),
    row("discovery-endpoints", Kind::TextSet, "", Clustering, "Discovery service: its gRPC endpoints.")
        .yaml("discovery-config.client.endpoints")
        .unit("endpoints")
        .not_yet(),
    row("discovery-dial-timeout", Kind::Duration, "2s", Clustering, "Discovery service: time to connect.")
        .yaml("discovery-config.client.dial-timeout")
        .unit("duration")
        .not_yet(),
    row(
        "discovery-request-timeout",
        Kind::Duration,
        "5s",
        Clustering,
        "Discovery service: time for a request.",
    )
    .yaml("discovery-config.client.request-timeout")
    .unit("duration")
    .not_yet(),
    row(
        "discovery-keepalive-time",
        Kind::Duration,
        "2s",
        Clustering,
        "Discovery service: time between pings.",
    )
    .yaml("discovery-config.client.keepalive-time")
    .unit("duration")
    .not_yet(),
    row(
        "discovery-keepalive-timeout",
        Kind::Duration,
        "6s",
        Clustering,
        "Discovery service: time for a ping's answer.",
    )
    .yaml("discovery-config.client.keepalive-timeout")
    .unit("duration")
    .not_yet(),
    row(
        "discovery-insecure-transport",
        Kind::Bool,
        "true",
        Clustering,
        "Discovery service: connect without TLS.",
    )
    .yaml("discovery-config.client.secure.insecure-transport")
    .not_yet(),
    row(
        "discovery-insecure-skip-tls-verify",
        Kind::Bool,
        "false",
        Clustering,
        "Discovery service: take any certificate. For tests only.",
    )
    .yaml("discovery-config.client.secure.insecure-skip-tls-verify")
    .not_yet(),
    row("discovery-cert", Kind::Text, "", Clustering, "Discovery service: certificate of this client.")
        .yaml("discovery-config.client.secure.cert")
        .unit("path")
        .not_yet(),
    row("discovery-key", Kind::Text, "", Clustering, "Discovery service: key of this client's certificate.")
        .yaml("discovery-config.client.secure.key")
        .unit("path")
        .not_yet(),
    row("discovery-cacert", Kind::Text, "", Clustering, "Discovery service: authorities to trust.")
        .yaml("discovery-config.client.secure.cacert")
        .unit("path")
        .not_yet(),
    row("discovery-user", Kind::Text, "", Clustering, "Discovery service: user name.")
        .yaml("discovery-config.client.auth.username")
        .not_yet(),
    row("discovery-password", Kind::Text, "", Clustering, "Discovery service: the user's password.")
        .yaml("discovery-config.client.auth.password")
        .not_yet(),
    row(
        "discovery-fallback",
        Kind::Choice(FALLBACKS),
        "exit",
        Clustering,
        "What to do if discovery fails; only exit is left.",
    )
    .no_yaml(),
    row("discovery-srv", Kind::Text, "", Clustering, "DNS domain whose SRV records name the members.")
        .not_yet(),
    row(
        "discovery-srv-name",
        Kind::Text,
        "",
        Clustering,
        "Suffix of the service's name in those SRV records.",
    )
    .not_yet(),
    row(
        "strict-reconfig-check",
        Kind::Bool,
        "true",
        Clustering,
        "Refuse changes of membership that would lose the quorum.",
    ),
    row("pre-vote", Kind::Bool, "true", Clustering, "Ask for votes without raising the term first."),
    row(
        "auto-compaction-retention",
        Kind::Text,
        "0",
        Clustering,
        "History that automatic compaction leaves: hours, a duration or revisions; 0 for no compaction.",
    ),
    row(
        "auto-compaction-mode",
        Kind::Text,
        "periodic",
        Clustering,
        "What the retention counts: time (periodic) or revisions (revision).",
    ),
    row(
        "v2-deprecation",
        Kind::ChoiceList(V2_STAGES),
        "",
        Clustering,
        "Without effect; write-only is in force. Deprecated.",
    ),
];
