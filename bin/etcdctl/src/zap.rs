//! Log lines on standard error, one JSON object each, as etcd's tools write them.
//!
//! It never filters by itself: the `log` facade does, and [`line`] writes whatever it is given.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use log::kv::{Error as KvError, Key, Value, VisitSource};

use crate::print::json_string;

/// The logger of a client that takes its command's log, and not one of its own.
pub const CLIENT: &str = "client";
const LOGGERS: [&str; 2] = [client::DEFAULT_LOGGER, CLIENT];

/// Writes a line. `fields` are strings.
pub fn line(level: &str, logger: Option<&str>, caller: &str, message: &str, fields: &[(&str, &str)]) {
    let mut out = String::from("{");
    push(&mut out, "level", level);
    push(&mut out, "ts", &timestamp(SystemTime::now()));
    if let Some(logger) = logger {
        push(&mut out, "logger", logger);
    }
    push(&mut out, "caller", caller);
    push(&mut out, "msg", message);
    fields.iter().for_each(|(name, value)| push(&mut out, name, value));
    finish(out);
}

/// Standard error may be gone; there is nobody left to tell.
fn finish(mut out: String) {
    out.push_str("}\n");
    let _gone = std::io::stderr().lock().write_all(out.as_bytes());
}

fn push(out: &mut String, name: &str, value: &str) {
    push_raw(out, name, &json_string(value));
}

fn push_raw(out: &mut String, name: &str, value: &str) {
    if out.len() > 1 {
        out.push(',');
    }
    out.push_str(&json_string(name));
    out.push(':');
    out.push_str(value);
}

/// UTC to the microsecond: `2026-01-02T03:04:05.000006Z`.
fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_micros()
    )
}

/// Year, month and day of a day counted from 1970-01-01, in 400-year eras that begin on March 1st.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + carry, month, day)
}

/// Sends what libraries log to [`line`].
struct Lines;

static LINES: Lines = Lines;

/// Installs the sink at this level. A second call changes the level only.
pub fn install(level: log::LevelFilter) {
    let _already = log::set_logger(&LINES);
    log::set_max_level(level);
}

impl log::Log for Lines {
    /// Only the client's own lines: its libraries log for their developers.
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        LOGGERS.contains(&metadata.target())
    }

    fn log(&self, record: &log::Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut out = String::from("{");
        push(&mut out, "level", &record.level().as_str().to_lowercase());
        push(&mut out, "ts", &timestamp(SystemTime::now()));
        push(&mut out, "logger", record.target());
        let file = record.file().unwrap_or("").rsplit('/').next().unwrap_or("");
        push(&mut out, "caller", &format!("client/{file}:{}", record.line().unwrap_or(0)));
        push(&mut out, "msg", &record.args().to_string());
        // The visitor itself never fails.
        let _ok = record.key_values().visit(&mut Members(&mut out));
        finish(out);
    }

    fn flush(&self) {}
}

struct Members<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), KvError> {
        match value.to_i64() {
            Some(number) => push_raw(self.0, key.as_str(), &number.to_string()),
            None => push(self.0, key.as_str(), &value.to_string()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn timestamps() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000007Z"),
            (951_782_400, "2000-02-29T00:00:00.000007Z"),
            (1_795_548_255, "2026-11-24T19:24:15.000007Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000007Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(7);
            assert_eq!(timestamp(time), text);
        }
    }
}
