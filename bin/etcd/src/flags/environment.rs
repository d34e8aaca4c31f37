//! `ETCD_*` variables: the second source of flags. A variable counts only if its flag was not on the command line;
//! a variable whose flag was is an error, empty or not.

use super::{Flags, table};
use crate::notation::quote;
use std::collections::BTreeSet;

const PREFIX: &str = "ETCD_";
/// Clashes with `--version`, so etcd warns of it and drops it.
const SPECIAL: &str = "ETCD_VERSION";

/// The environment, in the system's order: names and values.
pub type Variables = [(String, String)];

/// A variable stands beside its own flag: the process must not start. The line was logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadowed;

/// Sets the flags that have a variable and were not given, logging what was used and what is not known. Of several
/// bad values the last one's error (by flag name) is the inner result.
pub fn apply(flags: &mut Flags, variables: &Variables) -> Result<Result<(), String>, Shadowed> {
    if let Some((key, value)) = variables.iter().find(|(key, value)| key == SPECIAL && !value.is_empty()) {
        log::warn!(key:%, value:%; "cannot set special environment variable");
    }
    let given: BTreeSet<String> = flags.given().map(table::variable_of).collect();
    let mut used = BTreeSet::new();
    let mut outcome = Ok(());
    let mut rows: Vec<_> =
        table::rows().filter(|row| !given.contains(&table::variable_of(row.name))).collect();
    rows.sort_by_key(|row| row.name);
    for row in rows {
        let name = table::variable_of(row.name);
        let found = variables.iter().find(|(key, _)| *key == name && key != SPECIAL);
        let Some((_, value)) = found.filter(|(_, value)| !value.is_empty()) else { continue };
        match flags.set(row, value) {
            Ok(()) => log::info!(
                "variable-name":% = name, "variable-value":% = value;
                "recognized and used environment variable"
            ),
            Err(reason) => outcome = Err(format!("invalid value {} for {name}: {reason}", quote(value))),
        }
        used.insert(name);
    }
    verify(variables, &given, &used)?;
    Ok(outcome)
}

fn verify(variables: &Variables, given: &BTreeSet<String>, used: &BTreeSet<String>) -> Result<(), Shadowed> {
    let unused =
        variables.iter().filter(|(key, value)| !used.contains(key) && (key != SPECIAL || value.is_empty()));
    for (key, value) in unused {
        if given.contains(key) {
            crate::fatal!(
                "environment-variable":% = key;
                "conflicting environment variable is shadowed by corresponding command-line flag \
                 (either unset environment variable or disable flag))"
            );
            return Err(Shadowed);
        }
        if key.starts_with(PREFIX) {
            let variable = format!("{key}={value}");
            log::warn!("environment-variable":% = variable; "unrecognized environment variable");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> (Flags, Result<Result<(), String>, Shadowed>) {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let variables: Vec<_> = variables.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut flags = super::super::parse(&arguments).expect("valid").flags;
        let outcome = apply(&mut flags, &variables);
        (flags, outcome)
    }

    #[test]
    fn variables_fill_what_the_command_line_left() {
        let (flags, outcome) = applied(
            &["--max-wals=3"],
            &[
                ("ETCD_NAME", "zed"),
                ("ETCD_DATA_DIR", ""),
                ("ETCD_FOO", "1"),
                ("HOME", "/"),
                ("ETCD_VERSION", "1"),
            ],
        );
        assert_eq!(outcome, Ok(Ok(())));
        assert_eq!((flags.text("name"), flags.text("data-dir"), flags.bool("version")), ("zed", "", false));
        assert_eq!(flags.given().collect::<Vec<_>>(), ["max-wals", "name"]);
    }

    #[test]
    fn a_variable_beside_its_flag_is_fatal_even_if_empty() {
        for value in ["x", ""] {
            assert_eq!(applied(&["--name=a"], &[("ETCD_NAME", value)]).1, Err(Shadowed));
        }
    }

    #[test]
    fn the_last_bad_value_is_told() {
        let (flags, outcome) = applied(
            &[],
            &[
                ("ETCD_HEARTBEAT_INTERVAL", "x"),
                ("ETCD_ELECTION_TIMEOUT", "y"),
                ("ETCD_MAX_CONCURRENT_STREAMS", "5"),
            ],
        );
        let error = "invalid value \"x\" for ETCD_HEARTBEAT_INTERVAL: parse error".to_string();
        assert_eq!(outcome, Ok(Err(error)));
        assert_eq!(flags.uint("max-concurrent-streams"), 5);
    }
}
