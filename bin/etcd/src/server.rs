//! The running server: every part made, joined by one loop, and stopped again.
//!
//! The loop owns the client connections, the edge and the member. It decides nothing: it moves events in and replies
//! out, gives the blocking stages their jobs, and tells the member what time it is.

use crate::{
    checks::{self, Checks, Means},
    clock::Clock,
    config::Config,
    metrics::Metrics,
    notation::hex,
    notices, observe,
    peers::{self, Answered, Peers},
    readers::Readers,
    rpc::{Desk, Edge, table},
    settings,
    signals::{self, Signals},
    stages::{Backend, Done, Signal, Stages},
    startup,
    stop::Stop,
    web::{self, Web},
};
use ::rpc::{CallId, Event, HttpRequest, ListenOptions, Server};
use disk::{Disk, RealDisk};
use member::{
    Member, Notice, Outputs,
    consensus::Consensus,
    log_writer::{LogDone, LogWriter},
    raft::{Node, NodeConfig},
    reader::{ReadDone, ReadJob},
    request_id::RequestIds,
};
use std::{
    process::ExitCode,
    sync::{Arc, mpsc},
    time::Duration,
};

/// Ticks made up for at most after the loop was held up; more would only start needless elections.
const TICKS_BEHIND_MAX: u64 = 1;

/// A member that the cluster has removed goes on for this long, so that the others learn of it.
const STOP_AFTER_REMOVAL_MS: u64 = 1000;

/// Segments and snapshot files beyond the limits are deleted this often.
const PURGE_INTERVAL_MS: u64 = 30_000;

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
    peers: Peers,
    checks: Checks,
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
    http: Vec<(CallId, u8, HttpRequest)>,
    web: Web,
    metrics: Metrics,
    signals: Signals,
    /// When this member must stop because the cluster has removed it.
    removed_at_ms: Option<u64>,
    stop: Option<Stop>,
}

impl Running {
    /// Makes everything; the client ports are bound but nothing is accepted yet.
    fn start(config: Config) -> Result<Running, String> {
        let clock = Clock::start();
        let peer_sockets = peers::listen(&config)?;
        let mut server = Server::new(table(), settings::limits(&config)).map_err(|e| e.to_string())?;
        let options = ListenOptions { reuse_port: config.listen.reuse_port, ..ListenOptions::default() };
        notices::listening(&config);
        for listener in startup::client_listeners(&config.listen)? {
            server.listen_with(listener.address, options).map_err(|e| listener.cannot_bind(&e))?;
        }
        startup::log_summary(&config)?;
        config.log_limits();
        startup::prepare_directories(&config.member)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let (mut opened, remotes) = settings::open(&config, &disk).map_err(|e| {
            log::error!(error:err = e; "bootstrap failed");
            e.to_string()
        })?;
        config.log_quota();
        notices::opened(&config, &opened);
        config.log_replacements();
        if opened.restarted && config.flags.gates().is_on("InitialCorruptCheck") {
            startup::compare_with_others(&mut opened, config.timing.request_timeout())?;
        }

        let (done_in, done) = mpsc::channel();
        let waker = server.waker().map_err(|e| e.to_string())?;
        let signals = Signals::take_over(waker.clone()).map_err(|e| e.to_string())?;
        let signal = Signal::new(done_in, waker.clone());
        let readers = Readers::start(&signal).map_err(|e| e.to_string())?;
        let log_writer =
            LogWriter::new(disk.clone(), opened.wal, config.member.wal_dir(), config.member.snap_dir());
        let backend = Backend {
            committer: opened.committer,
            disk: disk.clone(),
            layout: settings::layout(&config),
            options: settings::bolt_options(&config),
        };
        let stages = Stages::start(disk, log_writer, backend, &signal).map_err(|e| e.to_string())?;

        let member_settings = settings::of_member(&config, opened.member_id, opened.cluster_id);
        let snapshot_index = opened.log.index;
        let node_config = NodeConfig {
            id: opened.member_id,
            election_ticks: config.timing.election_ticks as usize,
            pre_vote: config.timing.pre_vote,
            seed: clock.unix_ms() ^ opened.member_id.rotate_left(17),
        };
        let alone = opened.log.conf_state.voters == [opened.member_id];
        let node = Node::new(&node_config, opened.log).map_err(|e| e.to_string())?;
        let consensus = Consensus::new(node, RequestIds::new(opened.member_id, clock.unix_ms()));
        let auto = settings::auto_compaction(&config, clock.now_ms())?;
        let mut member =
            Member::new(member_settings, consensus, opened.state, auto, snapshot_index, clock.unix_ms());
        if config.timing.initial_election_tick_advance && alone {
            member.stand_once_applied();
        }
        let peers = Peers::start(&config, &member, &remotes, peer_sockets, waker, clock.now_ms())
            .map_err(|e| e.to_string())?;
        notices::started(&config, opened.member_id, alone);
        web::listen_for_scrapes(&mut server, &config.listen)?;
        let metrics = Metrics::new(opened.member_id, config.flags.gates(), config.observe.extensive_metrics);
        let checks = Checks::new(&config, opened.member_id, clock.now_ms());
        let edge = Edge::new(settings::of_edge(&config), clock.unix_ms() ^ opened.member_id);
        Ok(Running {
            server,
            peers,
            checks,
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
            removed_at_ms: None,
            stop: None,
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
            self.hear_peers(now_ms);
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
        self.http.extend(self.edge.event(event, &mut desk));
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
                Done::Installed { state, took } => {
                    notices::installed(took);
                    self.member.installed(*state, &mut self.out);
                    self.with_desk(now_ms, |edge, desk| edge.state_replaced(desk));
                }
                Done::Read(ReadDone::History { pass, changes, next }) => {
                    self.member.history_read(pass, &changes, next).map_err(|e| e.to_string())?;
                }
                Done::Read(ReadDone::Range { tag, reply }) => {
                    self.with_desk(now_ms, |edge, desk| edge.fetched(tag, &reply, desk));
                }
                Done::Read(ReadDone::HashKv { tag: checks::TOKEN, hash }) => {
                    self.with_checks(|checks, means| checks.hashed(hash, means));
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

    fn with_checks(&mut self, act: impl FnOnce(&mut Checks, &mut Means<'_>)) {
        let mut means = Means {
            member: &mut self.member,
            peers: &mut self.peers,
            readers: &self.readers,
            out: &mut self.out,
        };
        act(&mut self.checks, &mut means);
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
        self.with_checks(|checks, means| checks.tick(now_ms, means));
        let active = self.edge.connected_mut().active_count();
        if self.peers.may_advance_ticks(active, now_ms) && self.member.consensus().standing().leader == 0 {
            for _ in 2..self.config.timing.election_ticks {
                self.member.tick();
            }
        }
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
        self.with_checks(Checks::reads);
        self.dispatch();
        self.with_desk(now_ms, |edge, desk| edge.settle(desk));
        self.dispatch();
        if self.edge.take_defragment() {
            notices::defragmenting(&self.config.member.backend_path(), self.member.state().root());
            self.stages.defragment();
        }
        self.answer_http(now_ms);
        self.answer_peers();
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
        self.peers.send(std::mem::take(&mut self.out.messages));
        for job in self.out.snapshots.drain(..) {
            self.peers.send_snapshot(job);
        }
        for job in self.out.installs.drain(..) {
            self.stages.install(job);
        }
        if std::mem::take(&mut self.out.ask_versions) && self.peers.ask_versions() {
            self.member.versions_known(std::collections::BTreeMap::new());
        }
        for notice in std::mem::take(&mut self.out.notices) {
            if notice == Notice::Published {
                self.serve();
            }
            self.follow_members(&notice);
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
        observe::peers(&self.metrics, &self.member, &self.peers.totals());
        let mut desk = Desk {
            server: &mut self.server,
            member: &mut self.member,
            readers: &self.readers,
            out: &mut self.out,
            now_ms,
        };
        for (call, door, request) in self.http.drain(..) {
            let from = (call, web::port(door));
            self.web.request(from, &request, &self.config, &self.metrics, &mut self.edge, &mut desk);
        }
        self.web.probed(probes, &self.metrics, &mut desk);
        let local = self.edge.take_probes();
        self.web.probed(local, &self.metrics, &mut desk);
    }

    /// What the other members sent.
    fn hear_peers(&mut self, now_ms: u64) {
        for event in self.peers.events() {
            match event {
                peer::Event::Messages(batch) => {
                    for message in batch.take() {
                        if let Err(refused) = self.member.step(&message) {
                            log::warn!(error:% = refused; "failed to process Raft message");
                        }
                    }
                }
                peer::Event::Unreachable(id) => self.member.report_unreachable(id),
                peer::Event::SnapshotSent { to, delivered, took } => {
                    if delivered {
                        self.metrics.snapshot_send.with([&hex(to)]).observe_time(took);
                    }
                    self.member.snapshot_sent(to, delivered);
                }
                peer::Event::SnapshotReceived { message, answer } => {
                    let refused = self.member.step(&message).err().map(|refused| refused.to_string());
                    self.peers.snapshot_taken(answer, refused);
                }
                peer::Event::SnapshotTaken { from, took } => {
                    self.metrics.snapshot_receive.with([&hex(from)]).observe_time(took);
                }
                peer::Event::RoundTrip { id, smoothed } => {
                    self.metrics.peer_round_trip.with([&hex(id)]).observe_time(smoothed);
                }
                peer::Event::Removed => drop(self.removed_at_ms.get_or_insert(now_ms)),
                peer::Event::Active(id) => self.edge.connected_mut().active(id, now_ms),
                peer::Event::Inactive { id, .. } => self.edge.connected_mut().inactive(id),
                peer::Event::Http { id, request } => {
                    let mut desk = Desk {
                        server: &mut self.server,
                        member: &mut self.member,
                        readers: &self.readers,
                        out: &mut self.out,
                        now_ms,
                    };
                    self.web.peer(id, &request, &self.config, &self.metrics, &mut self.edge, &mut desk);
                }
                peer::Event::Response { token, result } => match self.peers.answered(token, result) {
                    Answered::Versions(versions) => self.member.versions_known(versions),
                    Answered::Hashes(hashes) => {
                        self.with_checks(|checks, means| checks.peers_hashed(hashes, means));
                    }
                    Answered::Edge { tag, result } => {
                        self.with_desk(now_ms, |edge, desk| edge.answered(tag, result, desk));
                    }
                    Answered::Nothing => {}
                },
            }
        }
    }

    /// Answers other members, and asks them what the edge wants to know.
    fn answer_peers(&mut self) {
        for (id, response) in self.edge.take_peer_answers() {
            self.peers.respond(id, response);
        }
        for request in self.edge.take_requests() {
            self.peers.request_for_edge(request);
        }
    }

    /// Tells the transport of changed members, and this member of its own removal.
    fn follow_members(&mut self, notice: &Notice) {
        if !matches!(notice, Notice::MembersChanged(_) | Notice::SnapshotInstalled { .. }) {
            return;
        }
        let members = self.member.state().members();
        self.peers.follow(members);
        if members.is_removed(self.member.settings().member_id) {
            self.removed_at_ms.get_or_insert(self.clock.now_ms() + STOP_AFTER_REMOVAL_MS);
        }
    }

    /// True when the process should end: a signal came, and the open calls are through or have had their time; or the
    /// cluster has removed this member.
    fn stopped(&mut self, now_ms: u64) -> bool {
        if self.stop.is_none() {
            match self.signals.received() {
                Some(signal) => notices::stopping(signal, &self.config),
                None if self.removed_at_ms.is_some_and(|at| now_ms >= at) => {
                    // Its open calls have no cluster any more to wait for.
                    notices::removed();
                    return true;
                }
                None => return false,
            }
            let limit_ms = self.config.timing.request_timeout().as_millis() as u64;
            self.stop = Some(Stop::begin(now_ms, limit_ms));
        }
        let drained = self.server.drain() && self.edge.is_idle();
        let Some(stop) = &mut self.stop else { return false };
        stop.is_over(drained, &mut self.member, self.edge.connected_mut(), now_ms)
    }

    /// Makes the backend durable and ends the stages.
    fn stop(mut self) -> Result<Signals, String> {
        self.member.force_commit(&mut self.out);
        self.dispatch();
        notices::leaving_peers(&self.config, || self.peers.stop());
        self.stages.stop();
        if self.stop.is_some() {
            notices::stopped(&self.config);
        }
        Ok(self.signals)
    }
}
