//! `msgappv2` framing. Both ends keep the term and index that the next append will have if it follows the last one.
//!
//! ```text
//! 00                                                        the link lives
//! 01 | u64 n | n × ( u64 length | raftpb.Entry ) | u64 commit   an append that follows: term and index are known
//! 02 | u64 length | raftpb.Message                          any append; then term = its term, index = its last entry's
//! ```
//!
//! Integers are big-endian. A frame is at most [`FRAME_BYTES_MAX`] long.

use super::{FRAME_BYTES_MAX, Frame, FrameError, message};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use proto::{
    Message as _,
    raftpb::{Entry, Message, MessageType},
};

const HEARTBEAT: u8 = 0;
const ENTRIES: u8 = 1;
const APPEND: u8 = 2;
const U64_BYTES: usize = 8;
/// Where the entries begin: after the type and their number.
const ENTRIES_START: usize = 1 + U64_BYTES;

/// What both ends know of the append that would follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    term: u64,
    index: u64,
}

impl Position {
    fn after(message: &Message) -> Position {
        let index = message.entries.last().map_or_else(|| message.index(), Entry::index);
        Position { term: message.term(), index }
    }
}

pub(super) fn heartbeat(out: &mut BytesMut) {
    out.put_u8(HEARTBEAT);
}

#[derive(Debug, Default)]
pub(crate) struct AppendEncoder {
    position: Position,
}

impl AppendEncoder {
    pub(super) fn encode(&mut self, message: &Message, out: &mut BytesMut) {
        let follows = self.position.index == message.index()
            && self.position.term == message.log_term()
            && message.log_term() == message.term();
        if follows {
            out.put_u8(ENTRIES);
            out.put_u64(message.entries.len() as u64);
            for entry in &message.entries {
                out.put_u64(entry.encoded_len() as u64);
                entry.encode(out).expect("a BytesMut grows");
            }
            out.put_u64(message.commit());
            self.position.index += message.entries.len() as u64;
        } else {
            out.put_u8(APPEND);
            message::encode(message, out);
            self.position = Position::after(message);
        }
    }
}

#[derive(Debug)]
pub(crate) struct AppendDecoder {
    local: u64,
    remote: u64,
    position: Position,
    /// How far the lengths of the entries at hand were followed, so that bytes are looked at once.
    scan: Option<Scan>,
}

#[derive(Clone, Copy, Debug)]
struct Scan {
    /// Offset of the next entry's length, or of the commit index.
    at: u64,
    entries_left: u64,
}

impl AppendDecoder {
    pub(super) fn new(local: u64, remote: u64) -> AppendDecoder {
        AppendDecoder { local, remote, position: Position::default(), scan: None }
    }

    pub(super) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match input.first() {
            None => Ok(None),
            Some(&HEARTBEAT) => {
                input.advance(1);
                Ok(Some(Frame::Heartbeat))
            }
            Some(&ENTRIES) => self.entries(input),
            Some(&APPEND) => self.append(input),
            Some(&kind) => Err(FrameError::UnknownType(kind)),
        }
    }

    fn append(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        // The type stays in the buffer until the message is whole.
        let Some(length) = u64_at(input, 1) else { return Ok(None) };
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLarge);
        }
        if ((input.len() - ENTRIES_START) as u64) < length {
            return Ok(None);
        }
        input.advance(1);
        let Some(message) = message::decode(input, FRAME_BYTES_MAX)? else { return Ok(None) };
        self.position = Position::after(&message);
        Ok(Some(Frame::Message(Box::new(message))))
    }

    fn entries(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(count) = u64_at(input, 1) else { return Ok(None) };
        let mut scan = self.scan.unwrap_or(Scan { at: ENTRIES_START as u64, entries_left: count });
        while scan.entries_left > 0 {
            let Some(length) = u64_at(input, scan.at) else {
                self.scan = Some(scan);
                return Ok(None);
            };
            scan.at = scan.at.saturating_add(U64_BYTES as u64).saturating_add(length);
            scan.entries_left -= 1;
            if scan.at > FRAME_BYTES_MAX {
                return Err(FrameError::TooLarge);
            }
        }
        let Some(commit) = u64_at(input, scan.at) else {
            self.scan = Some(scan);
            return Ok(None);
        };
        self.scan = None;
        let frame = input.split_to(scan.at as usize + U64_BYTES).freeze();
        let entries = read_entries(&frame, count as usize)?;
        let Position { term, index } = self.position;
        self.position.index += count;
        Ok(Some(Frame::Message(Box::new(Message {
            r#type: Some(MessageType::MsgApp as i32),
            to: Some(self.local),
            from: Some(self.remote),
            term: Some(term),
            log_term: Some(term),
            index: Some(index),
            entries,
            commit: Some(commit),
            ..Message::default()
        }))))
    }
}

/// The entries of a frame whose lengths were followed to its end.
fn read_entries(frame: &Bytes, count: usize) -> Result<Vec<Entry>, FrameError> {
    let mut entries = Vec::with_capacity(count);
    let mut at = ENTRIES_START;
    for _ in 0..count {
        let length = u64_at(frame, at as u64).expect("followed before") as usize;
        let start = at + U64_BYTES;
        at = start + length;
        let entry = Entry::decode(frame.slice(start..at));
        entries.push(entry.map_err(|error| FrameError::Protobuf(error.to_string()))?);
    }
    Ok(entries)
}

fn u64_at(input: &[u8], at: u64) -> Option<u64> {
    let bytes = input.get(usize::try_from(at).ok()?..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::raftpb::EntryType;

    fn append(term: u64, log_term: u64, index: u64, entries: &[&'static str], commit: u64) -> Message {
        let entry = |(offset, data): (usize, &&'static str)| {
            let index = index + 1 + offset as u64;
            Entry::new(EntryType::EntryNormal, term, index, Bytes::from_static(data.as_bytes()))
        };
        Message {
            r#type: Some(MessageType::MsgApp as i32),
            to: Some(2),
            from: Some(1),
            term: Some(term),
            log_term: Some(log_term),
            index: Some(index),
            entries: entries.iter().enumerate().map(entry).collect(),
            commit: Some(commit),
            ..Message::default()
        }
    }

    fn decode_all(bytes: &[u8], piece: usize) -> Result<Vec<Frame>, FrameError> {
        let (mut decoder, mut input, mut frames) = (AppendDecoder::new(2, 1), BytesMut::new(), Vec::new());
        for bytes in bytes.chunks(piece) {
            input.extend_from_slice(bytes);
            while let Some(frame) = decoder.decode(&mut input)? {
                frames.push(frame);
            }
        }
        assert!(input.is_empty());
        Ok(frames)
    }

    /// A term begins, goes on, is interrupted and jumps: which frames are used, and that they say the same.
    #[test]
    fn appends_that_follow_are_short() {
        let script = [
            (append(3, 2, 10, &["a", "b"], 9), APPEND),
            (append(3, 3, 12, &["c"], 12), ENTRIES),
            (append(3, 3, 13, &[], 13), ENTRIES),
            (append(3, 3, 13, &["d", "", "e"], 13), ENTRIES),
            (append(3, 3, 12, &["again"], 13), APPEND),
            (append(3, 3, 13, &["d"], 13), ENTRIES),
            (append(4, 3, 14, &["f"], 14), APPEND),
            (append(4, 4, 15, &["g"], 15), ENTRIES),
        ];
        let (mut encoder, mut out, mut expected) = (AppendEncoder::default(), BytesMut::new(), Vec::new());
        for (message, kind) in script {
            let start = out.len();
            encoder.encode(&message, &mut out);
            assert_eq!(out[start], kind, "{message:?}");
            heartbeat(&mut out);
            expected.extend([Frame::Message(Box::new(message)), Frame::Heartbeat]);
        }
        for piece in [1, 2, 5, 64, out.len()] {
            assert_eq!(decode_all(&out, piece), Ok(expected.clone()), "by {piece}");
        }
    }

    #[test]
    fn entries_share_the_buffer_they_came_in() {
        let (mut encoder, mut out) = (AppendEncoder::default(), BytesMut::new());
        encoder.encode(&append(1, 0, 0, &["a"], 0), &mut out);
        encoder.encode(&append(1, 1, 1, &["bcd", "efg"], 0), &mut out);
        let (start, end) = (out.as_ptr(), out.as_ptr_range().end);
        let mut decoder = AppendDecoder::new(2, 1);
        decoder.decode(&mut out).unwrap();
        let Ok(Some(Frame::Message(message))) = decoder.decode(&mut out) else { panic!("no append") };
        for entry in &message.entries {
            let data = entry.data.as_ref().unwrap();
            assert!((start..end).contains(&data.as_ptr()));
        }
    }

    #[test]
    fn hostile_frames_are_errors() {
        assert_eq!(decode_all(&[3], 1), Err(FrameError::UnknownType(3)));
        let script: [(&[&[u8]], FrameError); 4] = [
            (&[&[APPEND], &u64::MAX.to_be_bytes()], FrameError::TooLarge),
            (&[&[ENTRIES], &1u64.to_be_bytes(), &u64::MAX.to_be_bytes()], FrameError::TooLarge),
            (&[&[ENTRIES], &2u64.to_be_bytes(), &FRAME_BYTES_MAX.to_be_bytes()], FrameError::TooLarge),
            (
                &[&[ENTRIES], &1u64.to_be_bytes(), &1u64.to_be_bytes(), &[0xff], &[0; 8]],
                FrameError::Protobuf(String::new()),
            ),
        ];
        for (parts, expected) in script {
            let bytes = parts.concat();
            for piece in [1, bytes.len()] {
                match (decode_all(&bytes, piece), &expected) {
                    (Err(FrameError::Protobuf(_)), FrameError::Protobuf(_)) => {}
                    (result, _) => assert_eq!(result, Err(expected.clone()), "{bytes:?}"),
                }
            }
        }
        let mut many = BytesMut::from(&[&[ENTRIES][..], &u64::MAX.to_be_bytes()].concat()[..]);
        assert_eq!(AppendDecoder::new(2, 1).decode(&mut many), Ok(None));
        assert!(many.capacity() < 1024, "nothing is allocated for what has not come");
    }
}
