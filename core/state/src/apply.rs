//! One committed entry: decided here, done by the parts.
//!
//! Order of decisions: replayed or fresh; alarms (CORRUPT before NOSPACE); the part's own checks; quota. An entry
//! over the quota is done all the same, and refused afterwards: members must not disagree because their files differ
//! in size.

use crate::{
    Applied, Context, Effect, Error, Failure, Reject, Reply, State, Version, command,
    command::Command,
    header::header,
    lease,
    member::{Change, Downgrade},
    quota,
};
use proto::{
    Message,
    etcdserverpb::{self as pb, AlarmType, alarm_request::AlarmAction},
    raftpb,
};

/// What a command came to.
struct Outcome {
    result: Result<Reply, Reject>,
    changes: Vec<mvcc::Change>,
    effect: Option<Effect>,
    lease: Option<lease::Event>,
}

impl Outcome {
    fn reply(reply: Reply) -> Outcome {
        Outcome { result: Ok(reply), changes: Vec::new(), effect: None, lease: None }
    }

    fn refused(reject: Reject) -> Outcome {
        Outcome { result: Err(reject), changes: Vec::new(), effect: None, lease: None }
    }

    /// From a part that may refuse and may change keys.
    fn of(done: Result<(Reply, Vec<mvcc::Change>), Failure>) -> Result<Outcome, Error> {
        match done {
            Ok((reply, changes)) => Ok(Outcome { changes, ..Outcome::reply(reply) }),
            Err(Failure::Reject(reject)) => Ok(Outcome::refused(reject)),
            Err(Failure::Fault(fault)) => Err(fault),
        }
    }
}

impl State {
    /// Applies a committed entry. Entries come in order, without gaps; those up to the consistent index are replayed:
    /// they leave the keys, leases and alarms alone. An error is a fault: the process must stop.
    pub fn apply(&mut self, entry: &raftpb::Entry, context: &Context) -> Result<Applied, Error> {
        let index = entry.index();
        let fresh = index > self.index;
        if fresh && self.index != 0 && index != self.index + 1 {
            let reason = format!("the entry before it that was applied is {}", self.index);
            return Err(Error::Entry { index, reason });
        }
        self.applied_term = entry.term();
        let (request_id, outcome) = match entry.r#type() {
            raftpb::EntryType::EntryNormal => self.apply_normal(entry, fresh, context)?,
            raftpb::EntryType::EntryConfChange => self.apply_conf_change(entry, fresh)?,
            raftpb::EntryType::EntryConfChangeV2 => {
                return Err(Error::Entry { index, reason: "configuration change of version 2".into() });
            }
        };
        if fresh {
            self.index = index;
            self.term = entry.term();
        }
        let Outcome { result, changes, effect, lease } = outcome;
        Ok(Applied { request_id, result, changes, revision: self.mvcc.revision(), effect, lease, fresh })
    }

    fn apply_normal(
        &mut self,
        entry: &raftpb::Entry,
        fresh: bool,
        context: &Context,
    ) -> Result<(u64, Outcome), Error> {
        let done = Outcome::reply(Reply::Done);
        let Some(data) = entry.data.as_ref().filter(|data| !data.is_empty()) else {
            return Ok((0, done));
        };
        if !fresh && !self.replay_members {
            return Ok((0, done));
        }
        let index = entry.index();
        let command::Request { id, command } =
            command::read(data).map_err(|reason| Error::Entry { index, reason })?;
        let outcome = match command {
            Command::ClusterVersion(text) => self.set_cluster_version(index, text)?,
            Command::MemberAttributes { member, attributes } => {
                self.members
                    .set_attributes(&mut self.buffer, member, attributes)
                    .map_err(|reason| Error::Entry { index, reason })?;
                done
            }
            _ if !fresh => done,
            command => match self.alarm_refusal(&command) {
                Some(reject) => Outcome::refused(reject),
                None => self.execute(command, context)?,
            },
        };
        Ok((id, outcome))
    }

    /// What active alarms forbid, whichever member they are for.
    fn alarm_refusal(&self, command: &Command) -> Option<Reject> {
        if self.alarms.is_empty() {
            return None;
        }
        let (changes_keys, needs_space) = match command {
            Command::Put(_) | Command::LeaseGrant(_) => (true, true),
            Command::Txn(request) => (true, quota::txn_cost(request) > 0),
            Command::DeleteRange(_) | Command::Compaction(_) | Command::LeaseRevoke(_) => (true, false),
            Command::LeaseCheckpoint(_)
            | Command::Alarm(_)
            | Command::ClusterVersion(_)
            | Command::MemberAttributes { .. }
            | Command::Downgrade(_)
            | Command::Auth
            | Command::Nothing => (false, false),
        };
        if changes_keys && self.alarms.any(AlarmType::Corrupt) {
            Some(Reject::Corrupt)
        } else if needs_space && self.alarms.any(AlarmType::Nospace) {
            Some(Reject::NoSpace)
        } else {
            None
        }
    }

    fn execute(&mut self, command: Command, context: &Context) -> Result<Outcome, Error> {
        Ok(match command {
            Command::Put(request) => {
                let cost = quota::put_cost(&request);
                let outcome = Outcome::of(self.put(request))?;
                self.within_quota(cost, context, outcome)
            }
            Command::Txn(request) => {
                let cost = context.quota_bytes.map_or(0, |_| quota::txn_cost(&request));
                let outcome = Outcome::of(self.txn(request))?;
                self.within_quota(cost, context, outcome)
            }
            Command::LeaseGrant(request) => {
                let outcome = match self.lease_grant(request) {
                    Ok((reply, event)) => Outcome { lease: Some(event), ..Outcome::reply(reply) },
                    Err(reject) => Outcome::refused(reject),
                };
                self.within_quota(quota::lease_grant_cost(), context, outcome)
            }
            Command::DeleteRange(request) => Outcome::of(self.delete_range(request))?,
            Command::Compaction(request) => self.compact(&request),
            Command::LeaseRevoke(request) => match self.lease_revoke(request) {
                Ok((reply, event, changes)) => {
                    Outcome { changes, lease: Some(event), ..Outcome::reply(reply) }
                }
                Err(Failure::Reject(reject)) => Outcome::refused(reject),
                Err(Failure::Fault(fault)) => return Err(fault),
            },
            Command::LeaseCheckpoint(request) => {
                let (reply, event) = self.lease_checkpoint(request);
                Outcome { lease: Some(event), ..Outcome::reply(reply) }
            }
            Command::Alarm(request) => self.alarm(&request),
            Command::Downgrade(request) => {
                let target = if request.enabled { request.ver } else { String::new() };
                let downgrade = Downgrade { enabled: request.enabled, target };
                self.members.set_downgrade(&mut self.buffer, downgrade);
                Outcome::reply(Reply::Done)
            }
            Command::Auth => Outcome::refused(Reject::NotBuilt),
            Command::ClusterVersion(_) | Command::MemberAttributes { .. } | Command::Nothing => {
                Outcome::reply(Reply::Done)
            }
        })
    }

    /// Refuses what was done over the quota; the first to see it asks for the alarm.
    fn within_quota(&self, cost: u64, context: &Context, mut outcome: Outcome) -> Outcome {
        if outcome.result.is_ok() && !quota::available(cost, context.backend_bytes, context.quota_bytes) {
            outcome.result = Err(Reject::NoSpace);
            outcome.effect = (!self.alarms.any(AlarmType::Nospace)).then_some(Effect::RaiseNoSpace);
        }
        outcome
    }

    fn compact(&mut self, request: &pb::CompactionRequest) -> Outcome {
        let result = self.mvcc.compact(&mut self.buffer, request.revision);
        let scheduled = result.is_ok();
        let effect = (scheduled || (request.physical && result == Err(mvcc::Reject::Compacted)))
            .then_some(Effect::Compaction { physical: request.physical });
        let response = pb::CompactionResponse { header: header(self.mvcc.revision()) };
        let result = result.map(|()| Reply::Compaction(response)).map_err(Reject::from);
        Outcome { result, changes: Vec::new(), effect, lease: None }
    }

    fn alarm(&mut self, request: &pb::AlarmRequest) -> Outcome {
        let pb::AlarmRequest { member_id, alarm, .. } = *request;
        let this = || vec![pb::AlarmMember { member_id, alarm }];
        let alarms = match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => self.alarms.list(alarm),
            Ok(AlarmAction::Activate) if alarm == AlarmType::None as i32 => Vec::new(),
            Ok(AlarmAction::Activate) => {
                self.alarms.activate(&mut self.buffer, member_id, alarm);
                this()
            }
            Ok(AlarmAction::Deactivate) if self.alarms.deactivate(&mut self.buffer, member_id, alarm) => {
                this()
            }
            Ok(AlarmAction::Deactivate) => Vec::new(),
            Err(_) => return Outcome::refused(Reject::UnknownAlarmAction),
        };
        Outcome::reply(Reply::Alarm(pb::AlarmResponse { header: header(self.mvcc.revision()), alarms }))
    }

    fn set_cluster_version(&mut self, index: u64, text: String) -> Result<Outcome, Error> {
        let version = Version::parse(&text).map_err(|reason| Error::Entry { index, reason })?;
        let server = self.options.release;
        if server.minor_only() < version {
            return Err(Error::ClusterNewer { server, cluster: version });
        }
        let from = self.members.version().map(|before| before.to_string());
        self.members.set_version(&mut self.buffer, version);
        let effect = Some(Effect::ClusterVersion { from, to: version.to_string() });
        Ok(Outcome { effect, ..Outcome::reply(Reply::Done) })
    }

    fn apply_conf_change(&mut self, entry: &raftpb::Entry, fresh: bool) -> Result<(u64, Outcome), Error> {
        let index = entry.index();
        let fault = |reason: String| Error::Entry { index, reason };
        let data = entry.data.clone().unwrap_or_default();
        let mut conf_change = raftpb::ConfChange::decode(data).map_err(|e| fault(e.to_string()))?;
        let result = if fresh || self.replay_members {
            let change = Change::read(&conf_change).map_err(fault)?;
            let valid = self.members.validate(&change);
            if valid.is_ok() {
                self.members.change(&mut self.buffer, change);
                self.conf_state_changed = true;
            }
            valid
        } else {
            Ok(())
        };
        // A replayed change is in the members raft started with.
        if result.is_err() || !(fresh || self.replay_members) {
            conf_change.node_id = Some(0);
        }
        let request_id = conf_change.id();
        let result = result.map(|()| Reply::Members(self.members.to_proto()));
        let effect = Some(Effect::ConfChange(conf_change));
        Ok((request_id, Outcome { result, changes: Vec::new(), effect, lease: None }))
    }
}
