//! Files and directories of a simulated disk, live and durable.
//!
//! Invariant: a directory's live names are its durable names plus the unsynced changes of names, in order.
use super::*;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Component,
};

/// The directory at which every path starts.
const ROOT: u64 = 0;
/// Unsynced changes one file may have; the oldest become durable beyond, as a kernel writes back what is old.
const UNSYNCED_MAX: usize = 8192;

/// A directory's number and a name in it.
pub(super) type Place = (u64, OsString);

#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<u64, Node>,
    next_inode: u64,
    /// Changes of names not made durable, oldest first.
    pub(super) unsynced: Vec<NameChange>,
}

#[derive(Clone, Debug)]
enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileNode {
    pub(super) live: Content,
    pub(super) durable: Content,
    pub(super) unsynced: VecDeque<Change>,
    pub(super) handles: u32,
    flock: Option<u64>,
    description_lock: Option<u64>,
}

#[derive(Clone, Debug, Default)]
struct DirNode {
    live: BTreeMap<OsString, u64>,
    durable: BTreeMap<OsString, u64>,
}

/// One change of names; it happens whole or not at all.
#[derive(Clone, Debug)]
pub(super) struct NameChange {
    remove: Option<Place>,
    add: Option<(Place, u64)>,
}

impl NameChange {
    fn touches(&self, dir: u64) -> bool {
        self.remove.as_ref().is_some_and(|place| place.0 == dir)
            || self.add.as_ref().is_some_and(|(place, _)| place.0 == dir)
    }
}

impl FileNode {
    pub(super) fn alter(&mut self, change: Change) {
        self.live.apply(&change);
        self.unsynced.push_back(change);
        if self.unsynced.len() > UNSYNCED_MAX
            && let Some(oldest) = self.unsynced.pop_front()
        {
            self.durable.apply(&oldest);
        }
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            self.durable.apply(&change);
        }
    }

    pub(super) fn lock_mut(&mut self, kind: LockKind) -> &mut Option<u64> {
        match kind {
            LockKind::OpenFileDescription => &mut self.description_lock,
            LockKind::Flock => &mut self.flock,
        }
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            nodes: BTreeMap::from([(ROOT, Node::Dir(DirNode::default()))]),
            next_inode: ROOT + 1,
            unsynced: Vec::new(),
        }
    }
}

impl Tree {
    pub(super) fn find(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut inode = ROOT;
        for part in path.components() {
            let name = match part {
                Component::RootDir | Component::CurDir => continue,
                Component::Normal(name) => name,
                Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
            };
            match self.nodes.get(&inode) {
                Some(Node::Dir(dir)) => match dir.live.get(name) {
                    Some(next) => inode = *next,
                    None => return Ok(None),
                },
                _ => return Err(io::ErrorKind::NotADirectory.into()),
            }
        }
        Ok(Some(inode))
    }

    pub(super) fn find_dir(&self, path: &Path) -> io::Result<u64> {
        let inode = self.find(path)?.ok_or(io::ErrorKind::NotFound)?;
        if self.is_dir(inode) { Ok(inode) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// The directory that holds `path`, which must exist, and its last name.
    pub(super) fn parent_of(&self, path: &Path) -> io::Result<Place> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find_dir(path.parent().unwrap_or(Path::new("")))?, name.to_owned()))
    }

    pub(super) fn is_dir(&self, inode: u64) -> bool {
        matches!(self.nodes.get(&inode), Some(Node::Dir(_)))
    }

    pub(super) fn file(&mut self, inode: u64) -> &mut FileNode {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => file,
            _ => panic!("an open handle keeps its file"),
        }
    }

    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut FileNode> {
        self.nodes.values_mut().filter_map(|node| match node {
            Node::File(file) => Some(file),
            Node::Dir(_) => None,
        })
    }

    pub(super) fn names(&self, dir: u64) -> impl Iterator<Item = &OsString> {
        match self.nodes.get(&dir) {
            Some(Node::Dir(dir)) => dir.live.keys(),
            _ => panic!("the caller found a directory"),
        }
    }

    /// Bytes of blocks that live files hold.
    pub(super) fn bytes(&self) -> u64 {
        self.nodes
            .values()
            .map(|node| match node {
                Node::File(file) => file.live.bytes(),
                Node::Dir(_) => 0,
            })
            .sum()
    }

    pub(super) fn create_file(&mut self, dir: u64, name: OsString) -> u64 {
        self.create(dir, name, Node::File(FileNode::default()))
    }

    pub(super) fn create_dir(&mut self, dir: u64, name: OsString) {
        self.create(dir, name, Node::Dir(DirNode::default()));
    }

    fn create(&mut self, dir: u64, name: OsString, node: Node) -> u64 {
        let inode = self.next_inode;
        self.next_inode += 1;
        self.nodes.insert(inode, node);
        self.alter(NameChange { remove: None, add: Some(((dir, name), inode)) });
        inode
    }

    pub(super) fn rename(&mut self, source: Place, target: Place, inode: u64) {
        if source != target {
            self.alter(NameChange { remove: Some(source), add: Some((target, inode)) });
        }
    }

    pub(super) fn remove(&mut self, dir: u64, name: OsString) {
        self.alter(NameChange { remove: Some((dir, name)), add: None });
    }

    fn alter(&mut self, change: NameChange) {
        self.set_names(&change, |dir| &mut dir.live);
        self.unsynced.push(change);
        self.sweep();
    }

    pub(super) fn sync_dir(&mut self, dir: u64) {
        let (synced, rest) = std::mem::take(&mut self.unsynced).into_iter().partition(|c| c.touches(dir));
        self.unsynced = rest;
        self.make_durable(&synced);
        self.sweep();
    }

    pub(super) fn make_durable(&mut self, changes: &Vec<NameChange>) {
        for change in changes {
            self.set_names(change, |dir| &mut dir.durable);
        }
    }

    fn set_names(
        &mut self,
        change: &NameChange,
        side: impl Fn(&mut DirNode) -> &mut BTreeMap<OsString, u64>,
    ) {
        if let Some((dir, name)) = &change.remove
            && let Some(Node::Dir(dir)) = self.nodes.get_mut(dir)
        {
            side(dir).remove(name);
        }
        if let Some(((dir, name), inode)) = &change.add
            && let Some(Node::Dir(dir)) = self.nodes.get_mut(dir)
        {
            side(dir).insert(name.clone(), *inode);
        }
    }

    pub(super) fn close(&mut self, inode: u64, handle: u64) {
        let file = self.file(inode);
        file.handles -= 1;
        for lock in [&mut file.flock, &mut file.description_lock] {
            if *lock == Some(handle) {
                *lock = None;
            }
        }
        if file.handles == 0 {
            self.sweep();
        }
    }

    pub(super) fn release_handles(&mut self) {
        for file in self.files_mut() {
            (file.handles, file.flock, file.description_lock) = (0, None, None);
        }
        self.sweep();
    }

    /// Makes the durable state the live one; called when everything unsynced has been decided.
    pub(super) fn restart(&mut self) {
        self.unsynced.clear();
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => {
                    file.unsynced.clear();
                    file.live = file.durable.clone();
                }
                Node::Dir(dir) => dir.live = dir.durable.clone(),
            }
        }
        self.sweep();
    }

    /// Forgets files that no name, live, durable or on its way, and no handle leads to.
    fn sweep(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut todo = vec![ROOT];
        todo.extend(self.unsynced.iter().filter_map(|change| change.add.as_ref().map(|(_, inode)| *inode)));
        while let Some(inode) = todo.pop() {
            reached.insert(inode);
            if let Some(Node::Dir(dir)) = self.nodes.get(&inode) {
                todo.extend(dir.live.values().chain(dir.durable.values()).filter(|i| !reached.contains(i)));
            }
        }
        self.nodes.retain(|inode, node| {
            reached.contains(inode) || matches!(node, Node::File(file) if file.handles > 0)
        });
    }
}
