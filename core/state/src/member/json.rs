//! JSON as Go's `encoding/json` writes and reads it: HTML characters escaped; keys matched without regard to case;
//! `null` for nothing; unknown keys ignored.

use serde_json::{Map, Value};
use std::fmt::Write;

/// Appends a quoted string.
pub(super) fn push_str(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", c as u32).expect("writing to a string cannot fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a list of strings; an empty one as `null`, as Go writes a slice that nobody set.
pub(super) fn push_strs(out: &mut String, texts: &[String]) {
    if texts.is_empty() {
        out.push_str("null");
        return;
    }
    for (i, text) in texts.iter().enumerate() {
        out.push(if i == 0 { '[' } else { ',' });
        push_str(out, text);
    }
    out.push(']');
}

/// An object's fields by name.
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn parse(bytes: &[u8]) -> Result<Object, String> {
        match serde_json::from_slice(bytes).map_err(|e| e.to_string())? {
            Value::Object(fields) => Ok(Object(fields)),
            Value::Null => Ok(Object(Map::new())),
            other => Err(format!("object expected, found {other}")),
        }
    }

    /// A field that is there and not null. The exact name is preferred to others that differ in case.
    fn field(&self, name: &str) -> Option<&Value> {
        self.0
            .get(name)
            .or_else(|| self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
            .filter(|value| !value.is_null())
    }

    pub(super) fn u64(&self, name: &str) -> Result<u64, String> {
        self.get(name, Value::as_u64).map(Option::unwrap_or_default)
    }

    pub(super) fn bool(&self, name: &str) -> Result<bool, String> {
        self.get(name, Value::as_bool).map(Option::unwrap_or_default)
    }

    pub(super) fn string(&self, name: &str) -> Result<String, String> {
        self.get(name, |value| value.as_str().map(str::to_owned)).map(Option::unwrap_or_default)
    }

    pub(super) fn strings(&self, name: &str) -> Result<Vec<String>, String> {
        let list = |value: &Value| {
            let items = value.as_array()?;
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        self.get(name, list).map(Option::unwrap_or_default)
    }

    /// `None`: not there. `Err`: of another type.
    fn get<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, String> {
        self.field(name)
            .map(|value| read(value).ok_or_else(|| format!("field {name:?} is {value}")))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        let mut out = String::new();
        push_str(&mut out, "a\"\\\n\u{1}<&>\u{2028}é\u{7f}\u{8}");
        assert_eq!(out, "\"a\\\"\\\\\\n\\u0001\\u003c\\u0026\\u003e\\u2028é\u{7f}\\b\"");
    }

    #[test]
    fn fields_are_found_whatever_their_case() {
        let object =
            Object::parse(br#"{"ID":18446744073709551615,"peerurls":["a"],"x":null,"n":1}"#).unwrap();
        assert_eq!(object.u64("id"), Ok(u64::MAX));
        assert_eq!(object.strings("peerURLs"), Ok(vec!["a".to_owned()]));
        assert_eq!(object.string("x"), Ok(String::new()));
        assert_eq!(object.bool("missing"), Ok(false));
        assert!(object.string("n").is_err());
        assert!(Object::parse(b"[]").is_err());
    }
}
