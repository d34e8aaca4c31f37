//! `alarm list` and `alarm disarm`.

use client::{Call, Client, Error, method};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::alarm_request::AlarmAction;

use super::bad_args;
use crate::cli::resolve::Invocation;
use crate::exit::{self, Outcome};
use crate::session::Session;

pub async fn list(run: &mut Invocation) -> Outcome {
    if !run.args.is_empty() {
        return Err(bad_args("alarm list command accepts no arguments"));
    }
    let (session, response) = super::call(run, &method::ALARM, true, request(AlarmAction::Get, None)).await?;
    session.printer.show(&response)
}

pub async fn disarm(run: &mut Invocation) -> Outcome {
    if !run.args.is_empty() {
        return Err(bad_args("alarm disarm command accepts no arguments"));
    }
    let session = Session::open(run)?;
    let client = session.client().await?;
    let response = disarm_all(&client, session.call()).await.map_err(exit::with(exit::ERROR))?;
    session.printer.show(&response)
}

/// Disarms what is listed, one call each; the answer has the disarmed alarms and no header.
async fn disarm_all(client: &Client, call: Call) -> Result<pb::AlarmResponse, Error> {
    let listed = client.call(&method::ALARM, call, request(AlarmAction::Get, None)).await?;
    let mut disarmed = pb::AlarmResponse::default();
    for alarm in listed.alarms {
        let request = request(AlarmAction::Deactivate, Some(alarm));
        disarmed.alarms.extend(client.call(&method::ALARM, call, request).await?.alarms);
    }
    Ok(disarmed)
}

fn request(action: AlarmAction, alarm: Option<pb::AlarmMember>) -> pb::AlarmRequest {
    let alarm = alarm.unwrap_or_default();
    pb::AlarmRequest { action: action as i32, member_id: alarm.member_id, alarm: alarm.alarm }
}

/// The alarms that are on.
pub async fn active(client: &Client, call: Call) -> Result<Vec<pb::AlarmMember>, Error> {
    Ok(client.call(&method::ALARM, call, request(AlarmAction::Get, None)).await?.alarms)
}
