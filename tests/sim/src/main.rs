//! Runs seeds: a range of them on several threads, or one with its trace.
//!
//! `sim --seeds FROM..TO [--jobs N]`, `sim --seed N [--trace] [--bug NAME]`. Ends with status 1 when a seed fails.

use sim::{Report, plan::Trouble, plant::Bug};
use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

const REPLAY: &str = "cargo run --profile test -p sim --";

#[derive(Debug)]
struct Arguments {
    from: u64,
    to: u64,
    jobs: usize,
    trace: bool,
    bug: Option<Bug>,
}

fn arguments() -> Result<Arguments, String> {
    let mut parsed = Arguments { from: 0, to: 100, jobs: 2, trace: false, bug: None };
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let mut value = || words.next().ok_or(format!("{flag} needs a value"));
        match flag.as_str() {
            "--trace" => parsed.trace = true,
            "--jobs" => parsed.jobs = number(&value()?)? as usize,
            "--seed" => {
                parsed.from = number(&value()?)?;
                parsed.to = parsed.from + 1;
            }
            "--seeds" => {
                let range = value()?;
                let (from, to) = range.split_once("..").ok_or(format!("{range} is no range"))?;
                (parsed.from, parsed.to) = (number(from)?, number(to)?);
            }
            "--bug" => {
                let name = value()?;
                let bug = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
                parsed.bug = Some(bug.ok_or(format!("{name} is none of {:?}", Bug::ALL))?);
            }
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    Ok(parsed)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

thread_local! {
    /// For a panic's message: a release build ends with it.
    static SEED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// A seed's report; a panic inside is a violation too.
fn run(seed: u64, arguments: &Arguments) -> Report {
    SEED.set(seed);
    let run = || sim::run(seed, arguments.bug, arguments.trace);
    std::panic::catch_unwind(run).unwrap_or_else(|_| Report {
        violation: Some("a panic, printed above".to_owned()),
        ..Report::default()
    })
}

/// Sums of what happened, so that one sees that it did.
#[derive(Debug, Default)]
struct Totals {
    seeds: u64,
    failed: Vec<u64>,
    steps: u64,
    operations: u64,
    answered: u64,
    leaders: u64,
    installs: u64,
    changes: u64,
    leases_ended: u64,
    troubles: BTreeMap<Trouble, u64>,
}

impl Totals {
    fn add(&mut self, seed: u64, report: &Report) {
        self.seeds += 1;
        if let Some(violation) = &report.violation {
            println!(
                "seed {seed} failed: {violation}\n  replay: cargo run --release -p sim -- --seed {seed} --trace"
            );
            self.failed.push(seed);
        }
        self.steps += report.steps;
        self.operations += report.operations;
        self.answered += report.answered;
        self.leaders += report.leaders;
        self.installs += report.installs;
        self.changes += report.changes;
        self.leases_ended += report.leases_ended;
        for (trouble, count) in &report.troubles {
            *self.troubles.entry(*trouble).or_default() += count;
        }
    }
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        println!("seed {} panics; replay: {REPLAY} --seed {} --trace", SEED.get(), SEED.get());
        print(info);
    }));
    let next = AtomicU64::new(arguments.from);
    let totals = Mutex::new(Totals::default());
    thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.to {
                        return;
                    }
                    let report = run(seed, &arguments);
                    totals.lock().expect("no panic while held").add(seed, &report);
                }
            });
        }
    });
    let totals = totals.into_inner().expect("no panic while held");
    println!("{totals:?}");
    if totals.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
