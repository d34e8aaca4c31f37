//! Flags out of arguments, as pflag parses them.
//!
//! It never looks at what commands exist.

use super::flag::{Flag, Flags};
use crate::go::quote::quote;

/// Arguments are bytes: keys and values need not be UTF-8.
pub type Arg = Vec<u8>;

/// Sets the flags the arguments name and returns the positional ones.
///
/// # Errors
/// pflag's text for an unknown flag, a missing or a bad value.
pub fn parse(flags: &mut Flags, args: &[Arg]) -> Result<Vec<Arg>, String> {
    let mut positional = Vec::new();
    let mut rest = args;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if first.len() < 2 || first[0] != b'-' {
            positional.push(first.clone());
        } else if first == b"--" {
            positional.extend_from_slice(rest);
            break;
        } else if first[1] == b'-' {
            rest = long(flags, first, rest)?;
        } else {
            rest = short(flags, first, rest)?;
        }
    }
    Ok(positional)
}

fn long<'a>(flags: &mut Flags, arg: &Arg, rest: &'a [Arg]) -> Result<&'a [Arg], String> {
    let text = String::from_utf8_lossy(&arg[2..]);
    if text.starts_with(['-', '=']) {
        return Err(format!("bad flag syntax: --{text}"));
    }
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text.as_ref(), None),
    };
    let flag = flags.lookup(name).ok_or_else(|| format!("unknown flag: --{name}"))?;
    let (value, rest) = match (value, flag.bare_value(), rest.split_first()) {
        (Some(value), _, _) => (value, rest),
        (None, Some(bare), _) => (bare.to_owned(), rest),
        (None, None, Some((next, after))) => (String::from_utf8_lossy(next).into_owned(), after),
        (None, None, None) => return Err(format!("flag needs an argument: --{name}")),
    };
    set(flags, flag, &value)?;
    Ok(rest)
}

fn short<'a>(flags: &mut Flags, arg: &Arg, mut rest: &'a [Arg]) -> Result<&'a [Arg], String> {
    let text = String::from_utf8_lossy(&arg[1..]).into_owned();
    let mut letters = text.as_str();
    while let Some(letter) = letters.chars().next() {
        let Some(flag) = flags.lookup_short(letter) else {
            return Err(format!("unknown shorthand flag: {} in -{letters}", quote_char(letter)));
        };
        let after = &letters[letter.len_utf8()..];
        let value;
        if let Some(given) = after.strip_prefix('=').filter(|given| !given.is_empty()) {
            (value, letters) = (given.to_owned(), "");
        } else if let Some(bare) = flag.bare_value() {
            (value, letters) = (bare.to_owned(), after);
        } else if !after.is_empty() {
            (value, letters) = (after.to_owned(), "");
        } else if let Some((next, more)) = rest.split_first() {
            (value, letters, rest) = (String::from_utf8_lossy(next).into_owned(), "", more);
        } else {
            return Err(format!("flag needs an argument: {} in -{letters}", quote_char(letter)));
        }
        set(flags, flag, &value)?;
    }
    Ok(rest)
}

fn set(flags: &mut Flags, flag: &'static Flag, value: &str) -> Result<(), String> {
    flags.set(flag, value).map_err(|cause| {
        let name = match flag.short {
            Some(short) => format!("-{short}, --{}", flag.name),
            None => format!("--{}", flag.name),
        };
        let (value, name) = (quote(value.as_bytes()), quote(name.as_bytes()));
        format!("invalid argument {value} for {name} flag: {cause}")
    })
}

/// A character as Go quotes one.
fn quote_char(letter: char) -> String {
    format!("'{letter}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flag::Kind;

    static FLAGS: [Flag; 4] = [
        Flag::bool("prefix", ""),
        Flag::bool("interactive", "").short('i'),
        Flag::string("write-out", "simple", "").short('w'),
        Flag::new("limit", Kind::Int, "0", ""),
    ];

    fn run(line: &str) -> Result<(Flags, Vec<String>), String> {
        let mut flags = Flags::new(&FLAGS);
        let args: Vec<Arg> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let positional = parse(&mut flags, &args)?;
        Ok((flags, positional.iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()))
    }

    fn check(line: &str, values: &str, positional: &[&str]) {
        let (flags, args) = run(line).unwrap();
        let all: Vec<String> = FLAGS.iter().map(|flag| flags.text(flag.name)).collect();
        assert_eq!(
            (all.join(" ").as_str(), args),
            (values, positional.iter().map(|s| s.to_string()).collect())
        );
    }

    fn refused(line: &str, error: &str) {
        assert_eq!(run(line).map(|(_, args)| args), Err(error.to_owned()));
    }

    #[test]
    fn every_form() {
        check("a --prefix b", "true false simple 0", &["a", "b"]);
        check("--prefix=false -w json - x", "false false json 0", &["-", "x"]);
        check("-wjson -i --limit 5", "false true json 5", &[]);
        check("-iw=fields --limit=-1", "false true fields -1", &[]);
        check("a -- --prefix -w", "false false simple 0", &["a", "--prefix", "-w"]);
    }

    #[test]
    fn refusals() {
        refused("--foo", "unknown flag: --foo");
        refused("--=3", "bad flag syntax: --=3");
        refused("---", "bad flag syntax: ---");
        refused("-iz", "unknown shorthand flag: 'z' in -z");
        refused("--limit", "flag needs an argument: --limit");
        refused("-iw", "flag needs an argument: 'w' in -w");
        refused(
            "--limit=x",
            "invalid argument \"x\" for \"--limit\" flag: strconv.ParseInt: parsing \"x\": invalid syntax",
        );
        refused(
            "-i=x",
            "invalid argument \"x\" for \"-i, --interactive\" flag: strconv.ParseBool: parsing \"x\": invalid syntax",
        );
    }
}
