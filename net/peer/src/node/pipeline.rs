//! Messages posted one by one: for members whose streams are not open, and remotes. Never a snapshot with its
//! database.

use super::{
    Node, Purpose,
    exchange::{Exchange, Failure},
    peer::POSTS_MAX,
};
use crate::{
    Answer, Event,
    endpoint::Endpoint,
    http::{Framing, put_request},
    verdict::Verdict,
};
use bytes::BytesMut;
use proto::{Message as _, raftpb::MessageType};
use std::time::Duration;

/// For one post, however steadily its bytes move.
const POST_TIMEOUT: Duration = Duration::from_secs(60);
/// Answers hold a line of text.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post {
    pub(super) peer: u64,
    kind: MessageType,
    bytes: u64,
}

impl Node {
    pub(super) fn pump_pipeline(&mut self, id: u64) {
        while let Some(peer) = self.peers.get_mut(&id)
            && peer.pipeline.posting < POSTS_MAX
            && let Some(message) = peer.pipeline.queue.pop_front()
        {
            peer.pipeline.posting += 1;
            let endpoint = peer.urls.pick().clone();
            let bytes = message.encoded_len();
            let mut request = BytesMut::new();
            let headers = ["Content-Type: application/protobuf\r\n", &self.identity.headers];
            let framing = Framing::Length(bytes as u64);
            put_request(&mut request, "POST", "/raft", endpoint.authority(), &headers, framing);
            message.encode(&mut request).expect("a BytesMut grows");
            let post = Post { peer: id, kind: message.r#type(), bytes: bytes as u64 };
            self.exchange(Exchange {
                purpose: Purpose::Post(post),
                endpoint,
                request: request.freeze(),
                response_bytes_max: ANSWER_BYTES_MAX,
                deadline: self.now + POST_TIMEOUT,
                patient: false,
            });
        }
    }

    pub(super) fn posted(&mut self, post: &Post, endpoint: &Endpoint, result: Result<Answer, Failure>) {
        let Some(peer) = self.peers.get_mut(&post.peer) else { return };
        peer.pipeline.posting -= 1;
        let result = match result {
            Ok(answer) => Verdict::of(&answer, endpoint, "/raft", post.peer, &self.identity),
            Err(failure) => Err(Verdict::Failed(failure.to_string())),
        };
        let Err(verdict) = result else {
            self.activate(post.peer);
            self.counts.peer(post.peer, |totals| totals.sent_bytes += post.bytes);
            if post.kind == MessageType::MsgSnap {
                self.events.push(Event::SnapshotSent {
                    to: post.peer,
                    delivered: true,
                    took: Duration::ZERO,
                });
            }
            return;
        };
        peer.urls.unreachable(endpoint);
        if verdict == Verdict::Removed {
            self.tell_removed();
        }
        self.deactivate(post.peer, "pipeline", "write", &verdict.to_string());
        self.dropped(post.peer, post.kind, 1);
    }
}
