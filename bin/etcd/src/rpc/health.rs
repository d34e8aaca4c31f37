//! The standard gRPC health service. Only the empty service name has a status: SERVING.

use super::{Desk, Edge, decode, decode_for_stream, status};
use ::rpc::{CallId, Status};
use bytes::Bytes;
use proto::health::{
    HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse,
    health_check_response::ServingStatus,
};

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status as i32 }
}

impl Edge {
    pub(super) fn health_check(
        &mut self,
        id: CallId,
        body: Bytes,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: HealthCheckRequest = decode(body)?;
        if !request.service.is_empty() {
            return Err(status::new(status::NOT_FOUND, "unknown service"));
        }
        desk.reply(id, &response(ServingStatus::Serving));
        Ok(())
    }

    pub(super) fn health_list(&mut self, id: CallId, body: Bytes, desk: &mut Desk<'_>) -> Result<(), Status> {
        let _: HealthListRequest = decode(body)?;
        let mut list = HealthListResponse::default();
        list.statuses.insert(String::new(), response(ServingStatus::Serving));
        desk.reply(id, &list);
        Ok(())
    }

    /// The stream tells the status once; it stays open to tell a change, of which there is none.
    pub(super) fn health_watch(
        &mut self,
        id: CallId,
        body: Bytes,
        desk: &mut Desk<'_>,
    ) -> Result<(), Status> {
        let request: HealthCheckRequest = decode_for_stream(body)?;
        let known = request.service.is_empty();
        let status = if known { ServingStatus::Serving } else { ServingStatus::ServiceUnknown };
        desk.send(id, &response(status));
        Ok(())
    }
}
