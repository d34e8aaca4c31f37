//! `del`.

use std::time::Duration;

use client::method;
use proto::etcdserverpb as pb;

use super::{bad_args, range_of};
use crate::cli::flag::Flags;
use crate::cli::parse::Arg;
use crate::cli::resolve::Invocation;
use crate::exit::{Failure, Outcome};
use crate::go::quote::quote;

/// Time to think again before a range given by two keys is deleted.
const SECOND_THOUGHTS: Duration = Duration::from_secs(2);

pub async fn run(run: &mut Invocation) -> Outcome {
    let request = request(&run.flags, &run.args).await?;
    let (session, response) = super::call(run, &method::DELETE_RANGE, true, request).await?;
    session.printer.show(&response)
}

/// The request the arguments describe. A range without `--range` is announced, and [`SECOND_THOUGHTS`] pass.
pub async fn request(flags: &Flags, args: &[Arg]) -> Result<pb::DeleteRangeRequest, Failure> {
    if args.is_empty() || args.len() > 2 {
        return Err(bad_args("del command needs one argument as key and an optional argument as range_end"));
    }
    let (prefix, from_key) = (flags.bool("prefix"), flags.bool("from-key"));
    if prefix && from_key {
        return Err(bad_args("`--prefix` and `--from-key` cannot be set at the same time, choose one"));
    }
    let (key, mut end) = range_of(&args[0], prefix, from_key);
    if let Some(given) = args.get(1) {
        if prefix || from_key {
            return Err(bad_args(
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ));
        }
        if !flags.bool("range") {
            eprintln!(
                "Warning: Keys between {} and {} will be deleted. Please interrupt the command within next {} \
                 seconds to cancel. You can provide `--range` flag to avoid the delay.",
                quote(&args[0]),
                quote(given),
                SECOND_THOUGHTS.as_secs()
            );
            tokio::time::sleep(SECOND_THOUGHTS).await;
        }
        end.clone_from(given);
    }
    Ok(pb::DeleteRangeRequest { key: key.into(), range_end: end.into(), prev_kv: flags.bool("prev-kv") })
}
