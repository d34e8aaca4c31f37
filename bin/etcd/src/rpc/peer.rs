//! What another member asks of this one over HTTP, beyond raft, and does not get at once.
//!
//! It never reads the request's text; `http::peer` does. Answers are gathered here for the loop to send.

use super::{
    Desk, Edge,
    applied::Then,
    asker::{Asker, PeerCall, Promotion},
    calls::Deadline,
};
use crate::http::peer::{self, Ask};
use ::rpc::HttpResponse;
use mvcc::HashJob;

impl Edge {
    /// Begins to answer. The response comes by [`Edge::take_peer_answers`].
    pub fn peer_ask(&mut self, call: PeerCall, ask: Ask, desk: &mut Desk<'_>) {
        match ask {
            Ask::Promote { id, token } => {
                let promotion = Promotion { asker: Asker::Peer(call), id, token };
                self.after_applied(Then::Promote(promotion), desk);
            }
            Ask::Renew { lease } => self.after_applied(Then::RenewFor(call, lease), desk),
            Ask::TimeToLive(request) => {
                self.after_applied(Then::TimeToLive(Asker::Peer(call), request), desk);
            }
            Ask::HashKv { revision } => match desk.member.state_mut().hash_kv(revision) {
                Ok(HashJob::Done(hash)) => self.hashed_for(call, hash, desk),
                Ok(HashJob::Work(work)) => self.hash_kv_for(call, work, desk),
                Err(reject) => {
                    let text = peer::text(400, peer::hash_refusal(reject));
                    self.peer_answers.push((call, text));
                }
            },
            Ask::DowngradeEnabled => {
                let own_ms = desk.now_ms + self.config.request_timeout_ms;
                self.calls.add_downgrade_enabled(call, Deadline { own_ms, client_ms: None }, desk);
            }
        }
    }

    pub(super) fn hashed_for(&mut self, call: PeerCall, hash: mvcc::HashKv, desk: &Desk<'_>) {
        self.peer_answers.push((call, peer::hash_kv(hash, desk.member.settings().cluster_id)));
    }

    /// After a linearizable read, or its failure.
    pub(super) fn downgrade_enabled_for(&mut self, call: PeerCall, read: Result<(), &str>, desk: &Desk<'_>) {
        let enabled = read.map(|()| desk.member.state().members().downgrade().enabled);
        let response = peer::downgrade_enabled(enabled, desk.member.settings().cluster_id);
        self.peer_answers.push((call, response));
    }

    /// A response that needed nothing of the member.
    pub fn answer_peer(&mut self, call: PeerCall, response: HttpResponse) {
        self.peer_answers.push((call, response));
    }

    /// Responses to requests on the peer port.
    pub fn take_peer_answers(&mut self) -> Vec<(PeerCall, HttpResponse)> {
        std::mem::take(&mut self.peer_answers)
    }
}
