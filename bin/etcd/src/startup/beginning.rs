//! How a member without a log begins: with the others that found its cluster, or in one that has added it. Runs only
//! for such a member; it asks the others over the network, and blocks.

use super::{
    founding,
    joining::{self, Remote},
};
use crate::config::{ClusterState, Config};
use member::restart;

/// A beginning, and whom the transport must know before the member's own state lists them.
#[derive(Debug)]
pub struct Start {
    pub beginning: restart::Beginning,
    /// The other members of the cluster it joins.
    pub remotes: Vec<Remote>,
}

/// Checks the flags against each other and against the running members. The errors are those of etcd's start.
pub fn begin(config: &Config) -> Result<Start, String> {
    let members = config.cluster.initial_members()?;
    match config.cluster.state {
        ClusterState::New => {
            let beginning = restart::Beginning::Found(founding::found(config, &members)?);
            Ok(Start { beginning, remotes: Vec::new() })
        }
        ClusterState::Existing => {
            let (beginning, remotes) = joining::join(config, &members)?;
            Ok(Start { beginning, remotes })
        }
    }
}
