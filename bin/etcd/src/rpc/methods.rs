//! The methods that are served: one row each.

use super::status;
use ::rpc::{Method, Status};
use member::Member;
use prost::Message;
use proto::etcdserverpb::RangeRequest;

macro_rules! methods {
    ($($route:ident $path:literal $client_stream:literal,)*) => {
        /// A served method.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Route { $($route,)* }

        const ROUTES: &[Route] = &[$(Route::$route,)*];

        /// The table the RPC server dispatches by; [`Route::of`] reads its indices.
        pub fn table() -> Vec<Method> {
            vec![$(Method { path: $path, client_stream: $client_stream },)*]
        }
    };
}

methods! {
    Range "/etcdserverpb.KV/Range" false,
    RangeStream "/etcdserverpb.KV/RangeStream" false,
    Put "/etcdserverpb.KV/Put" false,
    DeleteRange "/etcdserverpb.KV/DeleteRange" false,
    Txn "/etcdserverpb.KV/Txn" false,
    Compact "/etcdserverpb.KV/Compact" false,
    Watch "/etcdserverpb.Watch/Watch" true,
    LeaseGrant "/etcdserverpb.Lease/LeaseGrant" false,
    LeaseRevoke "/etcdserverpb.Lease/LeaseRevoke" false,
    LeaseKeepAlive "/etcdserverpb.Lease/LeaseKeepAlive" true,
    LeaseTimeToLive "/etcdserverpb.Lease/LeaseTimeToLive" false,
    LeaseLeases "/etcdserverpb.Lease/LeaseLeases" false,
    MemberAdd "/etcdserverpb.Cluster/MemberAdd" false,
    MemberRemove "/etcdserverpb.Cluster/MemberRemove" false,
    MemberUpdate "/etcdserverpb.Cluster/MemberUpdate" false,
    MemberList "/etcdserverpb.Cluster/MemberList" false,
    MemberPromote "/etcdserverpb.Cluster/MemberPromote" false,
    Alarm "/etcdserverpb.Maintenance/Alarm" false,
    Status "/etcdserverpb.Maintenance/Status" false,
    Defragment "/etcdserverpb.Maintenance/Defragment" false,
    Hash "/etcdserverpb.Maintenance/Hash" false,
    HashKv "/etcdserverpb.Maintenance/HashKV" false,
    MoveLeader "/etcdserverpb.Maintenance/MoveLeader" false,
    Downgrade "/etcdserverpb.Maintenance/Downgrade" false,
    Snapshot "/etcdserverpb.Maintenance/Snapshot" false,
    HealthCheck "/grpc.health.v1.Health/Check" false,
    HealthList "/grpc.health.v1.Health/List" false,
    HealthWatch "/grpc.health.v1.Health/Watch" false,
}

impl Route {
    pub fn of(method: usize) -> Route {
        ROUTES[method]
    }

    /// A learner answers what tells of itself and of its own copy of the data, and nothing else.
    pub fn check_learner(self, body: &[u8], member: &Member) -> Result<(), Status> {
        let own = member.settings().member_id;
        if member.state().members().get(own).is_none_or(|member| !member.is_learner) {
            return Ok(());
        }
        let allowed = match self {
            Route::Status | Route::Snapshot => true,
            Route::Range => RangeRequest::decode(body).is_ok_and(|request| request.serializable),
            _ => false,
        };
        if allowed { Ok(()) } else { Err(status::learner()) }
    }
}
