//! `strconv.ParseInt`, `ParseUint` and `ParseBool`, with their error texts.

use std::fmt;

/// Why a number was refused: the function that did, the text, the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberError {
    function: &'static str,
    text: String,
    reason: &'static str,
}

const SYNTAX: &str = "invalid syntax";
const RANGE: &str = "value out of range";

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = super::quote::quote(self.text.as_bytes());
        write!(f, "strconv.{}: parsing {}: {}", self.function, text, self.reason)
    }
}

/// A signed 64-bit number. Base 0 takes the base from the prefix (`0x`, `0o`, `0`, `0b`) and allows `_`.
///
/// # Errors
/// Syntax and range, as Go words them.
pub fn parse_int(text: &str, base: u32) -> Result<i64, NumberError> {
    let fail = |reason| NumberError { function: "ParseInt", text: text.to_owned(), reason };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = magnitude(digits, base).map_err(fail)?;
    if negative {
        return 0i64.checked_sub_unsigned(magnitude).ok_or_else(|| fail(RANGE));
    }
    i64::try_from(magnitude).map_err(|_| fail(RANGE))
}

/// An unsigned 64-bit number, without a sign.
///
/// # Errors
/// As [`parse_int`].
pub fn parse_uint(text: &str, base: u32) -> Result<u64, NumberError> {
    magnitude(text, base).map_err(|reason| NumberError {
        function: "ParseUint",
        text: text.to_owned(),
        reason,
    })
}

/// # Errors
/// Anything but `1 t T TRUE true True` and their opposites.
pub fn parse_bool(text: &str) -> Result<bool, NumberError> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(NumberError { function: "ParseBool", text: text.to_owned(), reason: SYNTAX }),
    }
}

fn magnitude(text: &str, base: u32) -> Result<u64, &'static str> {
    let (base, digits, underscores) = if base == 0 {
        let (base, digits) = prefixed(text);
        (base, digits.to_owned(), text.contains('_'))
    } else {
        (base, text.to_owned(), false)
    };
    let digits = if underscores { without_underscores(&digits)? } else { digits };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(SYNTAX);
    }
    u64::from_str_radix(&digits, base).map_err(|_| RANGE)
}

fn prefixed(text: &str) -> (u32, &str) {
    let bytes = text.as_bytes();
    if bytes.len() > 2 && bytes[0] == b'0' {
        match bytes[1] {
            b'x' | b'X' => return (16, &text[2..]),
            b'o' | b'O' => return (8, &text[2..]),
            b'b' | b'B' => return (2, &text[2..]),
            _ => {}
        }
    }
    if bytes.len() > 1 && bytes[0] == b'0' { (8, &text[1..]) } else { (10, text) }
}

/// Underscores may stand between digits, and between a base prefix and the first digit.
fn without_underscores(digits: &str) -> Result<String, &'static str> {
    if digits.ends_with('_') || digits.contains("__") {
        return Err(SYNTAX);
    }
    Ok(digits.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, base: u32, value: i64) {
        assert_eq!(parse_int(text, base), Ok(value), "{text}");
    }

    fn refused(text: &str, base: u32, error: &str) {
        assert_eq!(parse_int(text, base).unwrap_err().to_string(), error);
    }

    #[test]
    fn signed() {
        check("-9223372036854775808", 10, i64::MIN);
        check("+7", 10, 7);
        check("7FFFFFFFFFFFFFFF", 16, i64::MAX);
        check("0x1_F", 0, 31);
        check("010", 0, 8);
        check("0", 0, 0);
        check("1_000", 0, 1000);
        refused("zz", 16, "strconv.ParseInt: parsing \"zz\": invalid syntax");
        refused("", 10, "strconv.ParseInt: parsing \"\": invalid syntax");
        refused("1_0", 10, "strconv.ParseInt: parsing \"1_0\": invalid syntax");
        refused("1__0", 0, "strconv.ParseInt: parsing \"1__0\": invalid syntax");
        refused("8000000000000000", 16, "strconv.ParseInt: parsing \"8000000000000000\": value out of range");
    }

    #[test]
    fn unsigned_and_bool() {
        assert_eq!(parse_uint("ffffffffffffffff", 16), Ok(u64::MAX));
        assert_eq!(
            parse_uint("-1", 16).unwrap_err().to_string(),
            "strconv.ParseUint: parsing \"-1\": invalid syntax"
        );
        assert_eq!(parse_bool("T"), Ok(true));
        assert_eq!(
            parse_bool("yes").unwrap_err().to_string(),
            "strconv.ParseBool: parsing \"yes\": invalid syntax"
        );
    }
}
