//! Why a request is malformed, and what its client is told.

/// Why a request is malformed. All but the last two are gRPC InvalidArgument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Invalid {
    EmptyKey,
    SortOption,
    ValueProvided,
    LeaseProvided,
    TooManyOps,
    DuplicateKey,
    /// An operation of a transaction without content.
    EmptyOp,
    /// RangeStream only.
    StreamSortOrder,
    /// RangeStream only.
    StreamFilter,
}

impl Invalid {
    /// gRPC code (the wire's number) and etcd's text.
    pub fn status(self) -> (u8, &'static str) {
        const INVALID_ARGUMENT: u8 = 3;
        const UNIMPLEMENTED: u8 = 12;
        match self {
            Invalid::EmptyKey => (INVALID_ARGUMENT, "etcdserver: key is not provided"),
            Invalid::SortOption => (INVALID_ARGUMENT, "etcdserver: invalid sort option"),
            Invalid::ValueProvided => (INVALID_ARGUMENT, "etcdserver: value is provided"),
            Invalid::LeaseProvided => (INVALID_ARGUMENT, "etcdserver: lease is provided"),
            Invalid::TooManyOps => (INVALID_ARGUMENT, "etcdserver: too many operations in txn request"),
            Invalid::DuplicateKey => (INVALID_ARGUMENT, "etcdserver: duplicate key given in txn request"),
            Invalid::EmptyOp => (INVALID_ARGUMENT, "etcdserver: key not found"),
            Invalid::StreamSortOrder => (UNIMPLEMENTED, "RangeStream does not support custom sort orders"),
            Invalid::StreamFilter => (UNIMPLEMENTED, "RangeStream does not support revision filters"),
        }
    }
}
