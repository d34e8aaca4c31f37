//! `lease` and its sub-commands. Only grant and revoke are bounded by the command timeout.

use client::lease::{KeepAlive, keep_alive_once};
use client::{Call, method};
use proto::etcdserverpb as pb;

use super::{bad_args, hex_i64, text};
use crate::cli::parse::Arg;
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::go::number::parse_int;
use crate::print::{Format, Granted, KeptAlive, Leases, Revoked, TimeToLive, write_line};
use crate::session::Session;

pub async fn grant(run: &mut Invocation) -> Outcome {
    let [ttl] = run.args.as_slice() else { return Err(bad_args("lease grant command needs TTL argument")) };
    let ttl = parse_int(&text(ttl), 10).map_err(|error| bad_args(format!("bad TTL ({error})")))?;
    let session = Session::open(run)?;
    let request = pb::LeaseGrantRequest { ttl, id: 0 };
    let client = session.client().await?;
    let response = client
        .call(&method::LEASE_GRANT, session.call(), request)
        .await
        .map_err(|error| Failure::new(exit::ERROR, format!("failed to grant lease ({error})")))?;
    session.printer.show(&Granted(response))
}

pub async fn revoke(run: &mut Invocation) -> Outcome {
    let [id] = run.args.as_slice() else { return Err(bad_args("lease revoke command needs 1 argument")) };
    let id = lease_id(id)?;
    let session = Session::open(run)?;
    let client = session.client().await?;
    let response = client
        .call(&method::LEASE_REVOKE, session.call(), pb::LeaseRevokeRequest { id })
        .await
        .map_err(|error| Failure::new(exit::ERROR, format!("failed to revoke lease ({error})")))?;
    session.printer.show(&Revoked { id, response })
}

pub async fn time_to_live(run: &mut Invocation) -> Outcome {
    let [id] = run.args.as_slice() else {
        return Err(bad_args("lease timetolive command needs lease ID as argument"));
    };
    let id = id.clone();
    let keys = run.flags.bool("keys");
    let session = Session::open(run)?;
    let client = session.client().await?;
    let request = pb::LeaseTimeToLiveRequest { id: lease_id(&id)?, keys };
    let response = client
        .call(&method::LEASE_TIME_TO_LIVE, Call::default(), request)
        .await
        .map_err(exit::with(exit::BAD_CONNECTION))?;
    session.printer.show(&TimeToLive { response, keys })
}

pub async fn list(run: &mut Invocation) -> Outcome {
    let session = Session::open(run)?;
    let client = session.client().await?;
    let response = client
        .call(&method::LEASE_LEASES, Call::default(), pb::LeaseLeasesRequest {})
        .await
        .map_err(exit::with(exit::BAD_CONNECTION))?;
    session.printer.show(&Leases(response))
}

pub async fn keep_alive(run: &mut Invocation) -> Outcome {
    let [id] = run.args.as_slice() else {
        return Err(bad_args("lease keep-alive command needs lease ID as argument"));
    };
    let id = lease_id(id)?;
    let session = Session::open(run)?;
    let client = session.client().await?;
    if run.flags.bool("once") {
        let response =
            keep_alive_once(&client, Call::default(), id).await.map_err(exit::with(exit::BAD_CONNECTION))?;
        return session.printer.show(&KeptAlive(response));
    }
    let mut renewals = KeepAlive::new(&client, id);
    while let Some(response) = renewals.next().await {
        session.printer.show(&KeptAlive(response))?;
    }
    if session.printer.format == Format::Simple {
        write_line(&format!("lease {id:016x} expired or revoked."))?;
    }
    Ok(())
}

fn lease_id(arg: &Arg) -> Result<i64, Failure> {
    hex_i64(arg).map_err(|error| bad_args(format!("bad lease ID arg ({error}), expecting ID in Hex")))
}
