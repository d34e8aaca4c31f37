//! Load generator and side-by-side runs: the same load against two servers in turns, on one disk, and the ratios.
//!
//! It knows nothing of either server but its flags. Pairs swap their order; read loads begin after a restart; the
//! process measured is checked to own its port. Method and loads: `bench --help`. Start at [`run::run`].

mod cluster;
mod connection;
mod driver;
mod headers;
mod histogram;
mod load;
mod process;
mod report;
mod request;
mod run;
mod streams;

use load::Load;
use process::Setup;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const HELP: &str = "\
bench --ours ETCD --go ETCD [options]   compares two servers
bench --one ETCD [options]              runs one alone, e.g. beside a profiler (its process ID is printed)

  --loads A,B,...   NAME-CONNECTIONS-CLIENTS with NAME one of
                      put   8-byte keys, 256-byte values     get   linearizable   sget  serializable
                      range 1000 keys                        txn   one compare, one put
                      lease a keep-alive stream each         watch CLIENTS watchers of one key (operation: event)
                    mixed-RATE   four gets to a put, RATE calls a second
                    memory       resident memory after 1 M puts, restart time on them
  --pairs N         runs of each side, alternating with swapped order (5)
  --seconds S       length of one measurement (5)
  --members N       members of the cluster on this machine: 1 or 3; the leader is measured (1)
  --port P          client port, peer port is P+1, and so on for each member; below 32767 (21300)
  --dir D           where data directories go (target/bench)
  --flag F          one more server flag for both sides; repeatable
";

#[derive(Debug)]
struct Arguments {
    ours: PathBuf,
    /// None: only one server.
    go: Option<PathBuf>,
    loads: Vec<Load>,
    pairs: usize,
    length: Duration,
    port: u16,
    members: u16,
    directory: PathBuf,
    flags: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("{text}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let mut failed = false;
    for load in &arguments.loads {
        match measure(&arguments, *load) {
            Ok(text) => println!("{text}"),
            Err(text) => {
                eprintln!("{load}: {text}");
                failed = true;
            }
        }
    }
    ExitCode::from(u8::from(failed))
}

fn measure(arguments: &Arguments, load: Load) -> Result<String, String> {
    let run = |binary: &PathBuf| {
        let setup = Setup {
            binary: binary.clone(),
            directory: arguments.directory.clone(),
            port: arguments.port,
            members: arguments.members,
            flags: arguments.flags.clone(),
        };
        run::run(&setup, load, arguments.length).map_err(|e| format!("{}: {e}", binary.display()))
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for pair in 0..arguments.pairs {
        match &arguments.go {
            None => ours.push(run(&arguments.ours)?),
            Some(go) if pair % 2 == 0 => {
                ours.push(run(&arguments.ours)?);
                theirs.push(run(go)?);
            }
            Some(go) => {
                theirs.push(run(go)?);
                ours.push(run(&arguments.ours)?);
            }
        }
    }
    let name = load.to_string();
    Ok(if arguments.go.is_none() {
        report::alone(&name, &ours)
    } else {
        report::compare(&name, &ours, &theirs)
    })
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut ours, mut one, mut go) = (None, None, None);
    let (mut loads, mut pairs, mut seconds) = (load::DEFAULT.to_owned(), 5, 5.0);
    let mut members = 1;
    let (mut port, mut directory, mut flags) = (21_300, PathBuf::from("target/bench"), Vec::new());
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} without a value"))?;
        let wrong = |e: &dyn std::fmt::Display| format!("{name} {value}: {e}");
        match name.as_str() {
            "--ours" => ours = Some(PathBuf::from(value)),
            "--go" => go = Some(PathBuf::from(value)),
            "--one" => one = Some(PathBuf::from(value)),
            "--loads" => loads = value,
            "--pairs" => pairs = value.parse().map_err(|e| wrong(&e))?,
            "--seconds" => seconds = value.parse().map_err(|e| wrong(&e))?,
            "--members" => members = value.parse().map_err(|e| wrong(&e))?,
            "--port" => port = value.parse().map_err(|e| wrong(&e))?,
            "--dir" => directory = PathBuf::from(value),
            "--flag" => flags.push(value),
            _ => return Err(format!("{name} is no option")),
        }
    }
    if ![1, 3].contains(&members) {
        return Err("1 member or 3".into());
    }
    if pairs == 0 || port >= 32_767 - 2 * members {
        return Err("at least one pair, and a port below 32767".into());
    }
    let (ours, go) = match (ours, go, one) {
        (Some(ours), Some(go), None) => (ours, Some(go)),
        (None, None, Some(one)) => (one, None),
        _ => return Err("want --ours and --go, or --one".into()),
    };
    let loads = loads.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let length = Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())?;
    Ok(Arguments { ours, go, loads, pairs, length, port, members, directory, flags })
}
