//! Snapshots from the thread's side: who sends or receives one, and what comes of it.

use super::{Node, Role, SnapshotThread, Waiting, serve::rejection};
use crate::{
    Event, Image, RequestId,
    http::{RequestHead, put_response, text},
    identity::hex,
    mailbox::Command,
    snapshot::{Receiver, Saved, Sender, Sent},
    verdict::Verdict,
};
use proto::raftpb::{Message, MessageType};
use std::{
    sync::{Arc, atomic::AtomicBool},
    thread,
    time::Duration,
};

/// Snapshots on their way at once, in both directions together.
const THREADS_MAX: usize = 16;

impl Node {
    pub(super) fn send_snapshot(&mut self, message: Message, image: Image) {
        let to = message.to();
        let member = self.peers.get(&to).filter(|peer| peer.streams.is_some());
        let Some(peer) = member.filter(|_| self.snapshot_threads.len() < THREADS_MAX) else {
            log::warn!("remote-peer-id":% = hex(to); "ignored snapshot; unknown remote peer, or too many snapshots");
            return self.dropped(to, MessageType::MsgSnap, 1);
        };
        let endpoint = peer.urls.pick().clone();
        let (thread, stop) = self.snapshot_thread(Some(to));
        let sender = Sender {
            thread,
            stop,
            endpoint,
            message,
            image,
            identity: self.identity.clone(),
            dial_timeout: self.dial_timeout,
        };
        let mailbox = self.mailbox.clone();
        self.counts.peer(to, |totals| *totals.snapshots_sending.get_or_insert_default() += 1);
        let spawned = thread::Builder::new()
            .name("peer-snap-send".into())
            .spawn(move || mailbox.post(Command::SnapshotSent(sender.run())));
        if let Err(error) = spawned {
            log::error!(error:% = error; "failed to start a thread for a snapshot");
            self.snapshot_thread_ended(thread);
            self.dropped(to, MessageType::MsgSnap, 1);
        }
    }

    pub(super) fn snapshot_sent(&mut self, sent: Sent) {
        let Sent { thread, to, endpoint, bytes, took, result } = sent;
        self.snapshot_thread_ended(thread);
        let delivered = result.is_ok();
        match result {
            Ok(()) => {
                self.activate(to);
                self.counts.peer(to, |totals| {
                    totals.sent_bytes += bytes;
                    totals.snapshots_sent += 1;
                });
            }
            Err(verdict) => {
                if verdict == Verdict::Removed {
                    self.tell_removed();
                }
                if let Some(peer) = self.peers.get_mut(&to) {
                    peer.urls.unreachable(&endpoint);
                }
                self.deactivate(to, "sendMsgSnap", "post", &verdict.to_string());
                self.unreachable.insert(to);
                self.counts.peer(to, |totals| {
                    totals.sent_failures += 1;
                    totals.snapshot_send_failures += 1;
                });
            }
        }
        self.events.push(Event::SnapshotSent { to, delivered, took });
    }

    /// Gives a connection whose snapshot begins to a thread of its own.
    pub(super) fn receive_snapshot(&mut self, key: usize, head: &RequestHead) {
        let mut connection = self.connections.remove(key);
        connection.socket.deregister(self.poll.registry());
        self.accepted -= 1;
        assert!(matches!(connection.role, Role::Taken), "its head was just read");
        let stream = match connection.socket.into_blocking() {
            Ok(stream) => stream,
            Err(error) => return log::warn!(error:% = error; "failed to give a connection to its thread"),
        };
        let refusal = (self.snapshot_threads.len() >= THREADS_MAX)
            .then(|| text(500, "failed to save KV snapshot (too many snapshots)"));
        if head.expects_continue && connection.input.is_empty() && refusal.is_none() {
            connection.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if let Some(response) = &refusal {
            put_response(&mut connection.output, response, true, false);
        }
        let (thread, stop) = self.snapshot_thread(None);
        let receiver = Receiver {
            stop,
            stream,
            remote: connection.remote,
            framing: head.framing,
            input: connection.input,
            output: connection.output,
            refused: refusal.is_some(),
            directory: self.snap_dir.clone(),
            identity: self.identity.clone(),
            counts: self.counts.clone(),
        };
        let mailbox = self.mailbox.clone();
        let spawned = thread::Builder::new().name("peer-snap-recv".into()).spawn(move || {
            let (from, took) = receiver.run(|saved| mailbox.post(Command::SnapshotSaved(saved)));
            mailbox.post(Command::SnapshotTaken { thread, from, took });
        });
        if let Err(error) = spawned {
            log::error!(error:% = error; "failed to start a thread for a snapshot");
            self.snapshot_thread_ended(thread);
        }
    }

    /// A database is on disk; its message may go up.
    pub(super) fn snapshot_saved(&mut self, saved: Saved) {
        let Saved { message, answer } = saved;
        if let Err(rejected) = self.examine_ends(&message) {
            if answer.try_send(rejection(rejected)).is_err() {
                log::debug!("a snapshot's sender is gone before its answer");
            }
            return;
        }
        let id = self.next_id();
        self.waiting.insert(id, Waiting::Receiver(answer));
        self.events.push(Event::SnapshotReceived { message: Box::new(message), answer: RequestId(id) });
    }

    pub(super) fn snapshot_taken(&mut self, thread: u64, from: u64, took: Option<Duration>) {
        self.snapshot_thread_ended(thread);
        if let Some(took) = took {
            self.events.push(Event::SnapshotTaken { from, took });
        }
    }

    fn snapshot_thread(&mut self, to: Option<u64>) -> (u64, Arc<AtomicBool>) {
        let (thread, stop) = (self.next_id(), Arc::new(AtomicBool::new(false)));
        self.snapshot_threads.insert(thread, SnapshotThread { stop: stop.clone(), to });
        (thread, stop)
    }

    fn snapshot_thread_ended(&mut self, thread: u64) {
        if let Some(SnapshotThread { to: Some(to), .. }) = self.snapshot_threads.remove(&thread) {
            self.counts.peer(to, |totals| {
                let sending = totals.snapshots_sending.get_or_insert_default();
                *sending = sending.saturating_sub(1);
            });
        }
    }
}
