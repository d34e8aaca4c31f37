//! One row per flag of etcd 3.7.1, and per flag of our own (`quorate-…`). Help, defaults, environment names and refusals come from here; nowhere else is a
//! flag's name, type or default written down.

mod clustering;
mod member;
mod observing;
mod running;
mod security;

use super::value::{Kind, Value};

/// Sections of the help, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Member,
    Clustering,
    Security,
    Auth,
    Monitoring,
    Logging,
    Tracing,
    Features,
    Unsafe,
    /// Flags that etcd does not have.
    Quorate,
    /// Not listed.
    Hidden,
}

impl Group {
    pub const LISTED: [Group; 10] = [
        Group::Member,
        Group::Clustering,
        Group::Security,
        Group::Auth,
        Group::Monitoring,
        Group::Logging,
        Group::Tracing,
        Group::Features,
        Group::Unsafe,
        Group::Quorate,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Group::Member => "Member",
            Group::Clustering => "Clustering",
            Group::Security => "Security",
            Group::Auth => "Auth",
            Group::Monitoring => "Profiling and Monitoring",
            Group::Logging => "Logging",
            Group::Tracing => "Distributed tracing",
            Group::Features => "Features",
            Group::Unsafe => "Unsafe feature",
            Group::Quorate => "Quorate",
            Group::Hidden => "",
        }
    }
}

/// What of a flag this build honours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Support {
    Full,
    /// The default only; another value is refused at start.
    Default,
    /// The default and these texts.
    DefaultAnd(&'static [&'static str]),
}

#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub kind: Kind,
    /// As text; empty for the type's empty value.
    pub default: &'static str,
    pub group: Group,
    /// One sentence.
    pub help: &'static str,
    /// Unit of the value; empty if it has none.
    pub unit: &'static str,
    /// Path of keys in the configuration file; `None` if the file cannot set it.
    pub yaml: Option<&'static str>,
    support: Support,
}

const fn row(name: &'static str, kind: Kind, default: &'static str, group: Group, help: &'static str) -> Row {
    Row { name, kind, default, group, help, unit: "", yaml: Some(name), support: Support::Full }
}

impl Row {
    const fn unit(mut self, unit: &'static str) -> Row {
        self.unit = unit;
        self
    }
    const fn yaml(mut self, path: &'static str) -> Row {
        self.yaml = Some(path);
        self
    }
    const fn no_yaml(mut self) -> Row {
        self.yaml = None;
        self
    }
    const fn not_yet(mut self) -> Row {
        self.support = Support::Default;
        self
    }
    const fn only(mut self, texts: &'static [&'static str]) -> Row {
        self.support = Support::DefaultAnd(texts);
        self
    }

    /// The environment variable that sets the flag.
    pub fn variable(&self) -> String {
        variable_of(self.name)
    }

    /// Panics if the table's own default does not parse.
    pub fn default_value(&self) -> Value {
        self.value_of(self.default)
    }

    fn value_of(&self, text: &str) -> Value {
        let mut value = self.kind.empty();
        if !text.is_empty() {
            let set = self.kind.set(&mut value, text);
            set.unwrap_or_else(|reason| panic!("the table's {text} for --{}: {reason}", self.name));
        }
        value
    }

    /// Whether this build does what the value asks for.
    pub fn supports(&self, value: &Value) -> bool {
        if let Value::Gates(gates) = value {
            return gates.are_built();
        }
        match self.support {
            Support::Full => true,
            Support::Default => *value == self.default_value(),
            Support::DefaultAnd(texts) => {
                *value == self.default_value() || texts.iter().any(|text| *value == self.value_of(text))
            }
        }
    }

    /// Whether some value of the flag is refused by this build.
    pub fn is_partial(&self) -> bool {
        self.support != Support::Full
    }
}

/// The environment variable of a flag.
pub fn variable_of(flag: &str) -> String {
    format!("ETCD_{}", flag.to_uppercase().replace('-', "_"))
}

/// All rows, in the order of the help.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [member::ROWS, clustering::ROWS, security::ROWS, observing::ROWS, running::ROWS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_default_parses_and_every_name_is_once() {
        let names: BTreeSet<_> = rows().map(|row| row.name).collect();
        assert_eq!(names.len(), rows().count());
        // As `etcd --help` of 3.7.1 lists them, plus the hidden ones, less two it lists but does not know.
        assert_eq!(rows().filter(|row| row.group != Group::Quorate).count(), 128);
        for row in rows() {
            assert!(row.supports(&row.default_value()), "{}", row.name);
        }
    }

    #[test]
    fn groups_stand_together_in_the_order_of_the_help() {
        let mut seen: Vec<Group> = rows().map(|row| row.group).collect();
        seen.dedup();
        let mut expected = Group::LISTED.to_vec();
        expected.push(Group::Hidden);
        assert_eq!(seen, expected);
    }

    #[test]
    fn variables_are_named_after_flags() {
        let row = rows().find(|row| row.name == "listen-client-urls").expect("in the table");
        assert_eq!(row.variable(), "ETCD_LISTEN_CLIENT_URLS");
        let row = rows().find(|row| row.name == "test.coverprofile").expect("in the table");
        assert_eq!(row.variable(), "ETCD_TEST.COVERPROFILE");
    }
}
