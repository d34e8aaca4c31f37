//! A blocking socket that gives up: when nothing moves for too long, or when its thread is told to stop.

use crate::blocking::words;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The thread looks this often whether it should stop.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

pub(super) struct Patient {
    stream: TcpStream,
    stop: Arc<AtomicBool>,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, stop: Arc<AtomicBool>) -> Result<Patient, String> {
        let set = stream.set_read_timeout(Some(LOOK_INTERVAL));
        let set = set.and_then(|()| stream.set_write_timeout(Some(LOOK_INTERVAL)));
        set.map_err(|error| words(&error))?;
        Ok(Patient { stream, stop })
    }

    /// Reads what is there; 0: the other side has ended.
    pub(super) fn read(&mut self, buffer: &mut [u8], patience: Duration) -> Result<usize, String> {
        let (stop, stream) = (&self.stop, &mut self.stream);
        patiently(stop, patience, || stream.read(buffer))
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8], patience: Duration) -> Result<(), String> {
        while !bytes.is_empty() {
            let (stop, stream) = (&self.stop, &mut self.stream);
            let written = patiently(stop, patience, || stream.write(bytes))?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Ends our direction, and reads on until the other side has ended its own: else the system would throw away
    /// what it has not read yet.
    pub(super) fn close(mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut rest = [0; 4096];
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            while Instant::now() < deadline && matches!(self.read(&mut rest, patience), Ok(1..)) {}
        }
    }
}

fn patiently(
    stop: &AtomicBool,
    patience: Duration,
    mut act: impl FnMut() -> io::Result<usize>,
) -> Result<usize, String> {
    let deadline = Instant::now() + patience;
    loop {
        if stop.load(Relaxed) {
            return Err("stopped".into());
        }
        match act() {
            Ok(bytes) => return Ok(bytes),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if Instant::now() < deadline => {}
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Err("i/o timeout".into()),
                _ => return Err(words(&error)),
            },
        }
    }
}
