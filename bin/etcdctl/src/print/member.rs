//! Answers about members, and of the commands that move leadership or the cluster's version.

use prost::Message;
use proto::etcdserverpb as pb;

use super::fields::Fields;
use super::json::Object;
use super::{NoProtobuf, Printable, Style, Table};

fn member_members(member: &pb::Member, object: &mut Object, style: Style) {
    if style.hex {
        object.text("ID", &format!("{:x}", member.id));
    } else {
        object.some("ID", member.id);
    }
    object
        .some_text("name", &member.name)
        .some_list("peerURLs", &member.peer_ur_ls, |url, out| super::json::string(out, url))
        .some_list("clientURLs", &member.client_ur_ls, |url, out| super::json::string(out, url))
        .some("isLearner", member.is_learner);
}

/// The header and the members, IDs as hexadecimal strings with `--hex`.
fn json(
    out: &mut Vec<u8>,
    style: Style,
    header: Option<&pb::ResponseHeader>,
    member: Option<&pb::Member>,
    members: &[pb::Member],
) {
    Object::write(out, |object| {
        match header {
            Some(header) if style.hex => {
                object.object("header", |object| {
                    object
                        .text("cluster_id", &format!("{:x}", header.cluster_id))
                        .text("member_id", &format!("{:x}", header.member_id))
                        .some("revision", header.revision)
                        .some("raft_term", header.raft_term);
                });
            }
            header => _ = object.header(header),
        }
        object.some_object("member", member, |member, object| member_members(member, object, style));
        if style.hex {
            object.array("members", members, |member, object| member_members(member, object, style));
        } else {
            object.some_objects("members", members, |member, object| member_members(member, object, style));
        }
    });
}

impl Printable for pb::MemberListResponse {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        out.extend(member_table(self).lines().into_bytes());
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.header.as_ref());
        for member in &self.members {
            fields.id("ID", member.id).quoted("Name", member.name.as_bytes());
            for url in &member.peer_ur_ls {
                fields.quoted("PeerURL", url.as_bytes());
            }
            for url in &member.client_ur_ls {
                fields.quoted("ClientURL", url.as_bytes());
            }
            fields.value("IsLearner", member.is_learner).blank();
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, style: Style) {
        json(out, style, self.header.as_ref(), None, &self.members);
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.encode_to_vec())
    }

    fn table(&self) -> Option<Table> {
        Some(member_table(self))
    }
}

fn member_table(response: &pb::MemberListResponse) -> Table {
    let row = |member: &pb::Member| {
        vec![
            format!("{:x}", member.id),
            if member.name.is_empty() { "unstarted" } else { "started" }.to_owned(),
            member.name.clone(),
            member.peer_ur_ls.join(","),
            member.client_ur_ls.join(","),
            member.is_learner.to_string(),
        ]
    };
    Table {
        headings: &["ID", "Status", "Name", "Peer Addrs", "Client Addrs", "Is Learner"],
        rows: response.members.iter().map(row).collect(),
    }
}

/// A membership change that was made.
#[derive(Debug)]
pub enum MemberChange {
    Added(pb::MemberAddResponse),
    Removed(u64, pb::MemberRemoveResponse),
    Updated(u64, pb::MemberUpdateResponse),
    Promoted(u64, pb::MemberPromoteResponse),
}

impl MemberChange {
    fn parts(&self) -> (Option<&pb::ResponseHeader>, Option<&pb::Member>, &[pb::Member]) {
        match self {
            MemberChange::Added(r) => (r.header.as_ref(), r.member.as_ref(), &r.members),
            MemberChange::Removed(_, r) => (r.header.as_ref(), None, &r.members),
            MemberChange::Updated(_, r) => (r.header.as_ref(), None, &r.members),
            MemberChange::Promoted(_, r) => (r.header.as_ref(), None, &r.members),
        }
    }
}

impl Printable for MemberChange {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        let (header, member, _) = self.parts();
        let cluster = header.map_or(0, |header| header.cluster_id);
        let text = match self {
            MemberChange::Added(_) => {
                let id = member.map_or(0, |member| member.id);
                let learner = if member.is_some_and(|member| member.is_learner) { " as learner" } else { "" };
                format!("Member {id:16x} added{learner} to cluster {cluster:16x}\n")
            }
            MemberChange::Removed(id, _) => format!("Member {id:16x} removed from cluster {cluster:16x}\n"),
            MemberChange::Updated(id, _) => format!("Member {id:16x} updated in cluster {cluster:16x}\n"),
            MemberChange::Promoted(id, _) => format!("Member {id:16x} promoted in cluster {cluster:16x}\n"),
        };
        out.extend(text.into_bytes());
    }

    fn json(&self, out: &mut Vec<u8>, style: Style) {
        let (header, member, members) = self.parts();
        json(out, style, header, member, members);
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(match self {
            MemberChange::Added(response) => response.encode_to_vec(),
            MemberChange::Removed(_, response) => response.encode_to_vec(),
            MemberChange::Updated(_, response) => response.encode_to_vec(),
            MemberChange::Promoted(_, response) => response.encode_to_vec(),
        })
    }
}

#[derive(Debug)]
pub struct LeaderMoved {
    pub from: u64,
    pub to: u64,
    pub response: pb::MoveLeaderResponse,
}

impl Printable for LeaderMoved {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        let text = format!("Leadership transferred from {:x} to {:x}\n", self.from, self.to);
        out.extend(text.into_bytes());
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| _ = object.header(self.response.header.as_ref()));
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.response.encode_to_vec())
    }
}

#[derive(Debug)]
pub struct Downgraded {
    /// `validate`, `enable` or `cancel`.
    pub action: &'static str,
    pub response: pb::DowngradeResponse,
}

impl Printable for Downgraded {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        let text = format!("Downgrade {} success, cluster version {}\n", self.action, self.response.version);
        out.extend(text.into_bytes());
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            object.header(self.response.header.as_ref()).some_text("version", &self.response.version);
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.response.encode_to_vec())
    }
}
