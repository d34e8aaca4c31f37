//! A load generator for unary calls: raw HTTP/2 on one thread, header blocks as grpc-go's client sends them.
//!
//! `cargo run --release -p rpc --example load -- ADDRESS CONNECTIONS STREAMS SECONDS SERVER-PID [deadline]`
//!
//! Prints calls per second, and the server's CPU time per call from `/proc/PID/stat` (10 ms ticks). With `deadline`
//! every call has its own `grpc-timeout`, which grpc-go's encoder puts into the table.

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

const REQUEST_BYTES: usize = 300;

struct Client {
    stream: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
    next: u32,
    table_primed: bool,
    deadline: bool,
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn literal(block: &mut Vec<u8>, name: Result<u8, &str>, value: &str) {
    match name {
        Ok(index) => block.push(0x40 | index),
        Err(name) => {
            block.extend_from_slice(&[0x40, name.len() as u8]);
            block.extend_from_slice(name.as_bytes());
        }
    }
    block.push(value.len() as u8);
    block.extend_from_slice(value.as_bytes());
}

impl Client {
    fn call(&mut self) {
        let mut block = vec![0x83, 0x86];
        if !self.table_primed {
            self.table_primed = true;
            literal(&mut block, Ok(4), "/etcdserverpb.KV/Put");
            literal(&mut block, Ok(1), "127.0.0.1:2379");
            literal(&mut block, Ok(31), "application/grpc");
            literal(&mut block, Ok(58), "grpc-go/1.82.1");
            literal(&mut block, Err("te"), "trailers");
            literal(&mut block, Err("grpc-accept-encoding"), "gzip");
            literal(&mut block, Err("client-api-version"), "3.7.1");
        } else {
            // With a timeout in the table, its newest entry, the older ones have moved by as many as were inserted;
            // literals that are not indexed keep it simple: only the timeout is.
            block.extend_from_slice(&[0xc4, 0xc3, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]);
        }
        if self.deadline {
            block.extend_from_slice(&[0x00, 12]);
            block.extend_from_slice(b"grpc-timeout");
            block.push(8);
            block.extend_from_slice(format!("{:07}u", 1_000_000 + self.next % 1_000_000).as_bytes());
        }
        frame(&mut self.out, 1, 4, self.next, &block);
        let mut body = vec![b'x'; 5 + REQUEST_BYTES];
        body[..5].copy_from_slice(&[0, 0, 0, (REQUEST_BYTES >> 8) as u8, REQUEST_BYTES as u8]);
        frame(&mut self.out, 0, 1, self.next, &body);
        self.next += 2;
    }

    /// Replies in what was read; each is followed by the next call.
    fn replies(&mut self) -> u64 {
        let mut at = 0;
        let mut replies = 0;
        while let Some(header) = self.input.get(at..at + 9) {
            let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
            let (kind, flags) = (header[3], header[4]);
            if self.input.len() < at + 9 + length {
                break;
            }
            assert!(kind != 3 && kind != 7, "the server refuses: frame {kind}");
            at += 9 + length;
            if kind == 1 && flags & 1 != 0 {
                replies += 1;
                self.call();
            }
        }
        self.input.drain(..at);
        replies
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(written) => {
                    self.out.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// User and system time, in ticks.
fn cpu_ticks(pid: &str) -> [u64; 2] {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server's pid");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a stat line") + 2..].split(' ').collect();
    [11, 12].map(|field| fields[field].parse().expect("a number of ticks"))
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, address, connections, streams, seconds, pid, rest @ ..] = &args[..] else {
        return Err(io::Error::other("ADDRESS CONNECTIONS STREAMS SECONDS SERVER-PID [deadline]"));
    };
    let number = |text: &String| text.parse::<u64>().map_err(io::Error::other);
    let mut poll = Poll::new()?;
    let mut clients = Vec::new();
    for index in 0..number(connections)? {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(
            &mut stream,
            Token(index as usize),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let mut out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame(&mut out, 4, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
        frame(&mut out, 8, 0, 0, &0x7fff_0000u32.to_be_bytes());
        let deadline = rest.iter().any(|word| word == "deadline");
        let mut client = Client { stream, out, input: Vec::new(), next: 1, table_primed: false, deadline };
        for _ in 0..number(streams)? {
            client.call();
        }
        client.flush()?;
        clients.push(client);
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 256 << 10];
    let warm = Instant::now() + Duration::from_millis(500);
    let mut begun: Option<(Instant, [u64; 2])> = None;
    let mut replies = 0;
    loop {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let client = &mut clients[event.token().0];
            loop {
                let read = match client.stream.read(&mut buffer) {
                    Ok(0) => return Err(io::Error::other("the server closed the connection")),
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                client.input.extend_from_slice(&buffer[..read]);
                replies += client.replies();
                if read < buffer.len() {
                    break;
                }
            }
            client.flush()?;
        }
        match begun {
            None if Instant::now() >= warm => {
                begun = Some((Instant::now(), cpu_ticks(pid)));
                replies = 0;
            }
            Some((since, ticks)) if since.elapsed().as_secs() >= number(seconds)? => {
                let now = cpu_ticks(pid);
                let [user, system] =
                    [0, 1].map(|at| (now[at] - ticks[at]) as f64 * 10_000.0 / replies as f64);
                let rate = replies as f64 / since.elapsed().as_secs_f64();
                let cpu = user + system;
                println!("{rate:.0} calls/s, {cpu:.3} µs server CPU per call ({user:.3} user)");
                return Ok(());
            }
            _ => {}
        }
    }
}
