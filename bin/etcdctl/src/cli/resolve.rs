//! Which command a command line names, as cobra finds it, and its parsed flags.
//!
//! It never prints: what is to be shown instead of running comes back as a [`Resolved`].

use super::flag::{Flag, Flags};
use super::parse::{Arg, parse};
use super::spec::{Command, Positional};
use crate::go::quote::quote;

/// `--help` of every command.
pub static HELP: Flag = Flag::bool("help", "help for this command").short('h');

/// A command and the way to it from the root, root first.
#[derive(Debug, Clone)]
pub struct Path {
    pub commands: Vec<&'static Command>,
}

/// A command to run.
#[derive(Debug)]
pub struct Invocation {
    pub path: Path,
    pub flags: Flags,
    pub args: Vec<Arg>,
}

/// What a command line comes to.
#[derive(Debug)]
pub enum Resolved {
    Run(Invocation),
    /// Print the help of this command.
    Help(Path),
    /// Print the error, then how to get help.
    UnknownCommand(Path, String),
    /// Print the error, then the usage of this command.
    BadUsage(Path, String),
}

impl Path {
    #[must_use]
    pub fn command(&self) -> &'static Command {
        self.commands[self.commands.len() - 1]
    }

    /// `etcdctl lease grant`.
    #[must_use]
    pub fn text(&self) -> String {
        let names: Vec<&str> = self.commands.iter().map(|command| command.name()).collect();
        names.join(" ")
    }

    /// Flags of the command itself, `--help` included.
    pub fn local_flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        let command = self.command();
        command.flags.iter().chain(command.persistent).chain([&HELP])
    }

    /// Persistent flags of the commands above, the nearest first.
    pub fn inherited_flags(&self) -> impl Iterator<Item = &'static Flag> + use<'_> {
        let above = &self.commands[..self.commands.len() - 1];
        above.iter().rev().flat_map(|command| command.persistent)
    }

    fn visible(&self) -> Flags {
        Flags::new(self.local_flags().chain(self.inherited_flags()))
    }

    fn child(&self, child: &'static Command) -> Path {
        let mut commands = self.commands.clone();
        commands.push(child);
        Path { commands }
    }
}

/// Finds the command, parses its flags, checks its arguments.
#[must_use]
pub fn resolve(root: &'static Command, args: &[Arg]) -> Resolved {
    let (path, rest) = match find(root, args) {
        Ok(found) => found,
        Err((path, error)) => return Resolved::UnknownCommand(path, error),
    };
    let mut flags = path.visible();
    let positional = match parse(&mut flags, &rest) {
        Ok(positional) => positional,
        Err(error) => return Resolved::BadUsage(path, error),
    };
    if flags.bool("help") || path.command().action.is_none() {
        return Resolved::Help(path);
    }
    match check_positional(&path, &positional) {
        Ok(()) => Resolved::Run(Invocation { path, flags, args: positional }),
        Err(error) => Resolved::BadUsage(path, error),
    }
}

/// The command the words lead to, and the arguments without those words.
///
/// # Errors
/// Cobra's text about a word that names no command of the root.
pub fn find(root: &'static Command, args: &[Arg]) -> Result<(Path, Vec<Arg>), (Path, String)> {
    let mut path = Path { commands: vec![root] };
    let mut rest = args.to_vec();
    loop {
        let flags = search_flags(&path);
        let Some(at) = first_word(&rest, &flags) else { return Ok((path, rest)) };
        let Some(child) = child_named(path.command(), &rest[at]) else {
            let unknown = path.commands.len() == 1 && !path.command().children.is_empty();
            if unknown {
                let error = unknown_command(&path, &rest[at]);
                return Err((path, error));
            }
            return Ok((path, rest));
        };
        path = path.child(child);
        rest.remove(at);
    }
}

/// The flags known while words are looked for: `--help` is added to a command only when it runs, the root's apart.
fn search_flags(path: &Path) -> Flags {
    let command = path.command();
    let help = (path.commands.len() == 1).then_some(&HELP);
    Flags::new(command.flags.iter().chain(command.persistent).chain(help).chain(path.inherited_flags()))
}

/// Position of the first argument that is neither a flag nor, as far as the known flags tell, a flag's value.
fn first_word(args: &[Arg], flags: &Flags) -> Option<usize> {
    let mut at = 0;
    while at < args.len() {
        let arg = args[at].as_slice();
        if arg == b"--" {
            return None;
        }
        let takes_next = if arg.contains(&b'=') {
            false
        } else if let Some(name) = arg.strip_prefix(b"--") {
            std::str::from_utf8(name)
                .ok()
                .and_then(|name| flags.lookup(name))
                .is_none_or(|f| f.bare_value().is_none())
        } else {
            arg.len() == 2
                && arg[0] == b'-'
                && flags.lookup_short(char::from(arg[1])).is_none_or(|flag| flag.bare_value().is_none())
        };
        if takes_next {
            at += 2;
        } else if !arg.is_empty() && arg[0] != b'-' {
            return Some(at);
        } else {
            at += 1;
        }
    }
    None
}

/// The child with this name, or the only one whose name begins so.
fn child_named(command: &'static Command, word: &[u8]) -> Option<&'static Command> {
    if let Some(exact) = command.children.iter().find(|child| child.name().as_bytes() == word) {
        return Some(exact);
    }
    let mut matches = command.children.iter().filter(|child| child.name().as_bytes().starts_with(word));
    let first = matches.next()?;
    matches.next().is_none().then_some(first)
}

fn check_positional(path: &Path, args: &[Arg]) -> Result<(), String> {
    let Positional::OneOf(words) = path.command().positional else { return Ok(()) };
    if args.len() != 1 {
        return Err(format!("accepts 1 arg(s), received {}", args.len()));
    }
    if !words.iter().any(|word| word.as_bytes() == args[0]) {
        return Err(format!("invalid argument {} for {}", quote(&args[0]), quote(path.text().as_bytes())));
    }
    Ok(())
}

fn unknown_command(path: &Path, word: &[u8]) -> String {
    let mut text = format!("unknown command {} for {}", quote(word), quote(path.text().as_bytes()));
    let word = String::from_utf8_lossy(word).to_lowercase();
    let near: Vec<&str> = path
        .command()
        .children
        .iter()
        .map(Command::name)
        .filter(|name| distance(&word, name) <= SUGGESTION_DISTANCE || name.starts_with(&word))
        .collect();
    if !near.is_empty() {
        text.push_str("\n\nDid you mean this?\n");
        for name in near {
            text.push_str(&format!("\t{name}\n"));
        }
    }
    text
}

/// Names this many edits away are suggested.
const SUGGESTION_DISTANCE: usize = 2;

/// Edits (insert, delete, replace a byte) between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::ROOT;

    fn args(line: &str) -> Vec<Arg> {
        line.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec()).collect()
    }

    fn check(line: &str, path: &str, rest: &str) {
        match resolve(&ROOT, &args(line)) {
            Resolved::Run(run) => {
                assert_eq!((run.path.text().as_str(), run.args), (path, args(rest)), "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_by_name_and_prefix() {
        check("get a", "etcdctl get", "a");
        check("compact 3", "etcdctl compaction", "3");
        check("--endpoints x endpoint st", "etcdctl endpoint status", "");
        check("-w json --hex le gr 5", "etcdctl lease grant", "5");
        check("endpoint --cluster hash --rev 3", "etcdctl endpoint hashkv", "");
        check("put get put", "etcdctl put", "get put");
        check("get -- -x", "etcdctl get", "-x");
    }

    #[test]
    fn help_instead_of_running() {
        for line in ["", "lease", "lease foo", "get --help", "get x -h", "--help get", "mem"] {
            assert!(matches!(resolve(&ROOT, &args(line)), Resolved::Help(_)), "{line}");
        }
    }

    #[test]
    fn unknown_words() {
        let Resolved::UnknownCommand(_, error) = resolve(&ROOT, &args("gett")) else { panic!() };
        assert_eq!(error, "unknown command \"gett\" for \"etcdctl\"\n\nDid you mean this?\n\tget\n");
        let Resolved::UnknownCommand(_, error) = resolve(&ROOT, &args("e st")) else { panic!() };
        assert!(error.ends_with("\tget\n\tdel\n\tendpoint\n\telect\n"), "{error}");
    }

    #[test]
    fn edit_distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("gett", "get"), 1);
    }
}
