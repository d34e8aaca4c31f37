//! Alarms.

use prost::Message as _;
use proto::etcdserverpb as pb;

use super::fields::Fields;
use super::json::Object;
use super::{NoProtobuf, Printable, Style};

fn alarm_name(alarm: i32) -> String {
    pb::AlarmType::try_from(alarm).map_or_else(|_| alarm.to_string(), |kind| kind.as_str_name().to_owned())
}

impl Printable for pb::AlarmResponse {
    /// One line per alarm, as protobuf's text format; zero fields are left out there.
    fn simple(&self, out: &mut Vec<u8>, _style: Style) {
        for member in &self.alarms {
            let mut parts = Vec::new();
            if member.member_id != 0 {
                parts.push(format!("memberID:{}", member.member_id));
            }
            if member.alarm != 0 {
                parts.push(format!("alarm:{}", alarm_name(member.alarm)));
            }
            out.extend(parts.join(" ").into_bytes());
            out.push(b'\n');
        }
    }

    fn fields(&self, style: Style) -> Option<Vec<u8>> {
        let mut fields = Fields::new(style, self.header.as_ref());
        for member in &self.alarms {
            fields.id("MemberID", member.member_id).value("AlarmType", alarm_name(member.alarm)).blank();
        }
        fields.done()
    }

    fn json(&self, out: &mut Vec<u8>, _style: Style) {
        Object::write(out, |object| {
            object.header(self.header.as_ref()).some_objects("alarms", &self.alarms, |member, object| {
                object.some("memberID", member.member_id).some("alarm", member.alarm);
            });
        });
    }

    fn protobuf(&self) -> Result<Vec<u8>, NoProtobuf> {
        Ok(self.encode_to_vec())
    }
}
