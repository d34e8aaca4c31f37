//! `auth enable`, `auth disable`, `auth status`.

use client::{Call, Client, Error, method};
use proto::etcdserverpb as pb;

use super::bad_args;
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::print::write_line;
use crate::session::Session;

const ROOT: &str = "root";
const ROOT_ROLE_MISSING: &str = "etcdserver: root user does not have root role";

fn no_arguments(run: &Invocation, name: &str) -> Result<(), Failure> {
    if run.args.is_empty() {
        return Ok(());
    }
    Err(bad_args(format!("auth {name} command does not accept any arguments")))
}

pub async fn status(run: &mut Invocation) -> Outcome {
    no_arguments(run, "status")?;
    let (session, response) = super::call(run, &method::AUTH_STATUS, true, pb::AuthStatusRequest {}).await?;
    session.printer.show(&response)
}

pub async fn enable(run: &mut Invocation) -> Outcome {
    no_arguments(run, "enable")?;
    let session = Session::open(run)?;
    let client = session.client().await?;
    switch_on(&client, session.call()).await.map_err(exit::with(exit::ERROR))?;
    write_line("Authentication Enabled")
}

/// Where user root lacks role root, it is created and granted first.
async fn switch_on(client: &Client, call: Call) -> Result<(), Error> {
    match client.call(&method::AUTH_ENABLE, call, pb::AuthEnableRequest {}).await {
        Err(error) if error.is(ROOT_ROLE_MISSING) => {}
        other => return other.map(drop),
    }
    client.call(&method::ROLE_ADD, call, pb::AuthRoleAddRequest { name: ROOT.into() }).await?;
    let grant = pb::AuthUserGrantRoleRequest { user: ROOT.into(), role: ROOT.into() };
    client.call(&method::USER_GRANT_ROLE, call, grant).await?;
    client.call(&method::AUTH_ENABLE, call, pb::AuthEnableRequest {}).await.map(drop)
}

pub async fn disable(run: &mut Invocation) -> Outcome {
    no_arguments(run, "disable")?;
    super::call(run, &method::AUTH_DISABLE, true, pb::AuthDisableRequest {}).await?;
    write_line("Authentication Disabled")
}
