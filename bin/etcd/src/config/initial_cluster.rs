//! `--initial-cluster`: which members a cluster is founded with.

use super::Cluster;
use crate::{
    notation::quote,
    url::{Url, parse_urls},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Member names and their peer URLs, those of one name sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitialMembers(pub BTreeMap<String, Vec<Url>>);

impl InitialMembers {
    /// Parses `name=URL,name=URL`; a name may come again with a further URL.
    pub fn parse(text: &str) -> Result<InitialMembers, String> {
        let mut members: BTreeMap<String, Vec<Url>> = BTreeMap::new();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let (name, url) = item.split_once('=').unwrap_or((item, ""));
            let urls = parse_urls(url)?;
            members.entry(name.to_string()).or_default().extend(urls);
        }
        members.values_mut().for_each(|urls| urls.sort());
        Ok(InitialMembers(members))
    }

    /// The peer URLs of a member. The errors here are those of etcd's start.
    pub fn urls_of(&self, name: &str) -> Result<&[Url], String> {
        let urls = self.0.get(name).map(Vec::as_slice);
        urls.ok_or_else(|| {
            format!("couldn't find local name {} in the initial cluster configuration", quote(name))
        })
    }

    /// The peer URLs of all members but one, sorted.
    pub fn urls_without(&self, name: &str) -> Vec<String> {
        let others = self.0.iter().filter(|(other, _)| *other != name).flat_map(|(_, urls)| urls);
        let mut urls: Vec<String> = others.map(Url::to_string).collect();
        urls.sort();
        urls
    }

    /// No URL may belong to two members.
    pub fn check_duplicates(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        if self.0.values().flatten().all(|url| seen.insert(url)) {
            return Ok(());
        }
        Err(format!("initial cluster {self} has duplicate url"))
    }
}

impl fmt::Display for InitialMembers {
    /// `name=URL,…`, sorted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs: Vec<String> = self
            .0
            .iter()
            .flat_map(|(name, urls)| urls.iter().map(move |url| format!("{name}={url}")))
            .collect();
        pairs.sort();
        f.write_str(&pairs.join(","))
    }
}

impl Cluster {
    /// The members to found a cluster with. Only for a member without a log; the error is that of etcd's start.
    pub fn initial_members(&self) -> Result<InitialMembers, String> {
        InitialMembers::parse(&self.initial)
            .map_err(|error| format!("error setting up initial cluster: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_gather_their_urls() {
        let members = InitialMembers::parse("b=http://b:1,,a=http://a:2,b=http://B:1").expect("valid");
        assert_eq!(members.0.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(members.to_string(), "a=http://a:2,b=http://B:1,b=http://b:1");
        assert_eq!(InitialMembers::parse(""), Ok(InitialMembers::default()));
        for (text, error) in [
            ("a", "URL scheme must be http, https, unix, or unixs: "),
            ("a=b", "URL scheme must be http, https, unix, or unixs: b"),
            ("a=http://a", "URL address does not have the form \"host:port\": http://a"),
        ] {
            assert_eq!(InitialMembers::parse(text), Err(error.to_string()));
        }
    }
}
