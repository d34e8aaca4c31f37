//! The names of etcd's buckets.

/// etcd's buckets, in byte order of their names. All exist in every file a member has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    Alarm,
    Auth,
    AuthRoles,
    AuthUsers,
    Cluster,
    Key,
    Lease,
    Members,
    MembersRemoved,
    Meta,
}

impl Bucket {
    pub const ALL: [Bucket; 10] = [
        Bucket::Alarm,
        Bucket::Auth,
        Bucket::AuthRoles,
        Bucket::AuthUsers,
        Bucket::Cluster,
        Bucket::Key,
        Bucket::Lease,
        Bucket::Members,
        Bucket::MembersRemoved,
        Bucket::Meta,
    ];

    pub const fn name(self) -> &'static [u8] {
        match self {
            Bucket::Alarm => b"alarm",
            Bucket::Auth => b"auth",
            Bucket::AuthRoles => b"authRoles",
            Bucket::AuthUsers => b"authUsers",
            Bucket::Cluster => b"cluster",
            Bucket::Key => b"key",
            Bucket::Lease => b"lease",
            Bucket::Members => b"members",
            Bucket::MembersRemoved => b"members_removed",
            Bucket::Meta => b"meta",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    /// `Maintenance.Hash` walks buckets in byte order; `ALL` promises the same order.
    #[test]
    fn names_ascend() {
        assert!(Bucket::ALL.is_sorted_by(|a, b| a.name() < b.name() && a < b));
    }
}
