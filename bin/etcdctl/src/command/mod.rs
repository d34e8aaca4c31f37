//! What each command does.
//!
//! One file per family. A command checks its arguments first, then opens its [`Session`], makes its calls and
//! prints; this order decides which of several errors a user sees.

mod alarm;
mod auth;
mod child;
mod compaction;
pub mod completion;
mod del;
mod downgrade;
mod elect;
mod endpoint;
mod get;
mod lease;
mod lock;
mod make_mirror;
mod member;
mod move_leader;
mod put;
mod role;
mod seat;
mod snapshot;
mod txn;
mod user;
pub mod watch;

use client::Call;
use proto::etcdserverpb as pb;

use crate::cli::help;
use crate::cli::parse::Arg;
use crate::cli::resolve::{Invocation, find};
use crate::cli::spec::Action;
use crate::cli::table::{GLOBAL, ROOT};
use crate::exit::{self, Failure, Outcome};
use crate::go::number::{NumberError, parse_int, parse_uint};
use crate::print::{write_line, write_out};
use crate::session::Session;

/// Runs a resolved command on a runtime of its own. `argv` is the whole command line.
pub fn run(run: Invocation, argv: &[Arg]) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(exit::with(exit::ERROR))?;
    runtime.block_on(dispatch(run, argv))
}

async fn dispatch(mut run: Invocation, argv: &[Arg]) -> Outcome {
    let Some(action) = run.path.command().action else { unreachable!("only runnable commands are run") };
    let run = &mut run;
    match action {
        Action::Put => put::run(run).await,
        Action::Get => get::run(run).await,
        Action::Del => del::run(run).await,
        Action::Txn => txn::run(run).await,
        Action::Compaction => compaction::run(run).await,
        Action::Watch => watch::run(run, argv).await,
        Action::LeaseGrant => lease::grant(run).await,
        Action::LeaseRevoke => lease::revoke(run).await,
        Action::LeaseTimeToLive => lease::time_to_live(run).await,
        Action::LeaseList => lease::list(run).await,
        Action::LeaseKeepAlive => lease::keep_alive(run).await,
        Action::AlarmDisarm => alarm::disarm(run).await,
        Action::AlarmList => alarm::list(run).await,
        Action::Defrag => endpoint::defrag(run).await,
        Action::EndpointHealth => endpoint::health(run).await,
        Action::EndpointStatus => endpoint::status(run).await,
        Action::EndpointHashKv => endpoint::hash(run).await,
        Action::MoveLeader => move_leader::run(run).await,
        Action::MemberAdd => member::add(run).await,
        Action::MemberRemove => member::remove(run).await,
        Action::MemberUpdate => member::update(run).await,
        Action::MemberList => member::list(run).await,
        Action::MemberPromote => member::promote(run).await,
        Action::SnapshotSave => snapshot::save(run).await,
        Action::DowngradeValidate => downgrade::run(run, downgrade::Step::Validate).await,
        Action::DowngradeEnable => downgrade::run(run, downgrade::Step::Enable).await,
        Action::DowngradeCancel => downgrade::run(run, downgrade::Step::Cancel).await,
        Action::AuthEnable => auth::enable(run).await,
        Action::AuthDisable => auth::disable(run).await,
        Action::AuthStatus => auth::status(run).await,
        Action::UserAdd => user::add(run).await,
        Action::UserDelete => user::delete(run).await,
        Action::UserGet => user::get(run).await,
        Action::UserList => user::list(run).await,
        Action::UserPasswd => user::passwd(run).await,
        Action::UserGrantRole => user::grant_role(run).await,
        Action::UserRevokeRole => user::revoke_role(run).await,
        Action::RoleAdd => role::add(run).await,
        Action::RoleDelete => role::delete(run).await,
        Action::RoleGet => role::get(run).await,
        Action::RoleList => role::list(run).await,
        Action::RoleGrantPermission => role::grant_permission(run).await,
        Action::RoleRevokePermission => role::revoke_permission(run).await,
        Action::Lock => lock::run(run).await,
        Action::Elect => elect::run(run).await,
        Action::MakeMirror => make_mirror::run(run).await,
        Action::Version => version(),
        Action::Completion => completion::script(run),
        Action::Options => options(),
        Action::Help => help(run),
        Action::NotBuilt => {
            let text = format!("{} is refused: this build of etcdctl does not have it yet", run.path.text());
            Err(Failure::new(exit::BAD_FEATURE, text))
        }
    }
}

/// The version of etcd this program behaves like.
const VERSION: &str = "3.7.1";

fn version() -> Outcome {
    write_line(&format!("etcdctl version: {VERSION}\nAPI version: {}", client::API_VERSION))
}

fn options() -> Outcome {
    let usages = help::flag_usages(&GLOBAL, "etcdctl");
    write_line(&format!("The following options can be passed to any command:\n\n{usages}"))
}

/// Help about an unknown topic is no failure.
fn help(run: &Invocation) -> Outcome {
    match find(&ROOT, &run.args) {
        Ok((path, _)) => write_out(help::help(&path).as_bytes()),
        Err((root, _)) => {
            let words: Vec<String> = run.args.iter().map(|arg| format!("`{}`", text(arg))).collect();
            eprint!("Unknown help topic [{}]\n{}", words.join(" "), help::usage(&root));
            Ok(())
        }
    }
}

/// An argument as text; names the server knows are UTF-8.
fn text(arg: &Arg) -> String {
    String::from_utf8_lossy(arg).into_owned()
}

fn bad_args(message: impl std::fmt::Display) -> Failure {
    Failure::new(exit::BAD_ARGS, message)
}

/// `--consistency`: whether a read is serializable.
fn is_serializable(option: &str) -> Result<bool, Failure> {
    match option {
        "s" => Ok(true),
        "l" => Ok(false),
        other => {
            let quoted = crate::go::quote::quote(other.as_bytes());
            Err(Failure::new(exit::BAD_FEATURE, format!("unknown consistency flag {quoted}")))
        }
    }
}

fn hex_i64(arg: &Arg) -> Result<i64, NumberError> {
    parse_int(&text(arg), 16)
}

fn hex_u64(arg: &Arg) -> Result<u64, NumberError> {
    parse_uint(&text(arg), 16)
}

/// Key and end of a range named by a key with `--prefix` or `--from-key`. The empty key stands for all keys.
fn range_of(key: &[u8], prefix: bool, from_key: bool) -> (Vec<u8>, Vec<u8>) {
    if !prefix && !from_key {
        return (key.to_vec(), Vec::new());
    }
    if key.is_empty() {
        return (vec![0], vec![0]);
    }
    let end = if prefix { client::prefix_range_end(key) } else { vec![0] };
    (key.to_vec(), end)
}

/// A unary call, then its answer printed.
async fn call<Req, Resp>(
    run: &mut Invocation,
    method: &client::method::Unary<Req, Resp>,
    bounded: bool,
    request: Req,
) -> Result<(Session, Resp), Failure>
where
    Req: prost::Message + Clone + Default + 'static,
    Resp: prost::Message + Default + 'static,
{
    let session = Session::open(run)?;
    let client = session.client().await?;
    let call = if bounded { session.call() } else { Call::default() };
    let response = client.call(method, call, request).await.map_err(exit::with(exit::ERROR))?;
    Ok((session, response))
}

/// Names of all members' client URLs.
async fn cluster_endpoints(session: &Session) -> Result<Vec<String>, Failure> {
    let client = client::Client::connect(session.config.clone()).await.map_err(exit::with(exit::ERROR))?;
    let request = pb::MemberListRequest { linearizable: true };
    let response =
        client.call(&client::method::MEMBER_LIST, session.call(), request).await.map_err(|error| {
            let text = format!("failed to fetch endpoints from etcd cluster member list: {error}");
            Failure::new(exit::ERROR, text)
        })?;
    Ok(response.members.into_iter().flat_map(|member| member.client_ur_ls).collect())
}
