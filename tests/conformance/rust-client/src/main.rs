//! The Rust client that most use, crates.io's `etcd-client`, against a fresh server of one member:
//! `rust-client ENDPOINT DIRECTORY`. It knows nothing of the server but its address.
//!
//! What it expects is what Go etcd 3.7.1 answers. The first wrong answer ends it with a panic, and exit code 101.

mod errors;
mod kv;
mod lease;
mod maintenance;
mod watch;

use etcd_client::{Client, ConnectOptions, Error};
use std::future::Future;
use std::time::Duration;

/// Bound of one request, and of the wait for one message of a stream.
const WAIT_MAX: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, directory] = arguments.as_slice() else {
        eprintln!("rust-client ENDPOINT DIRECTORY");
        std::process::exit(2);
    };
    let options = ConnectOptions::new().with_connect_timeout(WAIT_MAX).with_require_leader(true);
    let mut client = Client::connect([endpoint], Some(options)).await.expect("a connection");
    kv::puts_and_gets(&mut client).await;
    kv::range_options(&mut client).await;
    kv::range_stream(&mut client).await;
    kv::transactions(&mut client).await;
    watch::history_and_cancel(&mut client).await;
    watch::live_with_filters(&mut client).await;
    watch::two_on_one_stream(&mut client).await;
    lease::grant_attach_and_revoke(&mut client).await;
    lease::keep_alive(&mut client).await;
    lease::expiry_deletes(&mut client).await;
    maintenance::members_and_status(&mut client).await;
    maintenance::hashes(&mut client).await;
    maintenance::alarms(&mut client).await;
    maintenance::snapshot_and_defragment(&mut client, directory.as_ref()).await;
    errors::refusals(&mut client).await;
    watch::compacted(&mut client).await;
    println!("rust-client: all as expected");
}

/// The outcome of a call or the next message of a stream, within [`WAIT_MAX`].
async fn soon<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(WAIT_MAX, call).await.expect("an answer in time")
}

/// The same, where an error would be wrong.
async fn done<T>(call: impl Future<Output = Result<T, Error>>) -> T {
    soon(call).await.expect("no error")
}

/// The revision of the store.
async fn revision(client: &mut Client) -> i64 {
    done(client.get("no such key", None)).await.header().expect("a header").revision()
}

/// Key and value, as text.
fn pair(kv: &etcd_client::KeyValue) -> (&str, &str) {
    (kv.key_str().expect("UTF-8"), kv.value_str().expect("UTF-8"))
}
