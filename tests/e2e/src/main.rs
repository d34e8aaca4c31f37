//! Runs the scripts against server binaries and shows where their answers differ from the recorded ones.

use e2e::schema::Schema;
use e2e::{script, session};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
e2e --server ETCD [--server ETCD ...] [--server-flag FLAG ...] [--other ETCD] [--etcdutl ETCDUTL] [--rewrite] [--port P]
    [--dir D] [SCRIPT ...]

Runs tests/e2e/scripts (or SCRIPTs) against each server and compares with the recorded answers.
--server-flag is for the servers and not for the other.
--other goes on with the data in scripts that `switch` or `restore`.
--rewrite records the answers of the server anew; only right with Go etcd of the release we follow.
";

/// Differences shown for one script.
const SHOWN_MAX: usize = 20;

struct Arguments {
    servers: Vec<PathBuf>,
    server_flags: Vec<String>,
    other: Option<PathBuf>,
    etcdutl: Option<PathBuf>,
    rewrite: bool,
    port: u16,
    directory: PathBuf,
    scripts: Vec<PathBuf>,
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
    let schema = Schema::load();
    let mut different = 0;
    for server in &arguments.servers {
        let mut steps = 0;
        for path in &arguments.scripts {
            match runtime.block_on(compare(&arguments, &schema, server, path)) {
                Ok((ran, found)) => {
                    steps += ran;
                    different += found;
                    println!("{}: {ran} steps, {found} differences", path.display());
                }
                Err(text) => {
                    different += 1;
                    println!("{}: {text}", path.display());
                }
            }
        }
        println!("{}: {steps} steps, {different} differences", server.display());
    }
    ExitCode::from(u8::from(different > 0))
}

async fn compare(
    arguments: &Arguments,
    schema: &Schema,
    server: &Path,
    path: &Path,
) -> Result<(usize, usize), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let script = script::parse(&text);
    let data = arguments.directory.join(path.file_stem().ok_or("a script has a name")?);
    let place = session::Place {
        binary: server,
        other: arguments.other.as_deref(),
        etcdutl: arguments.etcdutl.as_deref(),
        data: &data,
        port: arguments.port,
        flags: &arguments.server_flags,
    };
    let answers = session::run(&script, schema, &place).await?;
    if arguments.rewrite {
        if let Some(answer) = answers.iter().find(|answer| answer.starts_with("FAILED")) {
            return Err(format!("not recorded: {answer}"));
        }
        std::fs::write(path, script::write(&script, &answers)).map_err(|e| e.to_string())?;
        return Ok((answers.len(), 0));
    }
    let mut found = 0;
    for (step, answer) in script.steps.iter().zip(&answers) {
        if step.expected != *answer {
            found += 1;
            if found <= SHOWN_MAX {
                println!("{}:{}: {}\n--- recorded", path.display(), step.line, step.command);
                println!("{}+++ {}\n{answer}", step.expected, server.display());
            }
        }
    }
    Ok((answers.len(), found))
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments {
        servers: Vec::new(),
        server_flags: Vec::new(),
        other: None,
        etcdutl: None,
        rewrite: false,
        port: 21_400,
        directory: PathBuf::from("target/e2e"),
        scripts: Vec::new(),
    };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} without a value"));
        match name.as_str() {
            "--server" => parsed.servers.push(value()?.into()),
            "--server-flag" => parsed.server_flags.push(value()?),
            "--other" => parsed.other = Some(value()?.into()),
            "--etcdutl" => parsed.etcdutl = Some(value()?.into()),
            "--rewrite" => parsed.rewrite = true,
            "--port" => parsed.port = value()?.parse().map_err(|_| "--port wants a number")?,
            "--dir" => parsed.directory = value()?.into(),
            _ if name.starts_with('-') => return Err(format!("{name} is no option")),
            _ => parsed.scripts.push(name.into()),
        }
    }
    if parsed.scripts.is_empty() {
        parsed.scripts = scripts()?;
    }
    if parsed.servers.is_empty() || (parsed.rewrite && parsed.servers.len() > 1) {
        return Err("want a server; to rewrite, exactly one".into());
    }
    Ok(parsed)
}

fn scripts() -> Result<Vec<PathBuf>, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut scripts = std::fs::read_dir(directory)
        .map_err(|e| e.to_string())?
        .map(|entry| entry.map(|entry| entry.path()).map_err(|e| e.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    scripts.sort();
    Ok(scripts)
}
