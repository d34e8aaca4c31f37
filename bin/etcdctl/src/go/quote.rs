//! `strconv.Quote` (`%q`) and `strconv.Unquote`.

/// The string as a Go literal: printable characters stand for themselves, bytes that are not UTF-8 become `\x..`.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_char(&mut out, c);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

fn push_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if is_print(c) => out.push(c),
        c if (c as u32) < 0x20 || c == '\x7f' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_print(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c if c.is_ascii() => false,
        // The escape for debug output uses the same classes, but also escapes a combining mark unless something
        // stands before it.
        c => !format!("a{c}").escape_debug().skip(1).eq(c.escape_unicode()),
    }
}

/// The bytes of a Go string literal, `"…"` with escapes or `` `…` `` without.
#[must_use]
pub fn unquote(literal: &[u8]) -> Option<Vec<u8>> {
    let (first, rest) = literal.split_first()?;
    let (last, inner) = rest.split_last()?;
    if first != last {
        return None;
    }
    match first {
        b'`' if !inner.contains(&b'`') => Some(inner.iter().copied().filter(|b| *b != b'\r').collect()),
        b'"' => unescape(inner),
        _ => None,
    }
}

fn unescape(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((first, rest)) = text.split_first() {
        text = rest;
        match first {
            b'"' | b'\n' => return None,
            b'\\' => text = escape(text, &mut out)?,
            other => out.push(*other),
        }
    }
    Some(out)
}

/// Reads what follows a backslash and returns what follows that.
fn escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (kind, rest) = text.split_first()?;
    let simple = match kind {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        b'\\' => b'\\',
        b'"' => b'"',
        b'x' => return number(rest, 2, 16, out),
        b'u' => return number(rest, 4, 16, out),
        b'U' => return number(rest, 8, 16, out),
        b'0'..=b'7' => return number(text, 3, 8, out),
        _ => return None,
    };
    out.push(simple);
    Some(rest)
}

fn number<'a>(text: &'a [u8], digits: usize, base: u32, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (number, rest) = text.split_at_checked(digits)?;
    if !number.iter().all(|b| char::from(*b).is_digit(base)) {
        return None;
    }
    let value = u32::from_str_radix(std::str::from_utf8(number).ok()?, base).ok()?;
    if digits < 4 {
        out.push(u8::try_from(value).ok()?);
    } else {
        let c = char::from_u32(value)?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted() {
        for (bytes, text) in [
            (&b"foo"[..], r#""foo""#),
            (b"a\"b\\c\n\0\x7f", r#""a\"b\\c\n\x00\x7f""#),
            (b"\xff\xc3", r#""\xff\xc3""#),
            ("\u{e9}\u{4e16}\u{301}\u{1f600}".as_bytes(), "\"\u{e9}\u{4e16}\u{301}\u{1f600}\""),
            ("\u{a0}\u{200b}\u{feff}".as_bytes(), r#""\u00a0\u200b\ufeff""#),
            ("\u{e0001}\u{85}".as_bytes(), r#""\U000e0001\u0085""#),
            ("\u{fffd}'".as_bytes(), "\"\u{fffd}'\""),
        ] {
            assert_eq!(quote(bytes), text);
            assert_eq!(unquote(text.as_bytes()).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn unquoted() {
        assert_eq!(unquote(br#""\101\x41\u0041\U00000041""#).as_deref(), Some(&b"AAAA"[..]));
        assert_eq!(unquote(b"`a\\n`").as_deref(), Some(&b"a\\n"[..]));
        for bad in
            [&br#""\q""#[..], br#""\400""#, br#""\'""#, br#""a"b""#, br#"""#, b"", b"'a'", br#""\ud800""#]
        {
            assert_eq!(unquote(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
