//! Durations as Go writes them: `1h30m0s`, `1.5s`, `100ms`, `0s`. Signed 64-bit nanoseconds, so about 292 years
//! either way.

use super::quote;
use std::{fmt, time::Duration};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A signed count of nanoseconds that displays in Go's notation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub i64);

impl GoDuration {
    pub const fn from_secs(seconds: i64) -> GoDuration {
        GoDuration(seconds * NANOS_PER_SECOND as i64)
    }
    pub const fn from_millis(milliseconds: i64) -> GoDuration {
        GoDuration(milliseconds * 1_000_000)
    }
    /// Negative durations become zero.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<Duration> for GoDuration {
    /// Durations beyond 292 years saturate.
    fn from(duration: Duration) -> GoDuration {
        GoDuration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if nanos < NANOS_PER_SECOND {
            let (unit, suffix) = match nanos {
                0..=999 => (1, "ns"),
                1_000..=999_999 => (1_000, "µs"),
                _ => (1_000_000, "ms"),
            };
            write!(f, "{}", nanos / unit)?;
            write_fraction(f, nanos % unit, unit)?;
            return f.write_str(suffix);
        }
        let seconds = nanos / NANOS_PER_SECOND;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if seconds >= 60 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}", seconds % 60)?;
        write_fraction(f, nanos % NANOS_PER_SECOND, NANOS_PER_SECOND)?;
        f.write_str("s")
    }
}

/// `.` and the digits of `rest / unit` without trailing zeros; nothing if `rest` is zero. `unit` is a power of ten.
fn write_fraction(f: &mut fmt::Formatter<'_>, mut rest: u64, unit: u64) -> fmt::Result {
    if rest == 0 {
        return Ok(());
    }
    let mut width = unit.ilog10() as usize;
    while rest.is_multiple_of(10) {
        rest /= 10;
        width -= 1;
    }
    write!(f, ".{rest:0width$}")
}

/// Parses `300ms`, `-1.5h`, `2h45m`, `0`. The error is Go's: `time: invalid duration "x"`,
/// `time: missing unit in duration "5"`, `time: unknown unit "d" in duration "1d"`.
pub fn parse_duration(text: &str) -> Result<GoDuration, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(GoDuration(0));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanos, after) = parse_term(text, rest)?;
        total = total.checked_add(nanos).filter(|sum| *sum <= 1 << 63).ok_or_else(invalid)?;
        rest = after;
    }
    match (negative, i64::try_from(total)) {
        (true, Ok(nanos)) => Ok(GoDuration(-nanos)),
        (true, Err(_)) => Ok(GoDuration(i64::MIN)),
        (false, Ok(nanos)) => Ok(GoDuration(nanos)),
        (false, Err(_)) => Err(invalid()),
    }
}

/// One number with its unit off the front of `rest`; gives its nanoseconds and what follows.
fn parse_term<'a>(text: &str, rest: &'a str) -> Result<(u64, &'a str), String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let whole_len = digits(rest);
    let (whole, mut after) = rest.split_at(whole_len);
    let mut fraction = "";
    if let Some(tail) = after.strip_prefix('.') {
        (fraction, after) = tail.split_at(digits(tail));
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(invalid());
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
    let unit_len = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
    if unit_len == 0 {
        return Err(format!("time: missing unit in duration {}", quote(text)));
    }
    let (unit_text, after) = after.split_at(unit_len);
    let unit: u64 = match unit_text {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3600 * NANOS_PER_SECOND,
        _ => return Err(format!("time: unknown unit {} in duration {}", quote(unit_text), quote(text))),
    };
    let whole = whole.checked_mul(unit).filter(|n| *n <= 1 << 63).ok_or_else(invalid)?;
    Ok((whole + fraction_nanos(fraction, unit), after))
}

/// `unit` times the decimal fraction `.digits`, rounded down; digits beyond what 63 bits hold are ignored.
fn fraction_nanos(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0u64, 1f64);
    for digit in digits.bytes() {
        match value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))) {
            Some(next) if next < 1 << 63 => (value, scale) = (next, scale * 10.0),
            _ => break,
        }
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1µs"),
            (999_999, "999.999µs"),
            (2_200_000, "2.2ms"),
            (49_654_504, "49.654504ms"),
            (100_000_000, "100ms"),
            (1_000_000_000, "1s"),
            (3_300_000_000, "3.3s"),
            (60_000_000_000, "1m0s"),
            (245_000_000_000, "4m5s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (7_200_000_000_000, "2h0m0s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(GoDuration(nanos).to_string(), text);
        }
    }

    #[test]
    fn durations_parse_as_go_parses_them() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("300ms", 300_000_000),
            ("1h30m", 5_400_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("-1.5h", -5_400_000_000_000),
            ("+5us", 5_000),
            ("5µs", 5_000),
            ("1m0.000000001s", 60_000_000_001),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
        ] {
            assert_eq!(parse_duration(text), Ok(GoDuration(nanos)), "{text}");
        }
        for (text, error) in [
            ("", "time: invalid duration \"\""),
            ("-", "time: invalid duration \"-\""),
            ("x", "time: invalid duration \"x\""),
            ("5", "time: missing unit in duration \"5\""),
            ("1h5", "time: missing unit in duration \"1h5\""),
            ("1d", "time: unknown unit \"d\" in duration \"1d\""),
            (".s", "time: invalid duration \".s\""),
            ("9223372036854775808ns", "time: invalid duration \"9223372036854775808ns\""),
            ("2562048h", "time: invalid duration \"2562048h\""),
            ("99999999999999999999s", "time: invalid duration \"99999999999999999999s\""),
        ] {
            assert_eq!(parse_duration(text), Err(error.to_string()), "{text}");
        }
    }
}
