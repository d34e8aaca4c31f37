//! `compaction`.

use client::method;
use proto::etcdserverpb as pb;

use super::{bad_args, text};
use crate::cli::resolve::Invocation;
use crate::exit::{self, Outcome};
use crate::go::number::parse_int;
use crate::print::write_line;

pub async fn run(run: &mut Invocation) -> Outcome {
    let [revision] = run.args.as_slice() else {
        return Err(bad_args("compaction command needs 1 argument"));
    };
    let revision = parse_int(&text(revision), 10).map_err(exit::with(exit::ERROR))?;
    let request = pb::CompactionRequest { revision, physical: run.flags.bool("physical") };
    super::call(run, &method::COMPACT, true, request).await?;
    write_line(&format!("compacted revision {revision}"))
}
