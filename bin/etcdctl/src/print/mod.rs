//! Responses in the five output formats.
//!
//! It never calls the server. One file per family of responses holds all their formats side by side; a format a
//! response does not have is refused only when it is to be printed, after the call was made.
//!
//! Start at [`Printable`] and [`Printer::show`].

mod alarm;
mod auth;
mod endpoint;
mod fields;
#[cfg(test)]
mod golden;
mod json;
mod kv;
mod lease;
mod member;
mod table;

use std::io::Write as _;

pub use auth::{Permissions, RoleAction, RoleRead, UserAction, UserRead};
pub use endpoint::{EndpointHash, EndpointStatus, Hashes, Health, Healths, Statuses};
pub use lease::{Granted, KeptAlive, Leases, Revoked, TimeToLive};
pub use member::{Downgraded, LeaderMoved, MemberChange};
pub use table::Table;

use crate::exit::{self, Failure, Outcome};

/// `--write-out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Simple,
    Fields,
    Json,
    Protobuf,
    Table,
}

impl Format {
    #[must_use]
    pub fn parse(name: &str) -> Option<Format> {
        Some(match name {
            "simple" => Format::Simple,
            "fields" => Format::Fields,
            "json" => Format::Json,
            "protobuf" => Format::Protobuf,
            "table" => Format::Table,
            _ => return None,
        })
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Simple => "simple",
            Format::Fields => "fields",
            Format::Json => "json",
            Format::Protobuf => "protobuf",
            Format::Table => "table",
        }
    }
}

/// Options within a format.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// `--hex`.
    pub hex: bool,
    /// `--print-value-only`.
    pub value_only: bool,
}

/// Why a response has no protobuf form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoProtobuf {
    /// The format is refused like any other.
    Unsupported,
    /// Go finds no message in a value of this type and says so.
    NotAMessage(&'static str),
}

/// Something that can be printed. The default methods are for the formats a response does not have.
pub trait Printable {
    fn simple(&self, out: &mut Vec<u8>, style: Style);

    /// Lines of the simple format that go to standard error.
    fn simple_errors(&self) -> Vec<String> {
        Vec::new()
    }

    fn fields(&self, _style: Style) -> Option<Vec<u8>> {
        None
    }

    fn json(&self, out: &mut Vec<u8>, style: Style);

    /// # Errors
    /// There is no such form.
    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Err(NoProtobuf::Unsupported)
    }

    fn table(&self) -> Option<Table> {
        None
    }
}

/// Prints in the chosen format on standard output.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    pub format: Format,
    pub style: Style,
}

impl Printer {
    /// # Errors
    /// The response has no such format, or standard output is gone.
    pub fn show(&self, response: &dyn Printable) -> Outcome {
        let bytes = self.render(response)?;
        if self.format == Format::Simple {
            response.simple_errors().iter().for_each(|line| eprintln!("{line}"));
        }
        write_out(&bytes)
    }

    /// # Errors
    /// The response has no such format.
    pub fn render(&self, response: &dyn Printable) -> Result<Vec<u8>, Failure> {
        let unsupported = || {
            let text = format!("{} not supported as output format", self.format.name());
            Failure::new(exit::BAD_FEATURE, text)
        };
        let mut out = Vec::new();
        match self.format {
            Format::Simple => response.simple(&mut out, self.style),
            Format::Fields => out = response.fields(self.style).ok_or_else(unsupported)?,
            Format::Json => {
                response.json(&mut out, self.style);
                out.push(b'\n');
            }
            Format::Protobuf => {
                out = response.protobuf().map_err(|reason| match reason {
                    NoProtobuf::Unsupported => unsupported(),
                    NoProtobuf::NotAMessage(name) => {
                        Failure::new(exit::BAD_FEATURE, format!("marshal unsupported for type {name}"))
                    }
                })?;
            }
            Format::Table => out = response.table().ok_or_else(unsupported)?.draw().into_bytes(),
        }
        Ok(out)
    }
}

/// Writes to standard output at once.
///
/// # Errors
/// The reader is gone, or the write failed.
pub fn write_out(bytes: &[u8]) -> Outcome {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::silent(exit::BROKEN_PIPE)
        } else {
            Failure::new(exit::ERROR, error)
        }
    })
}

/// Writes one line to standard output.
///
/// # Errors
/// As [`write_out`].
pub fn write_line(line: &str) -> Outcome {
    write_out(format!("{line}\n").as_bytes())
}

/// A JSON string literal.
#[must_use]
pub fn json_string(text: &str) -> String {
    let mut out = Vec::new();
    json::string(&mut out, text);
    String::from_utf8(out).unwrap_or_else(|_| unreachable!("escapes are ASCII"))
}
