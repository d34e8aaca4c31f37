//! One call on one connection.

use std::error::Error as _;
use std::sync::Arc;

use tonic::{Code, Status};

use crate::balancer::{Balancer, Picked};
use crate::call::Call;
use crate::error::Error;

/// What is needed to judge how a call ended.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) balancer: Arc<Balancer>,
    pub(crate) picked: Picked,
    pub(crate) call: Call,
}

impl Lane {
    /// Turns a status into an error. One made on this side means that the connection is gone.
    pub(crate) fn error(&self, status: &Status) -> Error {
        let ended = matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled);
        if ended && self.call.deadline_reached() {
            return Error::DeadlineExceeded;
        }
        if status.source().is_some() {
            self.balancer.report_broken(&self.picked);
            return Error::connection_lost();
        }
        Error::from_status(status)
    }
}
