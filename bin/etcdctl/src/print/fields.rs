//! The fields format: lines `"Name" : value`.

use std::fmt::Display;

use proto::etcdserverpb::ResponseHeader;
use proto::mvccpb::KeyValue;

use super::Style;
use crate::go::quote::quote;

/// Lines being written.
pub struct Fields {
    out: String,
    style: Style,
}

impl Fields {
    /// Begins with the header's lines. A missing header prints as zeros.
    #[must_use]
    pub fn new(style: Style, header: Option<&ResponseHeader>) -> Fields {
        let mut fields = Fields::bare(style);
        fields.header(header);
        fields
    }

    #[must_use]
    pub fn bare(style: Style) -> Fields {
        Fields { out: String::new(), style }
    }

    pub fn header(&mut self, header: Option<&ResponseHeader>) {
        let header = header.copied().unwrap_or_default();
        self.id("ClusterID", header.cluster_id).id("MemberID", header.member_id);
        // Only answers about keys carry a revision.
        if header.revision > 0 {
            self.value("Revision", header.revision);
        }
        self.value("RaftTerm", header.raft_term);
    }

    pub fn value(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.out.push_str(&format!("\"{name}\" : {value}\n"));
        self
    }

    pub fn quoted(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.value(name, quote(value))
    }

    /// A cluster's or member's ID.
    pub fn id(&mut self, name: &str, id: u64) -> &mut Self {
        if self.style.hex { self.value(name, format!("{id:x}")) } else { self.value(name, id) }
    }

    pub fn lease(&mut self, name: &str, id: i64) -> &mut Self {
        if self.style.hex { self.value(name, format!("{id:016x}")) } else { self.value(name, id) }
    }

    pub fn kv(&mut self, prefix: &str, kv: &KeyValue) -> &mut Self {
        self.quoted(&format!("{prefix}Key"), &kv.key)
            .value(&format!("{prefix}CreateRevision"), kv.create_revision)
            .value(&format!("{prefix}ModRevision"), kv.mod_revision)
            .value(&format!("{prefix}Version"), kv.version)
            .quoted(&format!("{prefix}Value"), &kv.value)
            .lease(&format!("{prefix}Lease"), kv.lease)
    }

    pub fn blank(&mut self) {
        self.out.push('\n');
    }

    #[must_use]
    pub fn done(self) -> Option<Vec<u8>> {
        Some(self.out.into_bytes())
    }
}
