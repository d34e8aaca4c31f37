//! Maintenance: status, alarms, hashes, backups and defragmentation.

use super::{
    Desk, Edge,
    asker::{Asker, PeerCall},
    calls::Deadline,
    decode, decode_for_stream, headers, status,
};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use member::{
    proposal::Payload,
    reader::{Chunk, ImageReader, ReadJob},
};
use mvcc::{HashJob, HashKv, HashWork};
use proto::etcdserverpb as pb;
use std::collections::HashMap;

/// A backup's next chunks are read only while the client is less than this many bytes behind.
const BACKUP_BACKLOG_BYTES_MAX: usize = 4 << 20;

/// What waits for the open batch to be committed.
#[derive(Clone, Copy, Debug)]
enum AfterCommit {
    Hash,
    Backup,
}

/// What a reader thread works at, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Away {
    Hash(CallId),
    HashKv(Asker),
    Backup(CallId),
}

impl Away {
    fn is_of(self, id: CallId) -> bool {
        match self {
            Away::Hash(call) | Away::Backup(call) => call == id,
            Away::HashKv(asker) => asker == Asker::Client(id),
        }
    }
}

/// Calls that wait for a commit, a reader thread or a slow client.
#[derive(Debug, Default)]
pub struct Jobs {
    after_commit: Vec<(u64, CallId, AfterCommit)>,
    away: HashMap<u64, Away>,
    backups: Vec<(CallId, Box<ImageReader>, String)>,
    versions: HashMap<CallId, String>,
    defragments: Vec<CallId>,
    defragment_asked: bool,
    next_tag: u64,
}

impl Jobs {
    pub fn is_empty(&self) -> bool {
        self.after_commit.is_empty()
            && self.away.is_empty()
            && self.backups.is_empty()
            && self.defragments.is_empty()
    }

    pub fn gone(&mut self, id: CallId) {
        self.after_commit.retain(|(_, call, _)| *call != id);
        self.backups.retain(|(call, _, _)| *call != id);
        self.away.retain(|_, what| !what.is_of(id));
        self.versions.remove(&id);
    }

    fn send_away(&mut self, what: Away, job: impl FnOnce(u64) -> ReadJob, desk: &mut Desk<'_>) {
        self.next_tag += 1;
        self.away.insert(self.next_tag, what);
        desk.readers.submit(job(self.next_tag));
    }

    /// Goes on with what a commit or a client's pace has held up.
    pub fn step(&mut self, desk: &mut Desk<'_>) {
        let committed = desk.member.batches_committed();
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.after_commit).into_iter().partition(|(n, _, _)| *n <= committed);
        self.after_commit = waiting;
        for (_, id, what) in ready {
            match what {
                AfterCommit::Hash => {
                    let root = desk.member.state().root().clone();
                    self.send_away(Away::Hash(id), |tag| ReadJob::Hash { tag, root }, desk);
                }
                AfterCommit::Backup => self.begin_backup(id, desk),
            }
        }
        let (ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.backups)
            .into_iter()
            .partition(|(id, _, _)| desk.server.backlog(*id) < BACKUP_BACKLOG_BYTES_MAX);
        self.backups = waiting;
        for (id, image, version) in ready {
            self.versions.insert(id, version);
            self.send_away(Away::Backup(id), |tag| ReadJob::Image { tag, image }, desk);
        }
    }

    fn begin_backup(&mut self, id: CallId, desk: &mut Desk<'_>) {
        let image = Box::new(ImageReader::new(desk.member.state().root()));
        let version = desk.member.state().storage_version().map(|v| v.to_string()).unwrap_or_default();
        self.backups.push((id, image, version));
    }

    /// Takes the wish to defragment, once.
    pub fn take_defragment(&mut self) -> bool {
        std::mem::take(&mut self.defragment_asked)
    }
}

impl Edge {
    pub(super) fn alarm(
        &mut self,
        id: CallId,
        body: Bytes,
        by: Deadline,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: pb::AlarmRequest = decode(body)?;
        self.propose(id, Payload::Alarm(&request), by, desk)
    }

    pub(super) fn status(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) -> Result<(), Status> {
        let _: pb::StatusRequest = decode(body)?;
        let response = self.status_response(desk);
        desk.reply(id, &response);
        Ok(())
    }

    fn status_response(&self, desk: &Desk<'_>) -> pb::StatusResponse {
        let (member, state) = (&*desk.member, desk.member.state());
        let standing = member.consensus().standing();
        let mut errors = Vec::new();
        if standing.leader == 0 {
            errors.push("etcdserver: no leader".to_owned());
        }
        errors.extend(state.alarms().list(pb::AlarmType::None as i32).iter().map(alarm_text));
        let downgrade = state.members().downgrade();
        pb::StatusResponse {
            header: headers::current(member),
            version: self.config.version.clone(),
            db_size: state.root().size() as i64,
            leader: standing.leader,
            raft_index: standing.commit,
            raft_term: state.applied_term(),
            raft_applied_index: member.applied_index(),
            errors,
            db_size_in_use: state.root().size_in_use() as i64,
            is_learner: state.members().get(member.settings().member_id).is_some_and(|m| m.is_learner),
            storage_version: state.storage_version().map(|v| v.to_string()).unwrap_or_default(),
            db_size_quota: self.config.quota_shown,
            downgrade_info: Some(pb::DowngradeInfo {
                enabled: downgrade.enabled,
                target_version: downgrade.target.clone(),
            }),
        }
    }

    pub(super) fn defragment(&mut self, id: CallId, body: Bytes, _desk: &mut Desk<'_>) -> Result<(), Status> {
        let _: pb::DefragmentRequest = decode(body)?;
        self.maintenance.defragments.push(id);
        self.maintenance.defragment_asked = true;
        Ok(())
    }

    /// True once when the committer should defragment.
    pub fn take_defragment(&mut self) -> bool {
        self.maintenance.take_defragment()
    }

    /// The committer has defragmented: everyone who asked before is answered. The response has no header.
    pub fn defragmented(&mut self, desk: &mut Desk<'_>) {
        for id in std::mem::take(&mut self.maintenance.defragments) {
            desk.server.reply(id, |_| {});
        }
    }

    pub(super) fn hash(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) -> Result<(), Status> {
        let _: pb::HashRequest = decode(body)?;
        let batch = desk.member.force_commit(desk.out);
        self.maintenance.after_commit.push((batch, id, AfterCommit::Hash));
        Ok(())
    }

    pub(super) fn snapshot(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) -> Result<(), Status> {
        let _: pb::SnapshotRequest = decode_for_stream(body)?;
        let batch = desk.member.force_commit(desk.out);
        self.maintenance.after_commit.push((batch, id, AfterCommit::Backup));
        Ok(())
    }

    pub(super) fn hash_kv(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) -> Result<(), Status> {
        let request: pb::HashKvRequest = decode(body)?;
        match desk.member.state_mut().hash_kv(request.revision) {
            Ok(HashJob::Done(hash)) => send_hash_kv(id, hash, desk),
            Ok(HashJob::Work(work)) => {
                let what = Away::HashKv(Asker::Client(id));
                self.maintenance.send_away(what, |tag| ReadJob::HashKv { tag, work }, desk);
            }
            Err(reject) => return Err(status::of_reject(&reject)),
        }
        Ok(())
    }

    /// The same for another member.
    pub(super) fn hash_kv_for(&mut self, call: PeerCall, work: HashWork, desk: &mut Desk<'_>) {
        let what = Away::HashKv(Asker::Peer(call));
        self.maintenance.send_away(what, |tag| ReadJob::HashKv { tag, work }, desk);
    }

    pub fn hashed_kv(&mut self, tag: u64, hash: HashKv, desk: &mut Desk<'_>) {
        match self.maintenance.away.remove(&tag) {
            Some(Away::HashKv(Asker::Client(id))) => send_hash_kv(id, hash, desk),
            Some(Away::HashKv(Asker::Peer(call))) => self.hashed_for(call, hash, desk),
            _ => {}
        }
    }

    pub fn hashed(&mut self, tag: u64, hash: u32, desk: &mut Desk<'_>) {
        if let Some(Away::Hash(id)) = self.maintenance.away.remove(&tag) {
            let response = pb::HashResponse { header: headers::current(desk.member), hash };
            desk.reply(id, &response);
        }
    }

    /// Chunks of a backup were read: send them, and go on when the client has room.
    pub fn imaged(&mut self, tag: u64, image: Box<ImageReader>, chunks: Vec<Chunk>, desk: &mut Desk<'_>) {
        let Some(Away::Backup(id)) = self.maintenance.away.remove(&tag) else { return };
        let version = self.maintenance.versions.remove(&id).unwrap_or_default();
        for chunk in chunks {
            let response = pb::SnapshotResponse {
                header: None,
                remaining_bytes: chunk.remaining,
                blob: chunk.bytes,
                version: version.clone(),
            };
            desk.send(id, &response);
        }
        if image.is_finished() {
            desk.server.finish(id);
        } else {
            self.maintenance.backups.push((id, image, version));
        }
    }
}

fn send_hash_kv(id: CallId, hash: HashKv, desk: &mut Desk<'_>) {
    let response = pb::HashKvResponse {
        header: headers::at(desk.member, hash.current_revision),
        hash: hash.hash,
        compact_revision: hash.compact_revision,
        hash_revision: hash.hash_revision,
    };
    desk.reply(id, &response);
}

/// An alarm in protobuf text form.
fn alarm_text(alarm: &pb::AlarmMember) -> String {
    let kind = pb::AlarmType::try_from(alarm.alarm).map_or("UNKNOWN", |k| k.as_str_name());
    match alarm.member_id {
        0 => format!("alarm:{kind}"),
        id => format!("memberID:{id} alarm:{kind}"),
    }
}
