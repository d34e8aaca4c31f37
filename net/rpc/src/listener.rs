//! Listening sockets. They never accept on their own, and an accept that fails for lack of descriptors is tried
//! again later, not at once.

use crate::transport::Transport;
use mio::{Interest, Registry, Token, event::Source};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::SocketAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Connections that wait in the kernel (which may bound it lower, `net.core.somaxconn`).
const BACKLOG: i32 = 4096;
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// Pause after an accept failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Least distance of warnings that accepting fails.
const WARN_INTERVAL: Duration = Duration::from_secs(10);
/// Lost connections skipped in a row.
const BROKEN_MAX: usize = 16;

/// What accept fails with for want of descriptors or memory; Linux's numbers.
mod errno {
    pub(super) const ENOMEM: i32 = 12;
    pub(super) const ENFILE: i32 = 23;
    pub(super) const EMFILE: i32 = 24;
    pub(super) const ENOBUFS: i32 = 105;
}

/// Which protocols a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocols {
    /// gRPC and HTTP/1.1, told apart by the first bytes.
    #[default]
    Both,
    Grpc,
    Http,
}

/// How a TCP listener is bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListenOptions {
    pub protocols: Protocols,
    /// SO_REUSEPORT.
    pub reuse_port: bool,
    /// Accepts at once, before [`crate::Server::accept`].
    pub at_once: bool,
    /// The caller's own number, given back with every HTTP/1.1 request that comes in here.
    pub door: u8,
}

/// A listening socket as the server's own are: bound, not blocking, nothing accepted.
pub fn bind(address: SocketAddr, options: ListenOptions) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() && !address.ip().is_unspecified() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[derive(Debug)]
enum Socketed {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener, PathBuf),
}

#[derive(Debug)]
pub(crate) struct Listener {
    socket: Socketed,
    pub(crate) protocols: Protocols,
    pub(crate) door: u8,
    /// The poll knows it, so that it may become ready.
    pub(crate) registered: bool,
    /// Something may wait to be accepted.
    pub(crate) ready: bool,
    paused_until: Option<Instant>,
    /// When want of descriptors was last logged.
    warned: Option<Instant>,
}

impl Listener {
    pub(crate) fn tcp(address: SocketAddr, options: ListenOptions) -> io::Result<Listener> {
        let socket = Socketed::Tcp(mio::net::TcpListener::from_std(bind(address, options)?));
        Ok(Listener::new(socket, options.protocols, options.door))
    }

    /// Takes the place of a socket that a process left behind at the path.
    pub(crate) fn unix(path: &Path, protocols: Protocols) -> io::Result<Listener> {
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            std::fs::remove_file(path)?;
        }
        let socket = Socketed::Unix(mio::net::UnixListener::bind(path)?, path.to_owned());
        Ok(Listener::new(socket, protocols, 0))
    }

    fn new(socket: Socketed, protocols: Protocols, door: u8) -> Listener {
        Listener {
            socket,
            protocols,
            door,
            registered: false,
            ready: false,
            paused_until: None,
            warned: None,
        }
    }

    /// `None`: a unix socket.
    pub(crate) fn address(&self) -> io::Result<Option<SocketAddr>> {
        match &self.socket {
            Socketed::Tcp(socket) => socket.local_addr().map(Some),
            Socketed::Unix(..) => Ok(None),
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.source().register(registry, token, Interest::READABLE)?;
        self.registered = true;
        self.ready = true;
        Ok(())
    }

    /// The next connection; `None`: none waits, or accepting is paused.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<(Transport, Option<SocketAddr>)> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        for _ in 0..BROKEN_MAX {
            let error = match self.try_accept() {
                Ok(connection) => return Some(connection),
                Err(error) => error,
            };
            match error.raw_os_error() {
                _ if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return None;
                }
                Some(errno::ENFILE | errno::EMFILE | errno::ENOBUFS | errno::ENOMEM) => {
                    if self.warned.is_none_or(|at| now.saturating_duration_since(at) >= WARN_INTERVAL) {
                        log::warn!(error:% = error; "failed to accept a connection; trying on");
                        self.warned = Some(now);
                    }
                    self.paused_until = Some(now + ACCEPT_PAUSE);
                    return None;
                }
                // The connection was lost while it waited; the next may be sound.
                _ => log::debug!(error:% = error; "a connection was lost before it was accepted"),
            }
        }
        None
    }

    fn try_accept(&self) -> io::Result<(Transport, Option<SocketAddr>)> {
        match &self.socket {
            Socketed::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                configure(&stream)?;
                Ok((Transport::Tcp(stream), Some(peer)))
            }
            Socketed::Unix(socket, _) => Ok((Transport::Unix(socket.accept()?.0), None)),
        }
    }

    /// Something may wait, and accepting is not paused.
    pub(crate) fn acceptable(&self) -> bool {
        self.ready && self.paused_until.is_none()
    }

    /// When a paused listener is to be tried again.
    pub(crate) fn resumes(&self) -> Option<Instant> {
        self.paused_until.filter(|_| self.ready)
    }

    fn source(&mut self) -> &mut dyn Source {
        match &mut self.socket {
            Socketed::Tcp(socket) => socket,
            Socketed::Unix(socket, _) => socket,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socketed::Unix(_, path) = &self.socket
            && let Err(error) = std::fs::remove_file(path)
        {
            log::debug!(error:% = error; "failed to remove a unix socket");
        }
    }
}

fn configure(stream: &mio::net::TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE).with_interval(TCP_KEEPALIVE))
}
