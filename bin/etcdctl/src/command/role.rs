//! `role` and its sub-commands. None is bounded by the command timeout.

use client::{method, prefix_range_end};
use proto::authpb::{Permission, permission::Type};
use proto::etcdserverpb as pb;

use super::{bad_args, text};
use crate::cli::flag::Flags;
use crate::cli::parse::Arg;
use crate::cli::resolve::Invocation;
use crate::exit::{Failure, Outcome};
use crate::print::{Permissions, RoleAction, RoleRead};

/// A range end that means there is none.
const OPEN_END: &[u8] = b"\0";

pub async fn add(run: &mut Invocation) -> Outcome {
    let name = one(run, "role add command requires role name as its argument")?;
    let request = pb::AuthRoleAddRequest { name: name.clone() };
    let (session, response) = super::call(run, &method::ROLE_ADD, false, request).await?;
    session.printer.show(&RoleAction { text: format!("Role {name} created"), header: response.header })
}

pub async fn delete(run: &mut Invocation) -> Outcome {
    let role = one(run, "role delete command requires role name as its argument")?;
    let request = pb::AuthRoleDeleteRequest { role: role.clone() };
    let (session, response) = super::call(run, &method::ROLE_DELETE, false, request).await?;
    session.printer.show(&RoleAction { text: format!("Role {role} deleted"), header: response.header })
}

pub async fn get(run: &mut Invocation) -> Outcome {
    let role = one(run, "role get command requires role name as its argument")?;
    let request = pb::AuthRoleGetRequest { role: role.clone() };
    let (session, response) = super::call(run, &method::ROLE_GET, false, request).await?;
    session.printer.show(&Permissions { role, response })
}

pub async fn list(run: &mut Invocation) -> Outcome {
    if !run.args.is_empty() {
        return Err(bad_args("role list command requires no arguments"));
    }
    let (session, response) = super::call(run, &method::ROLE_LIST, false, pb::AuthRoleListRequest {}).await?;
    session.printer.show(&RoleRead(response))
}

pub async fn grant_permission(run: &mut Invocation) -> Outcome {
    let [role, kind, range @ ..] = run.args.as_slice() else { return Err(grant_needs()) };
    if range.is_empty() {
        return Err(grant_needs());
    }
    let (role, kind) = (text(role), text(kind));
    let perm_type = Type::from_str_name(&kind.to_uppercase())
        .ok_or_else(|| bad_args(format!("invalid permission type: {kind}")))?;
    let (key, range_end) = permission_range(&run.flags, range)?;
    let perm = Permission { perm_type: perm_type as i32, key: key.into(), range_end: range_end.into() };
    let request = pb::AuthRoleGrantPermissionRequest { name: role.clone(), perm: Some(perm) };
    let (session, response) = super::call(run, &method::ROLE_GRANT_PERMISSION, false, request).await?;
    session.printer.show(&RoleAction { text: format!("Role {role} updated"), header: response.header })
}

fn grant_needs() -> Failure {
    bad_args("role grant command requires role name, permission type, and key [endkey] as its argument")
}

pub async fn revoke_permission(run: &mut Invocation) -> Outcome {
    let needs =
        || bad_args("role revoke-permission command requires role name and key [endkey] as its argument");
    let [role, range @ ..] = run.args.as_slice() else { return Err(needs()) };
    let given = range.first().ok_or_else(needs)?.clone();
    let role = text(role);
    let (key, end) = permission_range(&run.flags, range)?;
    let request = pb::AuthRoleRevokePermissionRequest {
        role: role.clone(),
        key: key.into(),
        range_end: end.clone().into(),
    };
    let (session, response) = super::call(run, &method::ROLE_REVOKE_PERMISSION, false, request).await?;
    let (key, shown_end) = (text(&given), text(&end));
    let text = match end.as_slice() {
        b"" => format!("Permission of key {key} is revoked from role {role}"),
        OPEN_END => format!("Permission of range [{key}, <open ended> is revoked from role {role}"),
        _ => format!("Permission of range [{key}, {shown_end}) is revoked from role {role}"),
    };
    session.printer.show(&RoleAction { text, header: response.header })
}

fn one(run: &Invocation, error: &str) -> Result<String, Failure> {
    match run.args.as_slice() {
        [name] => Ok(text(name)),
        _ => Err(bad_args(error)),
    }
}

/// Key and range end of a permission. The empty key becomes the least key there is.
fn permission_range(flags: &Flags, args: &[Arg]) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let (prefix, from_key) = (flags.bool("prefix"), flags.bool("from-key"));
    let exclusive = || bad_args("--from-key and --prefix flags are mutually exclusive");
    let key = &args[0];
    if key.is_empty() {
        if prefix && from_key {
            return Err(exclusive());
        }
        let end = if prefix || from_key { OPEN_END.to_vec() } else { Vec::new() };
        return Ok((vec![0], end));
    }
    let end = match (args.get(1), prefix, from_key) {
        (None, true, true) => return Err(exclusive()),
        (None, true, false) => prefix_range_end(key),
        (None, false, true) => OPEN_END.to_vec(),
        (None, false, false) => Vec::new(),
        (Some(_), true, _) => return Err(bad_args("unexpected endkey argument with --prefix flag")),
        (Some(_), false, true) => return Err(bad_args("unexpected endkey argument with --from-key flag")),
        (Some(end), false, false) => end.clone(),
    };
    Ok((key.clone(), end))
}
