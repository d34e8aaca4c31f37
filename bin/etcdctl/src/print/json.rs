//! JSON as Go's `encoding/json` writes it: one line, members in the order of the fields, zero values left out.

use proto::etcdserverpb::ResponseHeader;
use proto::mvccpb::KeyValue;

/// An object being written.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub fn write(out: &'a mut Vec<u8>, fill: impl FnOnce(&mut Object)) {
        out.push(b'{');
        fill(&mut Object { out, empty: true });
        out.push(b'}');
    }

    /// A number or boolean, always.
    pub fn always<T: std::fmt::Display>(&mut self, name: &str, value: T) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(value.to_string().as_bytes());
        self
    }

    /// A number or boolean, unless it is zero or false.
    pub fn some<T: std::fmt::Display + Default + PartialEq>(&mut self, name: &str, value: T) -> &mut Self {
        if value != T::default() {
            self.always(name, value);
        }
        self
    }

    /// A string, always.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        string(self.out, value);
        self
    }

    /// A string, unless it is empty.
    pub fn some_text(&mut self, name: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.text(name, value);
        }
        self
    }

    /// Bytes in base 64, unless there are none.
    pub fn some_bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        if !value.is_empty() {
            self.name(name);
            base64(self.out, value);
        }
        self
    }

    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object)) -> &mut Self {
        self.name(name);
        Object::write(self.out, fill);
        self
    }

    /// An object, if there is one.
    pub fn some_object<T>(
        &mut self,
        name: &str,
        value: Option<&T>,
        fill: impl FnOnce(&T, &mut Object),
    ) -> &mut Self {
        if let Some(value) = value {
            self.object(name, |object| fill(value, object));
        }
        self
    }

    /// A list, `null` when it is empty: Go's nil slice.
    pub fn list<T>(&mut self, name: &str, items: &[T], each: impl Fn(&T, &mut Vec<u8>)) -> &mut Self {
        self.name(name);
        if items.is_empty() {
            self.out.extend_from_slice(b"null");
        } else {
            array(self.out, items, each);
        }
        self
    }

    /// A list, unless it is empty.
    pub fn some_list<T>(&mut self, name: &str, items: &[T], each: impl Fn(&T, &mut Vec<u8>)) -> &mut Self {
        if !items.is_empty() {
            self.list(name, items, each);
        }
        self
    }

    /// A list of objects, always a list.
    pub fn array<T>(&mut self, name: &str, items: &[T], fill: impl Fn(&T, &mut Object)) -> &mut Self {
        self.name(name);
        array(self.out, items, |item, out| Object::write(out, |object| fill(item, object)));
        self
    }

    /// A list of objects, unless it is empty.
    pub fn some_objects<T>(&mut self, name: &str, items: &[T], fill: impl Fn(&T, &mut Object)) -> &mut Self {
        self.some_list(name, items, |item, out| Object::write(out, |object| fill(item, object)))
    }

    /// `"header":{…}`, if there is one.
    pub fn header(&mut self, header: Option<&ResponseHeader>) -> &mut Self {
        self.some_object("header", header, header_members)
    }

    fn name(&mut self, name: &str) {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        string(self.out, name);
        self.out.push(b':');
    }
}

pub fn header_members(header: &ResponseHeader, object: &mut Object) {
    object
        .some("cluster_id", header.cluster_id)
        .some("member_id", header.member_id)
        .some("revision", header.revision)
        .some("raft_term", header.raft_term);
}

pub fn kv_members(kv: &KeyValue, object: &mut Object) {
    object
        .some_bytes("key", &kv.key)
        .some("create_revision", kv.create_revision)
        .some("mod_revision", kv.mod_revision)
        .some("version", kv.version)
        .some_bytes("value", &kv.value)
        .some("lease", kv.lease);
}

pub fn array<T>(out: &mut Vec<u8>, items: &[T], each: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(item, out);
    }
    out.push(b']');
}

/// A string literal; what could end or confuse an HTML script is escaped.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\x08' => out.extend_from_slice(b"\\b"),
            '\x0c' => out.extend_from_slice(b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..' ' => {
                out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// A string literal of standard base 64 with padding.
pub fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out.push(b'"');
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0u32, |group, at| group << 8 | chunk.get(at).copied().map_or(0, u32::from));
        for at in 0..4 {
            if at <= chunk.len() {
                out.push(LETTERS[(group >> (18 - 6 * at) & 63) as usize]);
            } else {
                out.push(b'=');
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fill: impl FnOnce(&mut Object), text: &str) {
        let mut out = Vec::new();
        Object::write(&mut out, fill);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn zero_values_are_left_out() {
        check(
            |object| {
                object.some("a", 0u64).some("b", true).some_text("c", "").some_bytes("d", b"").always("e", 0);
            },
            r#"{"b":true,"e":0}"#,
        );
        check(|object| _ = object.list("l", &[] as &[u8], |_, _| ()), r#"{"l":null}"#);
        check(
            |object| _ = object.some_objects("l", &[1, 2], |n, o| _ = o.always("n", n)),
            r#"{"l":[{"n":1},{"n":2}]}"#,
        );
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        check(
            |object| _ = object.text("s", "<a&b>\u{2028}\"\\\n\x08\x01\x7f\u{e9}"),
            "{\"s\":\"\\u003ca\\u0026b\\u003e\\u2028\\\"\\\\\\n\\b\\u0001\x7f\u{e9}\"}",
        );
    }

    #[test]
    fn base64_of_every_remainder() {
        for (bytes, text) in
            [(&b"foo"[..], "\"Zm9v\""), (b"fo", "\"Zm8=\""), (b"f", "\"Zg==\""), (b"", "\"\"")]
        {
            let mut out = Vec::new();
            base64(&mut out, bytes);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
