//! The sub-commands. Each runs inside the room and returns one sentence.

mod corruption;
mod failover;
mod faults;
mod lagging;
mod mixed;
mod runbook;

use crate::Failure;
use crate::arguments::Arguments;
use std::path::PathBuf;

/// # Errors
/// No such plan, or an option it does not have.
pub fn check(plan: &str, arguments: &Arguments) -> Result<(), Failure> {
    match plan {
        "runbook" => arguments.only(&["dir", "server", "etcdctl"]),
        "faults" => arguments.only(&["dir", "server", "rounds", "seed", "fault"]),
        "corruption" => arguments.only(&["dir", "server"]),
        "mixed" => arguments.only(&["dir", "ours", "go", "release"]),
        "failover" => arguments.only(&["dir", "server", "rounds"]),
        "lagging" => arguments.only(&["dir", "server", "writes"]),
        _ => Err(format!("there is no plan {plan}")),
    }
}

/// # Errors
/// What was seen and must not be.
pub async fn run(plan: &str, arguments: &Arguments) -> Result<String, Failure> {
    let directory = directory(arguments)?.join(plan);
    match plan {
        "runbook" => runbook::run(arguments, &directory).await,
        "faults" => faults::run(arguments, &directory).await,
        "corruption" => corruption::run(arguments, &directory).await,
        "mixed" => mixed::run(arguments, &directory).await,
        "failover" => failover::run(arguments, &directory).await,
        "lagging" => lagging::run(arguments, &directory).await,
        _ => Err(format!("there is no plan {plan}")),
    }
}

fn directory(arguments: &Arguments) -> Result<PathBuf, Failure> {
    let given = PathBuf::from(arguments.text("dir").unwrap_or("target/cluster"));
    std::fs::create_dir_all(&given).map_err(|e| format!("{}: {e}", given.display()))?;
    crate::arguments::absolute(&given)
}
