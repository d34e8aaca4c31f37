//! Errors of the operating system, worded as Go words them.

use std::io;

/// The error's text without Rust's ` (os error 2)`, in lower case: `no such file or directory`.
pub fn os_error(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        return text;
    }
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        // An acronym stays as it is: `I/O error` is Go's `input/output error`, too.
        Some(first) if !chars.as_str().starts_with('/') => first.to_lowercase().chain(chars).collect(),
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_errors_as_go_does() {
        for (code, text) in [
            (2, "no such file or directory"),
            (13, "permission denied"),
            (5, "input/output error"),
            (98, "address already in use"),
            (28, "no space left on device"),
        ] {
            assert_eq!(os_error(&io::Error::from_raw_os_error(code)), text);
        }
        assert_eq!(os_error(&io::Error::other("Odd")), "Odd");
    }
}
