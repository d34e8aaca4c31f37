//! How a member without a log begins: with the others that found its cluster, or in one that has added it. Runs only
//! for such a member; it asks the others over the network, and blocks.

use super::{founding, joining};
use crate::config::{ClusterState, Config, InitialMembers};
use member::restart;

/// A beginning, and whom the transport must know before the member's own state lists them.
#[derive(Debug)]
pub struct Start {
    pub beginning: restart::Beginning,
    /// The other members of the cluster it joins.
    pub remotes: Vec<Remote>,
}

/// A member of the cluster that is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub id: u64,
    pub peer_urls: Vec<String>,
}

/// Checks the flags against each other and against the running members. The errors are those of etcd's start.
pub fn begin(config: &Config) -> Result<Start, String> {
    let members = config.cluster.initial_members()?;
    match config.cluster.state {
        ClusterState::New => {
            let beginning = restart::Beginning::Found(founding::found(config, &members)?);
            Ok(Start { beginning, remotes: Vec::new() })
        }
        ClusterState::Existing => joining::join(config, &members),
    }
}

/// The peer URLs of every member but the local one, sorted: whom to ask about the cluster.
pub(super) fn urls_of_others(members: &InitialMembers, local: &str) -> Vec<String> {
    let others = members.0.iter().filter(|(name, _)| *name != local).flat_map(|(_, urls)| urls);
    let mut urls: Vec<String> = others.map(ToString::to_string).collect();
    urls.sort();
    urls
}
