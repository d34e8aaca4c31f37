//! The process's log: lines shaped as etcd's (zap's) are, JSON or console, behind the `log` crate's macros.
//!
//! `log::warn!(took:% = GoDuration::from(elapsed), count = 3; "message")` becomes
//! `{"level":"warn","ts":"…","caller":"src/file.rs:7","msg":"message","took":"1.2s","count":3}`: fields in the order
//! written, numbers bare, text (also by `:%`) quoted, lists by `:serde`. An error goes under the key `error`.
//! A record whose target is `raft` or `bbolt` carries it as `logger`. [`fatal!`] and [`panic_line!`] write the two
//! levels `log` does not have; they end nothing, the caller returns the exit code.
//!
//! Invariants: a line is one write; at most one line in flight per process; a logger installed later replaces the
//! one before. Nothing here decides what is worth a line. Format: one object per line, keys `level`, `ts`,
//! `logger`, `caller`, `msg`, fields, and from `error` up `stacktrace`. Start at [`install`].

mod console;
mod json;
mod outputs;
mod sampling;
mod timestamp;

pub use outputs::SinkError;

use outputs::Outputs;
use sampling::Sampler;
use std::{
    fmt,
    sync::{
        Arc, OnceLock, RwLock,
        atomic::{AtomicU8, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Target of records at zap's level `fatal`.
pub const FATAL: &str = "etcd::fatal";
/// Target of records at zap's level `panic`.
pub const PANIC: &str = "etcd::panic";
/// Targets that are shown, as the key `logger`.
const NAMED_LOGGERS: [&str; 2] = ["raft", "bbolt"];
/// One line's buffer starts with this many bytes; the longest usual line, the start summary, fits.
const LINE_BYTES_TYPICAL: usize = 2048;

/// Writes a line at level `fatal`. The caller ends the process with exit code 1.
#[macro_export]
macro_rules! fatal {
    ($($arg:tt)+) => { log::error!(target: $crate::logging::FATAL, $($arg)+) };
}

/// Writes a line at level `panic`. The caller ends the process with exit code 2.
#[macro_export]
macro_rules! panic_line {
    ($($arg:tt)+) => { log::error!(target: $crate::logging::PANIC, $($arg)+) };
}

/// zap's levels, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
    DPanic,
    Panic,
    Fatal,
}

impl Level {
    const ALL: [Level; 7] =
        [Level::Debug, Level::Info, Level::Warn, Level::Error, Level::DPanic, Level::Panic, Level::Fatal];

    /// Takes the values of `--log-level`: all lower or all upper case, `warning` for `warn`, empty for `info`.
    pub fn parse(text: &str) -> Option<Level> {
        let lower = text.to_lowercase();
        match lower.as_str() {
            "" => Some(Level::Info),
            "warning" => Some(Level::Warn),
            _ => Level::ALL.into_iter().find(|level| level.as_str() == lower),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::DPanic => "dpanic",
            Level::Panic => "panic",
            Level::Fatal => "fatal",
        }
    }

    /// The record's level; `None` for trace, which etcd does not know.
    fn of(metadata: &log::Metadata<'_>) -> Option<Level> {
        match (metadata.level(), metadata.target()) {
            (log::Level::Error, FATAL) => Some(Level::Fatal),
            (log::Level::Error, PANIC) => Some(Level::Panic),
            (log::Level::Error, _) => Some(Level::Error),
            (log::Level::Warn, _) => Some(Level::Warn),
            (log::Level::Info, _) => Some(Level::Info),
            (log::Level::Debug, _) => Some(Level::Debug),
            (log::Level::Trace, _) => None,
        }
    }

    fn filter(self) -> log::LevelFilter {
        match self {
            Level::Debug => log::LevelFilter::Debug,
            Level::Info => log::LevelFilter::Info,
            Level::Warn => log::LevelFilter::Warn,
            Level::Error | Level::DPanic | Level::Panic | Level::Fatal => log::LevelFilter::Error,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `--log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Console,
}

/// What `--log-level`, `--log-format` and `--log-outputs` ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub level: Level,
    pub format: Format,
    /// `default`, `stderr`, `stdout` or file paths. One `/dev/null` among them discards every line.
    pub outputs: Vec<String>,
}

impl Default for Settings {
    /// What is in force until the flags are read: `info`, JSON, stderr.
    fn default() -> Settings {
        Settings { level: Level::Info, format: Format::Json, outputs: vec!["stderr".to_string()] }
    }
}

/// Opens the outputs and makes them the process's log from here on. May be called again, with other settings.
pub fn install(settings: &Settings) -> Result<(), SinkError> {
    let core = Core {
        level: AtomicU8::new(settings.level as u8),
        format: settings.format,
        outputs: Outputs::open(&settings.outputs)?,
        sampler: Sampler::default(),
    };
    let logger = LOGGER.get_or_init(|| Logger { core: RwLock::new(None) });
    *logger.core.write().expect(LOCK_HELD) = Some(Arc::new(core));
    // It fails for every install but the first; the logger is this one then, too.
    let _ = log::set_logger(logger);
    log::set_max_level(settings.level.filter());
    Ok(())
}

/// Changes the level of the installed log while it runs.
pub fn set_level(level: Level) {
    if let Some(core) = LOGGER.get().and_then(Logger::core) {
        core.level.store(level as u8, Ordering::Relaxed);
        log::set_max_level(level.filter());
    }
}

const LOCK_HELD: &str = "nothing that holds this lock can panic";
static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    /// Locked, because the logger of the flags phase is replaced once by that of the flags; else only read.
    core: RwLock<Option<Arc<Core>>>,
}

struct Core {
    level: AtomicU8,
    format: Format,
    outputs: Outputs,
    sampler: Sampler,
}

impl Logger {
    fn core(&self) -> Option<Arc<Core>> {
        self.core.read().expect(LOCK_HELD).clone()
    }
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        let level = Level::of(metadata);
        self.core().is_some_and(|core| level.is_some_and(|l| l as u8 >= core.level.load(Ordering::Relaxed)))
    }

    fn log(&self, record: &log::Record<'_>) {
        let Some(level) = Level::of(record.metadata()) else { return };
        let Some(core) = self.core() else { return };
        if (level as u8) < core.level.load(Ordering::Relaxed) {
            return;
        }
        let line = Line::new(level, record);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if !core.sampler.admits(level, &line.message, since_epoch) {
            return;
        }
        let mut bytes = Vec::with_capacity(LINE_BYTES_TYPICAL);
        match core.format {
            Format::Json => json::encode(&line, &timestamp::now(), &mut bytes),
            Format::Console => console::encode(&line, &timestamp::now(), &mut bytes),
        }
        core.outputs.write(&bytes);
    }

    fn flush(&self) {}
}

/// A record, resolved to what the two formats print.
struct Line<'a> {
    level: Level,
    logger: Option<&'a str>,
    /// `dir/file.rs:line`.
    caller: String,
    message: String,
    fields: &'a dyn log::kv::Source,
    /// The place of the call, in the layout of a Go stack trace; from `error` up.
    stack: Option<String>,
}

impl<'a> Line<'a> {
    fn new(level: Level, record: &'a log::Record<'a>) -> Line<'a> {
        let (file, number) = (record.file().unwrap_or("undefined"), record.line().unwrap_or(0));
        let stack = (level >= Level::Error)
            .then(|| format!("{}\n\t{file}:{number}", record.module_path().unwrap_or("undefined")));
        Line {
            level,
            logger: Some(record.target()).filter(|target| NAMED_LOGGERS.contains(target)),
            caller: format!("{}:{number}", last_two_components(file)),
            message: record.args().to_string(),
            fields: record.key_values(),
            stack,
        }
    }
}

fn last_two_components(path: &str) -> &str {
    match path.rmatch_indices('/').nth(1) {
        Some((slash, _)) => &path[slash + 1..],
        None => path,
    }
}

/// Fields as a JSON line would show them.
#[cfg(test)]
pub fn fields_text(fields: &dyn log::kv::Source) -> String {
    let mut out = Vec::new();
    let mut object = json::Object::new(&mut out, false);
    object.fields(fields);
    object.close();
    String::from_utf8(out).expect("text stays text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_parse_in_one_case_only() {
        for (text, level) in [
            ("debug", Some(Level::Debug)),
            ("INFO", Some(Level::Info)),
            ("", Some(Level::Info)),
            ("warning", Some(Level::Warn)),
            ("dpanic", Some(Level::DPanic)),
            ("fatal", Some(Level::Fatal)),
            ("bad", None),
            ("trace", None),
        ] {
            assert_eq!(Level::parse(text), level, "{text}");
        }
    }

    #[test]
    fn callers_show_one_directory() {
        assert_eq!(last_two_components("bin/etcd/src/server.rs"), "src/server.rs");
        assert_eq!(last_two_components("src/server.rs"), "src/server.rs");
        assert_eq!(last_two_components("server.rs"), "server.rs");
    }
}
