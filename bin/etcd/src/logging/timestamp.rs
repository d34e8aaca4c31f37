//! The `ts` of a line: local time, six digits, `Z` for UTC and `+0100` otherwise.

use jiff::{Zoned, tz::Offset};

/// The present moment as the log shows it.
pub fn now() -> String {
    text(&Zoned::now())
}

fn text(moment: &Zoned) -> String {
    let fraction = moment.subsec_nanosecond() / 1000;
    let date_time = moment.strftime("%Y-%m-%dT%H:%M:%S");
    format!("{date_time}.{fraction:06}{}", zone(moment.offset()))
}

fn zone(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    if offset.seconds() == 0 {
        return "Z".to_string();
    }
    let sign = if offset.seconds() < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn shows_six_digits_and_the_zone() {
        let moment = Timestamp::new(1_767_409_445, 678_901_999).expect("in range");
        for (offset_seconds, expected) in [
            (0, "2026-01-03T03:04:05.678901Z"),
            (3600, "2026-01-03T04:04:05.678901+0100"),
            (-34_200, "2026-01-02T17:34:05.678901-0930"),
        ] {
            let offset = Offset::from_seconds(offset_seconds).expect("in range");
            assert_eq!(text(&moment.to_zoned(offset.to_time_zone())), expected);
        }
    }
}
