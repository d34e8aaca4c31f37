//! Leases: granted TTLs and the keys attached to them. Replicated, rows in bucket `lease`.
//!
//! It never knows a time: when a lease ends is the business of [`Deadlines`], which only the leader uses and which
//! acts by proposing a revoke. Invariants: a key is attached to at most one lease, and that lease exists; the sets of
//! keys and the map back agree. Attachments are not rows of their own: they are rebuilt from the keys.

mod deadlines;
mod deletion;

pub use deadlines::{CheckpointPlan, Deadlines, Renewal, Timing};

use crate::{Error, Reject, rows};
use backend::{Bucket, Buffer, ReadTx};
use bytes::Bytes;
use proto::{Message, leasepb};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Seconds; longer leases are refused.
pub const TTL_MAX_S: i64 = 9_000_000_000;

/// Something [`Deadlines`] must be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Granted { id: i64, ttl: i64 },
    Revoked { id: i64 },
    Checkpointed { ids: Vec<i64> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Never 0; may be negative.
    pub id: i64,
    /// Seconds granted.
    pub ttl: i64,
    /// Seconds left when the leader last said so; 0: it did not.
    pub remaining_ttl: i64,
    /// Attached keys, ascending.
    pub keys: BTreeSet<Bytes>,
}

impl Lease {
    /// Seconds a new leader gives it.
    pub fn effective_ttl(&self) -> i64 {
        if self.remaining_ttl > 0 { self.remaining_ttl } else { self.ttl }
    }

    fn row(&self) -> Bytes {
        let row = leasepb::Lease { id: self.id, ttl: self.ttl, remaining_ttl: self.remaining_ttl };
        row.encode_to_vec().into()
    }
}

/// All leases.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    by_id: BTreeMap<i64, Lease>,
    by_key: FxHashMap<Bytes, i64>,
    /// Seconds; shorter TTLs are raised to it.
    ttl_min_s: i64,
}

impl Leases {
    /// From the bucket's rows and the attachments found among the keys. Stored TTLs are raised to the minimum too.
    pub(crate) fn restore(
        root: &ReadTx,
        ttl_min_s: i64,
        attachments: Vec<(Bytes, i64)>,
    ) -> Result<Leases, Error> {
        let mut leases = Leases { ttl_min_s, ..Leases::default() };
        for (_, row) in rows::all(root, Bucket::Lease)? {
            let leasepb::Lease { id, ttl, remaining_ttl } =
                leasepb::Lease::decode(row).map_err(|e| Error::row(Bucket::Lease, e.to_string()))?;
            let lease = Lease { id, ttl: ttl.max(ttl_min_s), remaining_ttl, keys: BTreeSet::new() };
            leases.by_id.insert(id, lease);
        }
        for (key, id) in attachments {
            leases.attach(&key, id);
        }
        Ok(leases)
    }

    pub fn get(&self, id: i64) -> Option<&Lease> {
        self.by_id.get(&id)
    }

    /// The lease a key is attached to.
    pub fn of_key(&self, key: &[u8]) -> Option<i64> {
        self.by_key.get(key).copied()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Ascending by ID.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.by_id.values()
    }

    /// Grants a lease; its effective TTL in seconds. ID 0 cannot be granted: the edge replaces it.
    pub(crate) fn grant(&mut self, buffer: &mut Buffer, id: i64, ttl: i64) -> Result<i64, Reject> {
        if id == 0 {
            return Err(Reject::LeaseNotFound);
        }
        if ttl > TTL_MAX_S {
            return Err(Reject::LeaseTtlTooLarge);
        }
        if self.by_id.contains_key(&id) {
            return Err(Reject::LeaseExists);
        }
        let lease = Lease { id, ttl: ttl.max(self.ttl_min_s), remaining_ttl: 0, keys: BTreeSet::new() };
        buffer.put(Bucket::Lease, rows::be64(id as u64), lease.row());
        let ttl = lease.ttl;
        self.by_id.insert(id, lease);
        Ok(ttl)
    }

    /// Removes a lease's row and itself; its keys, ascending, are the caller's to delete in the same batch.
    fn remove(&mut self, buffer: &mut Buffer, id: i64) -> Result<BTreeSet<Bytes>, Reject> {
        let lease = self.by_id.remove(&id).ok_or(Reject::LeaseNotFound)?;
        for key in &lease.keys {
            self.by_key.remove(key);
        }
        buffer.delete(Bucket::Lease, rows::be64(id as u64));
        Ok(lease.keys)
    }

    /// Notes the remaining TTL (0: none). An unknown lease is no error. `persist`: also in the row.
    pub(crate) fn checkpoint(&mut self, buffer: &mut Buffer, id: i64, remaining_ttl: i64, persist: bool) {
        let Some(lease) = self.by_id.get_mut(&id) else { return };
        lease.remaining_ttl = remaining_ttl;
        if persist {
            buffer.put(Bucket::Lease, rows::be64(id as u64), lease.row());
        }
    }

    /// Attaches a key to `lease`, away from the one before; 0 or an unknown lease: to none.
    pub(crate) fn attach(&mut self, key: &[u8], lease: i64) {
        self.detach(key);
        if lease == 0 {
            return;
        }
        let Some(lease) = self.by_id.get_mut(&lease) else { return };
        // A copy: the key at hand is a slice of the log entry, which must not live as long as the key.
        let key = Bytes::copy_from_slice(key);
        self.by_key.insert(key.clone(), lease.id);
        lease.keys.insert(key);
    }

    pub(crate) fn detach(&mut self, key: &[u8]) {
        if self.by_key.is_empty() {
            return;
        }
        if let Some(id) = self.by_key.remove(key) {
            let lease = self.by_id.get_mut(&id).expect("a key is attached to a lease that exists");
            lease.keys.remove(key);
        }
    }
}
