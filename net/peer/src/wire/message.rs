//! `message` framing: `[u64 big-endian length][raftpb.Message]`, and nothing else.

use super::FrameError;
use bytes::{Buf, BufMut, BytesMut};
use proto::{Message as _, raftpb::Message};

const LENGTH_BYTES: usize = 8;

pub(crate) fn encode(message: &Message, out: &mut BytesMut) {
    let length = message.encoded_len();
    out.reserve(LENGTH_BYTES + length);
    out.put_u64(length as u64);
    message.encode(out).expect("a BytesMut grows");
}

/// Takes a message out of the buffer once it is whole.
pub(crate) fn decode(input: &mut BytesMut, bytes_max: u64) -> Result<Option<Message>, FrameError> {
    let Some(prefix) = input.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
    let length = u64::from_be_bytes(*prefix);
    if length > bytes_max {
        return Err(FrameError::TooLarge);
    }
    let length = usize::try_from(length).map_err(|_| FrameError::TooLarge)?;
    if input.len() - LENGTH_BYTES < length {
        return Ok(None);
    }
    input.advance(LENGTH_BYTES);
    let frame = input.split_to(length).freeze();
    Message::decode(frame).map(Some).map_err(|error| FrameError::Protobuf(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Decoder, Encoder, FRAME_BYTES_MAX, Frame, Kind};
    use bytes::Bytes;
    use proto::raftpb::{Entry, EntryType, MessageType};

    fn sample() -> Message {
        Message {
            r#type: Some(MessageType::MsgHeartbeat as i32),
            to: Some(2),
            from: Some(1),
            term: Some(7),
            entries: vec![Entry::new(EntryType::EntryNormal, 7, 8, Bytes::from_static(b"data"))],
            context: Some(Bytes::from_static(b"ctx")),
            ..Message::default()
        }
    }

    #[test]
    fn frames_come_whole_in_whatever_pieces() {
        let (mut encoder, mut out) = (Encoder::new(Kind::Message), BytesMut::new());
        encoder.heartbeat(&mut out);
        assert_eq!(out[..], [0, 0, 0, 0, 0, 0, 0, 2, 8, 8]);
        encoder.encode(&sample(), &mut out);
        for piece in [1, 7, out.len()] {
            let (mut decoder, mut input) = (Decoder::new(Kind::Message, 2, 1), BytesMut::new());
            let mut frames = Vec::new();
            for bytes in out.chunks(piece) {
                input.extend_from_slice(bytes);
                while let Some(frame) = decoder.decode(&mut input).unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames, [Frame::Heartbeat, Frame::Message(Box::new(sample()))]);
            assert!(input.is_empty());
        }
    }

    /// gogo's members write every scalar, and 3.4 an empty snapshot.
    #[test]
    fn a_heartbeat_with_explicit_zeros_is_one() {
        let text =
            [8, 8, 16, 0, 24, 0, 32, 0, 40, 0, 48, 0, 64, 0, 74, 8, 18, 6, 10, 0, 16, 0, 24, 0, 80, 0, 88, 0];
        let mut input = BytesMut::new();
        input.put_u64(text.len() as u64);
        input.extend_from_slice(&text);
        assert_eq!(Decoder::new(Kind::Message, 1, 2).decode(&mut input), Ok(Some(Frame::Heartbeat)));
    }

    #[test]
    fn hostile_frames_are_errors() {
        let mut long = BytesMut::from(&(FRAME_BYTES_MAX + 1).to_be_bytes()[..]);
        assert_eq!(decode(&mut long, FRAME_BYTES_MAX), Err(FrameError::TooLarge));
        let mut announced = BytesMut::from(&FRAME_BYTES_MAX.to_be_bytes()[..]);
        assert_eq!(decode(&mut announced, FRAME_BYTES_MAX), Ok(None));
        assert!(announced.capacity() < 1024, "nothing is allocated for what has not come");
        let mut wrong = BytesMut::from(&[0, 0, 0, 0, 0, 0, 0, 1, 0xff][..]);
        assert!(matches!(decode(&mut wrong, FRAME_BYTES_MAX), Err(FrameError::Protobuf(_))));
    }
}
