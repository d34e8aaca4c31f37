//! `etcdctl`: etcd's command-line client.
//!
//! It never keeps state of its own. Arguments are resolved against one table ([`cli::table`]), global flags and
//! environment make a [`session::Session`], a command makes its calls through the `client` crate, and what comes
//! back is printed in one of five formats ([`print`]). Names, output, errors and exit codes are Go etcdctl's.
//!
//! Adding a flag or command: its row in [`cli::table`], its action in [`command`].

mod cli;
mod command;
mod exit;
mod go;
mod print;
mod prompt;
mod session;
mod zap;

use std::os::unix::ffi::OsStringExt;

use cli::resolve::{Resolved, resolve};
use cli::{help, parse::Arg};
use exit::{Failure, Outcome};

fn main() {
    let argv: Vec<Arg> = std::env::args_os().map(OsStringExt::into_vec).collect();
    let outcome = run(&argv);
    if let Err(Failure { code, message }) = outcome {
        if let Some(message) = message {
            eprintln!("Error: {message}");
        }
        std::process::exit(code);
    }
}

fn run(argv: &[Arg]) -> Outcome {
    let args = argv.get(1..).unwrap_or_default();
    if let Some(described) = command::completion::requested(args) {
        return command::completion::complete(&args[1..], described);
    }
    match resolve(&cli::table::ROOT, args) {
        Resolved::Run(run) => command::run(run, argv),
        Resolved::Help(path) => print::write_out(help::help(&path).as_bytes()),
        Resolved::UnknownCommand(path, error) => {
            eprintln!("Error: {error}");
            eprintln!("Run '{} --help' for usage.", path.text());
            Err(Failure::silent(exit::ERROR))
        }
        Resolved::BadUsage(path, error) => {
            eprintln!("Error: {error}");
            eprintln!("{}", help::usage(&path));
            Err(Failure::silent(exit::ERROR))
        }
    }
}
