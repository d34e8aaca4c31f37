//! The `etcd` program: flags, log, HTTP edges and metrics around the member. Command line in, exit code out.
//!
//! It never holds replicated state and decides nothing about it; that is `core`. What users and scripts see (texts,
//! exit codes, the order of lines) is etcd 3.7.1's. Exit codes: 0 for what was asked, 1 for a configuration or
//! start that failed, 2 for a command line that could not be read and for what etcd panics at. Start at [`run`].

mod checks;
mod clock;
pub mod config;
mod connected;
mod fault;
pub mod flags;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod notation;
mod notices;
mod observe;
mod peers;
mod readers;
mod rpc;
pub mod server;
mod settings;
mod signals;
mod stages;
pub mod startup;
mod stop;
pub mod url;
pub mod version;
mod web;

use config::{Config, Invalid};
use flags::{Flags, Refusal, environment, help};
use std::process::ExitCode;

/// A configuration or a start that failed.
pub const EXIT_FAILURE: u8 = 1;
/// A command line that cannot be read, or what etcd panics at.
pub const EXIT_USAGE: u8 = 2;

/// Runs the program. `arguments` begin with the program's name; `variables` are the environment in the system's
/// order.
pub fn run(arguments: Vec<String>, variables: Vec<(String, String)>) -> ExitCode {
    if let Err(error) = logging::install(&logging::Settings::default()) {
        eprintln!("error creating logger {error}");
        return ExitCode::from(EXIT_FAILURE);
    }
    match configure(&arguments, variables) {
        Ok(config) => start(config),
        Err(code) => code,
    }
}

fn configure(arguments: &[String], mut variables: Vec<(String, String)>) -> Result<Config, ExitCode> {
    check_architecture(&mut variables)?;
    let words = arguments.get(1..).unwrap_or_default();
    if let Some(command @ ("gateway" | "grpc-proxy")) = words.first().map(String::as_str) {
        eprintln!("etcd {command} is not supported by this build yet");
        return Err(ExitCode::from(EXIT_FAILURE));
    }
    let parsed = flags::parse(words).map_err(|refusal| {
        if let Refusal::Mistake(text) = &refusal {
            eprintln!("{text}");
        }
        eprintln!("{}", help::USAGE);
        match refusal {
            Refusal::Help => {
                println!("{}", help::listing());
                ExitCode::SUCCESS
            }
            Refusal::Mistake(_) => ExitCode::from(EXIT_USAGE),
        }
    })?;
    let outcome = match parsed.positional.first() {
        Some(word) => Err(Invalid::Flag(format!("{} is not a valid flag", notation::quote(word)))),
        None if parsed.flags.bool("version") => {
            print!("{}", version::report());
            return Err(ExitCode::SUCCESS);
        }
        None => configure_from(parsed.flags, &variables)?,
    };
    if let Err(Invalid::LogLevel(_)) = &outcome {
        eprintln!("panic: {}", outcome.as_ref().expect_err("matched above"));
        return Err(ExitCode::from(EXIT_USAGE));
    }
    log::info!(args:serde = arguments; "Running: ");
    outcome.map_err(|error| {
        log::warn!(error:err = error; "failed to verify flags");
        if error == Invalid::AdvertiseClientUrlsUnset {
            log::warn!(error:err = error; "advertise client URLs are not set");
        }
        ExitCode::from(EXIT_FAILURE)
    })
}

/// Flags, then variables, then validation. The outer error has had its line.
fn configure_from(
    mut flags: Flags,
    variables: &environment::Variables,
) -> Result<Result<Config, Invalid>, ExitCode> {
    let applied = environment::apply(&mut flags, variables);
    let applied = applied.map_err(|environment::Shadowed| ExitCode::from(EXIT_FAILURE))?;
    let deprecated = [
        ("max-snapshots", "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8."),
        (
            "v2-deprecation",
            "--v2-deprecation is deprecated and scheduled for removal in v3.8. The default value is enforced, \
             ignoring user input.",
        ),
    ];
    if let Err(error) = applied {
        return Ok(Err(Invalid::Flag(error)));
    }
    let logging = match config::set_up_log(&flags) {
        Ok(logging) => logging,
        Err(error) => return Ok(Err(error)),
    };
    let warnings = deprecated.map(|(flag, text)| flags.is_given(flag).then_some(text));
    let outcome = Config::new(flags, logging);
    for text in warnings.into_iter().flatten() {
        log::warn!("{text}");
    }
    Ok(outcome)
}

/// Start-up up to where the listeners are opened.
fn start(mut config: Config) -> ExitCode {
    config.apply_default_host(&config::detect_default_host());
    if config.flags.text("data-dir").is_empty() {
        let data_dir = config.member.data_dir.display().to_string();
        log::warn!("data-dir":% = data_dir; "'data-dir' was empty; using default");
    }
    if let Err(code) = startup::identify_data_dir(&config.member.data_dir) {
        return code;
    }
    config.repeat_warnings();
    server::run(config)
}

/// etcd runs unasked on four architectures; on others only if `ETCD_UNSUPPORTED_ARCH` names them. The variable is
/// then spent.
fn check_architecture(variables: &mut Vec<(String, String)>) -> Result<(), ExitCode> {
    let arch = version::arch();
    if ["amd64", "arm64", "ppc64le", "s390x"].contains(&arch) {
        return Ok(());
    }
    let at = variables.iter().position(|(key, _)| key == "ETCD_UNSUPPORTED_ARCH");
    let named = at.map(|at| variables.remove(at).1);
    if named.as_deref() == Some(arch) {
        log::info!(arch; "running etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is set");
        return Ok(());
    }
    log::error!(arch; "Refusing to run etcd on unsupported architecture since ETCD_UNSUPPORTED_ARCH is not set");
    Err(ExitCode::from(EXIT_FAILURE))
}
