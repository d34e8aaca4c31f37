//! Rows of membership (formats: bucket table of etcd's backend): JSON written byte by byte as Go does.

use super::{Attributes, Downgrade, Member, json};
use crate::{Error, rows};
use backend::Bucket;
use bytes::Bytes;
use proto::raftpb::ConfState;
use std::fmt::Write;

/// An ID as etcd prints it: lower-case hex without leading zeros. Also the row's key.
pub(super) fn id(id: u64) -> Bytes {
    format!("{id:x}").into()
}

pub(super) fn parse_id(bucket: Bucket, key: &[u8]) -> Result<u64, Error> {
    let text = rows::text(bucket, key)?;
    u64::from_str_radix(text, 16).map_err(|_| Error::row(bucket, format!("{text:?} is no member ID")))
}

impl Member {
    /// `{"id":…,"peerURLs":[…],"isLearner":true,"name":"…","clientURLs":[…]}`; the last three only if set.
    pub(super) fn to_json(&self) -> Bytes {
        self.to_json_with("").into()
    }

    /// As [`Member::to_json`], with more fields before the end.
    pub(super) fn to_json_with(&self, more: &str) -> String {
        let mut out = String::new();
        write!(out, "{{\"id\":{},\"peerURLs\":", self.id).expect("writing to a string cannot fail");
        json::push_strs(&mut out, &self.peer_urls);
        if self.is_learner {
            out.push_str(",\"isLearner\":true");
        }
        if !self.attributes.name.is_empty() {
            out.push_str(",\"name\":");
            json::push_str(&mut out, &self.attributes.name);
        }
        if !self.attributes.client_urls.is_empty() {
            out.push_str(",\"clientURLs\":");
            json::push_strs(&mut out, &self.attributes.client_urls);
        }
        out.push_str(more);
        out.push('}');
        out
    }

    pub(super) fn from_json(bytes: &[u8]) -> Result<Member, String> {
        let object = json::Object::parse(bytes)?;
        Ok(Member {
            id: object.u64("id")?,
            peer_urls: object.strings("peerURLs")?,
            is_learner: object.bool("isLearner")?,
            attributes: Attributes {
                name: object.string("name")?,
                client_urls: object.strings("clientURLs")?,
            },
        })
    }
}

impl Attributes {
    /// `{"name":"…","clientURLs":[…]}`, as members up to 3.5 publish it and v2 stores hold it.
    pub fn from_json(bytes: &[u8]) -> Result<Attributes, String> {
        let object = json::Object::parse(bytes)?;
        Ok(Attributes { name: object.string("name")?, client_urls: object.strings("clientURLs")? })
    }

    /// Also what a raw v2 request to publish carries.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        if !self.name.is_empty() {
            out.push_str("\"name\":");
            json::push_str(&mut out, &self.name);
        }
        if !self.client_urls.is_empty() {
            out.push_str(if out.len() > 1 { ",\"clientURLs\":" } else { "\"clientURLs\":" });
            json::push_strs(&mut out, &self.client_urls);
        }
        out.push('}');
        out
    }
}

impl Downgrade {
    pub(super) fn to_json(&self) -> Bytes {
        let mut out = String::from("{\"target-version\":");
        json::push_str(&mut out, &self.target);
        write!(out, ",\"enabled\":{}}}", self.enabled).expect("writing to a string cannot fail");
        out.into()
    }

    pub(super) fn from_json(bytes: &[u8]) -> Result<Downgrade, String> {
        let object = json::Object::parse(bytes)?;
        Ok(Downgrade { enabled: object.bool("enabled")?, target: object.string("target-version")? })
    }
}

/// `{"voters":[…],"learners":[…],"auto_leave":false}`: empty lists are left out.
pub(super) fn conf_state(conf: &ConfState) -> Bytes {
    let mut out = String::from("{");
    for (name, ids) in [
        ("voters", &conf.voters),
        ("learners", &conf.learners),
        ("voters_outgoing", &conf.voters_outgoing),
        ("learners_next", &conf.learners_next),
    ] {
        if !ids.is_empty() {
            let list: Vec<String> = ids.iter().map(u64::to_string).collect();
            write!(out, "\"{name}\":[{}],", list.join(",")).expect("writing to a string cannot fail");
        }
    }
    write!(out, "\"auto_leave\":{}}}", conf.auto_leave()).expect("writing to a string cannot fail");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_round_trip() {
        let text = r#"{"id":10276657743932975437,"peerURLs":["http://localhost:2380"],"name":"default","clientURLs":["http://localhost:2379"]}"#;
        let member = Member::from_json(text.as_bytes()).unwrap();
        assert_eq!(member.id, 0x8e9e05c52164694d);
        assert_eq!(member.to_json(), text.as_bytes());
        let learner = Member { id: 1, is_learner: true, ..Member::default() };
        assert_eq!(learner.to_json(), r#"{"id":1,"peerURLs":null,"isLearner":true}"#.as_bytes());
        assert_eq!(Member::from_json(&learner.to_json()), Ok(learner));
    }

    #[test]
    fn other_rows() {
        let downgrade = Downgrade { enabled: true, target: "3.6.0".into() };
        assert_eq!(downgrade.to_json(), r#"{"target-version":"3.6.0","enabled":true}"#.as_bytes());
        assert_eq!(Downgrade::from_json(&downgrade.to_json()), Ok(downgrade));
        let conf = ConfState::simple(vec![1, u64::MAX], vec![]);
        assert_eq!(conf_state(&conf), r#"{"voters":[1,18446744073709551615],"auto_leave":false}"#.as_bytes());
        let attributes = Attributes { name: "a".into(), client_urls: vec!["u".into(), "v".into()] };
        assert_eq!(attributes.to_json(), r#"{"name":"a","clientURLs":["u","v"]}"#);
        assert_eq!(Attributes::default().to_json(), "{}");
    }
}
