//! The `grpc-timeout` header: at most eight digits and a unit (`H M S m u n`). It never starts a clock.

use std::time::Duration;

/// The error says why, in grpc-go's words.
pub(super) fn parse(text: &[u8]) -> Result<Duration, String> {
    let quoted = || super::status::quote(text);
    if text.len() < 2 {
        return Err(format!("transport: timeout string is too short: {}", quoted()));
    }
    if text.len() > 9 {
        return Err(format!("transport: timeout string is too long: {}", quoted()));
    }
    let (digits, unit) = text.split_at(text.len() - 1);
    let nanos: u64 = match unit[0] {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return Err(format!("transport: timeout unit is not recognized: {}", quoted())),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(format!("strconv.ParseUint: parsing {}: invalid syntax", super::status::quote(digits)));
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    Ok(Duration::from_nanos(count.saturating_mul(nanos).min(i64::MAX as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_errors() {
        for (text, expected) in [
            ("1n", "1ns"),
            ("5000000u", "5s"),
            ("20m", "20ms"),
            ("3S", "3s"),
            ("2M", "120s"),
            ("99999999H", "9223372036.854775807s"),
            ("0S", "0ns"),
            ("", "transport: timeout string is too short: \"\""),
            ("S", "transport: timeout string is too short: \"S\""),
            ("123456789S", "transport: timeout string is too long: \"123456789S\""),
            ("1s", "transport: timeout unit is not recognized: \"1s\""),
            ("-1S", "strconv.ParseUint: parsing \"-1\": invalid syntax"),
        ] {
            let got = match parse(text.as_bytes()) {
                Ok(timeout) => format!("{timeout:?}"),
                Err(error) => error,
            };
            assert_eq!(got, expected, "{text:?}");
        }
    }
}
