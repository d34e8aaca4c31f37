//! `move-leader`.

use client::method;
use proto::etcdserverpb as pb;

use super::{bad_args, hex_u64};
use crate::cli::resolve::Invocation;
use crate::exit::{self, Outcome};
use crate::print::LeaderMoved;
use crate::session::Session;

/// Asks each endpoint until one is the leader, then tells that one.
pub async fn run(run: &mut Invocation) -> Outcome {
    let [to] = run.args.as_slice() else { return Err(bad_args("move-leader command needs 1 argument")) };
    let to = hex_u64(to).map_err(bad_args)?;
    let session = Session::open(run)?;
    session.client().await?;
    let call = session.call();
    for endpoint in &session.config.endpoints {
        let client = session.client_for(endpoint).await?;
        let status = client
            .call(&method::STATUS, call, pb::StatusRequest {})
            .await
            .map_err(exit::with(exit::ERROR))?;
        let from = status.leader;
        if status.header.is_some_and(|header| header.member_id == from) {
            let request = pb::MoveLeaderRequest { target_id: to };
            let response =
                client.call(&method::MOVE_LEADER, call, request).await.map_err(exit::with(exit::ERROR))?;
            return session.printer.show(&LeaderMoved { from, to, response });
        }
    }
    Err(bad_args(format!("no leader endpoint given at [{}]", session.config.endpoints.join(" "))))
}
