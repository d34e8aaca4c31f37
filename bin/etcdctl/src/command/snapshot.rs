//! `snapshot save`.
//!
//! The file appears under its name only when it is whole and on disk: it is written as `<file>.part`, checked for
//! the checksum the server appends, synced and renamed. Whatever goes wrong, the part is removed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use client::{Call, Client, ServerStream, method};
use proto::etcdserverpb as pb;

use super::{bad_args, text};
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::go::{duration, humanize};
use crate::print::write_line;
use crate::session::Session;
use crate::zap;

/// A database is a multiple of the sector; what is over is the checksum.
const SECTOR_BYTES: u64 = 512;
const CHECKSUM_BYTES: u64 = 32;
/// Only the owner may read a backup.
const FILE_MODE: u32 = 0o600;
const CALLER: &str = "command/snapshot.rs";

pub async fn save(run: &mut Invocation) -> Outcome {
    let [path] = run.args.as_slice() else {
        return Err(bad_args("snapshot save expects one argument <filename>"));
    };
    let path = text(path);
    let session = Session::open(run)?;
    // A backup may take long: only a timeout given on purpose bounds it.
    let call = if run.flags.changed("command-timeout") { session.call() } else { Call::default() };
    let version = fetch(&session, call, &path)
        .await
        .map_err(|failure| Failure { code: exit::INTERRUPTED, ..failure })?;
    write_line(&format!("Snapshot saved at {path}"))?;
    if !version.is_empty() {
        write_line(&format!("Server version {version}"))?;
    }
    Ok(())
}

/// The unfinished file, removed when it goes out of scope.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // After a rename there is nothing to remove.
        let _gone = fs::remove_file(&self.0);
    }
}

/// Saves and returns the version of the server, if it told.
async fn fetch(session: &Session, call: Call, path: &str) -> Result<String, Failure> {
    let [endpoint] = session.config.endpoints.as_slice() else {
        let text = session.config.endpoints.join(" ");
        return fail(format!("snapshot must be requested to one selected node, not multiple [{text}]"));
    };
    let client = session.client().await?;
    let part = Part(PathBuf::from(format!("{path}.part")));
    let shown = part.0.display().to_string();
    let file = create(&part.0).or_else(|error| {
        let error = client::go_io_text(&error.to_string());
        fail(format!("could not open {shown} (open {shown}: {error})"))
    })?;
    info("created temporary db file", &[("path", &shown)]);
    let start = Instant::now();
    let version = receive(&client, call, file, endpoint, start).await?;
    let target = Path::new(path);
    fs::rename(&part.0, target)
        .or_else(|error| fail(format!("could not rename {shown} to {path} ({error})")))?;
    info("saved", &[("path", path)]);
    Ok(version)
}

async fn receive(
    client: &Client,
    call: Call,
    mut file: File,
    endpoint: &str,
    start: Instant,
) -> Result<String, Failure> {
    let wire = |error: client::Error| Failure::new(exit::ERROR, error);
    let mut stream =
        ServerStream::open(client, &method::SNAPSHOT, call, pb::SnapshotRequest {}).await.map_err(wire)?;
    client_info("opened snapshot stream; downloading");
    let mut version = None;
    let mut size = 0;
    loop {
        let message = stream.next().await.map_err(|error| match version {
            Some(_) => Failure::new(exit::ERROR, format!("could not write snapshot: {error}")),
            None => wire(error),
        })?;
        let Some(message) = message else { break };
        if version.is_none() {
            info("fetching snapshot", &[("endpoint", endpoint)]);
        }
        version.get_or_insert(message.version);
        file.write_all(&message.blob).or_else(|error| fail(format!("could not write snapshot: {error}")))?;
        size += message.blob.len() as u64;
    }
    client_info("completed snapshot read; closing");
    let Some(version) = version else { return fail("EOF".to_owned()) };
    if size % SECTOR_BYTES != CHECKSUM_BYTES {
        return fail(format!("sha256 checksum not found [bytes: {size}]"));
    }
    file.sync_all().or_else(|error| fail(format!("could not fsync snapshot: {error}")))?;
    let took = duration::format(i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX));
    let fields = [
        ("endpoint", endpoint),
        ("size", &humanize::bytes(size)),
        ("took", &took),
        ("etcd-version", &version),
    ];
    info("fetched snapshot", &fields);
    Ok(version)
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

fn info(message: &str, fields: &[(&str, &str)]) {
    zap::line("info", None, CALLER, message, fields);
}

/// What etcd's client library, not its tool, reports.
fn client_info(message: &str) {
    zap::line("info", Some(zap::CLIENT), CALLER, message, &[]);
}

fn fail<T>(text: String) -> Result<T, Failure> {
    Err(Failure::new(exit::ERROR, text))
}
