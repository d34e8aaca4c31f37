//! Request headers of gRPC calls, HPACK-encoded. It encodes only, and only the fixed set a gRPC client sends.
//!
//! Like a real client it puts each header into the connection's dynamic table once (RFC 7541, 6.2.1) and refers to
//! it by index from then on, so a warm request's block is seven bytes. A server that announces a table too small
//! for that gets plain literals.

/// Static table entries used here: name indexes of RFC 7541, appendix A.
const PATH: u8 = 4;
const AUTHORITY: u8 = 1;
const CONTENT_TYPE: u8 = 31;
const USER_AGENT: u8 = 58;
/// `:method: POST` and `:scheme: http`, whole entries.
const POST_HTTP: [u8; 2] = [0x83, 0x86];
/// First index of the dynamic table.
const DYNAMIC: usize = 62;
/// The table size a peer grants unless it says otherwise, bytes; all our entries fit.
pub const TABLE_BYTES_DEFAULT: u32 = 4096;

/// Encoder for one connection and a fixed list of method paths.
#[derive(Debug)]
pub struct Headers {
    authority: String,
    paths: &'static [&'static str],
    /// Insertion number of each path, once inserted.
    path_positions: Vec<Option<usize>>,
    /// Insertion number of the authority; content type, te and user agent follow it.
    shared_position: Option<usize>,
    /// Entries inserted so far.
    inserted: usize,
    literal_only: bool,
    /// The table size update to 0 is still owed.
    update_owed: bool,
}

impl Headers {
    /// `table_bytes`: the peer's SETTINGS_HEADER_TABLE_SIZE.
    pub fn new(authority: String, paths: &'static [&'static str], table_bytes: u32) -> Headers {
        let literal_only = table_bytes < TABLE_BYTES_DEFAULT;
        Headers {
            authority,
            paths,
            path_positions: vec![None; paths.len()],
            shared_position: None,
            inserted: 0,
            literal_only,
            update_owed: literal_only,
        }
    }

    /// Appends the header block of a call of `paths[path]`.
    pub fn encode(&mut self, path: usize, out: &mut Vec<u8>) {
        if self.update_owed {
            out.push(0x20);
            self.update_owed = false;
        }
        out.extend_from_slice(&POST_HTTP);
        match self.path_positions[path] {
            Some(position) => self.indexed(position, out),
            None => {
                let position = self.literal(Name::Static(PATH), self.paths[path].as_bytes(), out);
                self.path_positions[path] = position;
            }
        }
        match self.shared_position {
            Some(first) => (first..first + 4).for_each(|position| self.indexed(position, out)),
            None => {
                let authority = self.authority.clone();
                self.shared_position = self.literal(Name::Static(AUTHORITY), authority.as_bytes(), out);
                self.literal(Name::Static(CONTENT_TYPE), b"application/grpc", out);
                self.literal(Name::Literal("te"), b"trailers", out);
                self.literal(Name::Static(USER_AGENT), b"quorate-bench/1", out);
            }
        }
    }

    fn indexed(&self, position: usize, out: &mut Vec<u8>) {
        let index = DYNAMIC + self.inserted - 1 - position;
        assert!(index < 127, "the index fits seven bits: few headers are inserted");
        out.push(0x80 | u8::try_from(index).expect("below 127"));
    }

    /// Returns the insertion number, if the entry went into the table.
    fn literal(&mut self, name: Name, value: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let (pattern, prefix_max) = if self.literal_only { (0x00, 0x0f) } else { (0x40, 0x3f) };
        match name {
            Name::Static(index) if index < prefix_max => out.push(pattern | index),
            Name::Static(index) => out.extend_from_slice(&[pattern | prefix_max, index - prefix_max]),
            Name::Literal(text) => {
                out.push(pattern);
                string(text.as_bytes(), out);
            }
        }
        string(value, out);
        if self.literal_only {
            return None;
        }
        self.inserted += 1;
        Some(self.inserted - 1)
    }
}

enum Name {
    Static(u8),
    Literal(&'static str),
}

fn string(value: &[u8], out: &mut Vec<u8>) {
    assert!(value.len() < 127, "one length byte is enough for our headers");
    out.push(u8::try_from(value.len()).expect("below 127"));
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_call_is_all_indexes() {
        let mut headers = Headers::new("127.0.0.1:1".into(), &["/a", "/b"], TABLE_BYTES_DEFAULT);
        let mut out = Vec::new();
        headers.encode(0, &mut out);
        assert_eq!(&out[..7], [0x83, 0x86, 0x44, 2, b'/', b'a', 0x41]);
        out.clear();
        headers.encode(0, &mut out);
        assert_eq!(out, [0x83, 0x86, 0x80 | 66, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]);
        out.clear();
        headers.encode(1, &mut out);
        // The new path is the youngest entry now, so the others moved up by one.
        assert_eq!(out, [0x83, 0x86, 0x44, 2, b'/', b'b', 0x80 | 66, 0x80 | 65, 0x80 | 64, 0x80 | 63]);
        out.clear();
        headers.encode(1, &mut out);
        assert_eq!(out[2], 0x80 | 62);
    }

    #[test]
    fn small_table_means_literals() {
        let mut headers = Headers::new("h".into(), &["/a"], 0);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        headers.encode(0, &mut first);
        headers.encode(0, &mut second);
        assert_eq!(first[0], 0x20);
        assert_eq!(&first[1..], second);
        assert_eq!(&second[..6], [0x83, 0x86, 0x04, 2, b'/', b'a']);
    }
}
