//! The client API's edge: requests are checked and handed to the member; what comes back is encoded.
//!
//! It never decides anything about the state. A request is a slot in one of the maps here (no task, no channel); a
//! commit batch is answered as a batch. Start at [`Edge`].

mod applied;
mod asker;
mod calls;
mod cluster;
mod downgrade;
mod forward;
mod headers;
mod health;
mod keepalive;
mod kv;
mod leader;
mod leadership;
mod lease;
mod maintenance;
mod metadata;
mod methods;
mod peer;
mod promotion;
mod range;
mod reads;
mod replies;
mod status;
mod watch;

pub use asker::PeerCall;
pub use calls::{Probe, ProposalFigures};
pub use methods::table;

use self::{calls::Calls, methods::Route, range::Ranges};
use crate::{connected::Connected, readers::Readers};
use ::rpc::{CallId, Event, HttpRequest, HttpResponse, Metadata, Server, Status};
use bytes::Bytes;
use member::{Member, Outputs};
use prost::Message;

/// Tokens of reads and tags of jobs from here on are not the edge's.
pub const FOREIGN_TOKENS: u64 = 1 << 63;

/// What the edge must know besides the member. Sizes in bytes, times in milliseconds.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    pub txn_ops_max: usize,
    pub request_bytes_max: usize,
    pub request_timeout_ms: u64,
    pub heartbeat_ms: u64,
    pub strict_reconfig_check: bool,
    pub progress_interval_ms: u64,
    /// What `Status` reports; negative and zero as etcd shows them.
    pub quota_shown: i64,
    /// The release this member says it is.
    pub version: String,
}

/// What a handler works with: the edge's own state is apart from these.
pub struct Desk<'a> {
    pub server: &'a mut Server,
    pub member: &'a mut Member,
    pub readers: &'a Readers,
    pub out: &'a mut Outputs,
    pub now_ms: u64,
}

impl Desk<'_> {
    /// Answers a unary call.
    fn reply(&mut self, call: CallId, response: &impl Message) {
        self.server.reply(call, |out| response.encode(out).expect("BytesMut grows"));
    }

    /// One message of a stream.
    fn send(&mut self, call: CallId, message: &impl Message) {
        self.server.send(call, |out| message.encode(out).expect("BytesMut grows"));
    }
}

/// The edge of one member: every call that is not answered yet.
#[derive(Debug)]
pub struct Edge {
    config: EdgeConfig,
    calls: Calls,
    ranges: Ranges,
    watches: watch::Watches,
    keepalives: keepalive::KeepAlives,
    maintenance: maintenance::Jobs,
    applied_waits: applied::AppliedWaits,
    forwards: forward::Forwards,
    moves: Vec<leadership::Move>,
    connected: Connected,
    peer_answers: Vec<(PeerCall, HttpResponse)>,
    last_tick_ms: u64,
    /// When this member became leader, if it did.
    elected_ms: Option<u64>,
    leads: bool,
}

impl Edge {
    pub fn new(config: EdgeConfig, jitter: u64) -> Edge {
        Edge {
            watches: watch::Watches::new(config.progress_interval_ms, jitter),
            config,
            calls: Calls::default(),
            ranges: Ranges::default(),
            keepalives: keepalive::KeepAlives::default(),
            maintenance: maintenance::Jobs::default(),
            applied_waits: applied::AppliedWaits::default(),
            forwards: forward::Forwards::default(),
            moves: Vec::new(),
            connected: Connected::default(),
            peer_answers: Vec::new(),
            last_tick_ms: 0,
            elected_ms: None,
            leads: false,
        }
    }

    /// Takes an event of the gRPC side; an HTTP/1.1 request is handed back.
    pub fn event(&mut self, event: Event, desk: &mut Desk<'_>) -> Option<(CallId, u8, HttpRequest)> {
        match event {
            Event::Call { id, method, metadata, body } => {
                self.call(id, Route::of(method), &metadata, body, desk)
            }
            Event::Open { id, method, metadata } => self.open(id, Route::of(method), &metadata, desk),
            Event::Message { id, body } => self.message(id, body, desk),
            Event::HalfClose { id } => self.half_close(id, desk),
            Event::Gone { id } => self.gone(id, desk),
            Event::Http { id, door, request } => return Some((id, door, request)),
            Event::Woken => {}
        }
        None
    }

    fn call(&mut self, id: CallId, route: Route, metadata: &Metadata, body: Bytes, desk: &mut Desk<'_>) {
        if let Err(status) =
            route.check_learner(&body, desk.member).and_then(|()| metadata::check(metadata, desk.member))
        {
            return desk.server.fail(id, &status);
        }
        let deadline = self.deadline(metadata, desk.now_ms);
        let done = match route {
            Route::Range => self.range(id, body, deadline, desk),
            Route::RangeStream => self.range_stream(id, body, deadline, desk),
            Route::Put => self.put(id, body, deadline, desk),
            Route::DeleteRange => self.delete_range(id, body, deadline, desk),
            Route::Txn => self.txn(id, body, deadline, desk),
            Route::Compact => self.compact(id, body, deadline, desk),
            Route::LeaseGrant => self.lease_grant(id, body, deadline, desk),
            Route::LeaseRevoke => self.lease_revoke(id, body, deadline, desk),
            Route::LeaseTimeToLive => self.lease_time_to_live(id, body, desk),
            Route::LeaseLeases => self.lease_leases(id, body, desk),
            Route::MemberAdd => self.member_add(id, body, deadline, desk),
            Route::MemberRemove => self.member_remove(id, body, deadline, desk),
            Route::MemberUpdate => self.member_update(id, body, deadline, desk),
            Route::MemberPromote => self.member_promote(id, metadata, body, desk),
            Route::MoveLeader => self.move_leader(id, body, deadline, desk),
            Route::Downgrade => self.downgrade(id, body, deadline, desk),
            Route::MemberList => self.member_list(id, body, deadline, desk),
            Route::Alarm => self.alarm(id, body, deadline, desk),
            Route::Status => self.status(id, body, desk),
            Route::Defragment => self.defragment(id, body, desk),
            Route::Hash => self.hash(id, body, desk),
            Route::HashKv => self.hash_kv(id, body, desk),
            Route::Snapshot => self.snapshot(id, body, desk),
            Route::HealthCheck => self.health_check(id, body, desk),
            Route::HealthList => self.health_list(id, body, desk),
            Route::HealthWatch => self.health_watch(id, body, desk),
            Route::Watch | Route::LeaseKeepAlive => unreachable!("client-streaming methods open"),
        };
        if let Err(status) = done {
            desk.server.fail(id, &status);
        }
    }

    fn open(&mut self, id: CallId, route: Route, metadata: &Metadata, desk: &mut Desk<'_>) {
        if let Err(status) =
            route.check_learner(&[], desk.member).and_then(|()| metadata::check(metadata, desk.member))
        {
            return desk.server.fail(id, &status);
        }
        match route {
            Route::Watch => self.watches.open(id, metadata::has_leader(metadata), desk),
            Route::LeaseKeepAlive => self.keepalives.open(id, metadata::has_leader(metadata)),
            _ => unreachable!("only client-streaming methods open"),
        }
    }

    fn message(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) {
        if self.watches.has(id) {
            self.watches.request(id, body, desk);
        } else if self.keepalives.has(id) {
            self.keep_alive(id, body, desk);
        }
    }

    fn half_close(&mut self, id: CallId, desk: &mut Desk<'_>) {
        // A half-closed watch goes on; a keep-alive stream ends when it has answered what it got.
        if self.keepalives.has(id) {
            self.end_keep_alives(id, desk);
        }
    }

    fn gone(&mut self, id: CallId, desk: &mut Desk<'_>) {
        self.watches.gone(id, desk);
        self.keepalives.gone(id);
        self.ranges.gone(id, desk);
        self.maintenance.gone(id);
        self.calls.gone(id);
        self.forwards.gone(id);
        self.forget_move(id);
    }

    fn deadline(&self, metadata: &Metadata, now_ms: u64) -> calls::Deadline {
        let own = now_ms + self.config.request_timeout_ms;
        let client = metadata.timeout.map(|t| now_ms.saturating_add(t.as_millis() as u64));
        calls::Deadline { own_ms: own, client_ms: client }
    }

    /// What the member's turn produced for callers. Call after every turn.
    pub fn settle(&mut self, desk: &mut Desk<'_>) {
        for (request_id, result) in std::mem::take(&mut desk.out.replies) {
            self.reply(request_id, result, desk);
        }
        for request_id in std::mem::take(&mut desk.out.dropped) {
            if let Some(proposal) = self.calls.take_proposal(request_id) {
                self.fail_proposal(&proposal, &status::proposal_dropped(), desk);
            }
        }
        for token in std::mem::take(&mut desk.out.cut_off) {
            if let Some((asker, read)) = self.calls.take_read(token) {
                self.fail_read(asker, &read, &status::leader_changed(), desk);
            }
        }
        for token in std::mem::take(&mut desk.out.readable) {
            self.read_now(token, desk);
        }
        self.step_ranges(desk);
        self.maintenance.step(desk);
        self.step_keep_alives(desk);
        self.note_leader(desk);
        self.step_applied(desk);
        self.step_forwards(desk);
        self.step_moves(desk);
        self.watches.deliver(desk);
    }

    /// Fails what has waited too long and does what is due by time. Call at least once per tick.
    pub fn tick(&mut self, desk: &mut Desk<'_>) {
        self.last_tick_ms = desk.now_ms;
        self.end_expired(desk);
        self.end_unapplied(desk);
        let calls = &self.calls;
        desk.member
            .forget(|token| token < FOREIGN_TOKENS && !calls.has_read(token), |id| !calls.has_proposal(id));
        self.watches.tick(desk);
    }

    /// Streams that asked for it end when there has been no leader for three election timeouts.
    pub fn no_leader(&mut self, desk: &mut Desk<'_>) {
        self.watches.no_leader(desk);
        self.cut_keep_alives(desk);
    }

    /// Results of HTTP health ranges, and other reads that are not gRPC calls.
    pub fn probe(&mut self, call: CallId, serializable: bool, desk: &mut Desk<'_>) {
        self.calls.add_probe(call, serializable, desk);
    }

    pub fn take_probes(&mut self) -> Vec<Probe> {
        self.calls.take_probes()
    }

    pub fn proposal_figures(&self) -> ProposalFigures {
        self.calls.proposal_figures()
    }

    /// Open calls, for a graceful stop.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.ranges.is_empty()
            && self.maintenance.is_empty()
            && self.applied_waits.is_empty()
            && self.forwards.is_empty()
            && self.moves.is_empty()
    }
}

/// Decodes a unary request, or says why it cannot be.
fn decode<M: Message + Default>(body: Bytes) -> Result<M, Status> {
    M::decode(body).map_err(|error| status::undecodable(&error))
}

/// As [`decode`], for a method that answers with a stream: the text differs.
fn decode_for_stream<M: Message + Default>(body: Bytes) -> Result<M, Status> {
    M::decode(body).map_err(|error| status::undecodable_in_stream(&error))
}
