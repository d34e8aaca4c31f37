//! The modules of a crate, one per file, and which of them mention which.
//!
//! It never expands macros: what is mentioned only inside one is not seen. Tests are left out, and so are modules
//! written inside a file: they are part of it.

use std::collections::{BTreeMap, BTreeSet};
use syn::{
    Attribute, Item, ItemUse, UseTree,
    visit::{self, Visit},
};

/// The names from the crate's root to a module; empty for the root itself.
pub(crate) type ModulePath = Vec<String>;

/// A crate's modules.
#[derive(Default)]
pub(crate) struct Modules {
    files: BTreeMap<ModulePath, syn::File>,
    /// For each module, names it imports from other modules, and where from.
    imports: BTreeMap<ModulePath, BTreeMap<String, ModulePath>>,
}

impl Modules {
    /// From the sources of one crate: paths relative to its `src/`.
    ///
    /// # Errors
    /// The first file that is not Rust.
    pub(crate) fn parse<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Modules, String> {
        let mut modules = Modules::default();
        for (path, text) in sources {
            let file = syn::parse_file(text).map_err(|error| format!("{path}: {error}"))?;
            modules.files.insert(module_of(path), file);
        }
        // An import may come from a module that itself imports it, so names settle after as many rounds as that
        // chain is long.
        for _ in 0..IMPORT_CHAIN_MAX {
            let imports = modules.files.iter().map(|(module, file)| {
                let mut names = BTreeMap::new();
                for path in file.items.iter().filter_map(as_use).flat_map(use_paths) {
                    if let (Some(name), Some(target)) = (path.name, modules.resolve(module, &path.segments)) {
                        names.insert(name, target);
                    }
                }
                (module.clone(), names)
            });
            modules.imports = imports.collect();
        }
        Ok(modules)
    }

    /// Every pair of different modules of which the first mentions the second.
    pub(crate) fn edges(&self) -> BTreeSet<(ModulePath, ModulePath)> {
        let mut edges = BTreeSet::new();
        for (module, file) in &self.files {
            let mut mentions = Mentions::default();
            mentions.visit_file(file);
            for segments in mentions.paths {
                let target = self
                    .resolve(module, &segments)
                    .or_else(|| self.through_globs(&mentions.globs, module, &segments));
                if let Some(target) = target.filter(|target| target != module) {
                    edges.insert((module.clone(), target));
                }
            }
        }
        edges
    }

    /// The module that a path mentioned in `module` leads to, if it is one of this crate's.
    fn resolve(&self, module: &ModulePath, segments: &[String]) -> Option<ModulePath> {
        let mut at = module.clone();
        let mut rest = segments;
        let first = segments.first()?;
        match first.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop()?;
            }
            name if !self.has_child(&at, name) => {
                return self.imported(&at, name).filter(|_| segments.len() > 1);
            }
            _ => {}
        }
        if matches!(first.as_str(), "crate" | "self" | "super") {
            rest = &rest[1..];
        }
        for name in rest {
            if name == "super" {
                at.pop()?;
            } else if self.has_child(&at, name) {
                at.push(name.clone());
            } else {
                return Some(self.imported(&at, name).unwrap_or(at));
            }
        }
        Some(at)
    }

    /// The module behind a bare name that a glob import (`use super::*`) may have brought in.
    fn through_globs(
        &self,
        globs: &[Vec<String>],
        module: &ModulePath,
        segments: &[String],
    ) -> Option<ModulePath> {
        let first = segments.first()?;
        globs.iter().find_map(|glob| {
            let from = self.resolve(module, glob)?;
            // A lone name may be a variable that is called like a module.
            let child = segments.len() > 1 && self.has_child(&from, first);
            if child { self.resolve(&from, segments) } else { self.imported(&from, first) }
        })
    }

    fn has_child(&self, module: &ModulePath, name: &str) -> bool {
        let mut child = module.clone();
        child.push(name.to_string());
        self.files.contains_key(&child)
    }

    fn imported(&self, module: &ModulePath, name: &str) -> Option<ModulePath> {
        self.imports.get(module)?.get(name).cloned()
    }
}

/// Longest chain of modules that hand on an imported name.
const IMPORT_CHAIN_MAX: usize = 4;

/// `lock/kind.rs` and `lock/kind/mod.rs` are `lock::kind`.
fn module_of(path: &str) -> ModulePath {
    let mut parts: ModulePath = path.trim_end_matches(".rs").split('/').map(str::to_string).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] || parts == ["main"] {
        parts.pop();
    }
    parts
}

/// Paths mentioned in a file.
#[derive(Default)]
struct Mentions {
    paths: Vec<Vec<String>>,
    /// Those of them that end in `*`.
    globs: Vec<Vec<String>>,
}

impl<'ast> Visit<'ast> for Mentions {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for path in use_paths(item) {
            if path.name.is_none() {
                self.globs.push(path.segments.clone());
            }
            self.paths.push(path.segments);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}

fn as_use(item: &Item) -> Option<&ItemUse> {
    match item {
        Item::Use(item) if !item.attrs.iter().any(is_test) => Some(item),
        _ => None,
    }
}

/// One name that a `use` brings in.
struct UsePath {
    segments: Vec<String>,
    /// What it is called here; `None` for `*`.
    name: Option<String>,
}

fn use_paths(item: &ItemUse) -> Vec<UsePath> {
    let mut paths = Vec::new();
    if item.leading_colon.is_none() {
        flatten(&item.tree, &mut Vec::new(), &mut paths);
    }
    paths
}

fn flatten(tree: &UseTree, before: &mut Vec<String>, paths: &mut Vec<UsePath>) {
    let mut push = |last: Option<String>, name: Option<String>| {
        let mut segments = before.clone();
        // `use lock::{self}` is `use lock`.
        segments.extend(last.filter(|last| last != "self" || before.is_empty()));
        paths.push(UsePath { segments, name });
    };
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, paths);
            before.pop();
        }
        UseTree::Name(name) => {
            let name = name.ident.to_string();
            let called = if name == "self" { before.last().cloned() } else { Some(name.clone()) };
            push(Some(name), called);
        }
        UseTree::Rename(rename) => push(Some(rename.ident.to_string()), Some(rename.rename.to_string())),
        UseTree::Glob(_) => push(None, None),
        UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, before, paths)),
    }
}
