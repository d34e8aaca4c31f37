//! Modules that import each other in a circle can only be understood together.
//!
//! One exception: what a module says of those above it (`super`, the crate's root) does not count. They are one family,
//! and a part may use what the whole declares.

use crate::{
    Tree,
    modules::{ModulePath, Modules},
};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut crates: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (path, text) in tree.rust_sources() {
        if let Some((package, inside)) = path.split_once("/src/") {
            crates.entry(package).or_default().push((inside, text));
        }
    }
    let mut findings = Vec::new();
    for (package, sources) in crates {
        match Modules::parse(sources.into_iter()) {
            Ok(modules) => {
                let edges = by_name(&modules.edges());
                findings.extend(
                    circles(&edges)
                        .iter()
                        .map(|circle| format!("{package}/src: {}", explain(circle, &edges))),
                );
            }
            Err(error) => findings.push(format!("{package}/src/{error}")),
        }
    }
    findings
}

/// Edges by name, without those that lead up to a module's own parents.
fn by_name(edges: &BTreeSet<(ModulePath, ModulePath)>) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in edges.iter().filter(|(from, to)| !from.starts_with(to)) {
        named.entry(from.join("::")).or_default().insert(to.join("::"));
    }
    named
}

/// Groups of modules each of which reaches all the others of its group.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> =
        edges.keys().map(|from| (from, reachable(edges, from))).collect();
    let mut circles = BTreeSet::new();
    for (from, targets) in &reach {
        if targets.contains(from) {
            let group = targets.iter().filter(|to| reach.get(*to).is_some_and(|back| back.contains(from)));
            circles.insert(group.map(|module| (*module).clone()).collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

/// Who in a circle mentions whom.
fn explain(circle: &[String], edges: &BTreeMap<String, BTreeSet<String>>) -> String {
    let inside =
        |from: &String| edges[from].iter().filter(|to| circle.contains(to)).cloned().collect::<Vec<_>>();
    let lines: Vec<_> = circle.iter().map(|from| format!("{from} -> {}", inside(from).join(", "))).collect();
    lines.join("; ")
}

/// All that can be reached from `from` in one step or more.
fn reachable<'a>(edges: &'a BTreeMap<String, BTreeSet<String>>, from: &String) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = edges[from].iter().collect();
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(edges.get(module).into_iter().flatten());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_sources(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> =
            files.iter().map(|(path, text)| (format!("core/x/src/{path}"), *text)).collect();
        check(&Tree::of_files(&files.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>()))
    }

    #[test]
    fn planted_circles_are_found() {
        let cases: [&[(&str, &str)]; 9] = [
            &[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")],
            &[("a.rs", "use super::b::B;"), ("b.rs", "fn f() { crate::a::f() }")],
            &[("a.rs", "use crate::{c, b::B};"), ("b.rs", "fn f(_: super::a::A) {}"), ("c.rs", "")],
            // Through a third.
            &[("a.rs", "use crate::b;"), ("b.rs", "use crate::c;"), ("c.rs", "use crate::a as other;")],
            // Hidden behind what the root hands on, and behind a glob.
            &[("lib.rs", "pub use a::A;"), ("a.rs", "use crate::b::B;"), ("b.rs", "use crate::A;")],
            &[("lib.rs", "use a::A;"), ("a.rs", "use crate::b::B;"), ("b.rs", "use super::*; type T = A;")],
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use super::*; type T = b::B;"),
                ("b.rs", "use super::a;"),
            ],
            // Through a parent, which is made of its parts.
            &[("a.rs", "mod x; use x::X;"), ("a/x.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")],
            // Between siblings further down.
            &[("a.rs", "mod x; mod y;"), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use crate::a::x::X;")],
        ];
        for files in cases {
            assert_eq!(check_sources(files).len(), 1, "{files:?}: {:?}", check_sources(files));
        }
    }

    #[test]
    fn what_goes_one_way_passes() {
        let cases: [&[(&str, &str)]; 6] = [
            &[
                ("lib.rs", "mod a; mod b; pub use a::A;"),
                ("a.rs", "use crate::{b::B, Error};"),
                ("b.rs", "use crate::Error;"),
            ],
            // Two parts of a side that have nothing to do with each other.
            &[("a.rs", "mod x;"), ("a/x.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")],
            // A family.
            &[("a.rs", "mod x; use x::X;"), ("a/x.rs", "use super::A;")],
            // Tests may look anywhere.
            &[("a.rs", "use crate::b::B;"), ("b.rs", "#[cfg(test)]\nmod tests { use crate::a::A; }")],
            &[("a.rs", "use crate::b::B;"), ("b.rs", "//! See [`crate::a`].\nuse a::b;")],
            &[
                ("a.rs", "use crate::b::B; use crate::c::C;"),
                ("b.rs", "use crate::c::C;"),
                ("c.rs", "use other::a;"),
            ],
        ];
        for files in cases {
            assert_eq!(check_sources(files), [""; 0], "{files:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_rust_is_reported() {
        assert_eq!(check_sources(&[("a.rs", "fn {")]).len(), 1);
    }
}
