//! `time.ParseDuration` and `time.Duration.String`, in nanoseconds.

use super::quote::quote;

const UNITS: [(&str, f64, i64); 8] = [
    ("ns", 1.0, 1),
    ("us", 1e3, 1_000),
    ("\u{b5}s", 1e3, 1_000),
    ("\u{3bc}s", 1e3, 1_000),
    ("ms", 1e6, 1_000_000),
    ("s", 1e9, 1_000_000_000),
    ("m", 6e10, 60_000_000_000),
    ("h", 3.6e12, 3_600_000_000_000),
];

/// Nanoseconds of `1h2m3.5s` and the like.
///
/// # Errors
/// Go's texts, such as `time: invalid duration "x"`.
pub fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text.as_bytes()));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (number, after) = rest.split_at(number);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        let length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let Some((_, float, scale)) = UNITS.iter().find(|(name, _, _)| *name == unit) else {
            let text = quote(text.as_bytes());
            if unit.is_empty() {
                return Err(format!("time: missing unit in duration {text}"));
            }
            return Err(format!("time: unknown unit {} in duration {text}", quote(unit.as_bytes())));
        };
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let part = part(fraction, *float);
        total = whole
            .checked_mul(*scale)
            .and_then(|value| value.checked_add(part))
            .and_then(|value| value.checked_add(total))
            .ok_or_else(invalid)?;
        rest = after;
    }
    Ok(if negative { -total } else { total })
}

/// Nanoseconds of a decimal fraction of a unit.
#[allow(clippy::cast_possible_truncation)] // Below one unit, so far below 2^63.
fn part(fraction: &str, unit: f64) -> i64 {
    if fraction.is_empty() {
        return 0;
    }
    let value: f64 = format!("0.{fraction}").parse().unwrap_or(0.0);
    (value * unit) as i64
}

/// `1h2m3.5s`, `1.5ms`, `0s`: the largest unit below 1 s that leaves a whole part, else hours, minutes, seconds.
#[must_use]
pub fn format(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let value = nanos.unsigned_abs();
    let text = match value {
        0 => return "0s".to_owned(),
        1..=999 => return format!("{sign}{value}ns"),
        1_000..=999_999 => format!("{}\u{b5}s", decimal(value, 1_000)),
        1_000_000..=999_999_999 => format!("{}ms", decimal(value, 1_000_000)),
        _ => {
            let seconds = value / 1_000_000_000;
            let below = decimal(value % 60_000_000_000, 1_000_000_000);
            match (seconds / 3600, seconds / 60 % 60) {
                (0, 0) => format!("{below}s"),
                (0, minutes) => format!("{minutes}m{below}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{below}s"),
            }
        }
    };
    format!("{sign}{text}")
}

/// `value / unit` with as many decimals as it needs; `unit` is a power of ten.
fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    let fraction = format!("{rest:0width$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, nanos: i64) {
        assert_eq!(parse(text), Ok(nanos), "{text}");
    }

    fn refused(text: &str, error: &str) {
        assert_eq!(parse(text), Err(error.to_owned()));
    }

    #[test]
    fn parsed() {
        check("5s", 5_000_000_000);
        check("-1.5h", -5_400_000_000_000);
        check("1m0.25s", 60_250_000_000);
        check("0", 0);
        check(".5ms", 500_000);
        check("3\u{b5}s", 3_000);
        refused("x", "time: invalid duration \"x\"");
        refused("", "time: invalid duration \"\"");
        refused("3", "time: missing unit in duration \"3\"");
        refused("3q", "time: unknown unit \"q\" in duration \"3q\"");
        refused("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\"");
    }

    #[test]
    fn formatted() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (3_732_953, "3.732953ms"),
            (2_000_000_000, "2s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (-1_500_000_000, "-1.5s"),
        ] {
            assert_eq!(format(nanos), text);
        }
    }
}
