//! Rounds of load with one fault each, and verification after it healed. What may go wrong is in [`Fault`]; what must
//! hold is judged in `audit`.

use crate::Failure;
use crate::api::Api;
use crate::arguments::Arguments;
use crate::audit::Audit;
use crate::cluster::{Cluster, PATIENCE, POLL, Setup, status};
use crate::load::{CALL_TIMEOUT, Clock, Load, Random};
use crate::release::Release;
use client::method;
use nix::sys::signal::Signal;
use proto::etcdserverpb as pb;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

const MEMBERS: usize = 3;
/// Rounds before a new cluster takes over: the history of one is kept in memory.
const ROUNDS_PER_CLUSTER: u64 = 25;
/// Every so many rounds, what was judged is compacted.
const ROUNDS_PER_COMPACTION: u64 = 4;
/// Load before the fault; load with it, the least and the most.
const BEFORE_MS: u64 = 700;
const DURING_MS: std::ops::Range<u64> = 1200..2600;
/// One in so many is that much longer: members give their connections up after 5 s of silence.
const LONG_ONE_IN: usize = 5;
const LONG_MS: u64 = 6000;
/// How long a member is away that needs a snapshot then, and what follows while it gets it, at most.
const AWAY: Duration = Duration::from_millis(2000);
const CATCHING_UP_MS: usize = 400;
/// After it healed, so many operations must be answered.
const ANSWERED_AFTER: u64 = 600;
/// How long a member with a full disk is waited for: it may need no space for a while.
const FULL_DISK_WAIT: Duration = Duration::from_secs(4);
/// MiB of each member's disk, in memory: log segments of 64 MiB and the database.
const DISK_SIZE: u32 = 900;
/// So that the leader of a healed cluster is old news soon, and snapshots are sent.
const FLAGS: [&str; 2] = ["--heartbeat-interval=50", "--election-timeout=500"];
const SNAPSHOT_COUNT: u32 = 1000;
const CATCH_UP_ENTRIES: u32 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    KillLeader,
    KillFollower,
    /// Two of three, the leader among them.
    KillMajority,
    KillAll,
    /// While it gets a snapshot.
    KillCatchingUp,
    /// Asked to end, so it hands leadership on.
    StopLeader,
    PauseLeader,
    PauseFollower,
    PauseAll,
    IsolateLeader,
    IsolateFollower,
    /// What the leader sends is lost; it hears.
    MuteLeader,
    /// It hears nothing; what it sends arrives.
    DeafLeader,
    DeafFollower,
    /// Between the leader and one follower only.
    CutPair,
    UnplugLeader,
    SlowLeader,
    SlowAll,
    /// The line of a member that gets a snapshot.
    SlowCatchingUp,
    LossyLeader,
    LossyAll,
    FillDiskOfLeader,
    FillDiskOfFollower,
    MoveLeader,
    /// Removed, and back without data as a learner.
    ReplaceLeader,
    ReplaceFollower,
    DefragmentAll,
}

const FAULTS: [Fault; 27] = [
    Fault::KillLeader,
    Fault::KillFollower,
    Fault::KillMajority,
    Fault::KillAll,
    Fault::KillCatchingUp,
    Fault::StopLeader,
    Fault::PauseLeader,
    Fault::PauseFollower,
    Fault::PauseAll,
    Fault::IsolateLeader,
    Fault::IsolateFollower,
    Fault::MuteLeader,
    Fault::DeafLeader,
    Fault::DeafFollower,
    Fault::CutPair,
    Fault::UnplugLeader,
    Fault::SlowLeader,
    Fault::SlowAll,
    Fault::SlowCatchingUp,
    Fault::LossyLeader,
    Fault::LossyAll,
    Fault::FillDiskOfLeader,
    Fault::FillDiskOfFollower,
    Fault::MoveLeader,
    Fault::ReplaceLeader,
    Fault::ReplaceFollower,
    Fault::DefragmentAll,
];

pub async fn run(arguments: &Arguments, directory: &Path) -> Result<String, Failure> {
    let servers = servers(arguments)?;
    let rounds = arguments.number("rounds", 50)?;
    let seed = arguments.number("seed", u64::from(std::process::id()) ^ Clock::of_day())?;
    println!("cluster faults: seed {seed}");
    let mut random = Random::new(seed);
    let setup = Setup { servers: with_flags(servers)?, spare: 0, disk_size: Some(DISK_SIZE) };
    let mut cluster = Cluster::new(directory, &setup)?;
    let mut plan = Plan { faults: drawn(arguments)?, waiting: Vec::new() };
    let mut sum = Sum::default();
    for first in (0..rounds).step_by(usize::try_from(ROUNDS_PER_CLUSTER).expect("a small number")) {
        if first > 0 {
            cluster.renew(&setup)?;
        }
        let last = rounds.min(first + ROUNDS_PER_CLUSTER);
        one_cluster(&mut cluster, first..last, &mut plan, &mut random, &mut sum)
            .await
            .map_err(|text| format!("{text}\n(seed {seed}, logs in {})", directory.display()))?;
    }
    cluster.remove_files();
    Ok(format!(
        "{rounds} faults, {} operations answered, all as a single store would; undecided searches: {}",
        sum.answered, sum.undecided
    ))
}

/// One for all, or one each.
fn servers(arguments: &Arguments) -> Result<Vec<PathBuf>, Failure> {
    let given = arguments.files("server")?;
    match given.len() {
        1 => Ok(vec![given[0].clone(); MEMBERS]),
        MEMBERS => Ok(given),
        other => Err(format!("{other} servers for {MEMBERS} members")),
    }
}

fn with_flags(servers: Vec<PathBuf>) -> Result<Vec<(PathBuf, Vec<String>)>, Failure> {
    let releases: Vec<Release> =
        servers.iter().map(|server| Release::of(server)).collect::<Result<_, Failure>>()?;
    let lowest = *releases.iter().min().expect("there are members");
    let flags = releases.iter().map(|release| {
        let mut flags = FLAGS.map(str::to_owned).to_vec();
        flags.extend(release.flags(SNAPSHOT_COUNT, CATCH_UP_ENTRIES, lowest));
        flags
    });
    Ok(servers.into_iter().zip(flags).collect())
}

/// The faults to draw from: all, or the one that is named.
fn drawn(arguments: &Arguments) -> Result<Vec<Fault>, Failure> {
    let Some(name) = arguments.text("fault") else { return Ok(FAULTS.to_vec()) };
    match FAULTS.iter().find(|fault| format!("{fault:?}") == name) {
        Some(fault) => Ok(vec![*fault]),
        None => Err(format!("there is no fault {name}, only {FAULTS:?}")),
    }
}

/// Draws every fault once before any comes again.
struct Plan {
    faults: Vec<Fault>,
    waiting: Vec<Fault>,
}

impl Plan {
    fn next(&mut self, random: &mut Random) -> Fault {
        if self.waiting.is_empty() {
            self.waiting.clone_from(&self.faults);
            random.shuffle(&mut self.waiting);
        }
        self.waiting.pop().expect("there are faults")
    }
}

#[derive(Debug, Default)]
struct Sum {
    answered: usize,
    undecided: usize,
}

async fn one_cluster(
    cluster: &mut Cluster,
    rounds: std::ops::Range<u64>,
    plan: &mut Plan,
    random: &mut Random,
    sum: &mut Sum,
) -> Result<(), Failure> {
    cluster.start().await?;
    let clock = Clock::start();
    let mut audit = Audit::start(&cluster.numbers(), clock);
    for round in rounds {
        let fault = plan.next(random);
        let began = Instant::now();
        let load = Load::start(&cluster.numbers(), round, clock, random);
        let injected = inject(cluster, &load, fault, random).await;
        let done = load.stop().await?;
        let checked = match injected {
            Ok(()) => audit.check(cluster, done).await,
            Err(text) => Err(text),
        };
        checked.map_err(|text| format!("round {round}, {fault:?}: {text}"))?;
        if round % ROUNDS_PER_COMPACTION == ROUNDS_PER_COMPACTION - 1 {
            compact(audit.judged(), random).await.map_err(|text| format!("round {round}: {text}"))?;
        }
        println!("round {round}: {fault:?}, revision {}, {} ms", audit.judged(), began.elapsed().as_millis());
    }
    audit.check_ends(cluster).await?;
    sum.answered += audit.answered();
    sum.undecided += audit.undecided;
    Ok(())
}

async fn compact(revision: i64, random: &mut Random) -> Result<(), Failure> {
    let member = random.below(MEMBERS) + 1;
    let request = pb::CompactionRequest { revision, physical: false };
    Api::new(member, PATIENCE).call(&method::COMPACT, request).await.map(|_| ()).map_err(Failure::from)
}

/// Load alone, load with the fault, and load after it until enough is answered.
async fn inject(
    cluster: &mut Cluster,
    load: &Load,
    fault: Fault,
    random: &mut Random,
) -> Result<(), Failure> {
    tokio::time::sleep(Duration::from_millis(BEFORE_MS)).await;
    let leader = cluster.leader().await?;
    let mut followers: Vec<usize> =
        cluster.numbers().into_iter().filter(|number| *number != leader).collect();
    random.shuffle(&mut followers);
    let mut during_ms = DURING_MS.start + random.next() % (DURING_MS.end - DURING_MS.start);
    if random.below(LONG_ONE_IN) == 0 {
        during_ms += LONG_MS;
    }
    begin(cluster, fault, leader, &followers, random).await?;
    if let Some(full) = full_disk(fault, leader, &followers) {
        until_ended(cluster, full).await;
        cluster.member(full).free_disk()?;
    } else {
        tokio::time::sleep(Duration::from_millis(during_ms)).await;
    }
    heal(cluster, fault)?;
    cluster.all_serve().await?;
    load.more(ANSWERED_AFTER).await
}

async fn begin(
    cluster: &mut Cluster,
    fault: Fault,
    leader: usize,
    followers: &[usize],
    random: &mut Random,
) -> Result<(), Failure> {
    let follower = followers[0];
    let network = &mut cluster.network;
    match fault {
        Fault::KillLeader => cluster.member(leader).kill(),
        Fault::KillFollower => cluster.member(follower).kill(),
        Fault::KillMajority => cluster.member(leader).kill().and_then(|()| cluster.member(follower).kill()),
        Fault::KillAll => cluster.numbers().into_iter().try_for_each(|number| cluster.member(number).kill()),
        Fault::KillCatchingUp => kill_catching_up(cluster, follower, random).await,
        Fault::StopLeader => cluster.member(leader).stop().await,
        Fault::PauseLeader => cluster.member(leader).signal(Signal::SIGSTOP),
        Fault::PauseFollower => cluster.member(follower).signal(Signal::SIGSTOP),
        Fault::PauseAll => cluster.members.iter_mut().try_for_each(|member| member.signal(Signal::SIGSTOP)),
        Fault::IsolateLeader => followers
            .iter()
            .try_for_each(|other| network.cut(leader, *other).and_then(|()| network.cut(*other, leader))),
        Fault::IsolateFollower => [leader, followers[1]]
            .iter()
            .try_for_each(|other| network.cut(follower, *other).and_then(|()| network.cut(*other, follower))),
        Fault::MuteLeader => followers.iter().try_for_each(|other| network.cut(leader, *other)),
        Fault::DeafLeader => followers.iter().try_for_each(|other| network.cut(*other, leader)),
        Fault::DeafFollower => {
            [leader, followers[1]].iter().try_for_each(|other| network.cut(*other, follower))
        }
        Fault::CutPair => network.cut(leader, follower).and_then(|()| network.cut(follower, leader)),
        Fault::UnplugLeader => network.unplug(leader),
        Fault::SlowLeader => network.slow_down(leader),
        Fault::SlowAll => (1..=MEMBERS).try_for_each(|number| network.slow_down(number)),
        Fault::SlowCatchingUp => {
            away(cluster, follower).await?;
            cluster.network.slow_down(follower)?;
            cluster.member(follower).start()
        }
        Fault::LossyLeader => network.lose(leader, 25),
        Fault::LossyAll => (1..=MEMBERS).try_for_each(|number| network.lose(number, 5)),
        Fault::FillDiskOfLeader => cluster.member(leader).fill_disk(),
        Fault::FillDiskOfFollower => cluster.member(follower).fill_disk(),
        Fault::MoveLeader => move_leader(leader, follower).await,
        Fault::ReplaceLeader => cluster.replace(leader, follower).await,
        Fault::ReplaceFollower => cluster.replace(follower, followers[1]).await,
        Fault::DefragmentAll => defragment(&cluster.numbers()).await,
    }
}

/// A member is gone for so many writes that the others have compacted what it lacks.
async fn away(cluster: &mut Cluster, number: usize) -> Result<(), Failure> {
    cluster.member(number).kill()?;
    tokio::time::sleep(AWAY).await;
    Ok(())
}

async fn kill_catching_up(cluster: &mut Cluster, number: usize, random: &mut Random) -> Result<(), Failure> {
    away(cluster, number).await?;
    cluster.member(number).start()?;
    tokio::time::sleep(Duration::from_millis(random.below(CATCHING_UP_MS) as u64)).await;
    cluster.member(number).kill()
}

async fn move_leader(leader: usize, to: usize) -> Result<(), Failure> {
    let target_id = status(to).await?.header.unwrap_or_default().member_id;
    // It may fail under load, or because the leader is another by now.
    let _ =
        Api::new(leader, CALL_TIMEOUT).call(&method::MOVE_LEADER, pb::MoveLeaderRequest { target_id }).await;
    Ok(())
}

async fn defragment(members: &[usize]) -> Result<(), Failure> {
    for member in members {
        Api::new(*member, PATIENCE).call(&method::DEFRAGMENT, pb::DefragmentRequest {}).await?;
    }
    Ok(())
}

fn full_disk(fault: Fault, leader: usize, followers: &[usize]) -> Option<usize> {
    match fault {
        Fault::FillDiskOfLeader => Some(leader),
        Fault::FillDiskOfFollower => Some(followers[0]),
        _ => None,
    }
}

async fn until_ended(cluster: &mut Cluster, number: usize) {
    let deadline = Instant::now() + FULL_DISK_WAIT;
    while cluster.member(number).is_running() && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
}

/// Ends the fault, and starts who is not running, which only some faults explain.
fn heal(cluster: &mut Cluster, fault: Fault) -> Result<(), Failure> {
    cluster.network.heal()?;
    let explained = matches!(
        fault,
        Fault::KillLeader
            | Fault::KillFollower
            | Fault::KillMajority
            | Fault::KillAll
            | Fault::KillCatchingUp
            | Fault::StopLeader
            | Fault::FillDiskOfLeader
            | Fault::FillDiskOfFollower
    );
    for member in &mut cluster.members {
        if member.is_running() {
            // Wakes those that pause; to others it means nothing.
            member.signal(Signal::SIGCONT)?;
        } else if explained {
            member.start()?;
        } else {
            return Err(format!("member {} has ended:\n{}", member.number, member.tail()));
        }
    }
    Ok(())
}
