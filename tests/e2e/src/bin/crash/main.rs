//! Kills a server at random instants under load, and checks after each restart that it kept its word: every
//! acknowledged write is there, nothing is there twice, the database file is sound.
//!
//! It looks at a server only from outside. Promises are kept in [`model`], calls made in [`load`].

mod load;
mod model;

use e2e::server::Server;
use e2e::session::ready;
use e2e::transport::Failure;
use model::Model;
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use tokio::task::JoinSet;
use tonic::transport::Channel;

const HELP: &str = "\
crash --server ETCD [--etcdutl ETCDUTL] [--other ETCD] [--rounds N] [--seed S] [--port P] [--dir D]

Runs N rounds (100): writers, SIGKILL after 5 to 400 ms, restart, verification.
--etcdutl checks the database file after each kill (of Go etcd: `snapshot status`).
--other   at the end this server, Go's, must read the same from the data.
--seed    repeats the instants of another run; the operating system adds its own chance.
";

const WRITERS: u32 = 24;
/// When the kill comes after the writers began.
const KILL_MS: std::ops::Range<u64> = 5..400;
/// Every so many rounds the first writer defragments too.
const ROUNDS_PER_DEFRAGMENTATION: u32 = 5;
/// Elections, which every restart waits for, in a tenth of a second; many raft snapshots.
const FLAGS: [&str; 4] =
    ["--heartbeat-interval=10", "--election-timeout=100", "--snapshot-count=300", "--log-level=warn"];

struct Arguments {
    server: PathBuf,
    etcdutl: Option<PathBuf>,
    other: Option<PathBuf>,
    rounds: u32,
    seed: u64,
    port: u16,
    directory: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("crash: seed {}", arguments.seed);
    match runtime.block_on(run(&arguments)) {
        Ok(text) => {
            println!("crash: {text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            println!(
                "crash: FAILED: {text} (seed {}, data in {})",
                arguments.seed,
                arguments.directory.display()
            );
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<String, Failure> {
    let data = arguments.directory.join("data");
    let flags = FLAGS.map(str::to_owned);
    let error = |e: std::io::Error| e.to_string();
    let mut server = Server::start(&arguments.server, &flags, &data, arguments.port).map_err(error)?;
    let mut channel = ready(&mut server).await?;
    let (mut model, mut random) = (Model::default(), arguments.seed | 1);
    for round in 0..arguments.rounds {
        load_and_kill(&mut server, channel, round, next(&mut random), &mut model).await?;
        if let Some(etcdutl) = &arguments.etcdutl {
            check_file(etcdutl, &data)?;
        }
        server.restart(Signal::SIGKILL, None).map_err(error)?;
        channel = ready(&mut server).await.map_err(|text| format!("round {round}: {text}"))?;
        model.verify(&load::read(&channel).await?).map_err(|text| format!("round {round}: {text}"))?;
    }
    let hash = load::hash(&channel).await?;
    let mut text =
        format!("{} kills, {} acknowledged writes, all kept", arguments.rounds, model.acknowledged());
    if let Some(other) = &arguments.other {
        server.restart(Signal::SIGKILL, Some(other)).map_err(error)?;
        channel = ready(&mut server).await?;
        model.verify(&load::read(&channel).await?).map_err(|text| format!("the other server: {text}"))?;
        let theirs = load::hash(&channel).await?;
        if theirs != hash {
            return Err(format!("the other server's hash and revision are {theirs:?}, not {hash:?}"));
        }
        text += ", the other server reads the same";
    }
    Ok(text)
}

async fn load_and_kill(
    server: &mut Server,
    channel: Channel,
    round: u32,
    random: u64,
    model: &mut Model,
) -> Result<(), Failure> {
    let mut writers = JoinSet::new();
    let defragments = round.is_multiple_of(ROUNDS_PER_DEFRAGMENTATION);
    for writer in 0..WRITERS {
        writers.spawn(load::write(channel.clone(), round, writer, defragments));
    }
    let length = KILL_MS.start + random % (KILL_MS.end - KILL_MS.start);
    tokio::time::sleep(Duration::from_millis(length)).await;
    server.end(Signal::SIGKILL).map_err(|e| e.to_string())?;
    while let Some(operations) = writers.join_next().await {
        for operation in operations.map_err(|e| e.to_string())? {
            model.record(&operation);
        }
    }
    Ok(())
}

/// Go's `etcdutl snapshot status` walks every page and reports what is unsound. It gets a copy.
fn check_file(etcdutl: &Path, data: &Path) -> Result<(), Failure> {
    let copy = data.with_extension("db");
    std::fs::copy(data.join("member/snap/db"), &copy).map_err(|e| e.to_string())?;
    let done =
        Command::new(etcdutl).args(["snapshot", "status"]).arg(&copy).output().map_err(|e| e.to_string())?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("the database file is unsound: {}", String::from_utf8_lossy(&done.stderr)))
    }
}

/// The next number of xorshift64.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let (mut server, mut etcdutl, mut other) = (None, None, None);
    let (mut rounds, mut seed, mut port) = (100, u64::from(now.subsec_nanos()) << 20 | now.as_secs(), 21_480);
    let mut directory = PathBuf::from("target/crash");
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} without a value"))?;
        let number = || value.parse::<u64>().map_err(|e| format!("{name} {value}: {e}"));
        let narrow = |e: std::num::TryFromIntError| e.to_string();
        match name.as_str() {
            "--server" => server = Some(PathBuf::from(value)),
            "--etcdutl" => etcdutl = Some(PathBuf::from(value)),
            "--other" => other = Some(PathBuf::from(value)),
            "--rounds" => rounds = number()?.try_into().map_err(narrow)?,
            "--seed" => seed = number()?,
            "--port" => port = number()?.try_into().map_err(narrow)?,
            "--dir" => directory = value.into(),
            _ => return Err(format!("{name} is no option")),
        }
    }
    let server = server.ok_or("want a server")?;
    Ok(Arguments { server, etcdutl, other, rounds, seed, port, directory })
}
