//! Help and usage texts, laid out as cobra lays them out.

use super::flag::{Flag, Kind};
use super::resolve::Path;
use super::spec::{Command, Group};
use crate::go::quote::quote;

/// Names in a list of commands take at least this many columns.
const MIN_NAME_WIDTH: usize = 11;

/// Last line of every help.
const OPTIONS_HINT: &str =
    "Use \"etcdctl options\" for a list of global command-line options (applies to all commands).\n";

/// What `--help` prints.
#[must_use]
pub fn help(path: &Path) -> String {
    let command = path.command();
    let text = if command.long.is_empty() { command.short } else { command.long };
    format!("{}\n\n{}{OPTIONS_HINT}", text.trim_end(), usage(path))
}

/// What follows a usage error.
#[must_use]
pub fn usage(path: &Path) -> String {
    let command = path.command();
    let mut out = "Usage:".to_owned();
    if command.action.is_some() {
        out.push_str(&format!("\n  {}", use_line(path)));
    }
    if !command.children.is_empty() {
        out.push_str(&format!("\n  {} [command]", path.text()));
    }
    if !command.example.is_empty() {
        out.push_str(&format!("\n\nExamples:\n{}", command.example));
    }
    push_children(&mut out, path);
    // The root's own flags and all inherited from it are shown by the `options` command alone.
    if path.commands.len() > 1 {
        out.push_str(&format!("\n\nFlags:\n{}", flag_usages(path.local_flags(), command.name())));
        let inherited: Vec<&'static Flag> =
            path.commands[1..path.commands.len() - 1].iter().flat_map(|above| above.persistent).collect();
        if !inherited.is_empty() {
            out.push_str(&format!("\n\nGlobal Flags:\n{}", flag_usages(inherited, command.name())));
        }
    }
    if !command.children.is_empty() {
        out.push_str(&format!(
            "\n\nUse \"{} [command] --help\" for more information about a command.",
            path.text()
        ));
    }
    out.push('\n');
    out
}

fn use_line(path: &Path) -> String {
    let mut words: Vec<&str> =
        path.commands[..path.commands.len() - 1].iter().map(|command| command.name()).collect();
    words.push(path.command().usage);
    let line = words.join(" ");
    // A command whose arguments the parser checks shows no flags; neither does cobra for `completion`.
    let plain = path.command().positional != super::spec::Positional::Any;
    if plain { line } else { format!("{line} [flags]") }
}

fn push_children(out: &mut String, path: &Path) {
    let children = path.command().sorted_children();
    if children.is_empty() {
        return;
    }
    let width = children.iter().map(|child| child.name().len()).max().unwrap_or(0).max(MIN_NAME_WIDTH);
    let push = |out: &mut String, child: &Command| {
        out.push_str(&format!("\n  {:width$} {}", child.name(), child.short));
    };
    if path.commands.len() > 1 {
        out.push_str("\n\nAvailable Commands:");
        children.into_iter().for_each(|child| push(out, child));
        return;
    }
    for group in Group::ALL {
        out.push_str(&format!("\n\n{}", group.title()));
        children.iter().filter(|child| child.group == group).for_each(|child| push(out, child));
    }
}

/// One line per flag, sorted by name, without a final newline.
pub fn flag_usages(flags: impl IntoIterator<Item = &'static Flag>, command: &str) -> String {
    let mut flags: Vec<&'static Flag> = flags.into_iter().collect();
    flags.sort_by_key(|flag| flag.name);
    let heads: Vec<String> = flags.iter().map(|flag| head(flag)).collect();
    let width = heads.iter().map(String::len).max().unwrap_or(0);
    let lines: Vec<String> = flags
        .iter()
        .zip(heads)
        .map(|(flag, head)| format!("{head:width$}   {}", tail(flag, command)).trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// `  -w, --write-out string`.
fn head(flag: &Flag) -> String {
    let mut out = match flag.short {
        Some(short) => format!("  -{short}, --{}", flag.name),
        None => format!("      --{}", flag.name),
    };
    if !flag.kind.word().is_empty() {
        out.push_str(&format!(" {}", flag.kind.word()));
    }
    out
}

fn tail(flag: &Flag, command: &str) -> String {
    let usage = if flag.name == "help" { format!("help for {command}") } else { flag.usage.to_owned() };
    if flag.default_is_zero() {
        return usage;
    }
    match flag.kind {
        Kind::String => format!("{usage} (default {})", quote(flag.default.as_bytes())),
        Kind::Strings => format!("{usage} (default [{}])", flag.default),
        _ => format!("{usage} (default {})", flag.default),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::resolve::find;
    use crate::cli::table::ROOT;

    fn path(words: &[&str]) -> Path {
        let args: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        find(&ROOT, &args).unwrap().0
    }

    #[test]
    fn the_usage_of_a_nested_command_shows_inherited_flags_apart() {
        let text = usage(&path(&["endpoint", "hashkv"]));
        let heads: Vec<&str> = text.lines().map(|line| line.split("   ").next().unwrap()).collect();
        assert_eq!(
            heads,
            [
                "Usage:",
                "  etcdctl endpoint hashkv [flags]",
                "",
                "Flags:",
                "  -h, --help",
                "",
                "",
                "Global Flags:",
                ""
            ]
            .map(|line| line)
        );
    }

    #[test]
    fn the_root_lists_every_command_under_its_group() {
        let text = help(&path(&[]));
        for child in ROOT.children {
            assert!(text.contains(&format!("\n  {:11} {}", child.name(), child.short)), "{}", child.name());
        }
        assert!(!text.contains("Flags:"));
        assert!(text.ends_with(OPTIONS_HINT));
    }

    #[test]
    fn a_flag_line() {
        static FLAG: Flag = Flag::string("lease", "0", "text");
        assert_eq!(flag_usages([&FLAG], "put"), "      --lease string   text (default \"0\")");
    }
}
