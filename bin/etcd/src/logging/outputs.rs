//! Where lines go: stderr, stdout, files. Never formats a line. Every line is handed over as one write; a process
//! that shares the file can then not cut it in two.

use crate::notation::quote;
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};
use thiserror::Error;

const DEV_NULL: &str = "/dev/null";

#[derive(Debug, Error)]
#[error("open sink {}: {reason}", quote(name))]
pub struct SinkError {
    name: String,
    reason: String,
}

#[derive(Debug)]
pub struct Outputs {
    /// Sorted by name, each once.
    sinks: Vec<Sink>,
}

#[derive(Debug)]
enum Sink {
    Stdout,
    Stderr,
    File(File),
}

impl Outputs {
    /// Opens every output. `default` is stderr; files are made if missing and appended to.
    pub fn open(names: &[String]) -> Result<Outputs, SinkError> {
        let mut names: Vec<&str> =
            names.iter().map(|name| if name == "default" { "stderr" } else { name.as_str() }).collect();
        if names.contains(&DEV_NULL) {
            return Ok(Outputs { sinks: Vec::new() });
        }
        names.sort_unstable();
        names.dedup();
        let sinks = names.into_iter().map(Sink::open).collect::<Result<_, _>>()?;
        Ok(Outputs { sinks })
    }

    /// Writes one line to all. A file that cannot be written to is reported on stderr; stderr itself has nobody to
    /// report to, and a server is not stopped for its log.
    pub fn write(&self, line: &[u8]) {
        for sink in &self.sinks {
            match sink {
                Sink::Stdout => _ = write_through(io::stdout().lock(), line),
                Sink::Stderr => _ = write_through(io::stderr().lock(), line),
                Sink::File(file) => {
                    if let Err(error) = write_through(file, line) {
                        let report = format!("{} write error: {error}\n", super::timestamp::now());
                        _ = write_through(io::stderr().lock(), report.as_bytes());
                    }
                }
            }
        }
    }
}

fn write_through(mut to: impl Write, line: &[u8]) -> io::Result<()> {
    to.write_all(line)?;
    to.flush()
}

impl Sink {
    fn open(name: &str) -> Result<Sink, SinkError> {
        let path = match name {
            "stdout" => return Ok(Sink::Stdout),
            "stderr" => return Ok(Sink::Stderr),
            _ if Path::new(name).is_absolute() => name,
            _ => file_of_url(name)?,
        };
        let opened = OpenOptions::new().append(true).create(true).open(path);
        let failed = |error: io::Error| SinkError {
            name: name.to_string(),
            reason: format!("open {path}: {}", crate::notation::os_error(&error)),
        };
        opened.map(Sink::File).map_err(failed)
    }
}

/// A relative path, or the path of a `file:` URL; other schemes have no sink.
fn file_of_url(name: &str) -> Result<&str, SinkError> {
    let scheme_end = name.find(':').filter(|end| {
        let scheme = &name[..*end];
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let Some(end) = scheme_end else { return Ok(name) };
    let (scheme, rest) = (&name[..end], &name[end + 1..]);
    if !scheme.eq_ignore_ascii_case("file") {
        let reason = format!("no sink found for scheme {}", quote(&scheme.to_ascii_lowercase()));
        return Err(SinkError { name: name.to_string(), reason });
    }
    Ok(rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//")).unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_cannot_be_opened_is_named() {
        for (name, text) in [
            ("/nonexist/x", r#"open sink "/nonexist/x": open /nonexist/x: no such file or directory"#),
            ("/", r#"open sink "/": open /: is a directory"#),
            ("http://x/x", r#"open sink "http://x/x": no sink found for scheme "http""#),
        ] {
            let error = Outputs::open(&[name.to_string()]).expect_err(name);
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn outputs_are_opened_once_and_dev_null_silences_all() {
        let open = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            Outputs::open(&names).expect("standard outputs open").sinks.len()
        };
        assert_eq!(open(&["default", "stderr"]), 1);
        assert_eq!(open(&["stdout", "stderr", "stdout"]), 2);
        assert_eq!(open(&["stdout", "/dev/null"]), 0);
    }
}
