//! What the caller says about calls: replies into output buffers. It never writes to a socket; that is `flush`.

use crate::{
    CallId, HttpResponse, Status, connection::Protocol, grpc::Session, http1::Exchange, server::Server,
};
use bytes::BytesMut;
use std::time::Instant;

/// Half of a [`CallId::connection`]: the slot.
const SLOT_MASK: u64 = u32::MAX as u64;

impl Server {
    /// Answers a unary call: `encode` appends the message to the output buffer. Unknown or gone IDs are ignored,
    /// here and below.
    pub fn reply(&mut self, id: CallId, encode: impl FnOnce(&mut BytesMut)) {
        self.with_session(id, |session, out| session.reply(id.stream, out, encode));
    }

    /// Ends a call with an error.
    pub fn fail(&mut self, id: CallId, status: &Status) {
        self.with_session(id, |session, out| session.fail(id.stream, status, out));
    }

    /// Sends one message of a streaming response; the first one opens the response.
    pub fn send(&mut self, id: CallId, encode: impl FnOnce(&mut BytesMut)) {
        self.with_session(id, |session, out| {
            session.send(id.stream, out, encode);
        });
    }

    /// Ends a streaming response with OK.
    pub fn finish(&mut self, id: CallId) {
        self.with_session(id, |session, out| session.finish(id.stream, out));
    }

    /// Bytes that the peer has not yet been able to take: of the stream's messages what its windows hold back, and
    /// of the connection what is not yet written (all streams'; zero once a flush went through). The caller's
    /// back-pressure; it falls only inside [`Server::poll`] and [`Server::flush`].
    pub fn backlog(&self, id: CallId) -> usize {
        let Some(slot) = self.slot(id) else { return 0 };
        let connection = &self.connections[slot];
        let queued = match &connection.protocol {
            Protocol::Grpc(session) => session.queued(id.stream),
            Protocol::Http(_) | Protocol::Unknown | Protocol::Lingering => 0,
        };
        queued + connection.out.len()
    }

    /// Answers an HTTP/1.1 request. `Content-Length` and `Connection` are added.
    pub fn http_reply(&mut self, id: CallId, response: HttpResponse) {
        self.with_exchange(id, |exchange, out| exchange.reply(&response, out));
    }

    /// Begins an answer in parts, of which `response.body` is the first if it is not empty.
    pub fn http_open(&mut self, id: CallId, response: &HttpResponse) {
        self.with_exchange(id, |exchange, out| exchange.open(response, out));
    }

    /// A further part.
    pub fn http_send(&mut self, id: CallId, part: &[u8]) {
        self.with_exchange(id, |exchange, out| exchange.send(part, out));
    }

    /// Ends an answer in parts.
    pub fn http_finish(&mut self, id: CallId) {
        self.with_exchange(id, |exchange, out| exchange.finish(out));
    }

    /// Cuts the call's whole connection, at the next poll, which reports its other calls gone.
    pub fn close(&mut self, id: CallId) {
        if let Some(slot) = self.slot(id) {
            self.connections[slot].flags.dead = true;
            self.enqueue(slot);
        }
    }

    /// Stops accepting and sends GOAWAY; open calls may finish. True once no call is open.
    pub fn drain(&mut self) -> bool {
        if !self.draining {
            self.draining = true;
            self.accepting = false;
            self.listeners.clear();
            let now = Instant::now();
            let slots: Vec<usize> = self.connections.iter().map(|(slot, _)| slot).collect();
            for slot in slots {
                self.connections[slot].drain(now);
                self.settle(slot);
            }
        }
        self.connections.iter().all(|(_, connection)| connection.calls() == 0)
    }

    fn slot(&self, id: CallId) -> Option<usize> {
        let slot = (id.connection & SLOT_MASK) as usize;
        (self.connections.get(slot)?.id == id.connection).then_some(slot)
    }

    fn with_session(&mut self, id: CallId, act: impl FnOnce(&mut Session, &mut BytesMut)) {
        let Some(slot) = self.slot(id) else { return };
        let connection = &mut self.connections[slot];
        if connection.out.capacity() == 0 {
            connection.out = self.spare.pop().unwrap_or_default();
        }
        if let Protocol::Grpc(session) = &mut connection.protocol {
            act(session, &mut connection.out);
            if !connection.flags.dirty && !connection.flags.blocked {
                connection.flags.dirty = true;
                self.dirty.push(slot);
            }
        }
    }

    fn with_exchange(&mut self, id: CallId, act: impl FnOnce(&mut Exchange, &mut BytesMut)) {
        let Some(slot) = self.slot(id) else { return };
        let connection = &mut self.connections[slot];
        if let Protocol::Http(exchange) = &mut connection.protocol {
            act(exchange, &mut connection.out);
            if !exchange.asked() {
                self.enqueue(slot);
            }
            self.settle(slot);
        }
    }
}
