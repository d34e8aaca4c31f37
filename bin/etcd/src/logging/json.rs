//! The JSON form of a line, and of the fields in the console form, byte for byte as zap encodes them: no HTML
//! escapes, `\u0008` rather than `\b`, floats that are not numbers as text.

use super::Line;
use log::kv::{self, Key, Value, VisitSource, VisitValue};
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use std::io::{self, Write};

/// Appends the line and its newline.
pub fn encode(line: &Line<'_>, timestamp: &str, out: &mut Vec<u8>) {
    let mut object = Object::new(out, false);
    object.text("level", line.level.as_str());
    object.text("ts", timestamp);
    if let Some(logger) = line.logger {
        object.text("logger", logger);
    }
    object.text("caller", &line.caller);
    object.text("msg", &line.message);
    object.fields(line.fields);
    if let Some(stack) = &line.stack {
        object.text("stacktrace", stack);
    }
    object.close();
    out.push(b'\n');
}

/// An object under construction.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// A blank after colons and commas (the console form).
    spaced: bool,
    empty: bool,
}

impl<'a> Object<'a> {
    pub fn new(out: &'a mut Vec<u8>, spaced: bool) -> Object<'a> {
        out.push(b'{');
        Object { out, spaced, empty: true }
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_text(self.out, value);
    }

    pub fn fields(&mut self, fields: &dyn kv::Source) {
        // Visiting only writes to memory, which does not fail.
        _ = fields.visit(self);
    }

    pub fn close(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.extend_from_slice(if self.spaced { b", " } else { b"," });
        }
        self.empty = false;
        write_text(self.out, key);
        self.out.extend_from_slice(if self.spaced { b": " } else { b":" });
    }

    fn bare(&mut self, value: impl std::fmt::Display) -> Result<(), kv::Error> {
        Ok(write!(self.out, "{value}")?)
    }
}

impl<'kvs> VisitSource<'kvs> for Object<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        self.key(key.as_str());
        value.visit(self)
    }
}

impl<'v> VisitValue<'v> for Object<'_> {
    /// Lists, structures, and what is only known by its `Display` or `Debug` form (which becomes text).
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
        let mut serializer = Serializer::with_formatter(&mut *self.out, Zap { spaced: self.spaced });
        value.serialize(&mut serializer).map_err(kv::Error::boxed)
    }
    fn visit_null(&mut self) -> Result<(), kv::Error> {
        self.bare("null")
    }
    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.bare(value)
    }
    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.bare(value)
    }
    fn visit_u128(&mut self, value: u128) -> Result<(), kv::Error> {
        self.bare(value)
    }
    fn visit_i128(&mut self, value: i128) -> Result<(), kv::Error> {
        self.bare(value)
    }
    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        match value {
            _ if value.is_nan() => write_text(self.out, "NaN"),
            f64::INFINITY => write_text(self.out, "+Inf"),
            f64::NEG_INFINITY => write_text(self.out, "-Inf"),
            _ => return self.bare(value),
        }
        Ok(())
    }
    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.bare(value)
    }
    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        write_text(self.out, value);
        Ok(())
    }
    fn visit_error(&mut self, error: &(dyn std::error::Error + 'static)) -> Result<(), kv::Error> {
        write_text(self.out, &error.to_string());
        Ok(())
    }
}

/// Appends `text` in quotes. What JSON must not hold bare is escaped, nothing else.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f => write_control(out, byte).expect("a Vec takes every write"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn write_control(out: &mut (impl Write + ?Sized), byte: u8) -> io::Result<()> {
    write!(out, "\\u{byte:04x}")
}

/// serde_json's writer, with zap's escapes and, in the console form, its blanks.
struct Zap {
    spaced: bool,
}

impl Zap {
    fn separate<W: Write + ?Sized>(&self, writer: &mut W, first: bool) -> io::Result<()> {
        match (first, self.spaced) {
            (true, _) => Ok(()),
            (false, true) => writer.write_all(b", "),
            (false, false) => writer.write_all(b","),
        }
    }
}

impl Formatter for Zap {
    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first)
    }
    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.separate(writer, first)
    }
    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(if self.spaced { b": " } else { b":" })
    }
    fn write_char_escape<W: Write + ?Sized>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        match escape {
            CharEscape::Quote => writer.write_all(b"\\\""),
            CharEscape::ReverseSolidus => writer.write_all(b"\\\\"),
            CharEscape::Solidus => writer.write_all(b"/"),
            CharEscape::LineFeed => writer.write_all(b"\\n"),
            CharEscape::CarriageReturn => writer.write_all(b"\\r"),
            CharEscape::Tab => writer.write_all(b"\\t"),
            CharEscape::Backspace => write_control(writer, 0x08),
            CharEscape::FormFeed => write_control(writer, 0x0c),
            CharEscape::AsciiControl(byte) => write_control(writer, byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::notation::GoDuration;

    #[derive(Serialize)]
    struct Progress {
        matched: u64,
        names: Vec<&'static str>,
    }

    fn fields_of(record: &log::Record<'_>, spaced: bool) -> String {
        let mut out = Vec::new();
        let mut object = Object::new(&mut out, spaced);
        object.fields(record.key_values());
        object.close();
        String::from_utf8(out).expect("text stays text")
    }

    #[test]
    fn fields_keep_their_order_and_their_types() {
        let failure = io::Error::other("a \"bad\" <disk> & more\n");
        let progress = Progress { matched: 7, names: vec!["a", "b\u{8}"] };
        let list = ["http://127.0.0.1:2380", "x\ty"];
        let took = GoDuration(1_500_000_000);
        let pairs: [(&str, Value<'_>); 9] = [
            ("text", Value::from("é\u{2028}\u{8}\\\u{7f}")),
            ("count", Value::from(18_446_744_073_709_551_615u64)),
            ("debt", Value::from(-3i64)),
            ("on", Value::from(true)),
            ("rate", Value::from(0.25)),
            ("took", Value::from_display(&took)),
            ("urls", Value::from_serde(&list)),
            ("progress", Value::from_serde(&progress)),
            ("error", Value::from_dyn_error(&failure)),
        ];
        let record = log::Record::builder().key_values(&pairs).build();
        assert_eq!(
            fields_of(&record, false),
            r#"{"text":"é"#.to_string()
                + "\u{2028}"
                + r#"\u0008\\"#
                + "\u{7f}"
                + r#"","count":18446744073709551615,"debt":-3,"on":true,"rate":0.25,"took":"1.5s","#
                + r#""urls":["http://127.0.0.1:2380","x\ty"],"progress":{"matched":7,"names":["a","b\u0008"]},"#
                + r#""error":"a \"bad\" <disk> & more\n"}"#
        );
        let lists = &pairs[6..8];
        let record = log::Record::builder().key_values(&lists).build();
        assert_eq!(
            fields_of(&record, true),
            r#"{"urls": ["http://127.0.0.1:2380", "x\ty"], "progress": {"matched": 7, "names": ["a", "b\u0008"]}}"#
        );
    }

    #[test]
    fn the_keys_of_a_line_come_in_etcds_order() {
        let line = |level, logger, stack: Option<&str>| {
            let fields: [(&str, Value<'_>); 1] = [("to", Value::from(1))];
            let line = Line {
                level,
                logger,
                caller: "src/server.rs:9".to_string(),
                message: "sent".to_string(),
                fields: &fields,
                stack: stack.map(ToString::to_string),
            };
            let mut out = Vec::new();
            encode(&line, "2026-01-02T03:04:05.678901Z", &mut out);
            String::from_utf8(out).expect("text stays text")
        };
        assert_eq!(
            line(Level::Info, Some("raft"), None),
            "{\"level\":\"info\",\"ts\":\"2026-01-02T03:04:05.678901Z\",\"logger\":\"raft\",\
             \"caller\":\"src/server.rs:9\",\"msg\":\"sent\",\"to\":1}\n"
        );
        assert_eq!(
            line(Level::Fatal, None, Some("etcd::server\n\tsrc/server.rs:9")),
            "{\"level\":\"fatal\",\"ts\":\"2026-01-02T03:04:05.678901Z\",\"caller\":\"src/server.rs:9\",\
             \"msg\":\"sent\",\"to\":1,\"stacktrace\":\"etcd::server\\n\\tsrc/server.rs:9\"}\n"
        );
    }
}
