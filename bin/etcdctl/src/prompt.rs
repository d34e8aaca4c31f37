//! Asking for a password.
//!
//! It never keeps the terminal's echo off: it is switched on again before the answer is looked at. Echo is set by
//! running `stty`, so that on a pipe the question still works.

use std::io::{self, Read as _, Write as _};
use std::process::Command;

/// Longest answer in bytes.
const ANSWER_MAX: usize = 4096;

/// Prints the question on standard output and reads one line of standard input.
///
/// # Errors
/// The terminal could not be read or written, or the answer is too long.
pub fn password(question: &str) -> io::Result<String> {
    print!("{question}");
    io::stdout().flush()?;
    echo(false);
    let answer = read_line();
    echo(true);
    println!();
    Ok(String::from_utf8_lossy(&answer?).trim().to_owned())
}

fn echo(on: bool) {
    // Without a terminal, or without the program, the answer is read all the same.
    let _ = Command::new("stty").arg(if on { "echo" } else { "-echo" }).status();
}

/// Byte by byte: what follows the line belongs to the next question.
fn read_line() -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    let mut stdin = io::stdin().lock();
    while line.len() < ANSWER_MAX {
        if stdin.read(&mut byte)? == 0 || byte[0] == b'\n' {
            return Ok(line);
        }
        line.push(byte[0]);
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "answer too long"))
}
