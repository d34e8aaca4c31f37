//! The byte stream under a connection. It never knows what the bytes mean.

use mio::{Interest, Registry, Token, event::Source};
use socket2::SockRef;
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    time::Duration,
};

#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

impl Transport {
    /// Edge-triggered, both ways.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE | Interest::WRITABLE)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.read(buffer),
            Transport::Unix(stream) => stream.read(buffer),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Tcp(stream) => stream.write(bytes),
            Transport::Unix(stream) => stream.write(bytes),
        }
    }

    /// Ends our direction: the peer reads what was written, then the end.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Transport::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Transport::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Bounds how long written bytes may stay unacknowledged before the connection is given up, as grpc-go does.
    pub(crate) fn set_user_timeout(&self, timeout: Duration) {
        if let Transport::Tcp(stream) = self
            && let Err(error) = SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
        {
            log::debug!(error:% = error; "failed to set TCP_USER_TIMEOUT");
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Transport::Tcp(stream) => stream,
            Transport::Unix(stream) => stream,
        }
    }
}
