//! SIGTERM and SIGINT, and telling the init system that the member is ready.
//!
//! The handlers only set a flag and wake the loop. A second signal during the stop changes nothing. In the end the
//! signal is raised again with its default effect, so that the exit status says what ended the process.

use mio::Waker;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::{Handle, Signals as Iterator},
    low_level,
};
use std::{
    io,
    os::unix::net::UnixDatagram,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    thread,
};

/// The signals a member stops at.
#[derive(Debug)]
pub struct Signals {
    received: Arc<AtomicI32>,
    handle: Handle,
}

impl Signals {
    /// Takes over both signals. `waker` wakes the loop when one comes.
    pub fn take_over(waker: Arc<Waker>) -> io::Result<Signals> {
        let received = Arc::new(AtomicI32::new(0));
        let mut signals = Iterator::new([SIGTERM, SIGINT])?;
        let handle = signals.handle();
        let seen = received.clone();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                // The first one counts.
                let _ = seen.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
                let _ = waker.wake();
            }
        })?;
        Ok(Signals { received, handle })
    }

    /// The first signal that came.
    pub fn received(&self) -> Option<i32> {
        match self.received.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }

    /// Ends the process by the signal that stopped it; process 1 exits with 0.
    pub fn raise_again(self) {
        self.handle.close();
        if let (Some(signal), true) = (self.received(), std::process::id() != 1) {
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

/// etcd's word for a signal.
pub fn name(signal: i32) -> &'static str {
    if signal == SIGINT { "interrupt" } else { "terminated" }
}

/// Sends `READY=1` to the socket that systemd names, if it names one.
pub fn notify_ready() {
    log::info!("notifying init daemon");
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else {
        log::info!("successfully notified init daemon");
        return;
    };
    match UnixDatagram::unbound().and_then(|from| send_ready(&from, &socket.to_string_lossy())) {
        Ok(()) => log::info!("successfully notified init daemon"),
        Err(error) => log::error!(error:err = error; "failed to notify systemd for readiness"),
    }
}

/// A name that begins with `@` is in the abstract namespace.
fn send_ready(from: &UnixDatagram, socket: &str) -> io::Result<()> {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    match socket.strip_prefix('@') {
        Some(name) => from.send_to_addr(b"READY=1", &SocketAddr::from_abstract_name(name)?)?,
        None => from.send_to(b"READY=1", socket)?,
    };
    Ok(())
}
