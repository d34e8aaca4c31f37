//! Answers about leases. Their JSON flattens the header, and their protobuf form is the header alone: Go prints
//! wrappers around the messages, and the header is the only message it finds in them.

use prost::Message as _;
use proto::etcdserverpb as pb;

use super::fields::Fields;
use super::json::{Object, base64, header_members};
use super::{NoProtobuf, Printable, Style};

/// Remaining time to live of a lease that is gone.
const EXPIRED: i64 = -1;

fn flat_header(object: &mut Object, header: Option<&pb::ResponseHeader>) {
    if let Some(header) = header {
        header_members(header, object);
    }
}

fn header_bytes(header: Option<&pb::ResponseHeader>) -> Result<Vec<u8>, NoProtobuf> {
    Ok(header.copied().unwrap_or_default().encode_to_vec())
}

fn line(out: &mut Vec<u8>, text: String) {
    out.extend(text.into_bytes());
    out.push(b'\n');
}

#[derive(Debug)]
pub struct Granted(pub pb::LeaseGrantResponse);

impl Printable for Granted {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        line(out, format!("lease {:016x} granted with TTL({}s)", self.0.id, self.0.ttl));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.0.header.as_ref());
        fields.lease("ID", self.0.id).value("TTL", self.0.ttl);
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            flat_header(object, self.0.header.as_ref());
            object.always("ID", self.0.id).always("TTL", self.0.ttl).text("Error", &self.0.error);
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        header_bytes(self.0.header.as_ref())
    }
}

#[derive(Debug)]
pub struct KeptAlive(pub pb::LeaseKeepAliveResponse);

impl Printable for KeptAlive {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        line(out, format!("lease {:016x} keepalived with TTL({})", self.0.id, self.0.ttl));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.0.header.as_ref());
        fields.lease("ID", self.0.id).value("TTL", self.0.ttl);
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            flat_header(object, self.0.header.as_ref());
            object.always("ID", self.0.id).always("TTL", self.0.ttl);
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        header_bytes(self.0.header.as_ref())
    }
}

#[derive(Debug)]
pub struct Revoked {
    pub id: i64,
    pub response: pb::LeaseRevokeResponse,
}

impl Printable for Revoked {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        line(out, format!("lease {:016x} revoked", self.id));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        Fields::new(style, self.response.header.as_ref()).done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            object.header(self.response.header.as_ref());
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Err(NoProtobuf::NotAMessage("*clientv3.LeaseRevokeResponse"))
    }
}

#[derive(Debug)]
pub struct TimeToLive {
    pub response: pb::LeaseTimeToLiveResponse,
    /// Whether the keys were asked for.
    pub keys: bool,
}

impl Printable for TimeToLive {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        let pb::LeaseTimeToLiveResponse { id, ttl, granted_ttl, keys, .. } = &self.response;
        if *granted_ttl == 0 && *ttl == EXPIRED {
            return line(out, format!("lease {id:016x} already expired"));
        }
        let text = format!("lease {id:016x} granted with TTL({granted_ttl}s), remaining({ttl}s)");
        out.extend(text.into_bytes());
        if self.keys {
            out.extend_from_slice(b", attached keys([");
            out.extend(keys.join(&b' '));
            out.extend_from_slice(b"])");
        }
        out.push(b'\n');
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let pb::LeaseTimeToLiveResponse { header, id, ttl, granted_ttl, keys } = &self.response;
        let mut fields = Fields::new(style, header.as_ref());
        fields.lease("ID", *id).value("TTL", ttl).value("GrantedTTL", granted_ttl);
        for key in keys {
            fields.quoted("Key", key);
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        let pb::LeaseTimeToLiveResponse { header, id, ttl, granted_ttl, keys } = &self.response;
        Object::write(out, |object| {
            flat_header(object, header.as_ref());
            object.always("id", id).always("ttl", ttl).always("granted-ttl", granted_ttl).list(
                "keys",
                keys,
                |key, out| base64(out, key),
            );
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        header_bytes(self.response.header.as_ref())
    }
}

#[derive(Debug)]
pub struct Leases(pub pb::LeaseLeasesResponse);

impl Printable for Leases {
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        line(out, format!("found {} leases", self.0.leases.len()));
        self.0.leases.iter().for_each(|lease| line(out, format!("{:016x}", lease.id)));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.0.header.as_ref());
        for lease in &self.0.leases {
            fields.lease("ID", lease.id);
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            flat_header(object, self.0.header.as_ref());
            // Never null: the wrapper's slice is made, even when it stays empty.
            object.array("leases", &self.0.leases, |lease, object| {
                object.always("id", lease.id);
            });
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        header_bytes(self.0.header.as_ref())
    }
}
