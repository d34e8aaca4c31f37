//! The check before a restarted member serves (gate `InitialCorruptCheck`): what it holds against what the others hold.
//!
//! It blocks, and changes nothing. Only a hash that differs at the same revision and the same compaction stops the
//! start; a member that cannot be asked, or is behind or ahead, is no proof.

use crate::notation::hex;
use member::restart::Opened;
use mvcc::{HashJob, HashKv};
use peer::bootstrap;
use std::time::Duration;

/// Compares hashes with every other member that answers.
///
/// # Errors
/// etcd's words if one differs, or if the own hash cannot be computed.
pub fn compare_with_others(opened: &mut Opened, timeout: Duration) -> Result<(), String> {
    let failed = |error: String| {
        log::error!(error:% = error; "checkInitialHashKV failed");
        error
    };
    let own = own_hash(opened).map_err(failed)?;
    let (id, cluster) = (opened.member_id, opened.cluster_id);
    let mut differ = 0;
    for member in opened.state.members().iter().filter(|member| member.id != id) {
        let mut answers =
            member.peer_urls.iter().map(|url| bootstrap::hash_kv(url, cluster, own.hash_revision, timeout));
        // The first that answers, or what the last one came to.
        let found = answers.find(Result::is_ok).unwrap_or_else(|| Err("no member URL answers".to_owned()));
        match found {
            Ok(theirs) if theirs.hash == own.hash => {}
            Ok(theirs) if theirs.compact_revision == own.compact_revision => {
                differ += 1;
                log::warn!(
                    "local-member-id":% = hex(id), "local-member-revision" = own.hash_revision,
                    "local-member-compact-revision" = own.compact_revision, "local-member-hash" = own.hash,
                    "remote-peer-id":% = hex(member.id), "remote-peer-hash" = theirs.hash;
                    "found different hash values from remote peer"
                );
            }
            Ok(theirs) => log::warn!(
                "local-member-id":% = hex(id), "remote-peer-id":% = hex(member.id),
                "local-member-compact-revision" = own.compact_revision,
                "remote-peer-compact-revision" = theirs.compact_revision;
                "found different compact revision values from remote peer"
            ),
            Err(error) => log::warn!(
                "local-member-id":% = hex(id), "remote-peer-id":% = hex(member.id), error;
                "cannot fetch hash from remote peer"
            ),
        }
    }
    if differ > 0 {
        return Err(failed(format!("{id:x} found data inconsistency with peers")));
    }
    log::info!("local-member-id":% = hex(id); "initial corruption checking passed; no corruption");
    Ok(())
}

fn own_hash(opened: &mut Opened) -> Result<HashKv, String> {
    match opened.state.hash_kv(0) {
        Ok(HashJob::Done(hash)) => Ok(hash),
        Ok(HashJob::Work(work)) => work.run().map_err(|error| error.to_string()),
        Err(reject) => Err(format!("{reject:?}")),
    }
}
