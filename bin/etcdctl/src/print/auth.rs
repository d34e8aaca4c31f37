//! Answers about users, roles and authentication.

use client::prefix_range_end;
use prost::Message;
use proto::authpb::{Permission, permission::Type};
use proto::etcdserverpb as pb;

use super::fields::Fields;
use super::json::{Object, string};
use super::{NoProtobuf, Printable, Style};
use crate::go::quote::quote;

/// The role that may do everything, whatever its permissions say.
const ROOT: &str = "root";
/// A range end that means there is none.
const OPEN_END: &[u8] = b"\0";

impl Printable for pb::AuthStatusResponse {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        let text = format!("Authentication Status: {}\nAuthRevision: {}\n", self.enabled, self.auth_revision);
        out.extend(text.into_bytes());
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            object
                .header(self.header.as_ref())
                .some("enabled", self.enabled)
                .some("authRevision", self.auth_revision);
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.encode_to_vec())
    }
}

/// A change to a user, whose answer is only a header.
#[derive(Debug)]
pub struct UserAction {
    /// What the simple format says.
    pub text: String,
    pub header: Option<pb::ResponseHeader>,
}

/// A change to a role, whose answer is only a header.
pub type RoleAction = UserAction;

impl Printable for UserAction {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'\n');
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        Fields::new(style, self.header.as_ref()).done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| _ = object.header(self.header.as_ref()));
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        // All these answers are alike: field 1 is the header.
        Ok(pb::AuthUserAddResponse { header: self.header }.encode_to_vec())
    }
}

/// A user's roles, or the list of users.
#[derive(Debug)]
pub enum UserRead {
    Get { user: String, response: pb::AuthUserGetResponse },
    List(pb::AuthUserListResponse),
}

impl Printable for UserRead {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        let text = match self {
            UserRead::Get { user, response } => {
                let roles: String = response.roles.iter().map(|role| format!(" {role}")).collect();
                format!("User: {user}\nRoles:{roles}\n")
            }
            UserRead::List(response) => response.users.iter().map(|user| format!("{user}\n")).collect(),
        };
        out.extend(text.into_bytes());
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        let (header, name, names) = match self {
            UserRead::Get { response, .. } => (&response.header, "roles", &response.roles),
            UserRead::List(response) => (&response.header, "users", &response.users),
        };
        Object::write(out, |object| {
            object.header(header.as_ref()).some_list(name, names, |name, out| string(out, name));
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(match self {
            UserRead::Get { response, .. } => response.encode_to_vec(),
            UserRead::List(response) => response.encode_to_vec(),
        })
    }
}

/// The list of roles.
#[derive(Debug)]
pub struct RoleRead(pub pb::AuthRoleListResponse);

impl Printable for RoleRead {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        self.0.roles.iter().for_each(|role| out.extend(format!("{role}\n").into_bytes()));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut out = Fields::new(style, self.0.header.as_ref()).done()?;
        let roles: String = self.0.roles.iter().map(|role| format!(" {}", quote(role.as_bytes()))).collect();
        out.extend(format!("\"Roles\" :{roles}\n").into_bytes());
        Some(out)
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            object
                .header(self.0.header.as_ref())
                .some_list("roles", &self.0.roles, |role, out| string(out, role));
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.0.encode_to_vec())
    }
}

/// What a role may do.
#[derive(Debug)]
pub struct Permissions {
    pub role: String,
    pub response: pb::AuthRoleGetResponse,
}

impl Permissions {
    fn may(&self, wanted: Type) -> impl Iterator<Item = &Permission> {
        self.response
            .perm
            .iter()
            .filter(move |perm| perm.perm_type == wanted as i32 || perm.perm_type == Type::Readwrite as i32)
    }
}

/// `[a, z)`, `[q, <open ended>`, `[p/, p0) (prefix p/)` or `key`, on a line.
fn push_range(out: &mut Vec<u8>, perm: &Permission) {
    let (key, end) = (perm.key.as_ref(), perm.range_end.as_ref());
    let parts: &[&[u8]] = match end {
        b"" => &[b"\t", key],
        OPEN_END => &[b"\t[", key, b", <open ended>"],
        end => &[b"\t[", key, b", ", end, b")"],
    };
    out.extend(parts.concat());
    if !end.is_empty() && !key.is_empty() && prefix_range_end(key) == end {
        out.extend([b" (prefix ", key, b")"].concat());
    }
    out.push(b'\n');
}

impl Printable for Permissions {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        out.extend(format!("Role {}\n", self.role).into_bytes());
        if self.role == ROOT && self.response.perm.is_empty() {
            out.extend_from_slice(b"KV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n");
            return;
        }
        out.extend_from_slice(b"KV Read:\n");
        self.may(Type::Read).for_each(|perm| push_range(out, perm));
        out.extend_from_slice(b"KV Write:\n");
        self.may(Type::Write).for_each(|perm| push_range(out, perm));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.response.header.as_ref());
        for perm in &self.response.perm {
            let kind = Type::try_from(perm.perm_type)
                .map_or_else(|_| perm.perm_type.to_string(), |kind| kind.as_str_name().to_owned());
            fields
                .value("PermType", format!(" {kind}"))
                .quoted("Key", &perm.key)
                .quoted("RangeEnd", &perm.range_end);
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            object.header(self.response.header.as_ref()).some_objects(
                "perm",
                &self.response.perm,
                |perm, object| {
                    object
                        .some("permType", perm.perm_type)
                        .some_bytes("key", &perm.key)
                        .some_bytes("range_end", &perm.range_end);
                },
            );
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.response.encode_to_vec())
    }
}
