//! Whether a list of fields makes a well-formed request, RFC 9113, sections 8.2 and 8.3. It never looks at what a
//! field means to a service.

use super::hpack::Fields;

/// What the fields say about the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// From `content-length`, in bytes.
    pub(super) announced: Option<u64>,
}

/// `None`: malformed.
pub(super) fn check(fields: &Fields) -> Option<Body> {
    let (mut method, mut scheme, mut path, mut authority) = (false, false, false, false);
    let mut regular = false;
    let mut announced = None;
    for (name, value) in fields.iter() {
        if !value.iter().all(|&byte| !matches!(byte, 0 | b'\r' | b'\n')) {
            return None;
        }
        if name.first() == Some(&b':') {
            let seen = match name {
                b":method" => &mut method,
                b":scheme" => &mut scheme,
                b":path" => &mut path,
                b":authority" => &mut authority,
                _ => return None,
            };
            if regular || std::mem::replace(seen, true) {
                return None;
            }
            continue;
        }
        regular = true;
        if name.is_empty() || !name.iter().all(|&byte| is_name(byte)) || is_connection_specific(name, value) {
            return None;
        }
        if name == b"content-length" {
            let bytes = std::str::from_utf8(value).ok()?.parse().ok()?;
            if announced.replace(bytes).is_some_and(|before: u64| before != bytes) {
                return None;
            }
        }
    }
    (method && scheme && path).then_some(Body { announced })
}

/// Token characters of RFC 9110, lower case.
fn is_name(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.'
        | b'^' | b'_' | b'`' | b'|' | b'~')
}

fn is_connection_specific(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => true,
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    }
}
