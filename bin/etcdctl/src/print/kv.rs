//! Answers about keys: range, put, delete, transaction, watch.

use client::watch::Notification;
use prost::Message as _;
use proto::etcdserverpb as pb;
use proto::mvccpb::{Event, KeyValue, event::EventType};

use super::fields::Fields;
use super::json::{Object, header_members, kv_members};
use super::{NoProtobuf, Printable, Style};

fn simple_kv(out: &mut Vec<u8>, style: Style, kv: &KeyValue) {
    if !style.value_only {
        simple_bytes(out, style, &kv.key);
    }
    simple_bytes(out, style, &kv.value);
}

fn simple_bytes(out: &mut Vec<u8>, style: Style, bytes: &[u8]) {
    if style.hex {
        bytes.iter().for_each(|byte| out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()));
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'\n');
}

impl Printable for pb::RangeResponse {
    fn simple(&self, out: &mut Vec<u8>, style: Style) {
        self.kvs.iter().for_each(|kv| simple_kv(out, style, kv));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.header.as_ref());
        for kv in &self.kvs {
            fields.kv("", kv);
        }
        fields.value("More", self.more).value("Count", self.count);
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| range_members(self, object));
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.encode_to_vec())
    }
}

fn range_members(response: &pb::RangeResponse, object: &mut Object) {
    object
        .header(response.header.as_ref())
        .some_objects("kvs", &response.kvs, kv_members)
        .some("more", response.more)
        .some("count", response.count);
}

impl Printable for pb::PutResponse {
    fn simple(&self, out: &mut Vec<u8>, style: Style) {
        out.extend_from_slice(b"OK\n");
        self.prev_kv.iter().for_each(|kv| simple_kv(out, style, kv));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.header.as_ref());
        if let Some(kv) = &self.prev_kv {
            fields.kv("Prev", kv);
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| put_members(self, object));
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.encode_to_vec())
    }
}

fn put_members(response: &pb::PutResponse, object: &mut Object) {
    object.header(response.header.as_ref()).some_object("prev_kv", response.prev_kv.as_ref(), kv_members);
}

impl Printable for pb::DeleteRangeResponse {
    fn simple(&self, out: &mut Vec<u8>, style: Style) {
        out.extend_from_slice(format!("{}\n", self.deleted).as_bytes());
        self.prev_kvs.iter().for_each(|kv| simple_kv(out, style, kv));
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.header.as_ref());
        fields.value("Deleted", self.deleted);
        for kv in &self.prev_kvs {
            fields.kv("Prev", kv);
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| delete_members(self, object));
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.encode_to_vec())
    }
}

fn delete_members(response: &pb::DeleteRangeResponse, object: &mut Object) {
    object.header(response.header.as_ref()).some("deleted", response.deleted).some_objects(
        "prev_kvs",
        &response.prev_kvs,
        kv_members,
    );
}

/// The parts of a transaction's answer that are answers themselves.
fn part(response: &pb::ResponseOp) -> Option<&dyn Printable> {
    use pb::response_op::Response;
    Some(match response.response.as_ref()? {
        Response::ResponseRange(range) => range,
        Response::ResponsePut(put) => put,
        Response::ResponseDeleteRange(delete) => delete,
        Response::ResponseTxn(txn) => txn,
    })
}

impl Printable for pb::TxnResponse {
    fn simple(&self, out: &mut Vec<u8>, style: Style) {
        out.extend_from_slice(if self.succeeded { b"SUCCESS\n" } else { b"FAILURE\n" });
        for response in &self.responses {
            out.push(b'\n');
            if let Some(part) = part(response) {
                part.simple(out, style);
            }
        }
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.header.as_ref());
        fields.value("Succeeded", self.succeeded);
        let mut out = fields.done()?;
        for response in self.responses.iter().filter_map(part) {
            out.extend(response.fields(style)?);
        }
        Some(out)
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| txn_members(self, object));
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.encode_to_vec())
    }
}

fn txn_members(response: &pb::TxnResponse, object: &mut Object) {
    use pb::response_op::Response;
    object.header(response.header.as_ref()).some("succeeded", response.succeeded).some_objects(
        "responses",
        &response.responses,
        |response, object| {
            object.object("Response", |object| match &response.response {
                Some(Response::ResponseRange(range)) => {
                    object.object("response_range", |object| range_members(range, object));
                }
                Some(Response::ResponsePut(put)) => {
                    object.object("response_put", |object| put_members(put, object));
                }
                Some(Response::ResponseDeleteRange(delete)) => {
                    object.object("response_delete_range", |object| delete_members(delete, object));
                }
                Some(Response::ResponseTxn(txn)) => {
                    object.object("response_txn", |object| txn_members(txn, object));
                }
                None => {}
            });
        },
    );
}

/// `PUT` or `DELETE`.
#[must_use]
fn event_name(event: &Event) -> String {
    EventType::try_from(event.r#type)
        .map_or_else(|_| event.r#type.to_string(), |kind| kind.as_str_name().into())
}

impl Printable for Notification {
    fn simple(&self, out: &mut Vec<u8>, style: Style) {
        let nothing = KeyValue::default();
        for event in &self.events {
            out.extend_from_slice(format!("{}\n", event_name(event)).as_bytes());
            event.prev_kv.iter().for_each(|kv| simple_kv(out, style, kv));
            simple_kv(out, style, event.kv.as_ref().unwrap_or(&nothing));
        }
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, Some(&self.header));
        let nothing = KeyValue::default();
        for event in &self.events {
            fields.value("Type", event_name(event));
            if let Some(kv) = &event.prev_kv {
                fields.kv("Prev", kv);
            }
            fields.kv("", event.kv.as_ref().unwrap_or(&nothing));
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            object
                .object("Header", |object| header_members(&self.header, object))
                .list("Events", &self.events, |event, out| {
                    Object::write(out, |object| {
                        object
                            .some("type", event.r#type)
                            .some_object("kv", event.kv.as_ref(), kv_members)
                            .some_object("prev_kv", event.prev_kv.as_ref(), kv_members);
                    });
                })
                .always("CompactRevision", self.compact_revision)
                .always("Canceled", self.canceled)
                .always("Created", false)
                .text("CancelReason", &self.cancel_reason);
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        let message = pb::WatchResponse {
            header: Some(self.header),
            events: self.events.clone(),
            compact_revision: self.compact_revision,
            canceled: self.canceled,
            ..pb::WatchResponse::default()
        };
        Ok(message.encode_to_vec())
    }
}
