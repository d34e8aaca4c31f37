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

/// Whether a value of a `-bin` header is base64, padded or not, in the standard alphabet.
pub(super) fn is_base64(value: &[u8]) -> bool {
    let padded = value.len().is_multiple_of(4);
    let text = match value {
        [text @ .., b'=', b'='] | [text @ .., b'='] if padded => text,
        _ => value,
    };
    text.len() % 4 != 1
        && text.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/'))
}

#[cfg(test)]
mod tests {
    use super::is_base64;

    #[test]
    fn base64_with_and_without_padding() {
        for (text, valid) in [
            ("", true),
            ("AA", true),
            ("AA==", true),
            ("AAA=", true),
            ("AAAA", true),
            ("A", false),
            ("AA=", false),
            ("A===", false),
            ("A-_A", false),
            ("====", false),
        ] {
            assert_eq!(is_base64(text.as_bytes()), valid, "{text:?}");
        }
    }
}
