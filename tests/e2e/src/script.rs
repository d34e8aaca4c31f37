//! The script language. It parses and writes scripts; it runs nothing.
//!
//! ```text
//! flags --quota-backend-bytes=100000      server flags; before the first step
//!
//! # A comment.
//! KV/Put @hasleader=true key: "a"         a call; @NAME=VALUE is metadata, the rest the request in text form
//! ----
//! header { revision: 2 }                  the answer, up to the empty line
//! ```
//!
//! Steps besides calls:
//! - `times N CALL`: N times, `%d` in it counts from 0; only the last answer is shown.
//! - `quiet CALL`: a call that must succeed; its answer is not shown.
//! - `let NAME PATH CALL`: keeps a field of the answer (`header.member_id`) for `$NAME` in later steps.
//! - `pick PATH CALL`: shows one field of the answer alone.
//! - `until PATH NUMBER CALL`: repeats the call until the field has that value; its answers are not shown.
//! - `raw PATH HEX`: a call with any path and body.
//! - `open NAME CALL`, `send NAME REQUEST`, `recv NAME [N]`: streams, and calls that do not answer at once.
//! - `events NAME N`: receives until N events came, shown without the responses around them.
//! - `finish NAME`: says that no more requests come, and waits for the status. `drop NAME`: cancels.
//! - `restart`, `kill`: the server, by SIGTERM or SIGKILL and anew on its data.
//! - `switch`, `switch kill`: as these, but the other binary goes on with the data; the next time the first again.
//! - `restore`: saves a snapshot, restores it with etcdutl, and goes on from there as `switch` does.
//! - `refused`: the other binary must refuse the data; then this one goes on.
//!
//! `$pad{N}` in a request is N times `x`.

use std::fmt::Write;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Comment lines before it, for writing the script back.
    pub comments: Vec<String>,
    pub command: String,
    pub expected: String,
    /// Line number in the file.
    pub line: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub flags: Vec<String>,
    pub head: Vec<String>,
    pub steps: Vec<Step>,
}

const SEPARATOR: &str = "----";

pub fn parse(text: &str) -> Script {
    let mut script = Script::default();
    let mut comments = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if let Some(flags) = line.strip_prefix("flags ") {
            script.flags.extend(flags.split_whitespace().map(str::to_owned));
            script.head.append(&mut comments);
            script.head.push(line.to_owned());
        } else if line.starts_with('#') {
            comments.push(line.to_owned());
        } else if line.trim().is_empty() {
            // A comment that an empty line ends belongs to nobody: it stays where it is.
            if !comments.is_empty() {
                comments.push(String::new());
            }
        } else {
            let mut expected = String::new();
            if lines.next_if(|(_, next)| *next == SEPARATOR).is_some() {
                while let Some((_, answer)) = lines.next_if(|(_, next)| !next.is_empty()) {
                    expected.push_str(answer);
                    expected.push('\n');
                }
            }
            let step = Step {
                comments: std::mem::take(&mut comments),
                command: line.to_owned(),
                expected,
                line: number + 1,
            };
            script.steps.push(step);
        }
    }
    script
}

/// The script with other answers.
pub fn write(script: &Script, answers: &[String]) -> String {
    assert_eq!(script.steps.len(), answers.len(), "an answer for each step");
    let mut text = String::new();
    for line in &script.head {
        let _ = writeln!(text, "{line}");
    }
    for (step, answer) in script.steps.iter().zip(answers) {
        if !text.is_empty() {
            text.push('\n');
        }
        for comment in &step.comments {
            let _ = writeln!(text, "{comment}");
        }
        let _ = write!(text, "{}\n{SEPARATOR}\n{answer}", step.command);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        let text = "# About.\n\nflags --a --b=c\n\n# First.\nKV/Put key: \"a\"\n----\nheader {\n}\n\nrestart\n----\n\nrecv w\n----\nx\n";
        let script = parse(text);
        assert_eq!(script.flags, ["--a", "--b=c"]);
        assert_eq!(script.steps.len(), 3);
        assert_eq!(script.steps[0].expected, "header {\n}\n");
        assert_eq!(script.steps[1].expected, "");
        assert_eq!(script.steps[2].line, 14);
        let answers: Vec<String> = script.steps.iter().map(|step| step.expected.clone()).collect();
        assert_eq!(write(&script, &answers), text);
    }

    #[test]
    fn steps_without_answers_parse() {
        let script = parse("KV/Put key: \"a\"\nKV/Put key: \"b\"\n");
        assert_eq!(script.steps.len(), 2);
        assert!(script.steps.iter().all(|step| step.expected.is_empty()));
    }
}
