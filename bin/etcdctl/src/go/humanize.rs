//! Sizes in decimal units as `github.com/dustin/go-humanize` prints them: two digits, `20 kB`, `2.1 GB`.

const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// Bytes in the greatest unit below them, with one decimal when the number has one digit.
#[must_use]
#[allow(clippy::cast_precision_loss)] // Two digits are shown.
pub fn bytes(size: u64) -> String {
    if size < 10 {
        return format!("{size} B");
    }
    let exponent = (size as f64).log(1000.0).floor();
    let value = (size as f64 / 1000f64.powf(exponent) * 10.0 + 0.5).floor() / 10.0;
    let unit = UNITS.get(size_of_exponent(exponent)).unwrap_or(&"EB");
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 6.
fn size_of_exponent(exponent: f64) -> usize {
    exponent as usize
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes() {
        for (size, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (82, "82 B"),
            (20_480, "20 kB"),
            (16_384, "16 kB"),
            (1_500, "1.5 kB"),
            (2_147_483_648, "2.1 GB"),
            (999_999, "1000 kB"),
            (1_000_000, "1.0 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }
}
