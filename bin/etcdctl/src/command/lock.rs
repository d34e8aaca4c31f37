//! `lock`: holds a lock until a signal, or while a command runs.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{ExitStatus, Stdio};

use client::queue::Ticket;
use client::{Call, Client, method};
use proto::etcdserverpb as pb;

use super::bad_args;
use super::child::{signal_text, spawn_text};
use super::seat::{Seat, Signals};
use crate::cli::parse::Arg;
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::session::Session;

const KEY_VARIABLE: &str = "ETCD_LOCK_KEY";
const REVISION_VARIABLE: &str = "ETCD_LOCK_REV";
/// Exit code of a process whose child was killed: Go passes on -1.
const CHILD_KILLED: i32 = 255;

pub async fn run(run: &mut Invocation) -> Outcome {
    let Some((name, command)) = run.args.split_first() else {
        return Err(bad_args("lock takes a lock name argument and an optional command to execute"));
    };
    let (name, command) = (name.clone(), command.to_vec());
    let ttl = run.flags.int("ttl");
    let session = Session::open(run)?;
    let client = session.client().await?;
    let mut seat = Seat::take(&client, ttl).await.map_err(exit::with(exit::ERROR))?;
    let mut signals = Signals::catch().map_err(exit::with(exit::ERROR))?;
    let ticket = Ticket::draw(&client, &name, seat.lease, b"").await.map_err(exit::with(exit::ERROR))?;
    let head = tokio::select! {
        head = head(&ticket) => head,
        () = signals.next() => Err(Failure::new(exit::ERROR, "context canceled")),
    };
    let revision = match head {
        Ok(revision) => revision,
        Err(failure) => {
            // The wait's own end is what the user must hear of.
            let _also_failed = unlock(&client, &ticket).await;
            return Err(failure);
        }
    };
    if let Some((program, args)) = command.split_first() {
        let child = run_child(program, args, &ticket, revision).await;
        let unlocked = unlock(&client, &ticket).await;
        return child.and(unlocked);
    }
    let held = ticket.read().await.map_err(exit::with(exit::ERROR))?;
    if held.kvs.is_empty() {
        return Err(Failure::new(exit::ERROR, "lock lost on init"));
    }
    session.printer.show(&held)?;
    tokio::select! {
        () = signals.next() => unlock(&client, &ticket).await,
        () = seat.lost() => Err(Failure::new(exit::ERROR, "session expired")),
    }
}

/// Waits for the lock. The revision it was taken at.
async fn head(ticket: &Ticket) -> Result<i64, Failure> {
    if !ticket.wait_for_head().await.map_err(exit::with(exit::ERROR))? {
        return Ok(ticket.revision);
    }
    // While this waited, the lease and with it the place in the queue may have been lost.
    let now = ticket.read().await.map_err(exit::with(exit::ERROR))?;
    if now.kvs.is_empty() {
        return Err(Failure::new(exit::ERROR, "mutex: session is expired"));
    }
    Ok(now.header.unwrap_or_default().revision)
}

async fn unlock(client: &Client, ticket: &Ticket) -> Outcome {
    let request =
        pb::DeleteRangeRequest { key: ticket.key.clone().into(), ..pb::DeleteRangeRequest::default() };
    let deleted = client.call(&method::DELETE_RANGE, Call::default(), request).await;
    deleted.map(drop).map_err(exit::with(exit::ERROR))
}

/// Runs the command; its exit code becomes ours.
async fn run_child(program: &Arg, args: &[Arg], ticket: &Ticket, revision: i64) -> Outcome {
    let mut command = tokio::process::Command::new(OsString::from_vec(program.clone()));
    command.args(args.iter().cloned().map(OsString::from_vec)).stdin(Stdio::null());
    let ours = [
        (KEY_VARIABLE, OsString::from_vec(ticket.key.clone())),
        (REVISION_VARIABLE, revision.to_string().into()),
    ];
    // What the environment says already stands.
    for (name, value) in ours.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()) {
        command.env(name, value);
    }
    match command.status().await {
        Ok(status) => child_outcome(status),
        Err(error) => Err(Failure::new(exit::ERROR, spawn_text(program, &error))),
    }
}

fn child_outcome(status: ExitStatus) -> Outcome {
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::new(code, format!("exit status {code}"))),
        None => Err(Failure::new(CHILD_KILLED, signal_text(status))),
    }
}
