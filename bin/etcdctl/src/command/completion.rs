//! Shell completion: the scripts, and the hidden `__complete` command they ask.
//!
//! The scripts know nothing of etcdctl: they pass the words typed so far and show what comes back. The answer has
//! one candidate on a line, a tab and its description perhaps, and a last line `:4` (no files) or `:0`.

use crate::cli::flag::Flag;
use crate::cli::parse::Arg;
use crate::cli::resolve::{Invocation, Path, find};
use crate::cli::spec::Positional;
use crate::cli::table::{ROOT, SHELLS};
use crate::exit::Outcome;
use crate::print::write_out;

const DESCRIBED: &[u8] = b"__complete";
const BARE: &[u8] = b"__completeNoDesc";

/// Flags whose values are a closed set.
const VALUES: [(&str, &[&str]); 4] = [
    ("write-out", &["fields", "json", "protobuf", "simple", "table"]),
    ("consistency", &["l", "s"]),
    ("order", &["ASCEND", "DESCEND"]),
    ("sort-by", &["CREATE", "KEY", "MODIFY", "VALUE", "VERSION"]),
];

/// Whether files may be offered beside the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    Allowed,
    Forbidden,
}

pub fn script(run: &Invocation) -> Outcome {
    let script = SCRIPTS.iter().zip(SHELLS).find(|(_, shell)| shell.as_bytes() == run.args[0]);
    let Some((script, _)) = script else { unreachable!("the parser accepts only known shells") };
    write_out(script.as_bytes())
}

/// Whether the command line asks for candidates, and if so whether with descriptions.
#[must_use]
pub fn requested(args: &[Arg]) -> Option<bool> {
    match args.first().map(Vec::as_slice) {
        Some(DESCRIBED) => Some(true),
        Some(BARE) => Some(false),
        _ => None,
    }
}

/// Prints the candidates for the last word.
pub fn complete(words: &[Arg], described: bool) -> Outcome {
    let (candidates, files) = candidates(words);
    let mut out = String::new();
    for (word, description) in candidates {
        out.push_str(word.as_str());
        if described && !description.is_empty() {
            out.push_str(&format!("\t{description}"));
        }
        out.push('\n');
    }
    let (code, name) = match files {
        Files::Allowed => (0, "ShellCompDirectiveDefault"),
        Files::Forbidden => (4, "ShellCompDirectiveNoFileComp"),
    };
    out.push_str(&format!(":{code}\n"));
    write_out(out.as_bytes())?;
    eprintln!("Completion ended with directive: {name}");
    Ok(())
}

type Candidate = (String, &'static str);

fn candidates(words: &[Arg]) -> (Vec<Candidate>, Files) {
    let Some((last, before)) = words.split_last() else { return (Vec::new(), Files::Forbidden) };
    let last = String::from_utf8_lossy(last).into_owned();
    let Ok((path, rest)) = find(&ROOT, before) else { return (Vec::new(), Files::Forbidden) };
    if let Some(flag) = rest.last().and_then(|word| flag_awaiting(&path, word)) {
        return (values(flag, &last), Files::Allowed);
    }
    if let Some((name, value)) = last.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
        let found = flags(&path).find(|flag| flag.name == name).map(|flag| values(flag, value));
        return (found.unwrap_or_default(), Files::Allowed);
    }
    if last.starts_with('-') {
        return (flag_names(&path, &last), Files::Forbidden);
    }
    let command = path.command();
    if !command.children.is_empty() {
        let children = command.sorted_children().into_iter();
        let found = children.map(|child| (child.name().to_owned(), child.short));
        return (found.filter(|(name, _)| name.starts_with(&last)).collect(), Files::Forbidden);
    }
    match command.positional {
        Positional::OneOf(words) => {
            let found = words.iter().filter(|word| word.starts_with(&last));
            (found.map(|word| ((*word).to_owned(), "")).collect(), Files::Forbidden)
        }
        Positional::Any => (Vec::new(), Files::Allowed),
    }
}

/// The flag this word is, if its value is still to come.
fn flag_awaiting(path: &Path, word: &Arg) -> Option<&'static Flag> {
    let word = std::str::from_utf8(word).ok()?;
    let flag = match word.strip_prefix("--") {
        Some(name) => flags(path).find(|flag| flag.name == name)?,
        None => {
            let letter = word.strip_prefix('-').filter(|rest| rest.len() == 1)?.chars().next();
            flags(path).find(|flag| flag.short == letter)?
        }
    };
    flag.bare_value().is_none().then_some(flag)
}

fn flags(path: &Path) -> impl Iterator<Item = &'static Flag> + use<'_> {
    path.local_flags().chain(path.inherited_flags())
}

fn values(flag: &Flag, begun: &str) -> Vec<Candidate> {
    let known = VALUES.iter().find(|(name, _)| *name == flag.name);
    let words = known.map_or(&[][..], |(_, words)| words);
    words.iter().filter(|word| word.starts_with(begun)).map(|word| ((*word).to_owned(), "")).collect()
}

/// The command's own flags; global ones are offered only to who begins to type them.
fn flag_names(path: &Path, begun: &str) -> Vec<Candidate> {
    let mut names: Vec<Candidate> = path
        .local_flags()
        .chain(path.inherited_flags().filter(|_| begun.len() > 2))
        .map(|flag| (format!("--{}", flag.name), flag.usage))
        .filter(|(name, _)| name.starts_with(begun))
        .collect();
    names.sort();
    names
}

/// In the order of [`SHELLS`].
const SCRIPTS: [&str; 4] = [
    r#"# bash completion for etcdctl
__etcdctl_complete() {
    local IFS=$'\n' out
    out=$("${COMP_WORDS[0]}" __completeNoDesc "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=()
    local line
    for line in $out; do
        case "$line" in
            :0) [ ${#COMPREPLY[@]} -eq 0 ] && compopt -o default 2>/dev/null ;;
            :*) ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done
}
complete -F __etcdctl_complete etcdctl
"#,
    r#"#compdef etcdctl
_etcdctl() {
    local -a found
    local line file=0
    for line in "${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case "$line" in
            :0) file=1 ;;
            :*) ;;
            *) found+=("${${line//:/\\:}/$'\t'/:}") ;;
        esac
    done
    if (( ${#found} )); then
        _describe 'etcdctl' found
    elif (( file )); then
        _files
    fi
}
compdef _etcdctl etcdctl
"#,
    r#"# fish completion for etcdctl
function __etcdctl_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete $words[2..-1] 2>/dev/null | string match -v -r '^:[0-9]+$'
end
complete -c etcdctl -f -a '(__etcdctl_complete)'
"#,
    r#"# PowerShell completion for etcdctl
Register-ArgumentCompleter -Native -CommandName etcdctl -ScriptBlock {
    param($word, $ast, $cursor)
    $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($word -eq '') { $words += '""' }
    & $ast.CommandElements[0].Value __complete @words 2>$null | Where-Object { $_ -notmatch '^:\d+$' } | ForEach-Object {
        $name, $text = $_ -split "`t", 2
        if (-not $text) { $text = $name }
        [System.Management.Automation.CompletionResult]::new($name, $name, 'ParameterValue', $text)
    }
}
"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&str], files: Files) {
        let words: Vec<Arg> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let (found, allowed) = candidates(&words);
        let found: Vec<&str> = found.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!((found.as_slice(), allowed), (expected, files), "{line}");
    }

    #[test]
    fn completed() {
        check("le", &["lease"], Files::Forbidden);
        check("lease ", &["grant", "keep-alive", "list", "revoke", "timetolive"], Files::Forbidden);
        check("get --so", &["--sort-by"], Files::Forbidden);
        check("get --sort-by=V", &["VALUE", "VERSION"], Files::Allowed);
        check("get -w j", &["json"], Files::Allowed);
        check("get ", &[], Files::Allowed);
        check("completion f", &["fish"], Files::Forbidden);
        check("lease --endp", &["--endpoints"], Files::Forbidden);
        check("nothing x", &[], Files::Forbidden);
    }
}
