//! The loads by name, and what each needs.

use std::fmt;
use std::str::FromStr;

/// Keys that hold a value before a read load begins.
pub const READ_KEYS: u64 = 10_000;
/// Keys the write loads spread over.
pub const WRITE_KEYS: u64 = 100_000;
/// Keys of the `memory` mode.
pub const MEMORY_KEYS: u64 = 1_000_000;

/// Calls of one kind, each client with one in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    Put,
    /// Linearizable get of one key.
    Get,
    /// Serializable get of one key.
    SerializableGet,
    /// Linearizable range of 1000 keys.
    Range,
    /// One compare, one put.
    Txn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unary(Unary),
    /// One lease and one keep-alive stream for each client.
    Lease,
    /// Watchers of one key; an operation is an event delivered.
    Watch,
    /// Four gets to a put, at `rate` calls a second whatever the answers do.
    Mixed {
        rate: u32,
    },
    /// Resident memory after a million puts, and the time of a restart on them.
    Memory,
}

/// A load: its kind, connections, and clients (or watchers) spread over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub kind: Kind,
    pub connections: usize,
    pub clients: usize,
}

/// What runs unless `--loads` says otherwise.
pub const DEFAULT: &str = "put-1-1,put-10-100,put-100-1000,get-1-1,get-10-100,get-100-1000,\
sget-1-1,sget-10-100,sget-100-1000,range-10-100,txn-10-100,txn-100-1000,watch-100-1000,lease-10-100,\
lease-100-1000,mixed-5000,memory";

const NAMES: [(&str, Kind); 7] = [
    ("put", Kind::Unary(Unary::Put)),
    ("get", Kind::Unary(Unary::Get)),
    ("sget", Kind::Unary(Unary::SerializableGet)),
    ("range", Kind::Unary(Unary::Range)),
    ("txn", Kind::Unary(Unary::Txn)),
    ("lease", Kind::Lease),
    ("watch", Kind::Watch),
];

impl Load {
    /// True if keys must be there first; then the server is restarted before the measurement.
    pub fn needs_keys(&self) -> bool {
        match self.kind {
            Kind::Unary(Unary::Get | Unary::SerializableGet | Unary::Range) | Kind::Mixed { .. } => true,
            Kind::Unary(Unary::Put | Unary::Txn) | Kind::Lease | Kind::Watch | Kind::Memory => false,
        }
    }
}

impl FromStr for Load {
    type Err = String;

    /// `NAME-CONNECTIONS-CLIENTS`, `mixed-RATE` or `memory`.
    fn from_str(text: &str) -> Result<Load, String> {
        let wrong =
            || format!("{text:?} is no load: want e.g. put-10-100, watch-10-1000, mixed-5000 or memory");
        let number = |part: &str| part.parse::<u32>().ok().filter(|n| *n > 0).ok_or_else(wrong);
        match text.split('-').collect::<Vec<_>>()[..] {
            ["memory"] => Ok(Load { kind: Kind::Memory, connections: 10, clients: 1000 }),
            ["mixed", rate] => {
                Ok(Load { kind: Kind::Mixed { rate: number(rate)? }, connections: 10, clients: 10_000 })
            }
            [name, connections, clients] => {
                let (_, kind) = NAMES.into_iter().find(|(known, _)| *known == name).ok_or_else(wrong)?;
                let (connections, clients) = (number(connections)? as usize, number(clients)? as usize);
                if clients < connections {
                    return Err(format!("{text:?}: fewer clients than connections"));
                }
                Ok(Load { kind, connections, clients })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Memory => write!(f, "memory"),
            Kind::Mixed { rate } => write!(f, "mixed-{rate}"),
            kind => {
                let (name, _) =
                    NAMES.iter().find(|(_, known)| *known == kind).expect("every other kind is named");
                write!(f, "{name}-{}-{}", self.connections, self.clients)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in DEFAULT.split(',') {
            assert_eq!(name.parse::<Load>().unwrap().to_string(), name);
        }
        for wrong in ["", "put", "put-1", "put-0-1", "put-2-1", "mixed-x", "put-1-1-1"] {
            assert!(wrong.parse::<Load>().is_err(), "{wrong}");
        }
    }
}
