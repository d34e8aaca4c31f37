//! `put`.

use std::io::Read as _;

use client::method;
use proto::etcdserverpb as pb;

use super::bad_args;
use crate::cli::flag::Flags;
use crate::cli::parse::Arg;
use crate::cli::resolve::Invocation;
use crate::exit::{Failure, Outcome};
use crate::go::number::parse_int;

pub async fn run(run: &mut Invocation) -> Outcome {
    let request = request(&run.flags, &run.args)?;
    let (session, response) = super::call(run, &method::PUT, true, request).await?;
    session.printer.show(&response)
}

/// The request the arguments describe; a missing value is read from standard input.
pub fn request(flags: &Flags, args: &[Arg]) -> Result<pb::PutRequest, Failure> {
    let needs = || bad_args("put command needs 1 argument and input from stdin or 2 arguments");
    let key = args.first().ok_or_else(needs)?;
    let ignore_value = flags.bool("ignore-value");
    let value = match args.get(1) {
        Some(_) if ignore_value => {
            return Err(bad_args("put command needs only 1 argument when 'ignore-value' is set"));
        }
        Some(value) => value.clone(),
        None if ignore_value => Vec::new(),
        None => standard_input().filter(|value| !value.is_empty()).ok_or_else(needs)?,
    };
    let lease = parse_int(flags.string("lease"), 16)
        .map_err(|error| bad_args(format!("bad lease ID ({error}), expecting ID in Hex")))?;
    Ok(pb::PutRequest {
        key: key.clone().into(),
        value: value.into(),
        lease,
        prev_kv: flags.bool("prev-kv"),
        ignore_value,
        ignore_lease: flags.bool("ignore-lease"),
    })
}

fn standard_input() -> Option<Vec<u8>> {
    let mut value = Vec::new();
    std::io::stdin().lock().read_to_end(&mut value).ok()?;
    Some(value)
}
