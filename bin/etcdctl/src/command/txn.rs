//! `txn`: a transaction in three parts, read line by line from standard input.

use std::io::BufRead as _;

use client::{Call, method};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use proto::etcdserverpb::request_op::Request;

use super::{bad_args, del, get, put};
use crate::cli::help;
use crate::cli::resolve::{Invocation, Resolved, resolve};
use crate::cli::spec::Action;
use crate::cli::table::TXN_OPS;
use crate::exit::{self, Failure, Outcome};
use crate::go::number::parse_int;
use crate::go::quote::quote;
use crate::go::scan::{Scanner, words};
use crate::print::write_line;
use crate::session::Session;

pub async fn run(run: &mut Invocation) -> Outcome {
    if !run.args.is_empty() {
        return Err(bad_args("txn command does not accept argument"));
    }
    let session = Session::open(run)?;
    let client = session.client().await?;
    let interactive = run.flags.bool("interactive");
    announce(interactive, "compares:")?;
    let mut compare = Vec::new();
    while let Some(line) = next_line()? {
        compare.push(parse_compare(&line)?);
    }
    announce(interactive, "success requests (get, put, del):")?;
    let success = requests().await?;
    announce(interactive, "failure requests (get, put, del):")?;
    let failure = requests().await?;
    let request = pb::TxnRequest { compare, success, failure };
    let response =
        client.call(&method::TXN, Call::default(), request).await.map_err(exit::with(exit::ERROR))?;
    session.printer.show(&response)
}

fn announce(interactive: bool, part: &str) -> Outcome {
    if interactive { write_line(part) } else { Ok(()) }
}

/// A line without its surrounding space; `None` for the empty one that ends a part.
fn next_line() -> Result<Option<Vec<u8>>, Failure> {
    let mut line = Vec::new();
    std::io::stdin().lock().read_until(b'\n', &mut line).map_err(exit::with(exit::INVALID_INPUT))?;
    if line.last() != Some(&b'\n') {
        return Err(Failure::new(exit::INVALID_INPUT, "EOF"));
    }
    let line = line.trim_ascii();
    Ok((!line.is_empty()).then(|| line.to_vec()))
}

async fn requests() -> Result<Vec<pb::RequestOp>, Failure> {
    let mut requests = Vec::new();
    while let Some(line) = next_line()? {
        requests.push(parse_request(&line).await?);
    }
    Ok(requests)
}

fn invalid(kind: &str, line: &[u8]) -> Failure {
    Failure::new(exit::INVALID_INPUT, format!("{kind}: {}", String::from_utf8_lossy(line)))
}

/// A `put`, `get` or `del` with its arguments and flags.
async fn parse_request(line: &[u8]) -> Result<pb::RequestOp, Failure> {
    let words = words(line).map_err(exit::with(exit::INVALID_INPUT))?;
    if words.len() < 2 {
        return Err(invalid("invalid txn compare request", line));
    }
    let run = match resolve(&TXN_OPS, &words) {
        Resolved::Run(run) => run,
        Resolved::BadUsage(path, _) => {
            eprintln!("{}", help::usage(&path));
            return Err(invalid("invalid txn request", line));
        }
        Resolved::Help(_) | Resolved::UnknownCommand(..) => {
            return Err(invalid("invalid txn request", line));
        }
    };
    let request = match run.path.command().action {
        Some(Action::Put) => Request::RequestPut(put::request(&run.flags, &run.args)?),
        Some(Action::Get) => Request::RequestRange(get::request(&run.flags, &run.args)?),
        Some(Action::Del) => Request::RequestDeleteRange(del::request(&run.flags, &run.args).await?),
        _ => return Err(invalid("invalid txn request", line)),
    };
    Ok(pb::RequestOp { request: Some(request) })
}

/// What was read of `"key") op "value"`, up to where it stopped to fit.
#[derive(Default)]
struct Scanned {
    key: Vec<u8>,
    operator: String,
    value: Vec<u8>,
    whole: bool,
}

fn scan(text: &[u8]) -> Scanned {
    let mut scanned = Scanned::default();
    let mut scanner = Scanner::new(text);
    let fits = |scanned: &mut Scanned| {
        scanned.key = scanner.quoted()?;
        scanner.literal(b')')?;
        scanner.space()?;
        scanned.operator = String::from_utf8_lossy(scanner.word()?).into_owned();
        scanner.space()?;
        scanned.value = scanner.quoted()?;
        Some(())
    };
    let mut fits = fits;
    scanned.whole = fits(&mut scanned).is_some();
    scanned
}

/// `target("key") op "value"`.
fn parse_compare(line: &[u8]) -> Result<pb::Compare, Failure> {
    let shown = String::from_utf8_lossy(line);
    let malformed =
        |detail: String| Failure::new(exit::INVALID_INPUT, format!("malformed comparison: {shown}{detail}"));
    let Some(open) = line.iter().position(|byte| *byte == b'(') else { return Err(malformed(String::new())) };
    let target = String::from_utf8_lossy(&line[..open]);
    let scanned = scan(&line[open + 1..]);
    if !scanned.whole {
        let (key, value) = (quote(&scanned.key), quote(&scanned.value));
        return Err(malformed(format!("; got {target}({key}) {} {value}", scanned.operator)));
    }
    let number = || {
        parse_int(&String::from_utf8_lossy(&scanned.value), 10)
            .map_err(|_| invalid("invalid txn compare request", line))
    };
    let (target, union) = match target.as_ref() {
        "ver" | "version" => (CompareTarget::Version, TargetUnion::Version(number()?)),
        "c" | "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number()?)),
        "m" | "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number()?)),
        "val" | "value" => (CompareTarget::Value, TargetUnion::Value(scanned.value.clone().into())),
        // Go takes the target but can build no comparison from any value given for it.
        "lease" => return Err(invalid("invalid txn compare request", line)),
        other => return Err(malformed(format!(" (unknown target {other})"))),
    };
    let result = match scanned.operator.as_str() {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        other => return Err(malformed(format!(" (unknown operator {other})"))),
    };
    Ok(pb::Compare {
        result: result as i32,
        target: target as i32,
        key: scanned.key.into(),
        target_union: Some(union),
        ..pb::Compare::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, result: CompareResult, target: CompareTarget, union: TargetUnion) {
        let compare = parse_compare(line.as_bytes()).unwrap();
        assert_eq!((compare.result, compare.target), (result as i32, target as i32), "{line}");
        assert_eq!(compare.target_union, Some(union), "{line}");
    }

    fn refused(line: &str, text: &str) {
        assert_eq!(parse_compare(line.as_bytes()), Err(Failure::new(3, text)));
    }

    #[test]
    fn comparisons() {
        check("mod(\"a\") > \"0\"", CompareResult::Greater, CompareTarget::Mod, TargetUnion::ModRevision(0));
        check(
            "ver(`a`) != `-1` x",
            CompareResult::NotEqual,
            CompareTarget::Version,
            TargetUnion::Version(-1),
        );
        check(
            "val(\"a\") = \"\\x00\"",
            CompareResult::Equal,
            CompareTarget::Value,
            TargetUnion::Value(b"\0"[..].into()),
        );
        check("c(\"a\") < \"7\"", CompareResult::Less, CompareTarget::Create, TargetUnion::CreateRevision(7));
    }

    #[test]
    fn refusals() {
        refused("mod", "malformed comparison: mod");
        refused("mod(x", "malformed comparison: mod(x; got mod(\"\")  \"\"");
        refused("mod( \"a\" ) > \"0\"", "malformed comparison: mod( \"a\" ) > \"0\"; got mod(\"a\")  \"\"");
        refused("mod(\"a\") > 0", "malformed comparison: mod(\"a\") > 0; got mod(\"a\") > \"\"");
        refused("x(\"a\") > \"0\"", "malformed comparison: x(\"a\") > \"0\" (unknown target x)");
        refused("mod(\"a\") > \"z\"", "invalid txn compare request: mod(\"a\") > \"z\"");
    }
}
