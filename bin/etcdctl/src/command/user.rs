//! `user` and its sub-commands. None is bounded by the command timeout.

use std::io::Read as _;

use client::{Call, method};
use proto::authpb::UserAddOptions;
use proto::etcdserverpb as pb;

use super::{bad_args, text};
use crate::cli::resolve::Invocation;
use crate::exit::{self, Failure, Outcome};
use crate::print::{Permissions, UserAction, UserRead, write_line};
use crate::prompt;
use crate::session::Session;

pub async fn add(run: &mut Invocation) -> Outcome {
    let name = one(run, "user add command requires user name as its argument")?;
    let no_password = run.flags.bool("no-password");
    let given = run.flags.string("new-user-password").to_owned();
    let (user, password) = if no_password {
        (name, String::new())
    } else if !given.is_empty() {
        (name, given)
    } else if let Some((user, password)) = name.split_once(':') {
        if user.is_empty() {
            return Err(bad_args("empty user name is not allowed"));
        }
        (user.to_owned(), password.to_owned())
    } else {
        let password = new_password(run, &name)?;
        (name, password)
    };
    let request = pb::AuthUserAddRequest {
        name: user.clone(),
        password,
        options: Some(UserAddOptions { no_password }),
        hashed_password: String::new(),
    };
    let (session, response) = super::call(run, &method::USER_ADD, false, request).await?;
    session.printer.show(&UserAction { text: format!("User {user} created"), header: response.header })
}

pub async fn delete(run: &mut Invocation) -> Outcome {
    let user = one(run, "user delete command requires user name as its argument")?;
    let request = pb::AuthUserDeleteRequest { name: user.clone() };
    let (session, response) = super::call(run, &method::USER_DELETE, false, request).await?;
    session.printer.show(&UserAction { text: format!("User {user} deleted"), header: response.header })
}

pub async fn get(run: &mut Invocation) -> Outcome {
    let user = one(run, "user get command requires user name as its argument")?;
    let session = Session::open(run)?;
    let client = session.client().await?;
    let call = Call::default();
    let request = pb::AuthUserGetRequest { name: user.clone() };
    let response = client.call(&method::USER_GET, call, request).await.map_err(exit::with(exit::ERROR))?;
    if !run.flags.bool("detail") {
        return session.printer.show(&UserRead::Get { user, response });
    }
    write_line(&format!("User: {user}"))?;
    for role in response.roles {
        write_line("")?;
        let request = pb::AuthRoleGetRequest { role: role.clone() };
        let response =
            client.call(&method::ROLE_GET, call, request).await.map_err(exit::with(exit::ERROR))?;
        session.printer.show(&Permissions { role, response })?;
    }
    Ok(())
}

pub async fn list(run: &mut Invocation) -> Outcome {
    if !run.args.is_empty() {
        return Err(bad_args("user list command requires no arguments"));
    }
    let (session, response) = super::call(run, &method::USER_LIST, false, pb::AuthUserListRequest {}).await?;
    session.printer.show(&UserRead::List(response))
}

pub async fn passwd(run: &mut Invocation) -> Outcome {
    let name = one(run, "user passwd command requires user name as its argument")?;
    let password = new_password(run, &name)?;
    let request = pb::AuthUserChangePasswordRequest { name, password, hashed_password: String::new() };
    let (session, response) = super::call(run, &method::USER_CHANGE_PASSWORD, false, request).await?;
    session.printer.show(&UserAction { text: "Password updated".to_owned(), header: response.header })
}

pub async fn grant_role(run: &mut Invocation) -> Outcome {
    let (user, role) = two(run, "user grant command requires user name and role name as its argument")?;
    let request = pb::AuthUserGrantRoleRequest { user: user.clone(), role: role.clone() };
    let (session, response) = super::call(run, &method::USER_GRANT_ROLE, false, request).await?;
    let text = format!("Role {role} is granted to user {user}");
    session.printer.show(&UserAction { text, header: response.header })
}

pub async fn revoke_role(run: &mut Invocation) -> Outcome {
    let (user, role) = two(run, "user revoke-role requires user name and role name as its argument")?;
    let request = pb::AuthUserRevokeRoleRequest { name: user.clone(), role: role.clone() };
    let (session, response) = super::call(run, &method::USER_REVOKE_ROLE, false, request).await?;
    let text = format!("Role {role} is revoked from user {user}");
    session.printer.show(&UserAction { text, header: response.header })
}

fn one(run: &Invocation, error: &str) -> Result<String, Failure> {
    match run.args.as_slice() {
        [name] => Ok(text(name)),
        _ => Err(bad_args(error)),
    }
}

fn two(run: &Invocation, error: &str) -> Result<(String, String), Failure> {
    match run.args.as_slice() {
        [first, second] => Ok((text(first), text(second))),
        _ => Err(bad_args(error)),
    }
}

/// Asked for twice, or with `--interactive=false` the first word of standard input.
fn new_password(run: &Invocation, user: &str) -> Result<String, Failure> {
    if !run.flags.bool("interactive") {
        return Ok(word_of_stdin());
    }
    let ask = |question: String| {
        prompt::password(&question).map_err(|error| bad_args(format!("failed to ask password: {error}")))
    };
    let first = ask(format!("Password of {user}: "))?;
    if first.is_empty() {
        return Err(bad_args("empty password"));
    }
    let second = ask(format!("Type password of {user} again for confirmation: "))?;
    if first != second {
        return Err(bad_args("given passwords are different"));
    }
    Ok(first)
}

/// The first word of the first line; empty if there is none.
fn word_of_stdin() -> String {
    let mut input = String::new();
    // What cannot be read counts as no password, as in Go.
    let _unreadable = std::io::stdin().lock().take(WORD_MAX).read_to_string(&mut input);
    let line = input.lines().next().unwrap_or("");
    line.split_whitespace().next().unwrap_or("").to_owned()
}

/// Bytes of standard input looked at for a password.
const WORD_MAX: u64 = 4096;
