//! Every RPC of the API: its path, its types, and whether it may be sent again.
//!
//! It never calls anything. A row is *repeatable* when an unavailable server may be followed by another try, even
//! though the first may have been applied; the rest are sent at most once over an established connection.
//! Paths are those of `contract/api-services.tsv`, the split into the two kinds is clientv3's.

use std::marker::PhantomData;

use proto::etcdserverpb as pb;

/// A method with one request and one response.
#[derive(Debug)]
pub struct Unary<Req, Resp> {
    pub path: &'static str,
    pub repeatable: bool,
    types: PhantomData<fn(Req) -> Resp>,
}

/// A method with one request and a stream of responses.
#[derive(Debug)]
pub struct ServerStreaming<Req, Resp> {
    pub path: &'static str,
    /// Whether the stream may be opened again as long as it carried nothing.
    pub repeatable: bool,
    types: PhantomData<fn(Req) -> Resp>,
}

/// A method with a stream in each direction.
#[derive(Debug)]
pub struct Bidirectional<Req, Resp> {
    pub path: &'static str,
    types: PhantomData<fn(Req) -> Resp>,
}

impl<Req, Resp> Unary<Req, Resp> {
    const fn repeatable(path: &'static str) -> Self {
        Unary { path, repeatable: true, types: PhantomData }
    }

    const fn once(path: &'static str) -> Self {
        Unary { path, repeatable: false, types: PhantomData }
    }
}

impl<Req, Resp> ServerStreaming<Req, Resp> {
    const fn new(path: &'static str, repeatable: bool) -> Self {
        ServerStreaming { path, repeatable, types: PhantomData }
    }
}

impl<Req, Resp> Bidirectional<Req, Resp> {
    const fn new(path: &'static str) -> Self {
        Bidirectional { path, types: PhantomData }
    }
}

pub const RANGE: Unary<pb::RangeRequest, pb::RangeResponse> = Unary::repeatable("/etcdserverpb.KV/Range");
pub const RANGE_STREAM: ServerStreaming<pb::RangeRequest, pb::RangeStreamResponse> =
    ServerStreaming::new("/etcdserverpb.KV/RangeStream", false);
pub const PUT: Unary<pb::PutRequest, pb::PutResponse> = Unary::once("/etcdserverpb.KV/Put");
pub const DELETE_RANGE: Unary<pb::DeleteRangeRequest, pb::DeleteRangeResponse> =
    Unary::once("/etcdserverpb.KV/DeleteRange");
pub const TXN: Unary<pb::TxnRequest, pb::TxnResponse> = Unary::once("/etcdserverpb.KV/Txn");
pub const COMPACT: Unary<pb::CompactionRequest, pb::CompactionResponse> =
    Unary::once("/etcdserverpb.KV/Compact");
pub const WATCH: Bidirectional<pb::WatchRequest, pb::WatchResponse> =
    Bidirectional::new("/etcdserverpb.Watch/Watch");
pub const LEASE_GRANT: Unary<pb::LeaseGrantRequest, pb::LeaseGrantResponse> =
    Unary::repeatable("/etcdserverpb.Lease/LeaseGrant");
pub const LEASE_REVOKE: Unary<pb::LeaseRevokeRequest, pb::LeaseRevokeResponse> =
    Unary::repeatable("/etcdserverpb.Lease/LeaseRevoke");
pub const LEASE_KEEP_ALIVE: Bidirectional<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse> =
    Bidirectional::new("/etcdserverpb.Lease/LeaseKeepAlive");
pub const LEASE_TIME_TO_LIVE: Unary<pb::LeaseTimeToLiveRequest, pb::LeaseTimeToLiveResponse> =
    Unary::repeatable("/etcdserverpb.Lease/LeaseTimeToLive");
pub const LEASE_LEASES: Unary<pb::LeaseLeasesRequest, pb::LeaseLeasesResponse> =
    Unary::repeatable("/etcdserverpb.Lease/LeaseLeases");
pub const MEMBER_ADD: Unary<pb::MemberAddRequest, pb::MemberAddResponse> =
    Unary::once("/etcdserverpb.Cluster/MemberAdd");
pub const MEMBER_REMOVE: Unary<pb::MemberRemoveRequest, pb::MemberRemoveResponse> =
    Unary::once("/etcdserverpb.Cluster/MemberRemove");
pub const MEMBER_UPDATE: Unary<pb::MemberUpdateRequest, pb::MemberUpdateResponse> =
    Unary::once("/etcdserverpb.Cluster/MemberUpdate");
pub const MEMBER_LIST: Unary<pb::MemberListRequest, pb::MemberListResponse> =
    Unary::repeatable("/etcdserverpb.Cluster/MemberList");
pub const MEMBER_PROMOTE: Unary<pb::MemberPromoteRequest, pb::MemberPromoteResponse> =
    Unary::once("/etcdserverpb.Cluster/MemberPromote");
pub const ALARM: Unary<pb::AlarmRequest, pb::AlarmResponse> =
    Unary::repeatable("/etcdserverpb.Maintenance/Alarm");
pub const STATUS: Unary<pb::StatusRequest, pb::StatusResponse> =
    Unary::repeatable("/etcdserverpb.Maintenance/Status");
pub const DEFRAGMENT: Unary<pb::DefragmentRequest, pb::DefragmentResponse> =
    Unary::once("/etcdserverpb.Maintenance/Defragment");
pub const HASH: Unary<pb::HashRequest, pb::HashResponse> =
    Unary::repeatable("/etcdserverpb.Maintenance/Hash");
pub const HASH_KV: Unary<pb::HashKvRequest, pb::HashKvResponse> =
    Unary::repeatable("/etcdserverpb.Maintenance/HashKV");
pub const SNAPSHOT: ServerStreaming<pb::SnapshotRequest, pb::SnapshotResponse> =
    ServerStreaming::new("/etcdserverpb.Maintenance/Snapshot", true);
pub const MOVE_LEADER: Unary<pb::MoveLeaderRequest, pb::MoveLeaderResponse> =
    Unary::repeatable("/etcdserverpb.Maintenance/MoveLeader");
pub const DOWNGRADE: Unary<pb::DowngradeRequest, pb::DowngradeResponse> =
    Unary::once("/etcdserverpb.Maintenance/Downgrade");
pub const AUTH_ENABLE: Unary<pb::AuthEnableRequest, pb::AuthEnableResponse> =
    Unary::once("/etcdserverpb.Auth/AuthEnable");
pub const AUTH_DISABLE: Unary<pb::AuthDisableRequest, pb::AuthDisableResponse> =
    Unary::once("/etcdserverpb.Auth/AuthDisable");
pub const AUTH_STATUS: Unary<pb::AuthStatusRequest, pb::AuthStatusResponse> =
    Unary::once("/etcdserverpb.Auth/AuthStatus");
pub const AUTHENTICATE: Unary<pb::AuthenticateRequest, pb::AuthenticateResponse> =
    Unary::once("/etcdserverpb.Auth/Authenticate");
pub const USER_ADD: Unary<pb::AuthUserAddRequest, pb::AuthUserAddResponse> =
    Unary::once("/etcdserverpb.Auth/UserAdd");
pub const USER_GET: Unary<pb::AuthUserGetRequest, pb::AuthUserGetResponse> =
    Unary::repeatable("/etcdserverpb.Auth/UserGet");
pub const USER_LIST: Unary<pb::AuthUserListRequest, pb::AuthUserListResponse> =
    Unary::repeatable("/etcdserverpb.Auth/UserList");
pub const USER_DELETE: Unary<pb::AuthUserDeleteRequest, pb::AuthUserDeleteResponse> =
    Unary::once("/etcdserverpb.Auth/UserDelete");
pub const USER_CHANGE_PASSWORD: Unary<pb::AuthUserChangePasswordRequest, pb::AuthUserChangePasswordResponse> =
    Unary::once("/etcdserverpb.Auth/UserChangePassword");
pub const USER_GRANT_ROLE: Unary<pb::AuthUserGrantRoleRequest, pb::AuthUserGrantRoleResponse> =
    Unary::once("/etcdserverpb.Auth/UserGrantRole");
pub const USER_REVOKE_ROLE: Unary<pb::AuthUserRevokeRoleRequest, pb::AuthUserRevokeRoleResponse> =
    Unary::once("/etcdserverpb.Auth/UserRevokeRole");
pub const ROLE_ADD: Unary<pb::AuthRoleAddRequest, pb::AuthRoleAddResponse> =
    Unary::once("/etcdserverpb.Auth/RoleAdd");
pub const ROLE_GET: Unary<pb::AuthRoleGetRequest, pb::AuthRoleGetResponse> =
    Unary::repeatable("/etcdserverpb.Auth/RoleGet");
pub const ROLE_LIST: Unary<pb::AuthRoleListRequest, pb::AuthRoleListResponse> =
    Unary::repeatable("/etcdserverpb.Auth/RoleList");
pub const ROLE_DELETE: Unary<pb::AuthRoleDeleteRequest, pb::AuthRoleDeleteResponse> =
    Unary::once("/etcdserverpb.Auth/RoleDelete");
pub const ROLE_GRANT_PERMISSION: Unary<
    pb::AuthRoleGrantPermissionRequest,
    pb::AuthRoleGrantPermissionResponse,
> = Unary::once("/etcdserverpb.Auth/RoleGrantPermission");
pub const ROLE_REVOKE_PERMISSION: Unary<
    pb::AuthRoleRevokePermissionRequest,
    pb::AuthRoleRevokePermissionResponse,
> = Unary::once("/etcdserverpb.Auth/RoleRevokePermission");
