//! Header blocks that the server answers with. All are literals without indexing (RFC 7541, 6.2.2) or static
//! indices, so that most are constants and none depends on a table.

use crate::Status;

pub(super) mod code {
    pub(in crate::grpc) const CANCELLED: u8 = 1;
    pub(in crate::grpc) const UNKNOWN: u8 = 2;
    pub(in crate::grpc) const INVALID_ARGUMENT: u8 = 3;
    pub(in crate::grpc) const DEADLINE_EXCEEDED: u8 = 4;
    pub(in crate::grpc) const RESOURCE_EXHAUSTED: u8 = 8;
    pub(in crate::grpc) const UNIMPLEMENTED: u8 = 12;
    pub(in crate::grpc) const INTERNAL: u8 = 13;
}

/// `:status: 200`, `content-type: application/grpc`.
pub(super) const OPENING: &[u8] = b"\x88\x0f\x10\x10application/grpc";
/// `grpc-status: 0`.
pub(super) const OK: &[u8] = b"\x00\x0bgrpc-status\x010";

const STATUS_200: u8 = 0x88;
/// Literal without indexing, name from the static table: `:status`.
const STATUS_NAME: u8 = 0x08;
/// The same for `content-type`, index 31: a prefix of four ones, then the rest.
const CONTENT_TYPE_NAME: [u8; 2] = [0x0f, 31 - 15];
const NEW_NAME: u8 = 0;

/// A response's first block; `subtype` is what the request's content type had after `application/grpc+`.
pub(super) fn opening(subtype: &[u8], gzip: bool) -> Vec<u8> {
    let mut block = Vec::with_capacity(64);
    put_http(&mut block, 200, subtype);
    if gzip {
        put_field(&mut block, b"grpc-encoding", b"gzip");
    }
    block
}

/// The last block of a response that has been opened.
pub(super) fn trailers(status: &Status) -> Vec<u8> {
    let mut block = Vec::with_capacity(40 + status.message.len());
    put_status(&mut block, status);
    block
}

/// A response's only block.
pub(super) fn trailers_only(http_status: u16, subtype: &[u8], status: &Status) -> Vec<u8> {
    let mut block = Vec::with_capacity(80 + status.message.len());
    put_http(&mut block, http_status, subtype);
    put_status(&mut block, status);
    block
}

fn put_http(block: &mut Vec<u8>, status: u16, subtype: &[u8]) {
    if status == 200 {
        block.push(STATUS_200);
    } else {
        block.push(STATUS_NAME);
        put_string(block, status.to_string().as_bytes());
    }
    block.extend_from_slice(&CONTENT_TYPE_NAME);
    if subtype.is_empty() {
        put_string(block, b"application/grpc");
    } else {
        put_string(block, &[b"application/grpc+", subtype].concat());
    }
}

fn put_status(block: &mut Vec<u8>, status: &Status) {
    put_field(block, b"grpc-status", status.code.to_string().as_bytes());
    put_field(block, b"grpc-message", &percent_encoded(&status.message));
}

fn put_field(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(NEW_NAME);
    put_string(block, name);
    put_string(block, value);
}

/// A string literal, not Huffman coded: its length as an integer with a prefix of seven bits, then its bytes.
fn put_string(block: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 0x7f {
        block.push(text.len() as u8);
    } else {
        block.push(0x7f);
        let mut rest = text.len() - 0x7f;
        while rest >= 0x80 {
            block.push(rest as u8 & 0x7f | 0x80);
            rest >>= 7;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(text);
}

/// The `grpc-message` header's encoding: `%XX` for what is not printable ASCII, and for the percent sign.
fn percent_encoded(message: &str) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(message.len());
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[byte as usize >> 4], HEX[byte as usize & 15]]);
        }
    }
    out
}

/// As Go's `%q` prints a string: quoted, with escapes for what is not printable.
pub(super) fn quote(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => out.extend(['\\', character]),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\x07' => out.push_str("\\a"),
                '\x08' => out.push_str("\\b"),
                '\x0b' => out.push_str("\\v"),
                '\x0c' => out.push_str("\\f"),
                '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\x{:02x}", character as u32)),
                '\u{80}'..='\u{a0}' => out.push_str(&format!("\\u{:04x}", character as u32)),
                _ => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_what_the_encoder_makes() {
        assert_eq!(opening(b"", false), OPENING);
        assert!(trailers(&Status { code: 0, message: String::new() }).starts_with(OK));
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encoded("100% \u{e4}\n~"), b"100%25 %C3%A4%0A~");
    }

    #[test]
    fn long_strings_have_long_lengths() {
        let mut block = Vec::new();
        put_string(&mut block, &[b'x'; 300]);
        assert_eq!(block[..3], [0x7f, 0xad, 0x01]);
        assert_eq!(block.len(), 303);
    }

    #[test]
    fn quoting_is_gos() {
        assert_eq!(quote(b"a\"\\\n\x01\xff\xc3\xa4"), "\"a\\\"\\\\\\n\\x01\\xff\u{e4}\"");
    }
}
