//! The other members as the loop sees them: the transport and what it reports, what release each runs, what each
//! holds.
//!
//! It decides nothing: what arrives is handed to the loop, which hands it to the member and the edge.

use crate::{config::Config, http::response::plain, notation::hex, startup::Remote};
use ::rpc::ListenOptions;
use member::{Member, SnapshotJob};
use mvcc::HashKv;
use peer::{Answer, Event, Image, Request, RequestError, RequestId, Transport};
use state::{Membership, Version};
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Read},
    net::TcpListener,
    sync::{Arc, mpsc},
    time::Duration,
};

/// Another member's answer to "what do you run" may take this long.
const VERSION_TIMEOUT: Duration = Duration::from_secs(1);
/// A hash of everything takes its time.
const HASH_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 4096;

/// Active peers after which ticks are made up for at the start, and until when.
const TICK_ADVANCE_PEERS: usize = 2;
const TICK_ADVANCE_WITHIN_MS: u64 = 5000;

/// Why a request was made.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Version { member: u64 },
    Hash { member: u64 },
    Edge { tag: u64 },
}

pub struct Peers {
    transport: Transport,
    inbox: mpsc::Receiver<Vec<Event>>,
    own: u64,
    /// As headers have it.
    cluster_id: String,
    /// The others and their URLs, as the transport was told.
    known: BTreeMap<u64, Vec<String>>,
    waiting: HashMap<u64, Purpose>,
    next_token: u64,
    versions: Inquiry<Version>,
    hashes: Inquiry<HashKv>,
    /// Until when ticks may be made up for.
    tick_advance_until_ms: Option<u64>,
}

/// A question to every other member: the answers so far, and how many are still to come.
#[derive(Debug)]
struct Inquiry<T> {
    answers: BTreeMap<u64, Option<T>>,
    awaited: usize,
}

impl<T> Inquiry<T> {
    fn new(awaited: usize) -> Inquiry<T> {
        Inquiry { answers: BTreeMap::new(), awaited }
    }

    /// All answers, with the last one.
    fn answer(&mut self, member: u64, answer: Option<T>) -> Option<BTreeMap<u64, Option<T>>> {
        self.answers.insert(member, answer);
        self.awaited -= 1;
        (self.awaited == 0).then(|| std::mem::take(&mut self.answers))
    }
}

/// What a response was to.
pub enum Answered {
    /// Everybody was asked what he runs, and this is the end of it.
    Versions(BTreeMap<u64, Option<Version>>),
    /// The same for hashes.
    Hashes(BTreeMap<u64, Option<HashKv>>),
    Edge {
        tag: u64,
        result: Result<Answer, RequestError>,
    },
    Nothing,
}

/// Binds the peer URLs; connections wait until the transport starts.
pub fn listen(config: &Config) -> Result<Vec<TcpListener>, String> {
    let options = ListenOptions { reuse_port: config.listen.reuse_port, ..ListenOptions::default() };
    let bind = |listener: &crate::startup::Listener| {
        ::rpc::bind(listener.address, options).map_err(|e| listener.cannot_bind(&e))
    };
    crate::startup::peer_listeners(&config.listen)?.iter().map(bind).collect()
}

impl Peers {
    /// Starts the transport with the members that are known. `remotes` are members of a cluster that is joined.
    pub fn start(
        config: &Config,
        member: &Member,
        remotes: &[Remote],
        listeners: Vec<TcpListener>,
        waker: Arc<mio::Waker>,
        now_ms: u64,
    ) -> io::Result<Peers> {
        let settings = member.settings();
        let (sink, inbox) = mpsc::channel();
        let transport_config = peer::Config {
            member_id: settings.member_id,
            cluster_id: settings.cluster_id,
            server_version: settings.release.to_string(),
            peer_urls: config.advertise.peer_urls.iter().map(|url| url.as_str().to_owned()).collect(),
            dial_timeout: Duration::from_secs(1) + config.timing.election_timeout(),
            snap_dir: config.member.snap_dir(),
        };
        let events = Box::new(move |events| {
            // The loop has ended if nobody listens any more.
            if sink.send(events).is_ok()
                && let Err(error) = waker.wake()
            {
                crate::fault::die(&error);
            }
        });
        let transport = Transport::start(transport_config, listeners, events)?;
        for remote in remotes {
            transport.add_remote(remote.id, remote.peer_urls.clone());
        }
        let advance = config.timing.initial_election_tick_advance;
        let mut peers = Peers {
            transport,
            inbox,
            own: settings.member_id,
            cluster_id: hex(settings.cluster_id),
            known: BTreeMap::new(),
            waiting: HashMap::new(),
            next_token: 0,
            versions: Inquiry::new(0),
            hashes: Inquiry::new(0),
            tick_advance_until_ms: advance.then_some(now_ms + TICK_ADVANCE_WITHIN_MS),
        };
        peers.follow(member.state().members());
        Ok(peers)
    }

    /// What has come in, oldest first.
    pub fn events(&mut self) -> Vec<Event> {
        self.inbox.try_iter().flatten().collect()
    }

    /// Tells the transport who the members are now.
    pub fn follow(&mut self, members: &Membership) {
        let gone: Vec<u64> = self.known.keys().copied().filter(|id| members.get(*id).is_none()).collect();
        for id in gone {
            self.known.remove(&id);
            self.transport.remove_peer(id);
        }
        self.transport.removed(members.removed().collect());
        for member in members.iter().filter(|member| member.id != self.own) {
            match self.known.insert(member.id, member.peer_urls.clone()) {
                None => self.transport.add_peer(member.id, member.peer_urls.clone()),
                Some(before) if before != member.peer_urls => {
                    self.transport.update_peer(member.id, member.peer_urls.clone());
                }
                Some(_) => {}
            }
        }
    }

    pub fn send(&self, messages: Vec<proto::raftpb::Message>) {
        if !messages.is_empty() {
            self.transport.send(messages);
        }
    }

    pub fn send_snapshot(&self, job: SnapshotJob) {
        let image = job.root.image();
        let image = Image {
            bytes: image.remaining(),
            reader: Box::new(ImageReader { image, rest: Vec::new(), at: 0 }),
        };
        self.transport.send_snapshot(job.message, image);
    }

    pub fn respond(&self, id: RequestId, response: ::rpc::HttpResponse) {
        self.transport.respond(id, response);
    }

    /// A received snapshot was taken, or refused with this text.
    pub fn snapshot_taken(&self, id: RequestId, refused: Option<String>) {
        let response = match refused {
            None => plain(204, "text/plain; charset=utf-8", String::new()),
            Some(text) => {
                plain(500, "text/plain; charset=utf-8", format!("failed to process raft message ({text})\n"))
            }
        };
        self.transport.respond(id, response);
    }

    pub fn totals(&self) -> peer::Totals {
        self.transport.totals()
    }

    /// True once, when enough peers were connected soon after the start: an election need not wait its full time.
    pub fn may_advance_ticks(&mut self, active: usize, now_ms: u64) -> bool {
        let Some(until_ms) = self.tick_advance_until_ms else { return false };
        let enough = active >= TICK_ADVANCE_PEERS;
        if enough || now_ms >= until_ms {
            self.tick_advance_until_ms = None;
        }
        enough && now_ms < until_ms
    }

    /// Asks every other member what it runs. An inquiry under way is given up. True if there is nobody to ask.
    pub fn ask_versions(&mut self) -> bool {
        self.waiting.retain(|_, purpose| !matches!(purpose, Purpose::Version { .. }));
        self.versions = Inquiry::new(self.known.len());
        self.ask_all(|member| Purpose::Version { member }, "/version", bytes::Bytes::new(), VERSION_TIMEOUT);
        self.known.is_empty()
    }

    /// Asks every other member for its hash at a revision. There must be others.
    pub fn ask_hashes(&mut self, revision: i64) {
        self.waiting.retain(|_, purpose| !matches!(purpose, Purpose::Hash { .. }));
        self.hashes = Inquiry::new(self.known.len());
        let body = format!("{{\"revision\":{revision}}}").into();
        self.ask_all(|member| Purpose::Hash { member }, "/members/hashkv", body, HASH_TIMEOUT);
    }

    fn ask_all(
        &mut self,
        purpose: impl Fn(u64) -> Purpose,
        path: &str,
        body: bytes::Bytes,
        timeout: Duration,
    ) {
        for (id, urls) in self.known.clone() {
            let request = Request {
                token: 0,
                urls,
                method: "GET",
                path: path.to_owned(),
                headers: vec![("X-Etcd-Cluster-ID", self.cluster_id.clone())],
                body: body.clone(),
                timeout,
                response_bytes_max: ANSWER_BYTES_MAX,
            };
            self.request(purpose(id), request);
        }
    }

    /// A request of the edge's; the answer comes with the token as its tag.
    pub fn request_for_edge(&mut self, request: Request) {
        self.request(Purpose::Edge { tag: request.token }, request);
    }

    fn request(&mut self, purpose: Purpose, request: Request) {
        self.next_token += 1;
        self.waiting.insert(self.next_token, purpose);
        self.transport.request(Request { token: self.next_token, ..request });
    }

    pub fn answered(&mut self, token: u64, result: Result<Answer, RequestError>) -> Answered {
        let body =
            |result: Result<Answer, RequestError>| result.ok().filter(|a| a.status == 200).map(|a| a.body);
        match self.waiting.remove(&token) {
            None => Answered::Nothing,
            Some(Purpose::Edge { tag }) => Answered::Edge { tag, result },
            Some(Purpose::Version { member }) => {
                let version = body(result).and_then(|body| {
                    let versions: peer::bootstrap::Versions = serde_json::from_slice(&body).ok()?;
                    Version::parse(&versions.server).ok()
                });
                self.versions.answer(member, version).map_or(Answered::Nothing, Answered::Versions)
            }
            Some(Purpose::Hash { member }) => {
                let hash = body(result).and_then(|body| hash_kv(&body));
                self.hashes.answer(member, hash).map_or(Answered::Nothing, Answered::Hashes)
            }
        }
    }

    pub fn stop(self) {
        self.transport.stop();
    }
}

fn hash_kv(body: &[u8]) -> Option<HashKv> {
    let answer: peer::bootstrap::HashKv = serde_json::from_slice(body).ok()?;
    Some(HashKv {
        hash: answer.hash,
        hash_revision: answer.hash_revision,
        compact_revision: answer.compact_revision,
        current_revision: answer.header.revision,
    })
}

/// A database image as a stream of bytes, for the transport's snapshot thread.
struct ImageReader {
    image: bolt::Image,
    rest: Vec<u8>,
    at: usize,
}

/// Bytes read from the file at a time.
const IMAGE_READ_BYTES: usize = 256 << 10;

impl Read for ImageReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.rest.len() {
            self.rest = self.image.read(IMAGE_READ_BYTES).map_err(io::Error::other)?.to_vec();
            self.at = 0;
        }
        let n = out.len().min(self.rest.len() - self.at);
        out[..n].copy_from_slice(&self.rest[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}
