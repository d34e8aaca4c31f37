//! Which crate may import which. A new edge is a design change: it belongs into `ARCHITECTURE.md` first, then here.
//!
//! Only direct dependencies count. Tests may use more than the code they test, but nothing above it. A package that is a
//! workspace of its own stands for a user of ours, and imports nothing of ours.

use crate::Tree;
use toml::{Table, Value};

/// One crate of the workspace.
struct Layer {
    name: &'static str,
    /// Its directory: `core`, `net`, `bin`, `tests` or `bench` comes first.
    dir: &'static str,
    /// Crates of ours that it may import.
    imports: &'static [&'static str],
}

const fn layer(name: &'static str, dir: &'static str, imports: &'static [&'static str]) -> Layer {
    Layer { name, dir, imports }
}

/// Lowest first: nothing imports what comes after it, not even for its tests.
const LAYERS: [Layer; 21] = [
    layer("proto", "core/proto", &[]),
    layer("disk", "core/disk", &[]),
    layer("bolt", "core/bolt", &["disk"]),
    layer("wal", "core/wal", &["disk", "proto"]),
    layer("backend", "core/backend", &["bolt", "disk", "proto"]),
    layer("mvcc", "core/mvcc", &["backend", "bolt", "proto"]),
    layer("state", "core/state", &["mvcc", "backend", "bolt", "proto"]),
    layer("member", "core/member", &["state", "mvcc", "backend", "bolt", "wal", "disk", "proto"]),
    layer("tls", "net/tls", &[]),
    layer("rpc", "net/rpc", &["tls"]),
    layer("peer", "net/peer", &["rpc", "tls", "proto"]),
    layer("client", "net/client", &["tls", "proto"]),
    layer("etcdutl", "bin/etcdutl", &["member", "state", "mvcc", "backend", "bolt", "wal", "disk", "proto"]),
    layer("etcdctl", "bin/etcdctl", &["client", "tls", "proto"]),
    layer(
        "etcd",
        "bin/etcd",
        &[
            "member", "state", "mvcc", "backend", "bolt", "wal", "disk", "proto", "rpc", "peer", "client",
            "tls",
        ],
    ),
    layer("history", "tests/history", &[]),
    layer(
        "sim",
        "tests/sim",
        &["member", "state", "mvcc", "backend", "bolt", "wal", "disk", "proto", "history"],
    ),
    layer("e2e", "tests/e2e", &["client", "tls", "proto", "history"]),
    layer("cluster", "tests/cluster", &["client", "proto", "history"]),
    layer("bench", "bench", &["proto"]),
    layer("tidy", "tests/tidy", &[]),
];

/// What the deterministic core may not depend on: it does no network I/O and draws no random numbers.
const NOT_IN_CORE: [&str; 14] = [
    "futures",
    "getrandom",
    "h2",
    "http",
    "httparse",
    "hyper",
    "hyper-util",
    "mio",
    "rand",
    "rustls",
    "socket2",
    "tokio-stream",
    "tokio-util",
    "tonic",
];

/// Features of tokio that the core may use: channels.
const TOKIO_IN_CORE: [&str; 1] = ["sync"];

/// Libraries that have one home.
const HOMES: [(&str, &str); 1] = [("raft", "member")];

/// Where packages stand that use our programs as anybody would.
const USERS: &str = "tests/conformance/";

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        let Some(dir) = path.strip_suffix("/Cargo.toml") else { continue };
        let manifest: Table = match text.parse() {
            Ok(manifest) => manifest,
            Err(error) => {
                findings.push(format!("{path}: {error}"));
                continue;
            }
        };
        let Some(name) = manifest.get("package").and_then(|package| package.get("name")?.as_str()) else {
            findings.push(format!("{path}: no package"));
            continue;
        };
        if manifest.contains_key("workspace") {
            check_user(path, &manifest, &mut findings);
            continue;
        }
        match LAYERS.iter().position(|layer| layer.name == name) {
            Some(rank) if LAYERS[rank].dir == dir => check_crate(path, rank, &manifest, &mut findings),
            _ => findings.push(format!("{path}: crate {name} in {dir} has no place among the layers")),
        }
    }
    findings
}

/// A package apart from the workspace.
fn check_user(path: &str, manifest: &Table, findings: &mut Vec<String>) {
    if !path.starts_with(USERS) {
        findings.push(format!("{path}: a workspace of its own belongs into {USERS}"));
    }
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for (name, how) in dependencies(manifest, section) {
            if how.get("path").is_some() || LAYERS.iter().any(|layer| layer.name == name) {
                findings.push(format!("{path}: a user knows nothing of ours, but imports {name}"));
            }
        }
    }
}

fn check_crate(path: &str, rank: usize, manifest: &Table, findings: &mut Vec<String>) {
    let layer = &LAYERS[rank];
    let core = layer.dir.starts_with("core/");
    for (section, test) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        for (name, how) in dependencies(manifest, section) {
            let below = LAYERS[..rank].iter().any(|lower| lower.name == name);
            let ours = LAYERS.iter().any(|other| other.name == name);
            if ours && !layer.imports.contains(&name) && !(test && below) {
                findings.push(format!("{path}: {} may not import {name}", layer.name));
            }
            if !test && core && NOT_IN_CORE.contains(&name) {
                findings.push(format!("{path}: the core may not use {name}"));
            }
            if !test && core && name == "tokio" && !only_channels(how) {
                findings.push(format!("{path}: of tokio the core may use only {TOKIO_IN_CORE:?}"));
            }
            if let Some((_, home)) =
                HOMES.iter().find(|(library, home)| *library == name && *home != layer.name)
            {
                findings.push(format!("{path}: {name} stays inside {home}"));
            }
        }
    }
}

/// Names and declarations in a section, those for one target included.
fn dependencies<'a>(manifest: &'a Table, section: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    let sections = tables.filter_map(move |table| table.get(section)?.as_table());
    sections.flatten().map(|(name, how)| {
        let package = how.get("package").and_then(Value::as_str);
        (package.unwrap_or(name), how)
    })
}

/// True when a declaration of tokio asks for nothing but channels. (The workspace turns its default features off.)
fn only_channels(how: &Value) -> bool {
    let workspace = how.get("workspace").and_then(Value::as_bool) == Some(true);
    let features = how.get("features").and_then(Value::as_array);
    workspace
        && features.is_none_or(|names| {
            names.iter().all(|name| name.as_str().is_some_and(|name| TOKIO_IN_CORE.contains(&name)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, name: &str, rest: &str) -> Vec<String> {
        check(&Tree::of_files(&[(path, &format!("[package]\nname = \"{name}\"\n{rest}"))]))
    }

    #[test]
    fn layers_import_down_only() {
        for (rank, layer) in LAYERS.iter().enumerate() {
            for import in layer.imports {
                let below = LAYERS[..rank].iter().any(|lower| lower.name == *import);
                assert!(below, "{} imports {import}", layer.name);
            }
        }
    }

    #[test]
    fn planted_edges_are_found() {
        let bad = [
            ("core/bolt/Cargo.toml", "bolt", "[dependencies]\nmvcc.workspace = true"),
            ("core/wal/Cargo.toml", "wal", "[dependencies]\nbolt = { path = \"../bolt\" }"),
            ("core/state/Cargo.toml", "state", "[dependencies]\nrpc.workspace = true"),
            ("core/state/Cargo.toml", "state", "[dependencies]\nnet = { package = \"rpc\", path = \"x\" }"),
            ("core/mvcc/Cargo.toml", "mvcc", "[dev-dependencies]\nstate.workspace = true"),
            ("core/mvcc/Cargo.toml", "mvcc", "[target.'cfg(unix)'.dependencies]\nstate.workspace = true"),
            ("core/mvcc/Cargo.toml", "mvcc", "[dependencies]\nmio.workspace = true"),
            ("core/mvcc/Cargo.toml", "mvcc", "[dependencies]\ntokio = \"1\""),
            (
                "core/mvcc/Cargo.toml",
                "mvcc",
                "[dependencies]\ntokio = { workspace = true, features = [\"rt\", \"sync\"] }",
            ),
            ("core/state/Cargo.toml", "state", "[dependencies]\nraft.workspace = true"),
            ("core/extra/Cargo.toml", "extra", ""),
            ("core/rpc/Cargo.toml", "rpc", ""),
            ("tests/sim/Cargo.toml", "sim", "[workspace]"),
            ("tests/conformance/rust/Cargo.toml", "rust", ""),
            (
                "tests/conformance/rust/Cargo.toml",
                "rust",
                "[dependencies]\nx = { path = \"../x\" }\n[workspace]",
            ),
            ("tests/conformance/rust/Cargo.toml", "rust", "[dependencies]\nproto = \"1\"\n[workspace]"),
        ];
        for (path, name, rest) in bad {
            assert_eq!(
                findings(path, name, rest).len(),
                1,
                "{path} {rest}: {:?}",
                findings(path, name, rest)
            );
        }
    }

    #[test]
    fn allowed_edges_pass() {
        let good = [
            ("core/bolt/Cargo.toml", "bolt", "[dependencies]\ndisk.workspace = true\nbytes = \"1\""),
            ("core/mvcc/Cargo.toml", "mvcc", "[dev-dependencies]\ndisk.workspace = true\ntokio = \"1\""),
            (
                "core/member/Cargo.toml",
                "member",
                "[dependencies]\nraft.workspace = true\ntokio = { workspace = true, features = [\"sync\"] }",
            ),
            ("net/client/Cargo.toml", "client", "[dependencies]\ntonic.workspace = true\ntokio = \"1\""),
            ("tests/conformance/rust/Cargo.toml", "rust", "[dependencies]\ntokio = \"1\"\n[workspace]"),
        ];
        for (path, name, rest) in good {
            assert_eq!(findings(path, name, rest), [""; 0], "{path} {rest}");
        }
    }
}
