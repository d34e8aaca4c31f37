//! The methods that are served: one row each.

use ::rpc::Method;

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
    MemberList "/etcdserverpb.Cluster/MemberList" false,
    Alarm "/etcdserverpb.Maintenance/Alarm" false,
    Status "/etcdserverpb.Maintenance/Status" false,
    Defragment "/etcdserverpb.Maintenance/Defragment" false,
    Hash "/etcdserverpb.Maintenance/Hash" false,
    HashKv "/etcdserverpb.Maintenance/HashKV" false,
    Snapshot "/etcdserverpb.Maintenance/Snapshot" false,
    HealthCheck "/grpc.health.v1.Health/Check" false,
    HealthList "/grpc.health.v1.Health/List" false,
    HealthWatch "/grpc.health.v1.Health/Watch" false,
}

impl Route {
    pub fn of(method: usize) -> Route {
        ROUTES[method]
    }
}
