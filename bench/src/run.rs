//! One run of one load against one server: fresh data directory, keys if the load reads, a restart, the load.

use crate::cluster::{self, Cluster};
use crate::driver::{self, Driver, Measured, Meter, Request};
use crate::load::{Kind, Load, MEMORY_KEYS, READ_KEYS, Unary, WRITE_KEYS};
use crate::process::{Server, Setup};
use crate::report::{Better, Figure, Figures};
use crate::request::{self, RANGE_KEYS, Sequence, VALUE_BYTES, path};
use crate::streams;
use std::io;
use std::time::{Duration, Instant};

/// Connections and clients that write the keys a load needs.
const FILL: (usize, usize) = (10, 1000);
/// After the million keys: time for a collector and the backend's commit to come to rest before memory is read.
const SETTLE: Duration = Duration::from_secs(3);
const READY_TIMEOUT: Duration = Duration::from_secs(120);
const MIB: f64 = 1024.0 * 1024.0;

/// Runs `load` for `length` and removes the data directory.
pub fn run(setup: &Setup, load: Load, length: Duration) -> io::Result<Figures> {
    cluster::remove(setup)?;
    let mut server = Cluster::start(setup, ready)?;
    let figures = if load.kind == Kind::Memory {
        memory(setup, server)?
    } else {
        if load.needs_keys() {
            fill(&server, READ_KEYS)?;
            server.stop()?;
            server = Cluster::start(setup, ready)?;
        }
        eprintln!("  {load}: {} is process {}", setup.binary.display(), server.pid());
        let figures = figures(&measure(&server, load, length)?);
        // A server that runs still makes files.
        server.stop()?;
        figures
    };
    cluster::remove(setup)?;
    Ok(figures)
}

/// Waits for the first successful serializable get.
fn ready(server: &mut Server) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        let answer = Driver::connect(server.address(), 1).and_then(|mut driver| {
            driver::complete(&mut driver, 1, 1, &mut |body| {
                request::get(0, true, body);
                Request { path: path::RANGE, answer_bytes_min: 1 }
            })
        });
        match answer {
            Ok(()) => return Ok(()),
            Err(e) if begun.elapsed() > READY_TIMEOUT => return Err(e),
            Err(_) if server.alive()? => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => {
                let text = format!("the server ended; its log is beside {}", server.data().display());
                return Err(io::Error::other(text));
            }
        }
    }
}

fn fill(server: &Cluster, keys: u64) -> io::Result<()> {
    let mut driver = Driver::connect(server.address(), FILL.0)?;
    let mut numbers = 0..keys;
    driver::complete(&mut driver, FILL.1, keys, &mut |body| {
        request::put(numbers.next().expect("one call for each key"), body);
        Request { path: path::PUT, answer_bytes_min: 1 }
    })
}

fn measure(server: &Cluster, load: Load, length: Duration) -> io::Result<Measured> {
    let unary = match load.kind {
        Kind::Lease => return streams::lease(server, load.connections, load.clients, length),
        Kind::Watch => return streams::watch(server, load.connections, load.clients, length),
        Kind::Memory => unreachable!("has its own run"),
        Kind::Mixed { rate } => {
            let mut driver = Driver::connect(server.address(), load.connections)?;
            let mut numbers = Sequence::default();
            return driver::paced(&mut driver, load.clients, rate, Meter::new(server, length), &mut |body| {
                let kind = if numbers.below(5) == 0 { Unary::Put } else { Unary::Get };
                next(kind, &mut numbers, body)
            });
        }
        Kind::Unary(unary) => unary,
    };
    let mut driver = Driver::connect(server.address(), load.connections)?;
    let mut numbers = Sequence::default();
    let meter = Meter::new(server, length);
    driver::closed(&mut driver, load.clients, meter, &mut |body| next(unary, &mut numbers, body))
}

fn next(kind: Unary, numbers: &mut Sequence, body: &mut Vec<u8>) -> Request {
    let (path, answer_bytes_min) = match kind {
        Unary::Put => {
            request::put(numbers.below(WRITE_KEYS), body);
            (path::PUT, 1)
        }
        Unary::Get | Unary::SerializableGet => {
            request::get(numbers.below(READ_KEYS), kind == Unary::SerializableGet, body);
            (path::RANGE, VALUE_BYTES)
        }
        Unary::Range => {
            request::range(numbers.below(READ_KEYS - RANGE_KEYS), body);
            (path::RANGE, VALUE_BYTES * RANGE_KEYS as usize)
        }
        Unary::Txn => {
            request::txn(numbers.below(WRITE_KEYS), body);
            (path::TXN, 1)
        }
    };
    Request { path, answer_bytes_min }
}

fn figures(measured: &Measured) -> Figures {
    let operations = measured.operations as f64;
    let seconds = measured.wall.as_secs_f64();
    let figure = |name, value, better| Figure { name, value, better };
    vec![
        figure("operations/s", operations / seconds, Better::Higher),
        figure("p50 µs", measured.latency.quantile_us(0.5), Better::Lower),
        figure("p99 µs", measured.latency.quantile_us(0.99), Better::Lower),
        figure("CPU µs/operation", measured.cpu.as_secs_f64() * 1e6 / operations, Better::Lower),
        figure(
            "CPU µs/operation, all members",
            measured.all_cpu.as_secs_f64() * 1e6 / operations,
            Better::Lower,
        ),
        figure("resident MiB", measured.usage.resident as f64 / MIB, Better::Lower),
        figure("resident anonymous MiB", measured.usage.resident_anonymous as f64 / MIB, Better::Lower),
        figure("bytes written/operation", measured.written as f64 / operations, Better::Lower),
        figure("failures", measured.failures as f64, Better::Neither),
        figure("cores used, server", measured.cpu.as_secs_f64() / seconds, Better::Neither),
        figure("cores used, generator", measured.generator_cpu.as_secs_f64() / seconds, Better::Neither),
    ]
}

/// A million puts, memory at rest, then a restart.
fn memory(setup: &Setup, server: Cluster) -> io::Result<Figures> {
    let begun = Instant::now();
    fill(&server, MEMORY_KEYS)?;
    let rate = MEMORY_KEYS as f64 / begun.elapsed().as_secs_f64();
    std::thread::sleep(SETTLE);
    let (filled, _) = server.usage()?;
    server.stop()?;
    let begun = Instant::now();
    let server = Cluster::start(setup, ready)?;
    let restart = begun.elapsed();
    let (restarted, _) = server.usage()?;
    server.stop()?;
    let figure = |name, value, better| Figure { name, value, better };
    Ok(vec![
        figure("puts/s", rate, Better::Higher),
        figure("CPU µs/put", filled.cpu.as_secs_f64() * 1e6 / MEMORY_KEYS as f64, Better::Lower),
        figure("bytes written/put", filled.written as f64 / MEMORY_KEYS as f64, Better::Lower),
        figure("resident MiB", filled.resident as f64 / MIB, Better::Lower),
        figure("resident anonymous MiB", filled.resident_anonymous as f64 / MIB, Better::Lower),
        figure("restart ms", restart.as_secs_f64() * 1e3, Better::Lower),
        figure("restart CPU ms", restarted.cpu.as_secs_f64() * 1e3, Better::Lower),
        figure("resident after restart MiB", restarted.resident as f64 / MIB, Better::Lower),
    ])
}
