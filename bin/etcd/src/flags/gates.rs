//! Feature gates: `--feature-gates A=true,B=false`.

use crate::notation::{NumberError, parse_bool};
use std::{collections::BTreeMap, fmt};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Alpha,
    Beta,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Alpha => "ALPHA",
            Stage::Beta => "BETA",
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Gate {
    pub name: &'static str,
    pub stage: Stage,
    pub default: bool,
}

const fn gate(name: &'static str, stage: Stage, default: bool) -> Gate {
    Gate { name, stage, default }
}

const ALL_ALPHA: &str = "AllAlpha";
const ALL_BETA: &str = "AllBeta";

/// Every gate of etcd 3.7.1, by name.
pub const GATES: [Gate; 11] = [
    gate(ALL_ALPHA, Stage::Alpha, false),
    gate(ALL_BETA, Stage::Beta, false),
    gate("CompactHashCheck", Stage::Alpha, false),
    gate("FastLeaseKeepAlive", Stage::Beta, true),
    gate("InitialCorruptCheck", Stage::Alpha, false),
    gate("LeaseCheckpoint", Stage::Alpha, false),
    gate("LeaseCheckpointPersist", Stage::Alpha, false),
    gate("PriorityRequest", Stage::Alpha, false),
    gate("SetMemberLocalAddr", Stage::Alpha, false),
    gate("StopGRPCServiceOnDefrag", Stage::Alpha, false),
    gate("TxnModeWriteWithSharedBuffer", Stage::Beta, true),
];

/// Gates that this build honours both ways; the others have their default only.
const BUILT: [&str; 4] =
    ["CompactHashCheck", "InitialCorruptCheck", "LeaseCheckpoint", "LeaseCheckpointPersist"];

/// What was set; gates not in here have their default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    set: BTreeMap<&'static str, bool>,
}

impl Gates {
    /// Adds the settings of a comma list. On error nothing changes.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let mut settings = BTreeMap::new();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let (key, value) = item.split_once('=').map_or((item, None), |(key, value)| (key, Some(value)));
            let key = key.trim();
            let value = value.ok_or_else(|| format!("missing bool value for {key}"))?.trim();
            let enabled = parse_bool(value).map_err(|error: NumberError| {
                format!("invalid value of {key}={value}, err: {}", error.parser_text("ParseBool", value))
            })?;
            settings.insert(key, enabled);
        }
        let mut set = self.set.clone();
        for (key, enabled) in settings {
            let gate = GATES.iter().find(|gate| gate.name == key);
            let gate = gate.ok_or_else(|| format!("unrecognized feature gate: {key}"))?;
            set.insert(gate.name, enabled);
            if gate.name == ALL_ALPHA || gate.name == ALL_BETA {
                for member in GATES.iter().filter(|member| member.stage == gate.stage) {
                    set.entry(member.name).or_insert(enabled);
                }
            }
        }
        self.set = set;
        Ok(())
    }

    /// Whether a gate is on. Panics for a name that is no gate: names are literals.
    pub fn is_on(&self, name: &str) -> bool {
        let gate = GATES.iter().find(|gate| gate.name == name);
        let gate = gate.unwrap_or_else(|| panic!("no feature gate {name}"));
        self.set.get(name).copied().unwrap_or(gate.default)
    }

    /// Whether this build does what every gate asks for.
    pub fn are_built(&self) -> bool {
        GATES.iter().all(|gate| BUILT.contains(&gate.name) || self.is_on(gate.name) == gate.default)
    }
}

impl fmt::Display for Gates {
    /// `A=true,B=false`, by name, of what was set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, enabled)) in self.set.iter().enumerate() {
            write!(f, "{}{name}={enabled}", if at > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_set_one_by_one_or_by_stage() {
        let mut gates = Gates::default();
        gates.set("LeaseCheckpoint=true, AllAlpha=false ,").expect("valid");
        assert!(gates.is_on("LeaseCheckpoint") && !gates.is_on("PriorityRequest"));
        assert!(gates.is_on("FastLeaseKeepAlive") && gates.are_built());
        assert!(gates.to_string().starts_with("AllAlpha=false,CompactHashCheck=false,"));

        let mut gates = Gates::default();
        gates.set("AllBeta=false").expect("valid");
        assert_eq!(
            gates.to_string(),
            "AllBeta=false,FastLeaseKeepAlive=false,TxnModeWriteWithSharedBuffer=false"
        );
        let mut gates = Gates::default();
        gates.set("FastLeaseKeepAlive=true").expect("valid");
        assert!(gates.are_built());
        gates.set("PriorityRequest=true").expect("valid");
        assert!(!gates.are_built());
    }

    #[test]
    fn bad_gates_are_refused_in_etcds_words() {
        for (text, error) in [
            ("X=true", "unrecognized feature gate: X"),
            ("LeaseCheckpoint", "missing bool value for LeaseCheckpoint"),
            (
                "LeaseCheckpoint=v",
                "invalid value of LeaseCheckpoint=v, err: strconv.ParseBool: parsing \"v\": invalid syntax",
            ),
        ] {
            let mut gates = Gates::default();
            assert_eq!(gates.set(text), Err(error.to_string()));
            assert_eq!(gates, Gates::default());
        }
    }
}
