//! Linearizable reads that may be served now, or have failed.

use super::{Desk, Edge, asker::Asker, calls::Read, status};
use ::rpc::Status;

impl Edge {
    pub(super) fn read_now(&mut self, token: u64, desk: &mut Desk<'_>) {
        let Some((asker, read)) = self.calls.take_read(token) else { return };
        match (asker, read) {
            (Asker::Client(id), Read::Range(request)) => self.range_now(id, request, desk),
            (Asker::Client(id), Read::RangeStream(request)) => self.stream_now(id, request, desk),
            (Asker::Client(id), Read::Txn(request)) => self.txn_now(id, request, desk),
            (Asker::Client(id), Read::MemberList) => self.member_list_now(id, desk),
            (Asker::Client(id), Read::Downgrade(action, target)) => {
                self.downgrade_now(id, action, target, desk);
            }
            (Asker::Client(id), Read::KeepAlive) => self.keep_alive_confirmed(id, desk),
            (Asker::Client(id), Read::Probe) => self.calls.end_probe(id, Ok(())),
            (Asker::Peer(call), Read::DowngradeEnabled) => self.downgrade_enabled_for(call, Ok(()), desk),
            (asker, read) => unreachable!("{asker:?} does not ask for {read:?}"),
        }
    }

    pub(super) fn fail_read(&mut self, asker: Asker, read: &Read, status: &Status, desk: &mut Desk<'_>) {
        match (asker, read) {
            (Asker::Client(id), Read::Downgrade(action, _)) => self.fail_downgrade(id, *action, status, desk),
            // It may still be the leader, but it could not see that.
            (Asker::Client(id), Read::KeepAlive) => self.fail_keep_alives(id, &status::not_primary(), desk),
            (Asker::Client(id), Read::Probe) => self.calls.end_probe(id, Err(status.message.clone())),
            (Asker::Client(id), _) => desk.server.fail(id, status),
            (Asker::Peer(call), _) => self.downgrade_enabled_for(call, Err(&status.message), desk),
        }
    }
}
