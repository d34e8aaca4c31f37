//! What a request's headers mean: a call of a known method, or a refusal whose answer is ready. It depends on the
//! fields and the method table alone, so it may be remembered for a header block that is seen again.

use super::{
    message::{Encoding, no_decompressor},
    metadata,
    methods::{Methods, split},
    status::{self, code},
    timeout,
};
use crate::Status;
use crate::http2::Fields;
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

#[derive(Debug)]
pub(super) enum Head {
    Call(CallHead),
    /// The response's only header block.
    Refusal(Vec<u8>),
}

#[derive(Clone, Debug)]
pub(super) struct CallHead {
    pub(super) method: usize,
    pub(super) encoding: Encoding,
    /// The response's first block where it is not [`status::OPENING`], and the subtype in it.
    pub(super) opening: Option<Arc<Opening>>,
    pub(super) headers: Arc<[(Bytes, Bytes)]>,
    /// `grpc-timeout` as it came, judged for each call ([`timeout_of`]): it is the field that differs.
    pub(super) timeout: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) struct Opening {
    pub(super) block: Vec<u8>,
    pub(super) subtype: Vec<u8>,
}

/// The fields that matter, before they are judged.
#[derive(Default)]
struct Seen<'a> {
    method: &'a [u8],
    path: &'a [u8],
    content_type: &'a [u8],
    encoding: &'a [u8],
    timeout: Option<&'a [u8]>,
    hosts: usize,
    bad_binary: Option<(&'a [u8], &'a [u8], usize)>,
    headers: Vec<(Bytes, Bytes)>,
}

pub(super) fn interpret(fields: &Fields, methods: &Methods) -> Head {
    let seen = look(fields);
    let subtype = subtype(seen.content_type);
    match judge(&seen, subtype, methods) {
        Ok(call) => Head::Call(call),
        Err((http_status, status)) => {
            Head::Refusal(status::trailers_only(http_status, subtype.unwrap_or_default(), &status))
        }
    }
}

fn look<'a>(fields: &'a Fields) -> Seen<'a> {
    let mut seen = Seen::default();
    for (name, value) in fields.iter() {
        match name {
            b":method" => seen.method = value,
            b":path" => seen.path = value,
            b"content-type" => seen.content_type = value,
            b"grpc-encoding" => seen.encoding = value,
            b"grpc-timeout" => seen.timeout = Some(value),
            b"host" => seen.hosts += 1,
            _ if metadata::is_reserved(name) => {}
            _ => {
                if name.ends_with(b"-bin")
                    && let Some(offset) = metadata::base64_error(value)
                {
                    seen.bad_binary = Some((name, value, offset));
                }
                seen.headers.push((known_name(name), Bytes::copy_from_slice(value)));
            }
        }
    }
    seen
}

/// The judgements in grpc-go's order. The error is an HTTP status and a gRPC one.
fn judge(seen: &Seen, subtype: Option<&[u8]>, methods: &Methods) -> Result<CallHead, (u16, Status)> {
    let refuse = |http, code, message| Err((http, Status { code, message }));
    if seen.hosts > 1 {
        let hosts = seen.hosts;
        let message = format!(
            "num values of :authority: 1, num values of host: {hosts}, both must only have 1 value as per HTTP/2 spec"
        );
        return refuse(400, code::INTERNAL, message);
    }
    let Some(subtype) = subtype else {
        let quoted = status::quote(seen.content_type);
        return refuse(415, code::INVALID_ARGUMENT, format!("invalid gRPC request content-type {quoted}"));
    };
    if let Some((name, value, offset)) = seen.bad_binary {
        let (name, value) = (status::quote(name), status::quote(value));
        let message = format!(
            "malformed binary metadata {value} in header {name}: illegal base64 data at input byte {offset}"
        );
        return refuse(400, code::INTERNAL, message);
    }
    if seen.method != b"POST" {
        let method = status::quote(seen.method);
        let message = format!("Received a HEADERS frame with :method {method} which should be POST");
        return refuse(405, code::INTERNAL, message);
    }
    let Some(method) = methods.find(seen.path) else {
        return refuse(200, code::UNIMPLEMENTED, unknown(seen.path, methods));
    };
    let encoding = match seen.encoding {
        b"" | b"identity" => Encoding::Identity,
        b"gzip" => Encoding::Gzip,
        other => return Err((200, no_decompressor(other))),
    };
    let plain = subtype.is_empty() && encoding == Encoding::Identity;
    let opening = (!plain).then(|| {
        let block = status::opening(subtype, encoding == Encoding::Gzip);
        Arc::new(Opening { block, subtype: subtype.to_vec() })
    });
    Ok(CallHead {
        method,
        encoding,
        opening,
        headers: seen.headers.as_slice().into(),
        timeout: seen.timeout.map(<[u8]>::to_vec),
    })
}

/// What a call's timeout means. The error is the response's only block.
pub(super) fn timeout_of(text: &[u8], opening: Option<&Opening>) -> Result<Duration, Vec<u8>> {
    let refuse = |http, code, message| {
        let subtype = opening.map_or(&[][..], |opening| &opening.subtype);
        Err(status::trailers_only(http, subtype, &Status { code, message }))
    };
    match timeout::parse(text) {
        Ok(Duration::ZERO) => refuse(200, code::DEADLINE_EXCEEDED, "context deadline exceeded".into()),
        Ok(timeout) => Ok(timeout),
        Err(why) => refuse(400, code::INTERNAL, format!("malformed grpc-timeout: {why}")),
    }
}

fn unknown(path: &[u8], methods: &Methods) -> String {
    let text = String::from_utf8_lossy;
    match split(path) {
        None => format!("malformed method name: {}", status::quote(path)),
        Some((service, method)) if methods.knows_service(service) => {
            format!("unknown method {} for service {}", text(method), text(service))
        }
        Some((service, _)) => format!("unknown service {}", text(service)),
    }
}

/// What follows `application/grpc+` or `application/grpc;`. `None`: not gRPC.
fn subtype(content_type: &[u8]) -> Option<&[u8]> {
    match content_type.strip_prefix(b"application/grpc")? {
        [] => Some(b""),
        [b'+' | b';', subtype @ ..] => Some(subtype),
        _ => None,
    }
}

/// Names that usual clients send need no allocation.
fn known_name(name: &[u8]) -> Bytes {
    const KNOWN: [&str; 4] = ["token", "authorization", "hasleader", "client-api-version"];
    match KNOWN.iter().find(|known| known.as_bytes() == name) {
        Some(known) => Bytes::from_static(known.as_bytes()),
        None => Bytes::copy_from_slice(name),
    }
}
