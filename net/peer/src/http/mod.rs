//! HTTP/1.1 without I/O: heads and bodies of both directions. Never a policy: bounds come from the caller.

mod body;
mod head;

pub(crate) use body::{Body, Framing};
pub(crate) use head::{
    RequestHead, ResponseHead, put_request, put_response, put_stream_head, reason, request_head,
    response_head, text,
};

use bytes::Bytes;
use std::fmt;

/// A response from another member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Answer {
    /// A header's value; names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

pub(crate) fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Why bytes are no HTTP of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Malformed,
    /// A head, line or body beyond its bound.
    TooLarge,
    /// A transfer coding we do not know.
    Unsupported,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broken::Malformed => "malformed HTTP",
            Broken::TooLarge => "HTTP message too large",
            Broken::Unsupported => "unsupported transfer encoding",
        })
    }
}
