//! The command line in the syntax of Go's flag package: `-x=v`, `--x v`, booleans alone or with `=`, `--` ends the
//! flags, the last of a repeated flag wins. Reading stops at the first mistake.

use super::{Flags, table};
use crate::notation::quote;

/// A command line that could be read.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub flags: Flags,
    /// What follows the flags.
    pub positional: Vec<String>,
}

/// Why the command line is not to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `-h` or `--help`.
    Help,
    /// A mistake, with Go's words for it.
    Mistake(String),
}

/// Reads the arguments behind the program's name.
pub fn parse(arguments: &[String]) -> Result<Parsed, Refusal> {
    let mut flags = Flags::default();
    let mut rest = arguments;
    while let Some((first, after)) = rest.split_first() {
        if first.len() < 2 || !first.starts_with('-') {
            break;
        }
        rest = after;
        if first == "--" {
            break;
        }
        let argument = first.strip_prefix("--").unwrap_or(&first[1..]);
        rest = parse_flag(&mut flags, first, argument, rest)?;
    }
    Ok(Parsed { flags, positional: rest.to_vec() })
}

/// One flag, `argument` without its dashes; gives the arguments it did not use.
fn parse_flag<'a>(
    flags: &mut Flags,
    written: &str,
    argument: &str,
    rest: &'a [String],
) -> Result<&'a [String], Refusal> {
    if argument.is_empty() || argument.starts_with(['-', '=']) {
        return Err(Refusal::Mistake(format!("bad flag syntax: {written}")));
    }
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (argument, None),
    };
    let Some(row) = table::rows().find(|row| row.name == name) else {
        if name == "help" || name == "h" {
            return Err(Refusal::Help);
        }
        return Err(Refusal::Mistake(format!("flag provided but not defined: -{name}")));
    };
    if row.kind.is_bool() {
        let value = value.unwrap_or("true");
        let wrong = |reason| format!("invalid boolean value {} for -{name}: {reason}", quote(value));
        flags.set(row, value).map_err(|reason| Refusal::Mistake(wrong(reason)))?;
        return Ok(rest);
    }
    let (value, rest) = match (value, rest.split_first()) {
        (Some(value), _) => (value, rest),
        (None, Some((next, after))) => (next.as_str(), after),
        (None, None) => return Err(Refusal::Mistake(format!("flag needs an argument: -{name}"))),
    };
    let wrong = |reason| format!("invalid value {} for flag -{name}: {reason}", quote(value));
    flags.set(row, value).map_err(|reason| Refusal::Mistake(wrong(reason)))?;
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Parsed, Refusal> {
        let arguments: Vec<String> =
            line.split(' ').filter(|word| !word.is_empty()).map(Into::into).collect();
        parse(&arguments)
    }

    #[test]
    fn go_syntax_is_taken() {
        let parsed =
            parse_words("-name=a --name b -pre-vote=F --force-new-cluster --max-wals 0x10 -- --name c");
        let parsed = parsed.expect("valid");
        assert_eq!(parsed.flags.text("name"), "b");
        assert!(!parsed.flags.bool("pre-vote") && parsed.flags.bool("force-new-cluster"));
        assert_eq!(parsed.flags.uint("max-wals"), 16);
        assert_eq!(parsed.positional, ["--name", "c"]);
        assert_eq!(
            parsed.flags.given().collect::<Vec<_>>(),
            ["force-new-cluster", "max-wals", "name", "pre-vote"]
        );
        let parsed = parse(&["--data-dir".to_string(), "ends in a space ".to_string()]).expect("valid");
        assert_eq!(parsed.flags.text("data-dir"), "ends in a space ");
        let parsed = parse_words("--name=a=b - --name c").expect("valid");
        assert_eq!((parsed.flags.text("name"), parsed.positional.len()), ("a=b", 3));
    }

    #[test]
    fn flags_of_old_are_taken_and_dropped() {
        let parsed = parse_words("--snapshot --vv=3 --cluster-active-size 9").expect("valid");
        assert_eq!(parsed.positional, ["9"]);
    }

    /// Every text is what etcd 3.7.1 answers to that command line.
    #[test]
    fn mistakes_are_told_in_gos_words() {
        for (line, text) in [
            ("--nope", "flag provided but not defined: -nope"),
            ("--discovery=x", "flag provided but not defined: -discovery"),
            ("---name", "bad flag syntax: ---name"),
            ("--=x", "bad flag syntax: --=x"),
            ("-=x", "bad flag syntax: -=x"),
            ("--name", "flag needs an argument: -name"),
            ("--pre-vote=x", "invalid boolean value \"x\" for -pre-vote: parse error"),
            ("--max-wals=-1", "invalid value \"-1\" for flag -max-wals: parse error"),
            (
                "--max-wals 18446744073709551616",
                "invalid value \"18446744073709551616\" for flag -max-wals: value out of range",
            ),
            (
                "--max-concurrent-streams=-1",
                "invalid value \"-1\" for flag -max-concurrent-streams: strconv.ParseUint: parsing \"-1\": \
                 invalid syntax",
            ),
            (
                "--grpc-keepalive-timeout 5",
                "invalid value \"5\" for flag -grpc-keepalive-timeout: parse error",
            ),
            (
                "--initial-cluster-state=x",
                "invalid value \"x\" for flag -initial-cluster-state: invalid value",
            ),
            ("--discovery-fallback=x", "invalid value \"x\" for flag -discovery-fallback: invalid value"),
            (
                "--v2-deprecation=not-yet",
                "invalid value \"not-yet\" for flag -v2-deprecation: invalid value \"not-yet\"",
            ),
            (
                "--feature-gates=X=true",
                "invalid value \"X=true\" for flag -feature-gates: unrecognized feature gate: X",
            ),
            (
                "--listen-client-urls http://a",
                "invalid value \"http://a\" for flag -listen-client-urls: URL address does not have the form \
                 \"host:port\": http://a",
            ),
            (
                "--cors=x",
                "invalid value \"x\" for flag -cors: URL scheme must be http, https, unix, or unixs: x",
            ),
        ] {
            assert_eq!(parse_words(line).expect_err(line), Refusal::Mistake(text.to_string()));
        }
        for line in ["-h", "--help", "--name x -help --nope"] {
            assert_eq!(parse_words(line).expect_err(line), Refusal::Help);
        }
    }
}
