//! Numbers: Go's base-prefixed integers and booleans on the way in, its shortest floats on the way out.

use super::quote;

/// Decimal exponent from which Go's `g` form is written with an exponent.
const FLOAT_EXPONENT_MIN: i32 = 6;

/// Why a number was not taken. Go's flag package prints only the first half of what its number parser knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    Syntax,
    Range,
}

impl NumberError {
    /// As Go's flag package says it.
    pub fn flag_text(self) -> &'static str {
        match self {
            NumberError::Syntax => "parse error",
            NumberError::Range => "value out of range",
        }
    }
    /// As Go's number parser says it; `function` is `ParseUint` and the like.
    pub fn parser_text(self, function: &str, text: &str) -> String {
        let reason = match self {
            NumberError::Syntax => "invalid syntax",
            NumberError::Range => "value out of range",
        };
        format!("strconv.{function}: parsing {}: {reason}", quote(text))
    }
}

/// Booleans as flags and environment variables spell them.
pub fn parse_bool(text: &str) -> Result<bool, NumberError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(NumberError::Syntax),
    }
}

/// Unsigned with an optional `0x`, `0o`, `0b` or `0` prefix and underscores between digits, up to `max`.
pub fn parse_uint(text: &str, max: u64) -> Result<u64, NumberError> {
    let lower = text.to_ascii_lowercase();
    let (base, digits, prefixed) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..], true),
        [b'0', b'o', ..] => (8, &lower[2..], true),
        [b'0', b'b', ..] => (2, &lower[2..], true),
        [b'0', _, ..] => (8, &lower[1..], true),
        _ => (10, &lower[..], false),
    };
    if digits.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut value: u64 = 0;
    for c in digits.chars().filter(|c| *c != '_') {
        let digit = u64::from(c.to_digit(base).ok_or(NumberError::Syntax)?);
        let next = value.checked_mul(u64::from(base)).and_then(|v| v.checked_add(digit));
        // As in Go, the first digit that overflows decides: what stands behind it is not looked at.
        value = next.filter(|next| *next <= max).ok_or(NumberError::Range)?;
    }
    let misplaced = digits.ends_with('_') || digits.contains("__") || (!prefixed && digits.starts_with('_'));
    if misplaced { Err(NumberError::Syntax) } else { Ok(value) }
}

/// Signed, with the same prefixes.
pub fn parse_int(text: &str) -> Result<i64, NumberError> {
    let (negative, magnitude) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let value = parse_uint(magnitude, u64::MAX)?;
    if negative {
        0i64.checked_sub_unsigned(value).ok_or(NumberError::Range)
    } else {
        i64::try_from(value).map_err(|_| NumberError::Range)
    }
}

/// The shortest text that reads back as `value`, in Go's `g` form: `0.001`, `524288`, `1.048576e+06`, `6.715e-05`,
/// `+Inf`, `NaN`.
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_string();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').expect("the e form has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is an integer");
    if !(-4..FLOAT_EXPONENT_MIN).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use super::{NumberError::*, *};

    #[test]
    fn integers_take_go_prefixes() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("100", Ok(100)),
            ("0x1F", Ok(31)),
            ("0o17", Ok(15)),
            ("017", Ok(15)),
            ("0b101", Ok(5)),
            ("1_000", Ok(1000)),
            ("0x_1f", Ok(31)),
            ("", Err(Syntax)),
            ("-1", Err(Syntax)),
            ("08", Err(Syntax)),
            ("0x", Err(Syntax)),
            ("_1", Err(Syntax)),
            ("1_", Err(Syntax)),
            ("1__0", Err(Syntax)),
            ("1 ", Err(Syntax)),
            ("18446744073709551616", Err(Range)),
            ("99999999999999999999x", Err(Range)),
        ] {
            assert_eq!(parse_uint(text, u64::MAX), expected, "{text}");
        }
        assert_eq!(parse_uint("4294967296", u64::from(u32::MAX)), Err(Range));
        assert_eq!(parse_int("-0x10"), Ok(-16));
        assert_eq!(parse_int("+7"), Ok(7));
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_int("9223372036854775808"), Err(Range));
        assert_eq!(parse_int("-9223372036854775809"), Err(Range));
        assert_eq!(parse_int("-"), Err(Syntax));
        assert_eq!(
            Syntax.parser_text("ParseUint", "-1"),
            "strconv.ParseUint: parsing \"-1\": invalid syntax"
        );
    }

    /// The values are those of a scrape of etcd 3.7.1 or of Go's own formatter.
    #[test]
    fn floats_print_as_go_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (0.001, "0.001"),
            (8.192, "8.192"),
            (0.0001, "0.0001"),
            (6.715e-05, "6.715e-05"),
            (524288.0, "524288"),
            (999999.0, "999999"),
            (1048576.0, "1.048576e+06"),
            (2147483648.0, "2.147483648e+09"),
            (1.8446744073709552e19, "1.8446744073709552e+19"),
            (1e100, "1e+100"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float_text(value), text);
        }
    }

    #[test]
    fn booleans_are_go_booleans() {
        assert_eq!(parse_bool("T"), Ok(true));
        assert_eq!(parse_bool("False"), Ok(false));
        assert_eq!(parse_bool("yes"), Err(Syntax));
        assert_eq!(parse_bool(""), Err(Syntax));
    }
}
