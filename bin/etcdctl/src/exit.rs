//! How the process ends: exit codes and the error line.

use std::fmt::Display;

/// Exit codes of etcd's command-line tools.
pub const ERROR: i32 = 1;
pub const BAD_CONNECTION: i32 = 2;
pub const INVALID_INPUT: i32 = 3;
pub const BAD_FEATURE: i32 = 4;
pub const INTERRUPTED: i32 = 5;
pub const BAD_ARGS: i32 = 128;
/// What a shell reports for a process that wrote into a closed pipe.
pub const BROKEN_PIPE: i32 = 141;

/// An end other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: i32,
    /// Printed on standard error after `Error: `; nothing is printed without it.
    pub message: Option<String>,
}

pub type Outcome = Result<(), Failure>;

impl Failure {
    pub fn new(code: i32, message: impl Display) -> Failure {
        Failure { code, message: Some(message.to_string()) }
    }

    /// Everything was said already.
    #[must_use]
    pub fn silent(code: i32) -> Failure {
        Failure { code, message: None }
    }
}

/// Turns any error into a failure with this code.
pub fn with<E: Display>(code: i32) -> impl FnOnce(E) -> Failure {
    move |error| Failure::new(code, error)
}
