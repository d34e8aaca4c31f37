//! The state as a database holds it, and the few rows a database must have before its first entry.

use crate::{Alarms, Error, Leases, Membership, State, Version, rows, version};
use backend::{Bucket, Buffer, ReadTx, meta};
use bytes::Bytes;
use mvcc::{Mvcc, Restored};

const AUTH_REVISION_KEY: &[u8] = b"authRevision";
/// Auth revision of a store in which nothing about auth ever changed.
const FIRST_AUTH_REVISION: u64 = 1;

/// Choices of the member, and what it knows of the log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The release this member says it is; a newer cluster is a fault.
    pub release: Version,
    /// Seconds; shorter lease TTLs are raised to it: 1.5 election timeouts, rounded up.
    pub lease_ttl_min_s: i64,
    /// `--max-learners`.
    pub learners_max: usize,
    /// `--compaction-batch-limit`: rows to delete between two pauses of a compaction; 0: the default.
    pub compaction_batch_rows: usize,
    /// Gate `LeaseCheckpointPersist`: rows of checkpoints below cluster version 3.6 too.
    pub checkpoint_persist: bool,
    /// The log is replayed from the entry after this one: the snapshot's index, 0 without one.
    pub replay_from: u64,
    /// The v2 store of that snapshot's `.snap` file. Needed only if [`is_legacy`].
    pub v2_store: Option<Bytes>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            release: version::SERVER,
            lease_ttl_min_s: 2,
            learners_max: 1,
            compaction_batch_rows: 0,
            checkpoint_persist: false,
            replay_from: 0,
            v2_store: None,
        }
    }
}

/// True for a database last written by a release up to 3.5, or a new one: its members are those of the v2 store and
/// the log, not those of its own rows.
pub fn is_legacy(root: &ReadTx) -> Result<bool, Error> {
    Ok(root.get(Bucket::Meta.name(), meta::STORAGE_VERSION)?.is_none())
}

impl State {
    /// Restores the state. Its first batch may hold rows already: seal it before (or with) the first entry.
    pub fn open(root: ReadTx, options: Options) -> Result<State, Error> {
        let index = meta::number(&root, meta::CONSISTENT_INDEX)?;
        let term = meta::number(&root, meta::TERM)?;
        let storage_version = read_storage_version(&root)?;
        let mut buffer = Buffer::new(root.clone());
        let Restored { mut mvcc, leases, resume_compaction } =
            Mvcc::restore(&buffer).map_err(Error::from_mvcc)?;
        mvcc.set_compaction_batch(options.compaction_batch_rows);
        let leases = Leases::restore(&root, options.lease_ttl_min_s, leases)?;
        let (members, replay_members) = open_members(&root, &mut buffer, storage_version, &options)?;
        if let Some(cluster) = members.version().filter(|cluster| *cluster > options.release.minor_only()) {
            return Err(Error::ClusterNewer { server: options.release, cluster });
        }
        if root.get(Bucket::Auth.name(), AUTH_REVISION_KEY)?.is_none() {
            let key = Bytes::from_static(AUTH_REVISION_KEY);
            buffer.put(Bucket::Auth, key, rows::be64(FIRST_AUTH_REVISION));
        }
        let mut state = State {
            alarms: Alarms::restore(&root)?,
            buffer,
            mvcc,
            leases,
            members,
            storage_version,
            options,
            index,
            term,
            applied_term: 0,
            sealed_index: index,
            conf_state_changed: false,
            replay_members,
        };
        if let Some(revision) = resume_compaction {
            state
                .mvcc
                .compact(&mut state.buffer, revision)
                .map_err(|reject| Error::Inconsistent(format!("scheduled compaction: {reject}")))?;
        }
        Ok(state)
    }
}

fn read_storage_version(root: &ReadTx) -> Result<Option<Version>, Error> {
    let Some(row) = root.get(Bucket::Meta.name(), meta::STORAGE_VERSION)? else {
        return Ok(None);
    };
    let fault = |reason| Error::row(Bucket::Meta, reason);
    let storage = Version::parse(rows::text(Bucket::Meta, &row)?).map_err(fault)?;
    version::storage_supported(storage).map_err(fault)?;
    Ok(Some(storage))
}

/// The members, and whether replayed entries still change them. The rows of releases up to 3.5 may be wrong (a
/// promoted learner, a removed member), so there the v2 store and the log decide.
fn open_members(
    root: &ReadTx,
    buffer: &mut Buffer,
    storage_version: Option<Version>,
    options: &Options,
) -> Result<(Membership, bool), Error> {
    let stored = Membership::restore(root, options.learners_max)?;
    let legacy = storage_version.is_none();
    let members = match &options.v2_store {
        Some(store) if legacy => Membership::from_v2(store, options.learners_max)
            .map_err(|reason| Error::row(Bucket::Members, reason))?,
        None if legacy && options.replay_from == 0 => Membership::new(options.learners_max),
        _ => return Ok((stored, false)),
    };
    let members = members.with_downgrade_of(stored);
    members.rewrite(root, buffer)?;
    Ok((members, true))
}
