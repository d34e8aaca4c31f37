//! The running server: every part made, joined by one loop, and stopped again.
//!
//! The loop owns the client connections, the edge and the member. It decides nothing: it moves events in and replies
//! out, gives the blocking stages their jobs, and tells the member what time it is.

use crate::{
    clock::Clock,
    config::Config,
    metrics::Metrics,
    notices, observe,
    readers::Readers,
    rpc::{Desk, Edge, EdgeConfig, table},
    signals::{self, Signals},
    stages::{Done, Signal, Stages},
    startup,
    web::Web,
};
use ::rpc::{CallId, Event, HttpRequest, Limits, ListenOptions, Server};
use disk::{Disk, RealDisk};
use member::{
    Member, Notice, Outputs, Settings,
    auto_compaction::{AutoCompaction, Policy},
    consensus::Consensus,
    log_writer::{LogDone, LogWriter},
    raft::{Node, NodeConfig, Role},
    reader::{ReadDone, ReadJob},
    restart::{self, Beginning, InitialMember, Layout, NewCluster, Opened},
};
use std::{
    process::ExitCode,
    sync::{Arc, mpsc},
    time::Duration,
};

/// The release this server is.
pub const VERSION: &str = "3.7.1";

/// Ticks made up for at most after the loop was held up; more would only start needless elections.
const TICKS_BEHIND_MAX: u64 = 10;

/// Entries after which the log in memory is trimmed.
const LOG_TRIM_ENTRIES: u64 = 1000;

/// Segments and snapshot files beyond the limits are deleted this often.
const PURGE_INTERVAL_MS: u64 = 30_000;

/// Output buffered for one connection before reading from it pauses.
const OUTPUT_BYTES_MAX: usize = 64 << 20;

/// Requests one batch of results of the stages is worth before the sockets are looked at again.
const DONE_PER_TURN_MAX: usize = 1024;

/// Starts the member, serves until it is told to stop, and gives the exit code.
pub fn run(config: Config) -> ExitCode {
    match Running::start(config).and_then(Running::run) {
        Ok(signals) => {
            signals.raise_again();
            ExitCode::SUCCESS
        }
        Err(error) => {
            crate::fatal!(error:% = error; "discovery failed");
            ExitCode::from(crate::EXIT_FAILURE)
        }
    }
}

struct Running {
    config: Config,
    server: Server,
    /// Looked at once a tick: who asks there for versions and members is in no hurry.
    peer_port: Server,
    edge: Edge,
    member: Member,
    readers: Readers,
    stages: Stages,
    done: mpsc::Receiver<Done>,
    clock: Clock,
    out: Outputs,
    next_tick_ms: u64,
    next_purge_ms: u64,
    no_leader_since_ms: Option<u64>,
    http: Vec<(CallId, HttpRequest)>,
    web: Web,
    metrics: Metrics,
    signals: Signals,
    stopping_since_ms: Option<u64>,
}

/// Opens the data directory as the flags say.
fn open(config: &Config, disk: &Arc<dyn Disk>) -> Result<Opened, restart::Error> {
    let layout = Layout {
        wal_dir: config.member.wal_dir(),
        snap_dir: config.member.snap_dir(),
        segment_bytes: wal::SEGMENT_BYTES,
    };
    let bolt = bolt::Options { no_sync: config.storage.no_fsync, ..bolt::Options::default() };
    let options = state::Options {
        lease_ttl_min_s: (config.timing.election_timeout().as_millis() as i64 * 3 / 2 + 999) / 1000,
        learners_max: config.cluster.learners_max.max(0) as usize,
        ..state::Options::default()
    };
    restart::open(disk, &layout, bolt, options, || beginning(config))
}

fn beginning(config: &Config) -> Result<Beginning, restart::Error> {
    let initial = startup::founders(config).map_err(restart::Error::Flags)?;
    let texts = |urls: &[crate::url::Url]| urls.iter().map(|url| url.as_str().to_owned()).collect();
    let members =
        initial.0.iter().map(|(name, urls)| InitialMember { name: name.clone(), peer_urls: texts(urls) });
    Ok(Beginning::Found(NewCluster {
        token: config.cluster.token.clone(),
        name: config.member.name.clone(),
        members: members.collect(),
    }))
}

fn auto_compaction(config: &Config, now_ms: u64) -> Result<Option<AutoCompaction>, String> {
    use crate::config::AutoCompaction as Chosen;
    let policy = match config.compaction.auto()? {
        Chosen::Off => return Ok(None),
        Chosen::Periodic(retention) => Policy::Periodic { retention_ms: retention.as_millis() as u64 },
        Chosen::Revision(retention) => Policy::Revision { retention },
    };
    Ok(Some(AutoCompaction::new(policy, now_ms)))
}

impl Running {
    /// Makes everything; the client ports are bound but nothing is accepted yet.
    fn start(config: Config) -> Result<Running, String> {
        let clock = Clock::start();
        let peer_port = peer_port(&config)?;
        let mut server = Server::new(table(), limits(&config)).map_err(|e| e.to_string())?;
        let options = ListenOptions { reuse_port: config.listen.reuse_port, ..ListenOptions::default() };
        notices::listening(&config);
        for listener in startup::client_listeners(&config.listen)? {
            server.listen_with(listener.address, options).map_err(|e| cannot_listen(&listener, &e))?;
        }
        startup::log_summary(&config)?;
        config.log_limits();
        startup::prepare_directories(&config.member)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let opened = open(&config, &disk).map_err(|e| {
            log::error!(error:err = e; "bootstrap failed");
            e.to_string()
        })?;
        config.log_quota();
        notices::opened(&config, &opened);
        config.log_replacements();

        let (done_in, done) = mpsc::channel();
        let waker = server.waker().map_err(|e| e.to_string())?;
        let signals = Signals::take_over(waker.clone()).map_err(|e| e.to_string())?;
        let signal = Signal::new(done_in, waker);
        let readers = Readers::start(&signal).map_err(|e| e.to_string())?;
        let log_writer =
            LogWriter::new(disk.clone(), opened.wal, config.member.wal_dir(), config.member.snap_dir());
        let stages = Stages::start(disk, log_writer, opened.committer, &signal).map_err(|e| e.to_string())?;

        let settings = settings(&config, opened.member_id, opened.cluster_id);
        let snapshot_index = opened.log.index;
        let node_config = NodeConfig {
            id: opened.member_id,
            election_ticks: config.timing.election_ticks as usize,
            pre_vote: config.timing.pre_vote,
            seed: clock.unix_ms() ^ opened.member_id.rotate_left(17),
        };
        let node = Node::new(&node_config, opened.log).map_err(|e| e.to_string())?;
        let consensus = Consensus::new(node, clock.unix_ms() << 20);
        let auto = auto_compaction(&config, clock.now_ms())?;
        let alone = opened.state.members().len() <= 1;
        let mut member =
            Member::new(settings, consensus, opened.state, auto, snapshot_index, clock.unix_ms());
        if config.timing.initial_election_tick_advance && alone {
            for _ in 1..config.timing.election_ticks {
                member.tick();
            }
        }
        let metrics = Metrics::new(opened.member_id, config.flags.gates(), config.observe.extensive_metrics);
        let edge = Edge::new(edge_config(&config), clock.unix_ms() ^ opened.member_id);
        Ok(Running {
            server,
            peer_port,
            edge,
            member,
            readers,
            stages,
            done,
            out: Outputs::default(),
            next_tick_ms: clock.now_ms(),
            next_purge_ms: clock.now_ms() + PURGE_INTERVAL_MS,
            no_leader_since_ms: None,
            http: Vec::new(),
            web: Web::new(),
            metrics,
            signals,
            stopping_since_ms: None,
            clock,
            config,
        })
    }

    /// Runs until a signal has stopped it.
    fn run(mut self) -> Result<Signals, String> {
        let mut events = Vec::new();
        loop {
            let timeout = self.timeout();
            self.server.poll(Some(timeout), &mut events).map_err(|e| e.to_string())?;
            let now_ms = self.clock.now_ms();
            self.member.set_time(now_ms);
            for event in events.drain(..) {
                self.event(event, now_ms);
            }
            self.take_done(now_ms)?;
            self.ticks(now_ms);
            self.turn(now_ms)?;
            self.server.flush();
            if self.stopped(now_ms) {
                return self.stop();
            }
        }
    }

    /// How long the loop may sleep.
    fn timeout(&self) -> Duration {
        if self.edge.has_slices() {
            return Duration::ZERO;
        }
        let wake = self.member.wake_ms().unwrap_or(u64::MAX).min(self.next_tick_ms);
        Duration::from_millis(wake.saturating_sub(self.clock.now_ms()))
    }

    fn event(&mut self, event: Event, now_ms: u64) {
        let mut desk = Desk {
            server: &mut self.server,
            member: &mut self.member,
            readers: &self.readers,
            out: &mut self.out,
            now_ms,
        };
        if let Some((call, request)) = self.edge.event(event, &mut desk) {
            self.http.push((call, request));
        }
    }

    /// Results of the stages.
    fn take_done(&mut self, now_ms: u64) -> Result<(), String> {
        for _ in 0..DONE_PER_TURN_MAX {
            let Ok(done) = self.done.try_recv() else { break };
            match done {
                Done::Log { done, took } => {
                    self.metrics.wal_fsync.observe_time(took);
                    notices::synced(took);
                    for done in done {
                        if let LogDone::Purged(names) = &done {
                            notices::purged(names);
                        }
                        self.member.log_done(done, &mut self.out);
                    }
                }
                Done::Committed { root, took } => {
                    self.metrics.backend_commit.observe_time(took);
                    self.member.committed(root, &mut self.out);
                }
                Done::Defragmented { root, took } => {
                    self.metrics.backend_defrag.observe_time(took);
                    notices::defragmented(&root, took);
                    self.member.defragmented(root);
                    self.with_desk(now_ms, |edge, desk| edge.defragmented(desk));
                }
                Done::Read(ReadDone::History { pass, changes, next }) => {
                    self.member.history_read(pass, &changes, next).map_err(|e| e.to_string())?;
                }
                Done::Read(ReadDone::Range { tag, reply }) => {
                    self.with_desk(now_ms, |edge, desk| edge.fetched(tag, &reply, desk));
                }
                Done::Read(ReadDone::HashKv { tag, hash }) => {
                    self.with_desk(now_ms, |edge, desk| edge.hashed_kv(tag, hash, desk));
                }
                Done::Read(ReadDone::Hash { tag, hash }) => {
                    self.with_desk(now_ms, |edge, desk| edge.hashed(tag, hash, desk));
                }
                Done::Read(ReadDone::Image { tag, image, chunks }) => {
                    self.with_desk(now_ms, |edge, desk| edge.imaged(tag, image, chunks, desk));
                }
            }
        }
        Ok(())
    }

    fn with_desk(&mut self, now_ms: u64, act: impl FnOnce(&mut Edge, &mut Desk<'_>)) {
        let mut desk = Desk {
            server: &mut self.server,
            member: &mut self.member,
            readers: &self.readers,
            out: &mut self.out,
            now_ms,
        };
        act(&mut self.edge, &mut desk);
    }

    fn ticks(&mut self, now_ms: u64) {
        if now_ms < self.next_tick_ms {
            return;
        }
        let tick_ms = self.config.timing.heartbeat.as_millis() as u64;
        let behind = (now_ms - self.next_tick_ms) / tick_ms;
        for _ in 0..=behind.min(TICKS_BEHIND_MAX) {
            self.member.tick();
        }
        self.next_tick_ms += (behind + 1) * tick_ms;
        self.with_desk(now_ms, |edge, desk| edge.tick(desk));
        self.watch_leader(now_ms);
        self.answer_peers();
        if now_ms >= self.next_purge_ms {
            self.next_purge_ms = now_ms + PURGE_INTERVAL_MS;
            let files = |n: u64| if n == 0 { usize::MAX } else { n as usize };
            self.stages.log(member::log_writer::LogJob::Purge {
                wals_max: files(self.config.storage.wals_max),
                snapshots_max: files(self.config.storage.snapshots_max),
            });
        }
    }

    /// Streams that want a leader are cut after three election timeouts without one.
    fn watch_leader(&mut self, now_ms: u64) {
        if self.member.consensus().standing().leader != 0 {
            self.no_leader_since_ms = None;
            return;
        }
        let since = *self.no_leader_since_ms.get_or_insert(now_ms);
        if now_ms - since >= 3 * self.config.timing.election_timeout().as_millis() as u64 {
            self.no_leader_since_ms = Some(now_ms);
            self.with_desk(now_ms, |edge, desk| edge.no_leader(desk));
        }
    }

    /// The member's turn, then the edge's, and what the edge's led to.
    fn turn(&mut self, now_ms: u64) -> Result<(), String> {
        self.member.turn(now_ms, &mut self.out).map_err(|e| e.to_string())?;
        self.dispatch();
        self.with_desk(now_ms, |edge, desk| edge.settle(desk));
        self.dispatch();
        if self.edge.take_defragment() {
            notices::defragmenting(&self.config.member.backend_path(), self.member.state().root());
            self.stages.defragment();
        }
        self.answer_http(now_ms);
        Ok(())
    }

    /// Jobs to their stages, notices to the log.
    fn dispatch(&mut self) {
        for job in self.out.log.drain(..) {
            self.stages.log(job);
        }
        for batch in self.out.commit.drain(..) {
            self.stages.commit(batch);
        }
        for job in self.out.history.drain(..) {
            self.readers.submit(ReadJob::History(job));
        }
        self.out.messages.clear();
        for notice in std::mem::take(&mut self.out.notices) {
            if notice == Notice::Published {
                self.serve();
            }
            observe::notice(&self.metrics, &notice);
            notices::write(&notice, &self.member, &self.config);
        }
    }

    /// This member is known to the cluster: clients may come.
    fn serve(&mut self) {
        if let Err(error) = self.server.accept() {
            crate::fault::die(&error);
        }
        notices::serving(&self.config);
        signals::notify_ready();
    }

    fn answer_http(&mut self, now_ms: u64) {
        let probes = self.edge.take_probes();
        if self.http.is_empty() && probes.is_empty() {
            return;
        }
        let mut desk = Desk {
            server: &mut self.server,
            member: &mut self.member,
            readers: &self.readers,
            out: &mut self.out,
            now_ms,
        };
        for (call, request) in self.http.drain(..) {
            self.web.request(call, &request, &self.config, &self.metrics, &mut self.edge, &mut desk);
        }
        self.web.probed(probes, &self.metrics, &mut desk);
        let local = self.edge.take_probes();
        self.web.probed(local, &self.metrics, &mut desk);
    }

    fn answer_peers(&mut self) {
        let mut events = Vec::new();
        if let Err(error) = self.peer_port.poll(Some(Duration::ZERO), &mut events) {
            crate::fault::die(&error);
        }
        for event in events {
            if let Event::Http { id, request } = event {
                let response = self.web.peer(&request, &self.config, &self.metrics, &self.member);
                self.peer_port.http_reply(id, response);
            }
        }
        self.peer_port.flush();
    }

    /// True when the process should end: a signal came and the open calls are through, or have had their time.
    fn stopped(&mut self, now_ms: u64) -> bool {
        if self.stopping_since_ms.is_none() {
            let Some(signal) = self.signals.received() else { return false };
            notices::stopping(signal, &self.config);
            self.stopping_since_ms = Some(now_ms);
        }
        let since = self.stopping_since_ms.unwrap_or(now_ms);
        let drained = self.server.drain() && self.edge.is_idle();
        drained || now_ms - since >= self.config.timing.request_timeout().as_millis() as u64
    }

    /// Makes the backend durable and ends the stages.
    fn stop(mut self) -> Result<Signals, String> {
        let role = self.member.consensus().standing().role;
        notices::no_transfer(role == Role::Leader);
        self.member.force_commit(&mut self.out);
        self.dispatch();
        self.stages.stop();
        notices::stopped(&self.config);
        Ok(self.signals)
    }
}

/// Binds the peer URLs. Their sockets serve HTTP/1.1 only.
fn peer_port(config: &Config) -> Result<Server, String> {
    let mut server = Server::new(Vec::new(), limits(config)).map_err(|e| e.to_string())?;
    for listener in startup::peer_listeners(&config.listen)? {
        let options = ListenOptions { reuse_port: config.listen.reuse_port, ..ListenOptions::default() };
        server.listen_with(listener.address, options).map_err(|e| cannot_listen(&listener, &e))?;
    }
    server.accept().map_err(|e| e.to_string())?;
    Ok(server)
}

/// etcd's text for a port that cannot be bound.
fn cannot_listen(listener: &startup::Listener, error: &std::io::Error) -> String {
    let reason = crate::notation::os_error(error);
    format!("listen tcp {}: bind: {reason}", listener.address)
}

fn limits(config: &Config) -> Limits {
    let some = |d: Duration| if d.is_zero() { None } else { Some(d) };
    Limits {
        message_bytes_max: config.limits.request_bytes_max + 512 * 1024,
        streams_max: config.limits.concurrent_streams_max,
        keepalive_interval: some(config.keepalive.interval).unwrap_or(Duration::from_secs(7200)),
        keepalive_timeout: some(config.keepalive.timeout).unwrap_or(Duration::from_secs(20)),
        ping_interval_min: some(config.keepalive.ping_interval_min).unwrap_or(Duration::from_secs(300)),
        output_bytes_max: OUTPUT_BYTES_MAX,
        connections_max: usize::MAX,
    }
}

fn settings(config: &Config, member_id: u64, cluster_id: u64) -> Settings {
    Settings {
        member_id,
        cluster_id,
        name: config.member.name.clone(),
        client_urls: config.advertise.client_urls.iter().map(|url| url.as_str().to_owned()).collect(),
        election_ms: config.timing.election_timeout().as_millis() as u64,
        request_timeout_ms: config.timing.request_timeout().as_millis() as u64,
        snapshot_entries: config.storage.snapshot_count,
        catchup_entries: config.storage.catchup_entries,
        trim_entries: LOG_TRIM_ENTRIES,
        quota_bytes: config.storage.quota_bytes,
        request_bytes_max: config.limits.request_bytes_max,
        compaction_pause_ms: config.compaction.sleep_interval.as_millis() as u64,
        release: state::version::SERVER,
        lease_timing: state::lease::Timing {
            retry_ms: config.timing.request_timeout().as_millis() as u64,
            checkpoint_ms: None,
        },
    }
}

fn edge_config(config: &Config) -> EdgeConfig {
    EdgeConfig {
        txn_ops_max: config.limits.txn_ops_max,
        request_bytes_max: config.limits.request_bytes_max,
        request_timeout_ms: config.timing.request_timeout().as_millis() as u64,
        progress_interval_ms: config.observe.progress_notify_interval.as_millis() as u64,
        quota_shown: match config.flags.int("quota-backend-bytes") {
            0 => 2 << 30,
            given => given,
        },
        version: VERSION,
    }
}
