//! Sends the crate's log lines to the `log` facade under the target `raft`, as etcd names that logger.

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
        struct Text(String);
        impl slog::Serializer for Text {
            fn emit_arguments(&mut self, key: slog::Key, value: &std::fmt::Arguments<'_>) -> slog::Result {
                write!(self.0, " {key}={value}").map_err(Into::into)
            }
        }
        let mut text = Text(record.msg().to_string());
        let _ = slog::KV::serialize(&record.kv(), record, &mut text);
        let _ = slog::KV::serialize(values, record, &mut text);
        log::log!(target: "raft", level, "{}", text.0);
        Ok(())
    }
}

pub fn logger() -> Logger {
    Logger::root(Bridge, slog::o!())
}
