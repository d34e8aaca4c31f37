//! `make-mirror`: copies keys to another cluster, then follows their changes.

use std::cell::Cell;
use std::time::Duration;

use client::watch::{Notification, Watcher};
use client::{Call, Client, Config, Error, Login, method, prefix_range_end};
use proto::etcdserverpb as pb;
use proto::etcdserverpb::request_op::Request;
use proto::mvccpb::event::EventType;

use super::{bad_args, text};
use crate::cli::flag::Flags;
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::print::write_line;
use crate::prompt;
use crate::session::Session;

/// Keys read from the source at once.
const PAGE: i64 = 1000;
/// How often the number of copied changes is printed.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);
/// Any key: it is read only for the revision in the answer.
const REVISION_KEY: &[u8] = b"foo";

pub async fn run(run: &mut Invocation) -> Outcome {
    let [destination] = run.args.as_slice() else {
        return Err(bad_args("make-mirror takes one destination argument"));
    };
    let destination = text(destination);
    refuse_tls(&run.flags)?;
    let login = login(&run.flags)?;
    let session = Session::open(run)?;
    let config = Config { endpoints: vec![destination], login, ..session.config.clone() };
    let to = Client::connect(config).await.map_err(exit::with(exit::BAD_CONNECTION))?;
    let from = session.client().await?;
    let mirror = Mirror::new(from, to, &run.flags)?;
    let error = tokio::select! {
        error = mirror.copy() => error,
        outcome = report(&mirror.copied) => return outcome,
    };
    Err(Failure::new(exit::ERROR, error))
}

fn refuse_tls(flags: &Flags) -> Outcome {
    let given =
        ["dest-cert", "dest-key", "dest-cacert"].into_iter().find(|name| !flags.string(name).is_empty());
    let given = given.or((!flags.bool("dest-insecure-transport")).then_some("dest-insecure-transport=false"));
    match given {
        Some(name) => {
            let text = format!("--{name} is refused: this build of etcdctl has no TLS yet");
            Err(Failure::new(exit::BAD_FEATURE, text))
        }
        None => Ok(()),
    }
}

fn login(flags: &Flags) -> Result<Login, Failure> {
    let (user, password) = (flags.string("dest-user"), flags.string("dest-password"));
    if user.is_empty() {
        return Ok(Login::Anonymous);
    }
    let (user, password) = match (password, user.split_once(':')) {
        ("", Some((user, password))) => (user, password.to_owned()),
        ("", None) => (user, prompt::password("Destination Password: ").map_err(exit::with(exit::ERROR))?),
        (password, _) => (user, password.to_owned()),
    };
    Ok(Login::Password { user: user.to_owned(), password })
}

/// Prints the count again and again.
async fn report(copied: &Cell<u64>) -> Outcome {
    loop {
        tokio::time::sleep(REPORT_INTERVAL).await;
        write_line(&copied.get().to_string())?;
    }
}

struct Mirror {
    from: Client,
    to: Client,
    prefix: Vec<u8>,
    /// Takes the place of the first occurrence of `prefix` in a key.
    replacement: Vec<u8>,
    /// The first revision to copy; 0 to copy all keys first.
    start: i64,
    max_operations: usize,
    copied: Cell<u64>,
}

impl Mirror {
    fn new(from: Client, to: Client, flags: &Flags) -> Result<Mirror, Failure> {
        let (prefix, replacement) = (flags.string("prefix"), flags.string("dest-prefix"));
        let root = flags.bool("no-dest-prefix");
        if root && !replacement.is_empty() {
            return Err(bad_args(
                "`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one",
            ));
        }
        // Revision 1 has no changes: nothing to begin after.
        let start = (flags.int("rev") - 1).max(0);
        let keep = start == 0 && !root && replacement.is_empty();
        Ok(Mirror {
            from,
            to,
            prefix: prefix.as_bytes().to_vec(),
            replacement: if keep { prefix } else { replacement }.as_bytes().to_vec(),
            start,
            max_operations: usize::try_from(flags.uint("max-txn-ops")).unwrap_or(usize::MAX),
            copied: Cell::new(0),
        })
    }

    /// Copies until something fails.
    async fn copy(&self) -> String {
        match self.try_copy().await {
            // A watch that just ends leaves Go without an error to print.
            Ok(()) => "<nil>".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    async fn try_copy(&self) -> Result<(), Error> {
        let seen = if self.start == 0 { self.copy_keys().await? } else { self.start };
        let (key, end) = self.range();
        let request = pb::WatchCreateRequest {
            key: key.into(),
            range_end: end.into(),
            start_revision: seen + 1,
            ..pb::WatchCreateRequest::default()
        };
        let mut watcher = Watcher::without_leader(&self.from);
        watcher.create(request).await?;
        while let Some((_, notification)) = watcher.next().await {
            if notification.compact_revision != 0
                && let Some(error) = notification.error()
            {
                return Err(error);
            }
            self.apply(notification).await?;
        }
        Ok(())
    }

    /// Copies all keys of one revision and returns it.
    async fn copy_keys(&self) -> Result<i64, Error> {
        let probe = pb::RangeRequest { key: REVISION_KEY.into(), ..pb::RangeRequest::default() };
        let response = self.from.call(&method::RANGE, Call::default(), probe).await?;
        let revision = response.header.unwrap_or_default().revision;
        let (mut key, end) = self.range();
        loop {
            let request = pb::RangeRequest {
                key: key.into(),
                range_end: end.clone().into(),
                limit: PAGE,
                revision,
                ..pb::RangeRequest::default()
            };
            let page = self.from.call(&method::RANGE, Call::default(), request).await?;
            let last = page.kvs.last().map(|kv| kv.key.clone());
            for kv in page.kvs {
                let request = pb::PutRequest {
                    key: self.renamed(&kv.key).into(),
                    value: kv.value,
                    ..pb::PutRequest::default()
                };
                self.to.call(&method::PUT, Call::default(), request).await?;
                self.copied.set(self.copied.get() + 1);
            }
            match last {
                Some(last) if page.more => key = [last.as_ref(), b"\0"].concat(),
                _ => return Ok(revision),
            }
        }
    }

    /// One transaction for the changes of each revision, more where they are too many for one.
    async fn apply(&self, notification: Notification) -> Result<(), Error> {
        let mut operations = Vec::new();
        let mut revision = 0;
        for event in notification.events {
            let kv = event.kv.unwrap_or_default();
            let next = revision != 0 && kv.mod_revision > revision;
            if next || operations.len() == self.max_operations {
                self.commit(std::mem::take(&mut operations)).await?;
            }
            revision = kv.mod_revision;
            let key = self.renamed(&kv.key).into();
            operations.push(if event.r#type == EventType::Delete as i32 {
                Request::RequestDeleteRange(pb::DeleteRangeRequest {
                    key,
                    ..pb::DeleteRangeRequest::default()
                })
            } else {
                Request::RequestPut(pb::PutRequest { key, value: kv.value, ..pb::PutRequest::default() })
            });
            self.copied.set(self.copied.get() + 1);
        }
        if operations.is_empty() { Ok(()) } else { self.commit(operations).await }
    }

    async fn commit(&self, operations: Vec<Request>) -> Result<(), Error> {
        let success =
            operations.into_iter().map(|request| pb::RequestOp { request: Some(request) }).collect();
        let request = pb::TxnRequest { success, ..pb::TxnRequest::default() };
        self.to.call(&method::TXN, Call::default(), request).await.map(drop)
    }

    fn range(&self) -> (Vec<u8>, Vec<u8>) {
        if self.prefix.is_empty() {
            return (vec![0], vec![0]);
        }
        (self.prefix.clone(), prefix_range_end(&self.prefix))
    }

    fn renamed(&self, key: &[u8]) -> Vec<u8> {
        let at = match self.prefix.len() {
            0 => Some(0),
            length => key.windows(length).position(|window| window == self.prefix),
        };
        match at {
            Some(at) => [&key[..at], &self.replacement, &key[at + self.prefix.len()..]].concat(),
            None => key.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse::parse;
    use crate::cli::table::ROOT;

    async fn mirror(line: &str) -> Result<Mirror, Failure> {
        let row = ROOT.children.iter().find(|child| child.name() == "make-mirror").unwrap();
        let mut flags = Flags::new(row.flags);
        let words: Vec<Vec<u8>> = line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        parse(&mut flags, &words).unwrap();
        let config = Config { endpoints: vec!["127.0.0.1:1".to_owned()], ..Config::default() };
        let client = Client::connect(config).await.unwrap();
        Mirror::new(client.clone(), client, &flags)
    }

    async fn check(line: &str, key: &str, expected: &str) {
        let renamed =
            mirror(line).await.unwrap_or_else(|failure| panic!("{failure:?}")).renamed(key.as_bytes());
        assert_eq!(String::from_utf8(renamed).unwrap(), expected, "{line}");
    }

    #[tokio::test]
    async fn keys_are_renamed() {
        check("", "a/b", "a/b").await;
        check("--prefix a/", "a/a/b", "a/a/b").await;
        check("--prefix a/ --dest-prefix c/", "a/a/b", "c/a/b").await;
        check("--prefix a/ --no-dest-prefix", "a/b", "b").await;
        // With a revision the destination prefix has no default.
        check("--prefix a/ --rev 5", "a/b", "b").await;
        check("--dest-prefix c/", "b", "c/b").await;
    }

    #[tokio::test]
    async fn two_destinations_are_refused() {
        let refused = mirror("--dest-prefix c/ --no-dest-prefix").await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code, exit::BAD_ARGS);
    }
}
