//! `elect`: stands for election, or watches one.

use client::queue::{Observer, Ticket};
use client::{Client, Error};

use super::bad_args;
use super::seat::{Seat, Signals};
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::session::Session;

/// Seconds a leader outlives its process.
const TTL: i64 = 60;

pub async fn run(run: &mut Invocation) -> Outcome {
    let (name, proposal) = match run.args.as_slice() {
        [name] => (name.clone(), None),
        [name, proposal] => (name.clone(), Some(proposal.clone())),
        _ => {
            return Err(bad_args("elect takes one election name argument and an optional proposal argument"));
        }
    };
    let listen = run.flags.bool("listen");
    let session = Session::open(run)?;
    let client = session.client().await?;
    match proposal {
        None if !listen => Err(bad_args("no proposal argument but -l not set")),
        Some(_) if listen => Err(bad_args("proposal given but -l is set")),
        None => observe(&session, &client, &name).await,
        Some(proposal) => campaign(&session, &client, &name, &proposal).await,
    }
}

fn failure(error: Error) -> Failure {
    Failure::new(exit::ERROR, error)
}

/// Prints each leader until a signal.
async fn observe(session: &Session, client: &Client, name: &[u8]) -> Outcome {
    let _seat = Seat::take(client, TTL).await.map_err(failure)?;
    let mut signals = Signals::catch().map_err(exit::with(exit::ERROR))?;
    let mut observer = Observer::new(client, name);
    loop {
        tokio::select! {
            () = signals.next() => return Ok(()),
            leader = observer.next() => match leader {
                Ok(leader) => session.printer.show(&leader)?,
                Err(_) => return Err(Failure::new(exit::ERROR, "elect: observer lost")),
            },
        }
    }
}

/// Waits to be elected, prints the own key and stays leader until a signal.
async fn campaign(session: &Session, client: &Client, name: &[u8], proposal: &[u8]) -> Outcome {
    let mut seat = Seat::take(client, TTL).await.map_err(failure)?;
    let mut signals = Signals::catch().map_err(exit::with(exit::ERROR))?;
    let ticket = Ticket::draw(client, name, seat.lease, proposal).await.map_err(failure)?;
    let elected = tokio::select! {
        elected = ticket.wait_for_head() => elected.map_err(failure),
        () = signals.next() => Err(Failure::new(exit::ERROR, "context canceled")),
    };
    if let Err(failure) = elected {
        // The wait's own end is what the user must hear of.
        let _also_failed = ticket.leave().await;
        return Err(failure);
    }
    session.printer.show(&ticket.read().await.map_err(failure)?)?;
    tokio::select! {
        () = signals.next() => ticket.leave().await.map_err(failure),
        () = seat.lost() => Err(Failure::new(exit::ERROR, "elect: session expired")),
    }
}
