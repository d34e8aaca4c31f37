//! One other member as the thread sees it: its URLs, whether it is active, and what waits to be sent to it.
//!
//! A remote (a member that the local state does not list) has a pipeline alone.

use super::probe::Prober;
use crate::{
    batch::Untaken,
    endpoint::Picker,
    wire::{Encoder, Kind},
};
use proto::raftpb::{Message, MessageType};
use std::{collections::VecDeque, sync::Arc, time::Instant};

/// Messages that wait for a stream's socket.
pub(super) const STREAM_MESSAGES_MAX: usize = 4096;
/// Messages that wait to be posted.
pub(super) const PIPELINE_MESSAGES_MAX: usize = 64;
/// Posts to one member under way at once.
pub(super) const POSTS_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) urls: Picker,
    pub(super) active: bool,
    pub(super) pipeline: Pipeline,
    /// `None` for a remote.
    pub(super) streams: Option<Streams>,
    pub(super) untaken: Arc<Untaken>,
}

#[derive(Debug, Default)]
pub(super) struct Pipeline {
    pub(super) queue: VecDeque<Message>,
    pub(super) posting: usize,
}

/// The four streams between us and a member, and its two probes.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) writers: [Writer; 2],
    pub(super) readers: [Reader; 2],
    pub(super) probers: [Prober; 2],
}

/// A stream we write, on a connection the member made.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` while there is none; then nothing waits here.
    pub(super) connection: Option<usize>,
    pub(super) encoder: Encoder,
    pub(super) queue: VecDeque<Message>,
    pub(super) heartbeat_at: Instant,
}

/// A stream we read, on a connection we make again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    /// `None` while an attempt or a stream is under way.
    pub(super) dial_at: Option<Instant>,
    pub(super) dialled_at: Instant,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Stream(Kind),
    Pipeline,
}

impl Peer {
    pub(super) fn member(urls: Picker, pipeline: Pipeline, now: Instant) -> Peer {
        Peer { pipeline, streams: Some(Streams::new(now)), ..Peer::remote(urls) }
    }

    pub(super) fn remote(urls: Picker) -> Peer {
        Peer {
            urls,
            active: false,
            pipeline: Pipeline::default(),
            streams: None,
            untaken: Arc::new(Untaken::default()),
        }
    }

    pub(super) fn channel(&self, message: &Message) -> Channel {
        let open = |kind| self.writer(kind).is_some_and(|writer| writer.connection.is_some());
        match message.r#type() {
            MessageType::MsgSnap => Channel::Pipeline,
            MessageType::MsgApp if open(Kind::Append) => Channel::Stream(Kind::Append),
            _ if open(Kind::Message) => Channel::Stream(Kind::Message),
            _ => Channel::Pipeline,
        }
    }

    /// Queues a message; false: its queue is full.
    pub(super) fn push(&mut self, message: Message) -> bool {
        let (queue, messages_max) = match self.channel(&message) {
            Channel::Stream(kind) => {
                (&mut self.writer_mut(kind).expect("it is open").queue, STREAM_MESSAGES_MAX)
            }
            Channel::Pipeline => (&mut self.pipeline.queue, PIPELINE_MESSAGES_MAX),
        };
        if queue.len() >= messages_max {
            return false;
        }
        queue.push_back(message);
        true
    }

    pub(super) fn writer(&self, kind: Kind) -> Option<&Writer> {
        self.streams.as_ref().map(|streams| &streams.writers[kind as usize])
    }

    pub(super) fn writer_mut(&mut self, kind: Kind) -> Option<&mut Writer> {
        self.streams.as_mut().map(|streams| &mut streams.writers[kind as usize])
    }

    pub(super) fn reader_mut(&mut self, kind: Kind) -> Option<&mut Reader> {
        self.streams.as_mut().map(|streams| &mut streams.readers[kind as usize])
    }
}

impl Peer {
    /// The URLs have changed: what the probes found is of no use.
    pub(super) fn forget_health(&mut self, now: Instant) {
        if let Some(streams) = &mut self.streams {
            streams.probers = [Prober::new(now), Prober::new(now)];
        }
    }
}

impl Streams {
    fn new(now: Instant) -> Streams {
        let writer = |kind| Writer {
            connection: None,
            encoder: Encoder::new(kind),
            queue: VecDeque::new(),
            heartbeat_at: now,
        };
        let reader = Reader { dial_at: Some(now), dialled_at: now };
        Streams {
            writers: Kind::ALL.map(writer),
            readers: [reader; 2],
            probers: [Prober::new(now), Prober::new(now)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: MessageType) -> Message {
        Message { r#type: Some(kind as i32), to: Some(2), ..Message::default() }
    }

    #[test]
    fn messages_take_the_best_channel_that_is_open() {
        use Channel::{Pipeline, Stream};
        let urls = Picker::parse(&["http://a:1"]).unwrap();
        let mut peer = Peer::member(urls.clone(), super::Pipeline::default(), Instant::now());
        let channels = |peer: &Peer| {
            [MessageType::MsgApp, MessageType::MsgProp, MessageType::MsgSnap]
                .map(|kind| peer.channel(&message(kind)))
        };
        assert_eq!(channels(&peer), [Pipeline; 3]);
        peer.writer_mut(Kind::Message).unwrap().connection = Some(0);
        assert_eq!(channels(&peer), [Stream(Kind::Message), Stream(Kind::Message), Pipeline]);
        peer.writer_mut(Kind::Append).unwrap().connection = Some(1);
        assert_eq!(channels(&peer), [Stream(Kind::Append), Stream(Kind::Message), Pipeline]);
        peer.writer_mut(Kind::Message).unwrap().connection = None;
        assert_eq!(channels(&peer), [Stream(Kind::Append), Pipeline, Pipeline]);
        assert_eq!(channels(&Peer::remote(urls)), [Pipeline; 3]);
    }

    #[test]
    fn full_queues_take_no_more() {
        let mut peer = Peer::remote(Picker::parse(&["http://a:1"]).unwrap());
        for _ in 0..PIPELINE_MESSAGES_MAX {
            assert!(peer.push(message(MessageType::MsgApp)));
        }
        assert!(!peer.push(message(MessageType::MsgApp)));
    }
}
