//! Features, Unsafe feature, Quorate, and what the help does not list.

use super::{
    Group::{Features, Hidden, Quorate, Unsafe},
    Kind, Row, row,
};

const fn ignored(name: &'static str) -> Row {
    row(name, Kind::Ignored, "", Hidden, "").no_yaml()
}

pub const ROWS: &[Row] = &[
    row(
        "corrupt-check-time",
        Kind::Duration,
        "0s",
        Features,
        "Time between two comparisons of members' data.",
    )
    .unit("duration"),
    row(
        "compact-hash-check-time",
        Kind::Duration,
        "1m0s",
        Features,
        "Time between two comparisons of members' compaction hashes.",
    )
    .unit("duration"),
    row(
        "compaction-batch-limit",
        Kind::Int,
        "0",
        Features,
        "Revisions that compaction removes at once, 0 for 1000.",
    )
    .unit("revisions"),
    row(
        "peer-skip-client-san-verification",
        Kind::Bool,
        "false",
        Features,
        "Take a member's certificate whatever address it comes from.",
    )
    .yaml("peer-transport-security.skip-client-san-verification")
    .not_yet(),
    row(
        "watch-progress-notify-interval",
        Kind::Duration,
        "0s",
        Features,
        "Time between two progress notices of a watch, 0 for 10m.",
    )
    .unit("duration"),
    row(
        "warning-apply-duration",
        Kind::Duration,
        "100ms",
        Features,
        "A request that applies longer is logged.",
    )
    .unit("duration")
    .not_yet(),
    row(
        "bootstrap-defrag-threshold-megabytes",
        Kind::Uint,
        "0",
        Features,
        "Free space from which the database is defragmented at start, 0 for never.",
    )
    .unit("MiB")
    .not_yet(),
    row("max-learners", Kind::Int, "1", Features, "Learners allowed in the cluster.").unit("members"),
    row(
        "compaction-sleep-interval",
        Kind::Duration,
        "0s",
        Features,
        "Pause between two batches of compaction, 0 for 10ms.",
    )
    .unit("duration"),
    row(
        "downgrade-check-time",
        Kind::Duration,
        "5s",
        Features,
        "Time between two looks at a running downgrade.",
    )
    .unit("duration")
    .not_yet(),
    row(
        "snapshot-catchup-entries",
        Kind::Uint,
        "5000",
        Features,
        "Entries kept in memory for members that lag behind.",
    )
    .unit("entries"),
    row("force-new-cluster", Kind::Bool, "false", Unsafe, "Drop all other members and go on alone."),
    row("unsafe-no-fsync", Kind::Bool, "false", Unsafe, "Do not wait for the disk. Loses data in a crash."),
    row(
        "quorate-cluster-version-max",
        Kind::Text,
        "",
        Quorate,
        "The highest version the cluster may rise to: this member then says it is that release, so that members and \
         data can go back to it. 3.4 to 3.7.",
    ),
    row("config-file", Kind::Text, "", Hidden, "").unit("path").no_yaml().not_yet(),
    row("version", Kind::Bool, "false", Hidden, "").no_yaml(),
    ignored("cluster-active-size"),
    ignored("cluster-remove-delay"),
    ignored("cluster-sync-interval"),
    ignored("config"),
    ignored("force"),
    ignored("max-result-buffer"),
    ignored("max-retry-attempts"),
    ignored("peer-heartbeat-interval"),
    ignored("peer-election-timeout"),
    ignored("retry-interval"),
    ignored("snapshot"),
    ignored("v"),
    ignored("vv"),
    ignored("test.coverprofile"),
    ignored("test.outputdir"),
];
