//! A snapshot on its way: its message, then a database image of any size, on a connection and a thread of its own.
//!
//! `[u64 big-endian length][raftpb.Message]`, then the image to the end of the chunked body. It never touches the
//! peer thread's sockets or state: what comes of it goes there as a letter.

mod patient;
mod receive;
mod send;

pub(crate) use receive::{Receiver, Saved};
pub(crate) use send::{Sender, Sent};

/// Image bytes read, or written, at once.
const PIECE_BYTES: usize = 256 << 10;

/// `22 MB`: decimal units, one digit after the point below ten, as etcd's log lines have it beside the exact number.
fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 10 {
        return format!("{bytes} B");
    }
    let exponent = bytes.ilog10() / 3;
    let value = (bytes as f64 / 1000f64.powi(exponent as i32) * 10.0 + 0.5).floor() / 10.0;
    let digits = usize::from(value < 10.0);
    format!("{value:.digits$} {}", UNITS[exponent as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, text) in [(9, "9 B"), (82, "82 B"), (1050, "1.1 kB"), (22_020_096, "22 MB")] {
            assert_eq!(size_text(bytes), text);
        }
    }
}
