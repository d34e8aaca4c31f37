//! A socket with its buffers and what it is used for. It never decides what its bytes mean.
//!
//! Sockets are edge-triggered: one is read until a read comes back short, and written until the system takes no
//! more; then it is blocked until the next event.

use super::Role;
use bytes::{Buf, BytesMut};
use mio::{Interest, Registry, Token, net::TcpStream};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr},
    time::Instant,
};

/// An output buffer that grew beyond this is given back once it is written, in bytes.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// The byte stream under a connection. (TLS will be another kind.)
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
}

impl Socket {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let Socket::Tcp(stream) = self;
        registry.register(stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        let Socket::Tcp(stream) = self;
        if let Err(error) = registry.deregister(stream) {
            log::debug!(error:% = error; "failed to forget a connection");
        }
    }

    /// `None` while the connection is not made yet.
    pub(super) fn connected(&self) -> Option<io::Result<()>> {
        let Socket::Tcp(stream) = self;
        match stream.take_error() {
            Ok(Some(error)) | Err(error) => return Some(Err(error)),
            Ok(None) => {}
        }
        match stream.peer_addr() {
            Ok(_) => Some(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// For a thread that may block; it must not be registered any more.
    pub(super) fn into_blocking(self) -> io::Result<std::net::TcpStream> {
        let Socket::Tcp(stream) = self;
        let stream = std::net::TcpStream::from(stream);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Socket::Tcp(stream) = self;
        stream.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Socket::Tcp(stream) = self;
        stream.write(bytes)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        let Socket::Tcp(stream) = self;
        stream.shutdown(Shutdown::Write)
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) remote: SocketAddr,
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    /// The system takes no more until it says so.
    pub(super) blocked: bool,
    /// The end is behind what there is to read, and no event will tell of it again.
    pub(super) closing: bool,
    /// The other side sends no more.
    pub(super) ended: bool,
    pub(super) role: Role,
    /// When it is given up, unless something happens.
    pub(super) deadline: Option<Instant>,
}

/// What a read brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) bytes: usize,
    /// The other side sends no more.
    pub(super) ended: bool,
    /// There may be more to read at once.
    pub(super) more: bool,
}

impl Connection {
    pub(super) fn new(socket: Socket, remote: SocketAddr, role: Role, deadline: Instant) -> Connection {
        Connection {
            socket,
            remote,
            input: BytesMut::new(),
            output: BytesMut::new(),
            blocked: false,
            closing: false,
            ended: false,
            role,
            deadline: Some(deadline),
        }
    }

    /// Reads once.
    pub(super) fn fill(&mut self, scratch: &mut [u8]) -> io::Result<Filled> {
        loop {
            match self.socket.read(scratch) {
                Ok(bytes) => {
                    self.input.extend_from_slice(&scratch[..bytes]);
                    return Ok(Filled {
                        bytes,
                        ended: bytes == 0,
                        more: bytes == scratch.len() || self.closing && bytes > 0,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Filled { bytes: 0, ended: false, more: false });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes what the system takes, and says how much that was.
    pub(super) fn flush(&mut self) -> io::Result<usize> {
        let mut written = 0;
        while !self.output.is_empty() && !self.blocked {
            match self.socket.write(&self.output) {
                Ok(bytes) => {
                    self.output.advance(bytes);
                    written += bytes;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) => return Err(error),
            }
        }
        if self.output.is_empty() && self.output.capacity() > KEPT_BYTES_MAX {
            self.output = BytesMut::new();
        }
        Ok(written)
    }

    /// Ends our direction: the other side reads what was written, then the end.
    pub(super) fn end_output(&self) {
        if let Err(error) = self.socket.shutdown_write() {
            log::debug!(error:% = error; "failed to end a connection");
        }
    }
}
