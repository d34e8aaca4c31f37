//! The corruption checks' hands: what [`member::corruption`] wants to know is asked here, and what it finds becomes
//! log lines and alarms. It decides nothing.

use crate::{config::Config, notation::hex, peers::Peers, readers::Readers, rpc};
use member::{
    Member, Outputs,
    corruption::{Ask, Corruption, Intervals, Kind, NOBODY, PeerHashes, Step},
    raft::Role,
    reader::ReadJob,
};
use mvcc::{HashJob, HashKv};

/// Token of the read, and tag of the hash: none of the edge's.
pub const TOKEN: u64 = rpc::FOREIGN_TOKENS;

#[derive(Debug)]
pub struct Checks {
    corruption: Corruption,
}

/// What a check works with.
pub struct Means<'a> {
    pub member: &'a mut Member,
    pub peers: &'a mut Peers,
    pub readers: &'a Readers,
    pub out: &'a mut Outputs,
}

impl Checks {
    pub fn new(config: &Config, member_id: u64, now_ms: u64) -> Checks {
        let ms = |interval: std::time::Duration| Some(interval.as_millis() as u64).filter(|ms| *ms > 0);
        let intervals = Intervals {
            periodic_ms: ms(config.corruption.periodic),
            compaction_ms: config.corruption.compaction.and_then(ms),
        };
        Checks { corruption: Corruption::new(member_id, intervals, now_ms) }
    }

    /// Begins what is due.
    pub fn tick(&mut self, now_ms: u64, means: &mut Means<'_>) {
        let leads = means.member.consensus().standing().role == Role::Leader;
        let others = means.member.state().members().len() > 1;
        let compactions = means.member.state().mvcc().compaction_hashes();
        if let Some(ask) = self.corruption.poll(now_ms, leads && others, compactions) {
            self.ask(ask, means);
        }
    }

    /// This member's hash is computed.
    pub fn hashed(&mut self, hash: HashKv, means: &mut Means<'_>) {
        let step = self.corruption.own_hash(hash);
        self.follow(step, means);
    }

    /// The others have answered, or had their time.
    pub fn peers_hashed(&mut self, hashes: PeerHashes, means: &mut Means<'_>) {
        let step = self.corruption.peer_hashes(hashes);
        self.follow(step, means);
    }

    /// Takes this check's read out of those that are through or cut off.
    pub fn reads(&mut self, means: &mut Means<'_>) {
        let is_own = |token: &u64| *token == TOKEN;
        if means.out.cut_off.iter().any(is_own) {
            means.out.cut_off.retain(|token| !is_own(token));
            self.corruption.give_up();
        }
        if means.out.readable.iter().any(is_own) {
            means.out.readable.retain(|token| !is_own(token));
            let step = self.corruption.read();
            self.follow(step, means);
        }
    }

    fn ask(&mut self, ask: Ask, means: &mut Means<'_>) {
        match ask {
            Ask::PeerHashes { revision } => means.peers.ask_hashes(revision),
            Ask::Read => means.member.read(TOKEN),
            Ask::OwnHash => match means.member.state_mut().hash_kv(0) {
                Ok(HashJob::Done(hash)) => self.hashed(hash, means),
                Ok(HashJob::Work(work)) => means.readers.submit(ReadJob::HashKv { tag: TOKEN, work }),
                Err(_) => self.corruption.give_up(),
            },
        }
    }

    fn follow(&mut self, step: Option<Step>, means: &mut Means<'_>) {
        match step {
            None => {}
            Some(Step::Next(ask)) => self.ask(ask, means),
            Some(Step::Over { corrupt, checked, kind }) => {
                match kind {
                    Kind::Periodic => {
                        log::info!("number-of-peers-checked" = checked; "finished peer corruption check");
                    }
                    Kind::Compaction => {
                        log::info!("number-of-hashes-checked" = checked; "finished compaction hash check");
                    }
                }
                for id in corrupt {
                    let peer = hex(id);
                    match kind {
                        Kind::Periodic => log::warn!("peer-id":% = peer; "found hash mismatch"),
                        Kind::Compaction => log::error!(
                            "peer-ids":% = peer, "quorum-exist" = id != NOBODY;
                            "Detected compaction hash mismatch"
                        ),
                    }
                    means.member.raise_corrupt(id);
                }
            }
        }
    }
}
