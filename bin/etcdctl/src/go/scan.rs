//! `fmt.Sscanf` with the verbs `%q` and `%s`, over one line.

use super::quote::unquote;

/// A place in the line being scanned.
#[derive(Debug, Clone, Copy)]
pub struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { rest: text }
    }

    /// `%q`: skips space, then reads a Go string literal.
    pub fn quoted(&mut self) -> Option<Vec<u8>> {
        self.skip_space();
        let quote = *self.rest.first()?;
        if quote != b'"' && quote != b'`' {
            return None;
        }
        let mut at = 1;
        loop {
            let byte = *self.rest.get(at)?;
            at += 1;
            if byte == b'\\' && quote == b'"' {
                at += 1;
            } else if byte == quote {
                break;
            }
        }
        let (literal, rest) = self.rest.split_at_checked(at)?;
        self.rest = rest;
        unquote(literal)
    }

    /// `%s`: skips space, then reads up to the next space.
    pub fn word(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let end = self.rest.iter().position(|b| is_space(*b)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// A character of the format itself.
    pub fn literal(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        (*first == byte).then(|| self.rest = rest)
    }

    /// A space of the format: one or more in the text.
    pub fn space(&mut self) -> Option<()> {
        let before = self.rest.len();
        self.skip_space();
        (before != self.rest.len() || before == 0).then_some(())
    }

    fn skip_space(&mut self) {
        let end = self.rest.iter().position(|b| !is_space(*b)).unwrap_or(self.rest.len());
        self.rest = &self.rest[end..];
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

/// The words of an interactive line: bare, `'literal'`, or `"Go literal"`; what fits none of them is skipped.
///
/// # Errors
/// A double-quoted word with a bad escape.
pub fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let mut words = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        let length = match rest[0] {
            b'"' => double_quoted(rest),
            b'\'' => rest[1..].iter().position(|b| *b == b'\'').map(|end| end + 2),
            first if is_line_space(first) => None,
            _ => Some(rest.iter().position(|b| is_line_space(*b)).unwrap_or(rest.len())),
        };
        let Some(length) = length else {
            at += 1;
            continue;
        };
        let word = &rest[..length];
        words.push(match word[0] {
            b'"' => unquote(word).ok_or("invalid syntax")?,
            b'\'' => word[1..length - 1].to_vec(),
            _ => word.to_vec(),
        });
        at += length;
    }
    Ok(words)
}

fn is_line_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// Length of the double-quoted word at the start, if it is closed.
fn double_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'\\' if text.get(at + 1).is_some_and(|b| *b != b'\n') => at += 2,
            b'\\' => return None,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&str]) {
        let words = words(line.as_bytes()).unwrap();
        let words: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        assert_eq!(words, expected, "{line}");
    }

    #[test]
    fn words_of_a_line() {
        check("put a b", &["put", "a", "b"]);
        check("put 'a b' \"c\\nd\"", &["put", "a b", "c\nd"]);
        check("a\"b c", &["a\"b", "c"]);
        check("'open", &["open"]);
        check("  ", &[]);
        check("\"\" ''", &["", ""]);
        assert_eq!(words(b"\"\\q\""), Err("invalid syntax"));
    }

    #[test]
    fn scanning_stops_where_the_format_does_not_match() {
        let mut scanner = Scanner::new(b"\"a\") > `b` c");
        assert_eq!(scanner.quoted().as_deref(), Some(&b"a"[..]));
        assert_eq!(scanner.literal(b')'), Some(()));
        assert_eq!(scanner.space(), Some(()));
        assert_eq!(scanner.word(), Some(&b">"[..]));
        assert_eq!(scanner.space(), Some(()));
        assert_eq!(scanner.quoted().as_deref(), Some(&b"b"[..]));
        let mut scanner = Scanner::new(b"\"a\" )");
        assert!(scanner.quoted().is_some());
        assert_eq!(scanner.literal(b')'), None);
        assert_eq!(Scanner::new(b"x").space(), None);
    }
}
