//! `downgrade` and its sub-commands.

use client::method;
use proto::etcdserverpb as pb;
use proto::etcdserverpb::downgrade_request::DowngradeAction;

use super::{bad_args, text};
use crate::cli::resolve::Invocation;
use crate::exit::Outcome;
use crate::print::Downgraded;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Validate,
    Enable,
    Cancel,
}

pub async fn run(run: &mut Invocation, step: Step) -> Outcome {
    let (action, name) = match step {
        Step::Validate => (DowngradeAction::Validate, "validate"),
        Step::Enable => (DowngradeAction::Enable, "enable"),
        Step::Cancel => (DowngradeAction::Cancel, "cancel"),
    };
    let version = match (step, run.args.as_slice()) {
        (Step::Cancel, _) => String::new(),
        (_, []) => return Err(bad_args("TARGET_VERSION not provided")),
        (_, [version]) if version.is_empty() => return Err(bad_args("target version not provided")),
        (_, [version]) => text(version),
        _ => return Err(bad_args("too many arguments")),
    };
    let request = pb::DowngradeRequest { action: action as i32, version };
    let (session, response) = super::call(run, &method::DOWNGRADE, true, request).await?;
    session.printer.show(&Downgraded { action: name, response })
}
