//! Byte counts for people, in decimal (SI) units, as etcd's logs show them beside the exact number.

/// `82 B`, `25 kB`, `2.1 GB`: one digit after the point below ten of a unit, none above.
pub fn si_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let exponent = bytes.ilog10() / 3;
    let value = (bytes as f64 / 1000f64.powi(exponent as i32) * 10.0 + 0.5).floor() / 10.0;
    let unit = UNITS[exponent as usize];
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with the Go library that etcd uses.
    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (82, "82 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (9_949, "9.9 kB"),
            (9_950, "10 kB"),
            (24_576, "25 kB"),
            (999_999, "1000 kB"),
            (1_572_864, "1.6 MB"),
            (2_147_483_648, "2.1 GB"),
            (8_589_934_592, "8.6 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(si_size(bytes), text, "{bytes}");
        }
    }
}
