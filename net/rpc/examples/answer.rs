//! A server that does nothing but answer: 30 bytes to every call, streams with their end. For measuring with `load`.
//!
//! `cargo run --release -p rpc --example answer -- 127.0.0.1:21000`

use rpc::{Event, Limits, Method, Server};
use std::time::Duration;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:21000".into());
    let address = address.parse().map_err(std::io::Error::other)?;
    let methods = vec![
        Method { path: "/etcdserverpb.KV/Put", client_stream: false },
        Method { path: "/etcdserverpb.Watch/Watch", client_stream: true },
        Method { path: "/etcdserverpb.Lease/LeaseKeepAlive", client_stream: true },
    ];
    let limits = Limits {
        message_bytes_max: 2 << 20,
        streams_max: u32::MAX,
        output_bytes_max: 4 << 20,
        keepalive_interval: Duration::from_secs(7200),
        keepalive_timeout: Duration::from_secs(20),
        ping_interval_min: Duration::from_secs(5),
        connections_max: 10_000,
    };
    let mut server = Server::new(methods, limits)?;
    server.listen(address)?;
    server.accept()?;
    let mut events = Vec::new();
    loop {
        server.poll(None, &mut events)?;
        for event in events.drain(..) {
            match event {
                Event::Call { id, body, .. } => {
                    server.reply(id, |out| out.extend_from_slice(&body[..body.len().min(30)]));
                }
                Event::HalfClose { id } => server.finish(id),
                _ => {}
            }
        }
        server.flush();
    }
}
