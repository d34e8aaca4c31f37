//! `watch`, also interactive and with a command to run for each event.

use std::ffi::OsString;
use std::io::BufRead as _;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Command, Stdio};

use client::watch::{Notification, WatchNumber, Watcher};
use proto::etcdserverpb as pb;
use proto::mvccpb::{Event, KeyValue, event::EventType};
use tokio::sync::mpsc;

use super::child::{signal_text, spawn_text};
use crate::cli::flag::Flags;
use crate::cli::parse::{Arg, parse};
use crate::cli::resolve::{HELP, Invocation};
use crate::cli::table::WATCH;
use crate::exit::{self, Failure, Outcome};
use crate::go::quote::quote;
use crate::go::scan::words;
use crate::print::{Printer, write_line};
use crate::session::{Session, WATCH_END, WATCH_KEY};

/// Interactive lines read ahead of the watches.
const LINE_QUEUE: usize = 16;

const BAD_NUMBER: &str = "bad number of arguments";
const CONFLICTING_KEY: &str = "bad number of arguments (found conflicting environment key)";
const NO_COMMAND: &str = "bad number of arguments (found separator --, but no commands)";

/// What to watch, and what to run for each event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Target {
    /// Key, and perhaps a range end.
    keys: Vec<Arg>,
    command: Vec<Arg>,
}

/// Key and range end from the environment; empty if unset.
struct Defaults {
    key: Arg,
    end: Arg,
}

impl Defaults {
    fn read() -> Result<Defaults, Failure> {
        let variable = |name| std::env::var_os(name).unwrap_or_default().into_vec();
        let defaults = Defaults { key: variable(WATCH_KEY), end: variable(WATCH_END) };
        if defaults.key.is_empty() && !defaults.end.is_empty() {
            let text = format!("{WATCH_KEY} is empty but got {WATCH_END}={}", quote(&defaults.end));
            return Err(super::bad_args(text));
        }
        Ok(defaults)
    }

    fn keys(&self) -> Vec<Arg> {
        [&self.key, &self.end].into_iter().filter(|part| !part.is_empty()).cloned().collect()
    }
}

pub async fn run(run: &mut Invocation, argv: &[Arg]) -> Outcome {
    let defaults = Defaults::read()?;
    if run.flags.bool("interactive") {
        return interactive(run, &defaults).await;
    }
    let target = from_command_line(argv, &run.args, &defaults).map_err(super::bad_args)?;
    let session = Session::open(run)?;
    let client = session.client().await?;
    let request = create_request(&run.flags, &target.keys).map_err(super::bad_args)?;
    let mut watcher = Watcher::new(&client);
    if let Err(error) = watcher.create(request).await {
        eprintln!("watch was canceled ({error})");
    }
    while let Some((_, notification)) = watcher.next().await {
        print(&session.printer, &notification)?;
        run_command(&target.command, &notification)?;
    }
    Err(Failure::new(exit::INTERRUPTED, "watch is canceled by the server"))
}

fn print(printer: &Printer, notification: &Notification) -> Outcome {
    if notification.canceled
        && let Some(error) = notification.error()
    {
        eprintln!("watch was canceled ({error})");
    }
    if notification.is_progress() {
        write_line(&format!("progress notify: {}", notification.header.revision))?;
    }
    printer.show(notification)
}

/// Runs the command once per event, the event in its environment.
fn run_command(command: &[Arg], notification: &Notification) -> Outcome {
    let Some((program, args)) = command.split_first() else { return Ok(()) };
    for event in &notification.events {
        let result = Command::new(OsString::from_vec(program.clone()))
            .args(args.iter().cloned().map(OsString::from_vec))
            .stdin(Stdio::null())
            .envs(environment(event, notification.header.revision))
            .status();
        let error = match result {
            Ok(status) if status.success() => continue,
            Ok(status) => match status.code() {
                Some(code) => format!("exit status {code}"),
                None => signal_text(status),
            },
            Err(error) => spawn_text(program, &error),
        };
        let shown: Vec<String> = command.iter().map(|word| quote(word)).collect();
        eprintln!("command [{}] error ({error})", shown.join(" "));
        return Err(Failure::silent(exit::ERROR));
    }
    Ok(())
}

fn environment(event: &Event, revision: i64) -> [(&'static str, String); 4] {
    let nothing = KeyValue::default();
    let kv = event.kv.as_ref().unwrap_or(&nothing);
    let kind = EventType::try_from(event.r#type)
        .map_or_else(|_| event.r#type.to_string(), |kind| kind.as_str_name().to_owned());
    [
        ("ETCD_WATCH_REVISION", revision.to_string()),
        ("ETCD_WATCH_EVENT_TYPE", quote(kind.as_bytes())),
        ("ETCD_WATCH_KEY", quote(&kv.key)),
        ("ETCD_WATCH_VALUE", quote(&kv.value)),
    ]
}

fn create_request(flags: &Flags, keys: &[Arg]) -> Result<pb::WatchCreateRequest, &'static str> {
    let key = keys.first().ok_or(BAD_NUMBER)?;
    let prefix = flags.bool("prefix");
    let (key, mut end) = super::range_of(key, prefix, false);
    if let [_, given] = keys {
        if prefix {
            return Err("`range_end` and `--prefix` are mutually exclusive");
        }
        end.clone_from(given);
    }
    Ok(pb::WatchCreateRequest {
        // The empty key is the least one.
        key: if key.is_empty() { vec![0] } else { key }.into(),
        range_end: end.into(),
        start_revision: flags.int("rev"),
        prev_kv: flags.bool("prev-kv"),
        progress_notify: flags.bool("progress-notify"),
        ..pb::WatchCreateRequest::default()
    })
}

/// The target of `watch` on a command line. `argv` is needed beside the parsed arguments, in which nothing is left
/// of the `--` that separates a command.
fn from_command_line(argv: &[Arg], args: &[Arg], defaults: &Defaults) -> Result<Target, &'static str> {
    let start = argv.iter().position(|arg| arg == b"watch").map_or(0, |at| at + 1);
    let raw = &argv[start..];
    let separator = raw.iter().position(|arg| arg == b"--");
    let has_key = !defaults.key.is_empty();
    match separator {
        Some(at) if at + 1 == raw.len() => return Err(NO_COMMAND),
        // All arguments must belong to the command, which follows the separator.
        Some(at) if has_key && args.len() > raw.len() - at - 1 => return Err(CONFLICTING_KEY),
        None if raw.is_empty() && !has_key => return Err(BAD_NUMBER),
        None if !args.is_empty() && has_key => return Err(CONFLICTING_KEY),
        _ => {}
    }
    let command = separator.map_or(&[][..], |at| &raw[at + 1..]);
    Ok(target(args, command, defaults))
}

/// Splits the command off the end of the arguments and puts the environment's key in front.
fn target(args: &[Arg], command: &[Arg], defaults: &Defaults) -> Target {
    let own = args.len().saturating_sub(command.len());
    let mut keys = defaults.keys();
    keys.extend_from_slice(&args[..own]);
    Target { keys, command: command.to_vec() }
}

/// The flags and the target of an interactive `watch …` line.
fn from_line(words: &[Arg], defaults: &Defaults) -> Result<(Flags, Target), String> {
    let args = &words[1..];
    let separator = args.iter().position(|arg| arg == b"--");
    if separator.is_some_and(|at| at + 1 == args.len()) {
        return Err(NO_COMMAND.to_owned());
    }
    let mut flags = Flags::new(WATCH.flags.iter().chain([&HELP]));
    let positional = parse(&mut flags, args)?;
    let has_key = !defaults.key.is_empty();
    if separator.is_none() && positional.is_empty() != has_key {
        return Err(if has_key { CONFLICTING_KEY } else { BAD_NUMBER }.to_owned());
    }
    let command = separator.map_or(&[][..], |at| &args[at + 1..]);
    let target = target(&positional, command, defaults);
    Ok((flags, target))
}

/// Reads requests from standard input while their watches print.
async fn interactive(run: &mut Invocation, defaults: &Defaults) -> Outcome {
    let session = Session::open(run)?;
    let client = session.client().await?;
    let mut watcher = Watcher::new(&client);
    let mut commands: Vec<Vec<Arg>> = Vec::new();
    let mut lines = read_lines();
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else {
                    let text = "error reading watch request line: EOF";
                    return Err(Failure::new(exit::INVALID_INPUT, text));
                };
                obey(&line, defaults, &mut watcher, &mut commands).await?;
            }
            (number, notification) = next(&mut watcher) => {
                print(&session.printer, &notification)?;
                run_command(&commands[number], &notification)?;
            }
        }
    }
}

/// The next notification; without watches there is none to wait for.
async fn next(watcher: &mut Watcher) -> (WatchNumber, Notification) {
    match watcher.next().await {
        Some(next) => next,
        None => std::future::pending().await,
    }
}

/// Does what a line says. Mistakes are told and forgotten, those in a watch's arguments end the process.
async fn obey(
    line: &[u8],
    defaults: &Defaults,
    watcher: &mut Watcher,
    commands: &mut Vec<Vec<Arg>>,
) -> Outcome {
    let shown = String::from_utf8_lossy(line);
    let words = words(line).map_err(exit::with(exit::INVALID_INPUT))?;
    match words.first().map(Vec::as_slice) {
        None => eprintln!("Invalid command: {shown} (watch and progress supported)"),
        Some(b"watch") if words.len() < 2 && defaults.key.is_empty() => {
            eprintln!("Invalid command {shown} (command type or key is not provided)");
        }
        Some(b"watch") => {
            let (flags, target) = from_line(&words, defaults).map_err(super::bad_args)?;
            match create_request(&flags, &target.keys) {
                Ok(request) => {
                    commands.push(target.command);
                    if let Err(error) = watcher.create(request).await {
                        eprintln!("watch was canceled ({error})");
                    }
                }
                Err(error) => eprintln!("Invalid command {shown} ({error})"),
            }
        }
        Some(b"progress") => watcher.request_progress().await.map_err(exit::with(exit::ERROR))?,
        Some(_) => eprintln!("Invalid command {shown} (only support watch)"),
    }
    Ok(())
}

/// Lines of standard input, from a thread that blocks on it. A last line without newline is dropped.
fn read_lines() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(LINE_QUEUE);
    std::thread::spawn(move || {
        let mut line = Vec::new();
        while std::io::stdin().lock().read_until(b'\n', &mut line).is_ok() && line.pop() == Some(b'\n') {
            if sender.blocking_send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<Arg> {
        line.split(' ').filter(|word| !word.is_empty()).map(|word| word.as_bytes().to_vec()).collect()
    }

    fn defaults(key: &str, end: &str) -> Defaults {
        Defaults { key: key.into(), end: end.into() }
    }

    fn check(argv: &str, parsed: &str, env: (&str, &str), expected: Result<(&str, &str), &'static str>) {
        let expected = expected.map(|(keys, command)| Target { keys: args(keys), command: args(command) });
        assert_eq!(
            from_command_line(&args(argv), &args(parsed), &defaults(env.0, env.1)),
            expected,
            "{argv}"
        );
    }

    #[test]
    fn command_lines() {
        check("etcdctl watch foo bar", "foo bar", ("", ""), Ok(("foo bar", "")));
        check("etcdctl watch foo --rev 1 -- echo hi", "foo echo hi", ("", ""), Ok(("foo", "echo hi")));
        check("etcdctl watch", "", ("", ""), Err(BAD_NUMBER));
        check("etcdctl watch", "", ("foo", "bar"), Ok(("foo bar", "")));
        check("etcdctl watch -- echo hi", "echo hi", ("foo", ""), Ok(("foo", "echo hi")));
        check("etcdctl watch x -- echo hi", "x echo hi", ("foo", ""), Err(CONFLICTING_KEY));
        check("etcdctl watch x", "x", ("foo", ""), Err(CONFLICTING_KEY));
        check("etcdctl watch foo --", "foo", ("", ""), Err(NO_COMMAND));
    }

    #[test]
    fn lines() {
        let parse = |line: &str, key| from_line(&args(line), &defaults(key, "")).map(|(_, target)| target);
        assert_eq!(
            parse("watch foo --rev 3 -- echo hi", ""),
            Ok(Target { keys: args("foo"), command: args("echo hi") })
        );
        assert_eq!(parse("watch", "foo"), Ok(Target { keys: args("foo"), command: vec![] }));
        assert_eq!(parse("watch --prefix", ""), Err(BAD_NUMBER.to_owned()));
        assert_eq!(parse("watch a", "foo"), Err(CONFLICTING_KEY.to_owned()));
        assert_eq!(parse("watch --bad", ""), Err("unknown flag: --bad".to_owned()));
    }

    #[test]
    fn the_environment_of_a_command() {
        let kv = KeyValue { key: b"k\n"[..].into(), value: b"\"v\""[..].into(), ..KeyValue::default() };
        let event = Event { r#type: 1, kv: Some(kv), prev_kv: None };
        let values = environment(&event, 11).map(|(_, value)| value);
        assert_eq!(values, ["11", "\"DELETE\"", "\"k\\n\"", "\"\\\"v\\\"\""]);
    }
}
