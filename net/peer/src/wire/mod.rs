//! The two framings of long-lived streams, without I/O: `message` for every kind, `msgappv2` for appends.
//!
//! It never allocates for what was only announced: a frame's bytes are waited for, up to [`FRAME_BYTES_MAX`]. Entries
//! are written once into the output and read as slices of one buffer.

mod append;
mod message;

use append::{AppendDecoder, AppendEncoder};
use bytes::BytesMut;
use proto::raftpb::{self, MessageType};
use std::fmt;

/// Largest frame, in bytes; etcd's bound for `message` frames.
pub(crate) const FRAME_BYTES_MAX: u64 = 512 << 20;

/// What a stream carries. Between two members there is one of each in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Append,
    Message,
}

impl Kind {
    pub(crate) const ALL: [Kind; 2] = [Kind::Append, Kind::Message];

    /// Where it is asked for, up to the asker's ID.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Kind::Append => "/raft/stream/msgapp",
            Kind::Message => "/raft/stream/message",
        }
    }

    /// As log lines have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Append => "stream MsgApp v2",
            Kind::Message => "stream Message",
        }
    }
}

/// One thing that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// The link lives.
    Heartbeat,
    Message(Box<raftpb::Message>),
}

/// Why a stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    TooLarge,
    UnknownType(u8),
    Protobuf(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLarge => f.write_str("rafthttp: error limit exceeded"),
            FrameError::UnknownType(kind) => write!(f, "failed to parse type {kind} in msgappv2 stream"),
            FrameError::Protobuf(error) => f.write_str(error),
        }
    }
}

/// One connection's writing side.
#[derive(Debug)]
pub(crate) enum Encoder {
    Append(AppendEncoder),
    Message,
}

impl Encoder {
    pub(crate) fn new(kind: Kind) -> Encoder {
        match kind {
            Kind::Append => Encoder::Append(AppendEncoder::default()),
            Kind::Message => Encoder::Message,
        }
    }

    pub(crate) fn encode(&mut self, message: &raftpb::Message, out: &mut BytesMut) {
        match self {
            Encoder::Append(encoder) => encoder.encode(message, out),
            Encoder::Message => message::encode(message, out),
        }
    }

    pub(crate) fn heartbeat(&self, out: &mut BytesMut) {
        match self {
            Encoder::Append(_) => append::heartbeat(out),
            Encoder::Message => message::encode(&link_heartbeat(), out),
        }
    }
}

/// One connection's reading side.
#[derive(Debug)]
pub(crate) enum Decoder {
    Append(AppendDecoder),
    Message,
}

impl Decoder {
    /// `local` and `remote` complete the appends whose frames leave them out.
    pub(crate) fn new(kind: Kind, local: u64, remote: u64) -> Decoder {
        match kind {
            Kind::Append => Decoder::Append(AppendDecoder::new(local, remote)),
            Kind::Message => Decoder::Message,
        }
    }

    /// Takes the next frame out of the buffer once it is whole. After an error the stream is lost.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self {
            Decoder::Append(decoder) => decoder.decode(input),
            Decoder::Message => {
                let message = message::decode(input, FRAME_BYTES_MAX)?;
                Ok(message.map(|m| {
                    if is_link_heartbeat(&m) { Frame::Heartbeat } else { Frame::Message(Box::new(m)) }
                }))
            }
        }
    }
}

pub(crate) use message::{decode as decode_message, encode as encode_message};

fn link_heartbeat() -> raftpb::Message {
    raftpb::Message { r#type: Some(MessageType::MsgHeartbeat as i32), ..raftpb::Message::default() }
}

fn is_link_heartbeat(message: &raftpb::Message) -> bool {
    message.r#type() == MessageType::MsgHeartbeat && message.from() == 0 && message.to() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// Everything that comes out of bytes cut at these places, and the error that ends it.
    fn decode(kind: Kind, bytes: &[u8], cuts: &[usize]) -> (Vec<Frame>, Option<FrameError>) {
        let (mut decoder, mut input, mut frames) = (Decoder::new(kind, 2, 1), BytesMut::new(), Vec::new());
        let mut rest = bytes;
        for cut in cuts.iter().copied().chain([bytes.len()]) {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            input.extend_from_slice(piece);
            rest = after;
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    }

    /// Bytes that look like frames: small numbers are likely where lengths and types are.
    fn frame_like() -> impl Strategy<Value = Vec<u8>> {
        let number = prop_oneof![0u64..6, any::<u64>()].prop_map(|number| number.to_be_bytes().to_vec());
        let piece = prop_oneof![vec(0u8..4, 1..2), number, vec(any::<u8>(), 0..6)];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        /// Whatever comes, in whatever pieces: the same frames, the same error, no panic.
        #[test]
        fn hostile_bytes_are_read_the_same_however_they_are_cut(
            bytes in frame_like(),
            cuts in vec(0usize..9, 0..20),
        ) {
            for kind in Kind::ALL {
                prop_assert_eq!(decode(kind, &bytes, &cuts), decode(kind, &bytes, &[]));
            }
        }
    }
}
