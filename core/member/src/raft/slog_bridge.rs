//! Sends the crate's log lines to the `log` facade under the target `raft`, as etcd names that logger. A line begins
//! with the member's ID in hex, as etcd's raft has it; values that the text does not hold follow.

use slog::{Drain, Logger, OwnedKVList, Record};
use std::fmt::Write;

struct Bridge;

impl Drain for Bridge {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), slog::Never> {
        let level = match record.level() {
            slog::Level::Critical | slog::Level::Error => log::Level::Error,
            slog::Level::Warning => log::Level::Warn,
            slog::Level::Info => log::Level::Info,
            slog::Level::Debug => log::Level::Debug,
            slog::Level::Trace => log::Level::Trace,
        };
        if !log::log_enabled!(target: "raft", level) {
            return Ok(());
        }
        let mut line = Line { id: String::new(), text: record.msg().to_string() };
        let _ = slog::KV::serialize(&record.kv(), record, &mut line);
        let _ = slog::KV::serialize(values, record, &mut line);
        log::log!(target: "raft", level, "{}{}", line.id, line.text);
        Ok(())
    }
}

struct Line {
    id: String,
    text: String,
}

impl slog::Serializer for Line {
    fn emit_arguments(&mut self, key: slog::Key, value: &std::fmt::Arguments<'_>) -> slog::Result {
        let value = value.to_string();
        if key == "raft_id" {
            self.id = value.parse::<u64>().map_or(value, |id| format!("{id:x} "));
        } else if !self.text.contains(&value) {
            write!(self.text, " {key}={value}")?;
        }
        Ok(())
    }
}

pub fn logger() -> Logger {
    Logger::root(Bridge, slog::o!())
}
