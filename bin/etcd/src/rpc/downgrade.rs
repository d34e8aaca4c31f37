//! Downgrade: whether the cluster may go one minor version down, that it shall, and that it shall not any more. Each
//! looks at the state as of now, so each begins with a linearizable read.

use super::{
    Desk, Edge,
    asker::Asker,
    calls::{Answer, Deadline, Read},
    decode, headers, status,
};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use member::proposal::Payload;
use proto::{
    etcdserverpb::{self as pb, downgrade_request::DowngradeAction},
    membershippb::DowngradeInfoSetRequest,
};
use state::{Version, member::DowngradeRefusal, version::UNDECIDED};

impl Edge {
    pub(super) fn downgrade(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::DowngradeRequest = decode(body)?;
        let Ok(action) = DowngradeAction::try_from(request.action) else {
            return Err(status::unknown_method());
        };
        let target = match action {
            // Whatever it names.
            DowngradeAction::Cancel => UNDECIDED,
            DowngradeAction::Validate | DowngradeAction::Enable => {
                desk.member.state().members().downgrade_target(&request.version).map_err(of_refusal)?
            }
        };
        self.calls.add_read(id, Read::Downgrade(action, target), by, desk);
        Ok(())
    }

    pub(super) fn downgrade_now(
        &mut self,
        id: CallId,
        action: DowngradeAction,
        target: Version,
        desk: &mut Desk<'_>,
    ) {
        let members = desk.member.state().members();
        let ver = target.to_string();
        let proposal = match action {
            DowngradeAction::Validate => members.validate_downgrade(target).map(|()| None),
            DowngradeAction::Enable => members
                .validate_downgrade(target)
                .map(|()| Some(DowngradeInfoSetRequest { enabled: true, ver })),
            // Nothing to cancel is no error for the client.
            DowngradeAction::Cancel => {
                let cancels = members.downgrade().enabled;
                Ok(cancels.then(|| DowngradeInfoSetRequest { enabled: false, ver: String::new() }))
            }
        };
        let proposed = match proposal {
            Err(refusal) => {
                log::warn!(error:% = refusal; "reject downgrade request");
                return desk.server.fail(id, &of_refusal(refusal));
            }
            Ok(None) => return self.send_cluster_version(id, desk),
            Ok(Some(request)) => desk.member.propose(Payload::Downgrade(&request)),
        };
        match proposed {
            Ok(request_id) => {
                let by = Deadline { own_ms: desk.now_ms + self.config.request_timeout_ms, client_ms: None };
                let answer = Answer::Downgrade(action);
                self.calls.add_proposal(request_id, Asker::Client(id), answer, by, desk.now_ms);
            }
            Err(refused) => self.fail_downgrade(id, action, &status::of_refused(refused), desk),
        }
    }

    /// The cluster version as it is now.
    pub(super) fn send_cluster_version(&self, id: CallId, desk: &mut Desk<'_>) {
        let version = desk.member.state().members().version().map(Version::short).unwrap_or_default();
        let response = pb::DowngradeResponse { header: headers::current(desk.member), version };
        desk.reply(id, &response);
    }

    /// A cancellation that fails is only logged.
    pub(super) fn fail_downgrade(
        &self,
        id: CallId,
        action: DowngradeAction,
        status: &Status,
        desk: &mut Desk<'_>,
    ) {
        if action == DowngradeAction::Cancel {
            log::warn!(error = status.message.as_str(); "failed to cancel downgrade");
            return self.send_cluster_version(id, desk);
        }
        desk.server.fail(id, status);
    }
}

fn of_refusal(refusal: DowngradeRefusal) -> Status {
    let (code, message) = refusal.status();
    status::new(code, &message)
}
