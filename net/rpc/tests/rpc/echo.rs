//! A real server on a port of its own, with an echo service in a thread of its own.
//!
//! `/echo.Echo/Unary` and `/echo.Echo/Many` (its one message as often as the header `times` says),
//! `/echo.Echo/Count` (the sum of all messages' lengths), `/echo.Echo/Chat` (each message back, OK at the end),
//! `/echo.Echo/Fail` (FailedPrecondition with the message's text), `/echo.Echo/Never` (no answer).

use bytes::{BufMut, Bytes};
use rpc::{CallId, Event, HttpResponse, Limits, Metadata, Method, Server, Status};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

const UNARY: usize = 0;
const MANY: usize = 1;
const COUNT: usize = 2;
const FAIL: usize = 4;
const NEVER: usize = 5;

pub fn methods() -> Vec<Method> {
    [
        ("/echo.Echo/Unary", false),
        ("/echo.Echo/Many", false),
        ("/echo.Echo/Count", true),
        ("/echo.Echo/Chat", true),
        ("/echo.Echo/Fail", false),
        ("/echo.Echo/Never", false),
    ]
    .map(|(path, client_stream)| Method { path, client_stream })
    .to_vec()
}

pub fn limits() -> Limits {
    Limits {
        message_bytes_max: 2 << 20,
        streams_max: u32::MAX,
        output_bytes_max: 1 << 20,
        keepalive_interval: Duration::from_secs(7200),
        keepalive_timeout: Duration::from_secs(20),
        ping_interval_min: Duration::from_secs(5),
        connections_max: 1000,
    }
}

/// Backlog above which `Many` waits.
const BACKLOG_MAX: usize = 1 << 20;

/// What a test may see of the server.
#[derive(Debug, Default)]
pub struct Seen {
    pub gone: Vec<CallId>,
    pub metadata: Vec<Metadata>,
    pub connections: usize,
    /// Set once `drain` has returned true.
    pub drained: bool,
    pub http: Vec<rpc::HttpRequest>,
}

pub struct Echo {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    drain: Arc<AtomicBool>,
    /// Turns of the loop that are over.
    turns: Arc<AtomicU64>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    pub fn start() -> Echo {
        Echo::with(limits(), |_| {})
    }

    pub fn with(limits: Limits, prepare: impl FnOnce(&mut Server)) -> Echo {
        let mut server = Server::new(methods(), limits).unwrap();
        let address = server.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        prepare(&mut server);
        server.accept().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, drain) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let waker = server.waker().unwrap();
        let mut service =
            Service { server, seen: seen.clone(), sums: HashMap::new(), streams: HashMap::new() };
        let turns = Arc::new(AtomicU64::new(0));
        let (stopped, draining, turned) = (stop.clone(), drain.clone(), turns.clone());
        let thread = std::thread::spawn(move || {
            let mut events = Vec::new();
            while !stopped.load(Ordering::Acquire) {
                service.server.poll(None, &mut events).unwrap();
                for event in events.drain(..) {
                    service.handle(event);
                }
                service.refill();
                if draining.load(Ordering::Acquire) {
                    service.seen.lock().unwrap().drained = service.server.drain();
                }
                service.server.flush();
                service.seen.lock().unwrap().connections = service.server.connections();
                turned.fetch_add(1, Ordering::Release);
            }
        });
        Echo { address, seen, stop, drain, turns, waker, thread: Some(thread) }
    }

    pub fn drain(&self) {
        self.drain.store(true, Ordering::Release);
        self.waker.wake().unwrap();
    }

    /// Waits until the turn at hand, and one more, are over.
    pub fn turn(&self) {
        let now = self.turns.load(Ordering::Acquire);
        self.wait_for("two turns", || self.turns.load(Ordering::Acquire) >= now + 2);
    }

    /// Waits until the server has come to a state; it is woken to look, and the test fails if it never does.
    pub fn wait(&self, what: &str, mut holds: impl FnMut(&Seen) -> bool) {
        self.wait_for(what, || holds(&self.seen.lock().unwrap()));
    }

    fn wait_for(&self, what: &str, mut holds: impl FnMut() -> bool) {
        for round in 0..12_000 {
            if holds() {
                return;
            }
            self.waker.wake().unwrap();
            std::thread::sleep(Duration::from_micros(if round < 1000 { 50 } else { 5000 }));
        }
        panic!("never: {what}");
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake().unwrap();
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok(), "the server panicked");
        }
    }
}

struct Service {
    server: Server,
    seen: Arc<Mutex<Seen>>,
    sums: HashMap<CallId, u64>,
    /// Responses of `Many` not yet complete: the message, and how often it is still to be sent.
    streams: HashMap<CallId, (Bytes, u32)>,
}

impl Service {
    fn handle(&mut self, event: Event) {
        match event {
            Event::Call { id, method, metadata, body } => self.call(id, method, metadata, body),
            Event::Open { id, method, metadata } => {
                self.seen.lock().unwrap().metadata.push(metadata);
                if method == COUNT {
                    self.sums.insert(id, 0);
                }
            }
            Event::Message { id, body } => match self.sums.get_mut(&id) {
                Some(sum) => *sum += body.len() as u64,
                None => self.server.send(id, |out| out.put(body)),
            },
            Event::HalfClose { id } => match self.sums.remove(&id) {
                Some(sum) => self.server.reply(id, |out| out.put_u64(sum)),
                None => self.server.finish(id),
            },
            Event::Gone { id } => {
                self.sums.remove(&id);
                self.streams.remove(&id);
                self.seen.lock().unwrap().gone.push(id);
            }
            Event::Http { id, door: _, request } => self.http(id, request),
            Event::Woken => {}
        }
    }

    fn call(&mut self, id: CallId, method: usize, metadata: Metadata, body: Bytes) {
        match method {
            UNARY => self.server.reply(id, |out| out.put(body)),
            MANY => {
                let header = |name: &[u8]| metadata.headers.iter().find(|header| header.0 == name);
                let times = header(b"times")
                    .map_or(1, |(_, value)| std::str::from_utf8(value).unwrap().parse().unwrap());
                self.streams.insert(id, (body, times));
            }
            FAIL => {
                let message = String::from_utf8_lossy(&body).into_owned();
                self.server.fail(id, &Status { code: 9, message });
            }
            NEVER => {}
            other => panic!("{other} is no unary method"),
        }
        self.seen.lock().unwrap().metadata.push(metadata);
    }

    /// Goes on with the responses that wait for their peers.
    fn refill(&mut self) {
        let server = &mut self.server;
        self.streams.retain(|&id, (message, times)| {
            while *times > 0 && server.backlog(id) < BACKLOG_MAX {
                server.send(id, |out| out.put(&message[..]));
                *times -= 1;
            }
            if *times == 0 {
                server.finish(id);
            }
            *times > 0
        });
    }

    /// Says what it was asked; `/parts` in parts, `/endless` the beginning of an answer, `/large` 32 MiB.
    fn http(&mut self, id: CallId, request: rpc::HttpRequest) {
        let text = format!("{} {} {} {}", request.method, request.path, request.query, request.body.len());
        let response = |body: String| HttpResponse {
            status: 200,
            headers: vec![("Content-Type", "text/plain".into())],
            body: body.into(),
        };
        match request.path.as_str() {
            "/endless" => self.server.http_open(id, &response("it begins".into())),
            "/large" => self.server.http_reply(id, response("~".repeat(32 << 20))),
            "/parts" => {
                self.server.http_open(id, &response("one,".into()));
                self.server.http_send(id, b"two,");
                self.server.http_send(id, b"three");
                self.server.http_finish(id);
            }
            _ => self.server.http_reply(id, response(text)),
        }
        self.seen.lock().unwrap().http.push(request);
    }
}
