//! Flags: their rows, and the values a command line gave them.

use std::collections::BTreeMap;

use crate::go::{csv, duration, number};

/// A row of the flag table.
#[derive(Debug, PartialEq, Eq)]
pub struct Flag {
    pub name: &'static str,
    /// One-letter form.
    pub short: Option<char>,
    pub kind: Kind,
    /// As the help shows it, parsed like a given value.
    pub default: &'static str,
    pub usage: &'static str,
}

/// Type of a flag's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Uint,
    String,
    Duration,
    /// Comma-separated; repeating the flag appends, the first time replacing the default.
    Strings,
}

impl Kind {
    /// The word the help puts after the flag.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Bool => "",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::String => "string",
            Kind::Duration => "duration",
            Kind::Strings => "strings",
        }
    }
}

impl Flag {
    pub const fn new(name: &'static str, kind: Kind, default: &'static str, usage: &'static str) -> Flag {
        Flag { name, short: None, kind, default, usage }
    }

    pub const fn bool(name: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::Bool, "false", usage)
    }

    pub const fn int(name: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::Int, "0", usage)
    }

    pub const fn string(name: &'static str, default: &'static str, usage: &'static str) -> Flag {
        Flag::new(name, Kind::String, default, usage)
    }

    /// With a one-letter form.
    pub const fn short(self, short: char) -> Flag {
        Flag { short: Some(short), ..self }
    }

    /// The value `--name` without `=` stands for, if it needs no argument.
    #[must_use]
    pub fn bare_value(&self) -> Option<&'static str> {
        (self.kind == Kind::Bool).then_some("true")
    }

    /// Whether the default is the type's zero, which the help does not mention.
    #[must_use]
    pub fn default_is_zero(&self) -> bool {
        match self.kind {
            Kind::Bool => self.default == "false",
            Kind::Int | Kind::Uint => self.default == "0",
            Kind::String | Kind::Strings => self.default.is_empty(),
            Kind::Duration => matches!(self.default, "0" | "0s"),
        }
    }
}

/// A parsed value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(String),
    /// Nanoseconds.
    Duration(i64),
    Strings(Vec<String>),
}

fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    Ok(match kind {
        Kind::Bool => Value::Bool(number::parse_bool(text).map_err(|error| error.to_string())?),
        Kind::Int => Value::Int(number::parse_int(text, 0).map_err(|error| error.to_string())?),
        Kind::Uint => Value::Uint(number::parse_uint(text, 0).map_err(|error| error.to_string())?),
        Kind::String => Value::String(text.to_owned()),
        Kind::Duration => Value::Duration(duration::parse(text)?),
        Kind::Strings => Value::Strings(csv::fields(text)?),
    })
}

/// The flags visible to one command, with their values.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    entries: BTreeMap<&'static str, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    flag: &'static Flag,
    value: Value,
    changed: bool,
}

impl Flags {
    /// All at their defaults.
    #[must_use]
    pub fn new(visible: impl IntoIterator<Item = &'static Flag>) -> Flags {
        let mut entries = BTreeMap::new();
        for flag in visible {
            let value = parse(flag.kind, flag.default)
                .unwrap_or_else(|error| unreachable!("default of --{}: {error}", flag.name));
            entries.insert(flag.name, Entry { flag, value, changed: false });
        }
        Flags { entries }
    }

    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<&'static Flag> {
        self.entries.get(name).map(|entry| entry.flag)
    }

    #[must_use]
    pub fn lookup_short(&self, short: char) -> Option<&'static Flag> {
        self.entries.values().map(|entry| entry.flag).find(|flag| flag.short == Some(short))
    }

    /// Sets a flag of this set.
    ///
    /// # Errors
    /// Why the text is no value of its type, in Go's words.
    pub fn set(&mut self, flag: &'static Flag, text: &str) -> Result<(), String> {
        let value = parse(flag.kind, text)?;
        let entry = self.entry_mut(flag.name);
        match (&mut entry.value, value) {
            (Value::Strings(list), Value::Strings(more)) if entry.changed => list.extend(more),
            (slot, value) => *slot = value,
        }
        entry.changed = true;
        Ok(())
    }

    /// Whether the flag was set.
    #[must_use]
    pub fn changed(&self, name: &str) -> bool {
        self.entry(name).changed
    }

    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.entry(name).value, Value::Bool(true))
    }

    #[must_use]
    pub fn int(&self, name: &str) -> i64 {
        match self.entry(name).value {
            Value::Int(value) => value,
            _ => unreachable!("--{name} is no int"),
        }
    }

    #[must_use]
    pub fn uint(&self, name: &str) -> u64 {
        match self.entry(name).value {
            Value::Uint(value) => value,
            _ => unreachable!("--{name} is no uint"),
        }
    }

    #[must_use]
    pub fn string(&self, name: &str) -> &str {
        match &self.entry(name).value {
            Value::String(value) => value,
            _ => unreachable!("--{name} is no string"),
        }
    }

    /// Nanoseconds.
    #[must_use]
    pub fn duration(&self, name: &str) -> i64 {
        match self.entry(name).value {
            Value::Duration(value) => value,
            _ => unreachable!("--{name} is no duration"),
        }
    }

    #[must_use]
    pub fn strings(&self, name: &str) -> &[String] {
        match &self.entry(name).value {
            Value::Strings(value) => value,
            _ => unreachable!("--{name} is no list"),
        }
    }

    /// A value as Go prints it.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        match &self.entry(name).value {
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Uint(value) => value.to_string(),
            Value::String(value) => value.clone(),
            Value::Duration(value) => duration::format(*value),
            Value::Strings(value) => format!("[{}]", value.join(",")),
        }
    }

    fn entry(&self, name: &str) -> &Entry {
        self.entries.get(name).unwrap_or_else(|| unreachable!("--{name} is not in the table"))
    }

    fn entry_mut(&mut self, name: &str) -> &mut Entry {
        self.entries.get_mut(name).unwrap_or_else(|| unreachable!("--{name} is not in the table"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static LIST: Flag = Flag::new("list", Kind::Strings, "x", "");

    #[test]
    fn a_list_drops_its_default_and_then_grows() {
        let mut flags = Flags::new([&LIST]);
        assert_eq!(flags.text("list"), "[x]");
        flags.set(&LIST, "a,b").unwrap();
        flags.set(&LIST, "c").unwrap();
        assert_eq!(flags.strings("list"), ["a", "b", "c"]);
        assert!(flags.changed("list"));
    }
}
