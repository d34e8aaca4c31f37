//! Which request headers are metadata that a server may ask for. Values stay raw: those of `-bin` names are not
//! decoded, only checked.

/// Headers of HTTP and of gRPC itself, which no service asks for.
pub(super) fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(b":")
        || matches!(
            name,
            b"content-type"
                | b"user-agent"
                | b"te"
                | b"grpc-accept-encoding"
                | b"grpc-encoding"
                | b"grpc-message"
                | b"grpc-message-type"
                | b"grpc-status"
                | b"grpc-timeout"
                | b"host"
        )
}

/// Where a value of a `-bin` header is not base64 in the standard alphabet: the offset that Go's decoder names. A
/// value whose length is a multiple of 4 may be padded, others must not be.
pub(super) fn base64_error(value: &[u8]) -> Option<usize> {
    let padded = value.len().is_multiple_of(4);
    let symbol = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/');
    let Some(end) = value.iter().position(|byte| !symbol(byte)) else {
        // One symbol alone makes no byte.
        return (value.len() % 4 == 1).then(|| value.len() - 1);
    };
    if !padded || value[end] != b'=' || end % 4 < 2 {
        return Some(end);
    }
    let pads = 4 - end % 4;
    if pads == 2 && value[end + 1] != b'=' {
        return Some(end);
    }
    (end + pads < value.len()).then_some(end + pads)
}

#[cfg(test)]
mod tests {
    use super::base64_error;

    #[test]
    fn base64_with_and_without_padding() {
        for (text, error) in [
            ("", None),
            ("AA", None),
            ("AAA", None),
            ("AA==", None),
            ("AAA=", None),
            ("AAAA", None),
            ("A", Some(0)),
            ("AAAAA", Some(4)),
            ("AA=", Some(2)),
            ("A===", Some(1)),
            ("AA=A", Some(2)),
            ("A-_A", Some(1)),
            ("====", Some(0)),
            ("AA==AAAA", Some(4)),
        ] {
            assert_eq!(base64_error(text.as_bytes()), error, "{text:?}");
        }
    }
}
