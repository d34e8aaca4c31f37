//! The end after a fault: what a failed write or a damaged file leaves behind is unknown, so nothing goes on.

use std::fmt::Display;

/// Logs the fault and ends the process at once. Nothing is flushed: what was acknowledged is durable already.
pub fn die(error: &dyn Display) -> ! {
    crate::fatal!(error:% = error; "stopped after a fault");
    std::process::exit(i32::from(crate::EXIT_FAILURE))
}
