//! What `--help` and a mistake print: usage on stderr, the listing of flags (on request) on stdout.

use super::{
    gates::GATES,
    table::{self, Group, Row},
    value::Kind,
};

/// How the program is called.
pub const USAGE: &str = "\
Usage:

  etcd [flags]
    Run a member of a cluster.

  etcd --version
    Print the version.

  etcd -h | --help
    Print the flags.

  etcd --config-file
    Take the configuration from a file. All other flags and all variables are then ignored; durations
    in the file are whole nanoseconds.

  etcd gateway
    Forward connections to members.

  etcd grpc-proxy
    Serve the API in front of members.
";

/// Every listed flag with its default and meaning, by section.
pub fn listing() -> String {
    let mut out = String::new();
    for group in Group::LISTED {
        out.push_str(&format!("{}:\n", group.title()));
        for row in table::rows().filter(|row| row.group == group) {
            out.push_str(&describe(row));
        }
        out.push('\n');
    }
    out.push_str("Unsafe features may break what the consensus protocol guarantees.\n");
    out
}

fn describe(row: &Row) -> String {
    let unit = if row.unit.is_empty() { String::new() } else { format!(" [{}]", row.unit) };
    let mut text = format!("  --{} '{}'\n    {}{unit}", row.name, row.default, row.help);
    if row.is_partial() {
        text.push_str(" Only the default is supported by this build yet.");
    }
    text.push('\n');
    if row.kind == Kind::Gates {
        for gate in GATES {
            text.push_str(&format!(
                "    {}=true|false ({} - default={})\n",
                gate.name, gate.stage, gate.default
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_come_in_etcds_order() {
        let listing = listing();
        let titles: Vec<&str> =
            listing.lines().filter(|l| !l.starts_with(' ')).filter_map(|l| l.strip_suffix(':')).collect();
        assert_eq!(
            titles,
            [
                "Member",
                "Clustering",
                "Security",
                "Auth",
                "Profiling and Monitoring",
                "Logging",
                "Distributed tracing",
                "Features",
                "Unsafe feature",
                "Quorate"
            ]
        );
    }

    #[test]
    fn a_flag_shows_default_meaning_unit_and_whether_it_is_built() {
        let listing = listing();
        for lines in [
            "  --max-wals '5'\n    Files of the write-ahead log to keep, 0 for all. [files]\n",
            "  --auth-token-ttl '300'\n    Lifetime of a token. [seconds] Only the default is supported by this build \
             yet.\n",
            "\n    FastLeaseKeepAlive=true|false (BETA - default=true)\n",
        ] {
            assert!(listing.contains(lines), "{lines}");
        }
        assert!(!listing.contains("--vv") && !listing.contains("--config-file"));
    }
}
