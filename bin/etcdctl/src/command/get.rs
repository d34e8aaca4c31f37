//! `get`.

use client::{Call, Client, Error, ServerStream, method};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::range_request::{SortOrder, SortTarget};

use super::{bad_args, is_serializable, range_of};
use crate::cli::flag::Flags;
use crate::cli::parse::Arg;
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::print::Format;
use crate::session::Session;

pub async fn run(run: &mut Invocation) -> Outcome {
    let request = request(&run.flags, &run.args)?;
    let mut session = Session::open(run)?;
    let client = session.client().await?;
    let response = if run.flags.bool("stream") {
        streamed(&client, session.call(), request).await
    } else {
        client.call(&method::RANGE, session.call(), request).await
    };
    let response = response.map_err(exit::with(exit::ERROR))?;
    let format = session.printer.format;
    if run.flags.bool("count-only") && format != Format::Fields {
        return Err(bad_args("--count-only is only for `--write-out=fields`"));
    }
    if run.flags.bool("print-value-only") {
        if format != Format::Simple {
            return Err(bad_args("print-value-only is only for `--write-out=simple`"));
        }
        session.printer.style.value_only = true;
    }
    session.printer.show(&response)
}

/// The parts of a streamed range as one answer.
async fn streamed(
    client: &Client,
    call: Call,
    request: pb::RangeRequest,
) -> Result<pb::RangeResponse, Error> {
    let mut stream = ServerStream::open(client, &method::RANGE_STREAM, call, request).await?;
    let mut whole = pb::RangeResponse::default();
    while let Some(part) = stream.next().await? {
        let Some(part) = part.range_response else { continue };
        if part.header.is_some() {
            whole.header = part.header;
        }
        whole.kvs.extend(part.kvs);
        whole.more |= part.more;
        if part.count != 0 {
            whole.count = part.count;
        }
    }
    Ok(whole)
}

/// The request the arguments describe.
pub fn request(flags: &Flags, args: &[Arg]) -> Result<pb::RangeRequest, Failure> {
    let Some(key) = args.first() else {
        return Err(bad_args("get command needs one argument as key and an optional argument as range_end"));
    };
    let (prefix, from_key) = (flags.bool("prefix"), flags.bool("from-key"));
    if prefix && from_key {
        return Err(bad_args("`--prefix` and `--from-key` cannot be set at the same time, choose one"));
    }
    if flags.bool("keys-only") && flags.bool("count-only") {
        return Err(bad_args("`--keys-only` and `--count-only` cannot be set at the same time, choose one"));
    }
    let serializable = is_serializable(flags.string("consistency"))?;
    if args.len() > 1 && (prefix || from_key) {
        return Err(bad_args(
            "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
        ));
    }
    let (sort_order, sort_target) = sort(flags)?;
    let (key, mut end) = range_of(key, prefix, from_key);
    if let Some(given) = args.get(1) {
        end.clone_from(given);
    }
    let (min_create, max_create) = bounds(flags, "create", "Create")?;
    let (min_mod, max_mod) = bounds(flags, "mod", "Mod")?;
    Ok(pb::RangeRequest {
        key: key.into(),
        range_end: end.into(),
        limit: flags.int("limit"),
        revision: flags.int("rev").max(0),
        sort_order: sort_order as i32,
        sort_target: sort_target as i32,
        serializable,
        keys_only: flags.bool("keys-only"),
        count_only: flags.bool("count-only"),
        min_mod_revision: min_mod,
        max_mod_revision: max_mod,
        min_create_revision: min_create,
        max_create_revision: max_create,
    })
}

fn sort(flags: &Flags) -> Result<(SortOrder, SortTarget), Failure> {
    let order = match flags.string("order").to_uppercase().as_str() {
        "" => SortOrder::None,
        "ASCEND" => SortOrder::Ascend,
        "DESCEND" => SortOrder::Descend,
        _ => {
            let text = format!("bad sort order {}", flags.string("order"));
            return Err(Failure::new(exit::BAD_FEATURE, text));
        }
    };
    let target = match flags.string("sort-by").to_uppercase().as_str() {
        "" | "KEY" => SortTarget::Key,
        "CREATE" => SortTarget::Create,
        "MODIFY" => SortTarget::Mod,
        "VALUE" => SortTarget::Value,
        "VERSION" => SortTarget::Version,
        _ => {
            let text = format!("bad sort target {}", flags.string("sort-by"));
            return Err(Failure::new(exit::BAD_FEATURE, text));
        }
    };
    // Keys come in ascending order anyway; asking for it would make the server fetch them all.
    let natural = order == SortOrder::Ascend && target == SortTarget::Key;
    Ok((if natural { SortOrder::None } else { order }, target))
}

/// `--min-…-rev` and `--max-…-rev`; what is not positive is no bound.
fn bounds(flags: &Flags, flag: &str, word: &str) -> Result<(i64, i64), Failure> {
    let (min, max) = (flags.int(&format!("min-{flag}-rev")), flags.int(&format!("max-{flag}-rev")));
    if max > 0 && min > max {
        let text = format!("getMin{word}Rev(={min}) > getMax{word}Rev(={max})");
        return Err(Failure::new(exit::BAD_FEATURE, text));
    }
    Ok((min.max(0), max.max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse::parse;
    use crate::cli::table::GET_FLAGS;

    fn build(line: &str) -> Result<pb::RangeRequest, Failure> {
        let mut flags = Flags::new(&GET_FLAGS);
        let words: Vec<Arg> = line.split(' ').map(|word| word.replace("''", "").into_bytes()).collect();
        let args = parse(&mut flags, &words).unwrap();
        request(&flags, &args)
    }

    fn check(line: &str, expected: pb::RangeRequest) {
        assert_eq!(build(line), Ok(expected), "{line}");
    }

    fn refused(line: &str, code: i32, text: &str) {
        assert_eq!(build(line), Err(Failure::new(code, text)));
    }

    #[test]
    fn requests() {
        let all = pb::RangeRequest {
            key: b"\0"[..].into(),
            range_end: b"\0"[..].into(),
            ..pb::RangeRequest::default()
        };
        check("'' --prefix", all.clone());
        check("'' --from-key", all);
        let foo = pb::RangeRequest { key: b"foo"[..].into(), ..pb::RangeRequest::default() };
        check("foo --order ascend", foo.clone());
        check("foo --rev=-3", foo.clone());
        check("foo bar baz", pb::RangeRequest { range_end: b"bar"[..].into(), ..foo.clone() });
        check("foo --prefix", pb::RangeRequest { range_end: b"fop"[..].into(), ..foo.clone() });
        check(
            "foo --order descend --sort-by version --consistency s",
            pb::RangeRequest { sort_order: 2, sort_target: 1, serializable: true, ..foo.clone() },
        );
        check("foo --sort-by create", pb::RangeRequest { sort_target: 2, ..foo });
    }

    #[test]
    fn refusals() {
        refused("a --consistency x", 4, "unknown consistency flag \"x\"");
        refused("a --order up", 4, "bad sort order up");
        refused("a --sort-by x", 4, "bad sort target x");
        refused("a --min-create-rev 5 --max-create-rev 3", 4, "getMinCreateRev(=5) > getMaxCreateRev(=3)");
        refused(
            "a --prefix --from-key",
            128,
            "`--prefix` and `--from-key` cannot be set at the same time, choose one",
        );
    }
}
