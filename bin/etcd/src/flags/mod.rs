//! The flags of the `etcd` program: one table ([`table::rows`]), read from the command line in Go's syntax and from
//! `ETCD_*` variables. Never judges whether values fit together; `config` does.
//!
//! Invariants: every flag of etcd 3.7.1 has exactly one row, and a row knows whether this build honours it; a value
//! in [`Flags`] has the type of its row. Start at [`parse`].

mod command_line;
pub mod environment;
pub mod gates;
pub mod help;
pub mod table;
mod value;

pub use command_line::{Parsed, Refusal, parse};
pub use value::Value;

use crate::{notation::GoDuration, url::Url};
use gates::Gates;
use std::collections::BTreeSet;
use table::Row;

/// A value for every flag, and which of them were given.
#[derive(Clone, Debug)]
pub struct Flags {
    /// In the order of the table.
    values: Vec<Value>,
    given: BTreeSet<&'static str>,
}

impl Default for Flags {
    fn default() -> Flags {
        let values = table::rows().map(|row| row.default_value()).collect();
        Flags { values, given: BTreeSet::new() }
    }
}

impl Flags {
    /// Sets a flag from its text; the error is the bare reason.
    fn set(&mut self, row: &'static Row, text: &str) -> Result<(), String> {
        let value = &mut self.values[Flags::index(row.name)];
        row.kind.set(value, text)?;
        self.given.insert(row.name);
        Ok(())
    }

    /// Whether the flag was given, by whichever source.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// The flags that were given, by name.
    pub fn given(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.given.iter().copied()
    }

    /// The value of a flag. Panics if the table has no such flag: names are literals.
    pub fn value(&self, name: &str) -> &Value {
        &self.values[Flags::index(name)]
    }

    fn index(name: &str) -> usize {
        table::rows()
            .position(|row| row.name == name)
            .unwrap_or_else(|| panic!("no flag {name} in the table"))
    }

    // The typed views panic if the row has another type, for the same reason.

    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Bool(value) => *value,
            other => panic!("flag {name} is {other:?}"),
        }
    }
    pub fn int(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Int(value) => *value,
            other => panic!("flag {name} is {other:?}"),
        }
    }
    pub fn uint(&self, name: &str) -> u64 {
        match self.value(name) {
            Value::Uint(value) => *value,
            other => panic!("flag {name} is {other:?}"),
        }
    }
    pub fn duration(&self, name: &str) -> GoDuration {
        match self.value(name) {
            Value::Duration(value) => *value,
            other => panic!("flag {name} is {other:?}"),
        }
    }
    pub fn text(&self, name: &str) -> &str {
        match self.value(name) {
            Value::Text(value) => value,
            other => panic!("flag {name} is {other:?}"),
        }
    }
    pub fn texts(&self, name: &str) -> &[String] {
        match self.value(name) {
            Value::Texts(value) => value,
            other => panic!("flag {name} is {other:?}"),
        }
    }
    pub fn urls(&self, name: &str) -> &[Url] {
        match self.value(name) {
            Value::Urls(value) => value,
            other => panic!("flag {name} is {other:?}"),
        }
    }
    pub fn gates(&self) -> &Gates {
        match self.value("feature-gates") {
            Value::Gates(gates) => gates,
            other => panic!("flag feature-gates is {other:?}"),
        }
    }

    /// The first flag, in the table's order, whose value this build does not honour.
    pub fn first_unsupported(&self) -> Option<&'static str> {
        table::rows().zip(&self.values).find(|(row, value)| !row.supports(value)).map(|(row, _)| row.name)
    }
}
