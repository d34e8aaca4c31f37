//! The v2 store as JSON: what `.snap` files and snapshot messages carry.
//!
//! Releases up to 3.5 take members, removed members and the cluster version from it; 3.6 and later only write it.
//! What is written here is the least that those accept: the tree, without statistics and event history.
//!
//! ```text
//! /0/members/<hex id>/raftAttributes   {"peerURLs":[…],"isLearner":true?}
//! /0/members/<hex id>/attributes       {"name":"…","clientURLs":[…]}     once published
//! /0/removed_members/<hex id>          (empty)
//! /0/version                           3.5.0                             once decided
//! /1                                   v2 keys: empty
//! ```

use super::{Attributes, Member, Membership, json};
use crate::Version;
use bytes::Bytes;
use serde_json::{Map, Value, json};

const NEVER: &str = "0001-01-01T00:00:00Z";

impl Membership {
    /// The store's JSON, for a snapshot.
    pub fn to_v2(&self) -> Bytes {
        let mut cluster = Tree::default();
        let mut members = Tree::default();
        for member in self.iter() {
            let mut one = Tree::default();
            let mut raft = String::from("{\"peerURLs\":");
            json::push_strs(&mut raft, &member.peer_urls);
            raft.push_str(if member.is_learner { ",\"isLearner\":true}" } else { "}" });
            one.file("raftAttributes", raft);
            if !member.attributes.client_urls.is_empty() {
                one.file("attributes", member.attributes.to_json());
            }
            members.dir(&format!("{:x}", member.id), one);
        }
        let mut removed = Tree::default();
        for id in self.removed() {
            removed.file(&format!("{id:x}"), String::new());
        }
        cluster.dir("members", members);
        cluster.dir("removed_members", removed);
        if let Some(version) = self.version() {
            cluster.file("version", version.to_string());
        }
        let mut root = Tree::default();
        root.dir("0", cluster);
        root.dir("1", Tree::default());
        let store = json!({ "Root": root.node("/"), "CurrentIndex": 0, "CurrentVersion": 2 });
        store.to_string().into()
    }

    /// Reads a store. User data in it (releases with the v2 API) is an error: nothing here could keep it.
    pub(crate) fn from_v2(bytes: &[u8], learners_max: usize) -> Result<Membership, String> {
        let store: Value = serde_json::from_slice(bytes).map_err(|e| format!("v2 store: {e}"))?;
        let root = &store["Root"];
        for (name, node) in children(root) {
            let expected = name == "0" || (name == "2" && children(node).all(|(_, child)| empty(child)));
            if !expected && !empty(node) {
                return Err(format!("v2 store: user data under /{name}"));
            }
        }
        let cluster = &root["Children"]["0"];
        let mut membership = Membership::new(learners_max);
        for (name, node) in children(&cluster["Children"]["members"]) {
            let member = read_member(name, node)?;
            membership.members.insert(member.id, member);
        }
        for (name, _) in children(&cluster["Children"]["removed_members"]) {
            membership.removed.insert(parse_id(name)?);
        }
        if let Some(text) = cluster["Children"]["version"]["Value"].as_str() {
            membership.version = Some(Version::parse(text)?);
        }
        Ok(membership)
    }
}

fn read_member(name: &str, node: &Value) -> Result<Member, String> {
    let value = |file: &str| node["Children"][file]["Value"].as_str();
    let raft = value("raftAttributes").ok_or_else(|| format!("v2 store: no raftAttributes of {name}"))?;
    let attributes = match value("attributes") {
        Some(text) => Attributes::from_json(text.as_bytes())?,
        None => Attributes::default(),
    };
    let member = Member::from_json(raft.as_bytes())?;
    Ok(Member { id: parse_id(name)?, attributes, ..member })
}

fn parse_id(name: &str) -> Result<u64, String> {
    u64::from_str_radix(name, 16).map_err(|_| format!("v2 store: {name:?} is no member ID"))
}

fn children(node: &Value) -> impl Iterator<Item = (&str, &Value)> {
    node["Children"].as_object().into_iter().flatten().map(|(name, node)| (name.as_str(), node))
}

/// A directory without entries, or a file.
fn empty(node: &Value) -> bool {
    children(node).next().is_none()
}

/// Children of a directory; their paths are completed when the directory gets its own.
#[derive(Default)]
struct Tree(Vec<(String, Child)>);

enum Child {
    File(String),
    Dir(Tree),
}

impl Tree {
    fn file(&mut self, name: &str, value: String) {
        self.0.push((name.to_owned(), Child::File(value)));
    }

    fn dir(&mut self, name: &str, tree: Tree) {
        self.0.push((name.to_owned(), Child::Dir(tree)));
    }

    fn node(self, path: &str) -> Value {
        let mut nodes = Map::new();
        for (name, child) in self.0 {
            let path = if path == "/" { format!("/{name}") } else { format!("{path}/{name}") };
            let node = match child {
                Child::Dir(tree) => tree.node(&path),
                Child::File(value) => node(&path, &value, Value::Null),
            };
            nodes.insert(name, node);
        }
        node(path, "", Value::Object(nodes))
    }
}

/// `children` null: a file.
fn node(path: &str, value: &str, children: Value) -> Value {
    json!({
        "Path": path,
        "CreatedIndex": 0,
        "ModifiedIndex": 0,
        "ExpireTime": NEVER,
        "Value": value,
        "Children": children,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_round_trips() {
        let mut membership =
            Membership { learners_max: 1, version: Some(Version::new(3, 5)), ..Membership::default() };
        let attributes = Attributes { name: "m<1>".into(), client_urls: vec!["http://a:1".into()] };
        let voter = Member { id: 0x1f, peer_urls: vec!["http://a:2".into()], attributes, is_learner: false };
        let learner = Member {
            id: u64::MAX,
            peer_urls: vec!["http://b:2".into()],
            is_learner: true,
            ..Member::default()
        };
        membership.members.extend([(voter.id, voter), (learner.id, learner)]);
        membership.removed.insert(7);
        assert_eq!(Membership::from_v2(&membership.to_v2(), 1), Ok(membership));
    }

    /// From a `.snap` file of etcd 3.4.23 (`--snapshot-count 10`), after a learner was added, removed and another
    /// one added.
    #[test]
    fn a_store_of_go() {
        let text = include_bytes!("../../golden/etcd-3.4.23.v2store.json");
        let membership = Membership::from_v2(text, 1).unwrap();
        assert_eq!(membership.version(), Some(Version::new(3, 4)));
        let members: Vec<(u64, bool, &str)> =
            membership.iter().map(|m| (m.id, m.is_learner, m.peer_urls[0].as_str())).collect();
        let voter = (0x8e9e05c52164694d, false, "http://localhost:2380");
        assert_eq!(members, [voter, (0xb44574a5dec2655f, true, "http://127.0.0.1:2")]);
        let attributes = &membership.get(voter.0).unwrap().attributes;
        assert_eq!(attributes.to_json(), r#"{"name":"default","clientURLs":["http://127.0.0.1:21500"]}"#);
        assert_eq!(membership.removed().collect::<Vec<_>>(), [0xed14db9acd3eb028]);
    }

    #[test]
    fn user_data_is_refused() {
        let store = |path: &str| {
            let mut root = json!({ "Root": { "Children": { "0": { "Children": {} } } } });
            root["Root"]["Children"][path] = json!({ "Children": { "a": { "Children": { "b": {} } } } });
            Membership::from_v2(root.to_string().as_bytes(), 1)
        };
        assert!(store("1").is_err());
        assert!(store("2").is_err());
        assert!(store("0").is_ok());
        assert_eq!(Membership::from_v2(b"{}", 0), Ok(Membership::default()));
    }
}
