//! The line `starting an etcd server`: the whole configuration, in etcd's fields and order. Its tests (and other
//! people's) look for parts of the raw text.

use super::data_dir::is_initialized;
use crate::{
    config::{Config, InitialMembers},
    notation::GoDuration,
    version,
};

const MESSAGE: &str = "starting an etcd server";
const QUOTA_BYTES_DEFAULT: i64 = 2 << 30;

/// Writes the line. The error is that of founders or of a retention that cannot be read.
pub fn log_summary(config: &Config) -> Result<(), String> {
    let initial = if is_initialized(&config.member) { None } else { Some(config.cluster.initial_members()?) };
    let fields = fields(config, initial.as_ref())?;
    log::logger().log(
        &log::Record::builder()
            .level(log::Level::Info)
            .target(module_path!())
            .module_path_static(Some(module_path!()))
            .file_static(Some(file!()))
            .line(Some(line!()))
            .key_values(&fields)
            .args(format_args!("{MESSAGE}"))
            .build(),
    );
    Ok(())
}

/// Fields in order; `initial` is what the cluster is founded with, `None` for a member that has a log. A list of
/// pairs and not the macro: there are 62.
fn fields(config: &Config, initial: Option<&InitialMembers>) -> Result<Fields, String> {
    let mut fields = Fields::default();
    process_fields(&mut fields);
    member_fields(&mut fields, config, initial.is_none());
    url_fields(&mut fields, config);
    cluster_fields(&mut fields, config, initial);
    compaction_fields(&mut fields, config)?;
    discovery_fields(&mut fields, config);
    fields.flag(config, "downgrade-check-interval", "downgrade-check-time");
    fields.flag(config, "max-learners", "max-learners");
    fields.text("v2-deprecation", "write-only");
    Ok(fields)
}

fn process_fields(fields: &mut Fields) {
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    fields.text("etcd-version", version::ETCD);
    fields.text("git-sha", version::commit());
    fields.text("go-version", version::toolchain());
    fields.text("go-os", version::os());
    fields.text("go-arch", version::arch());
    fields.push("max-cpu-set", Field::Number(cpus as i128));
    fields.push("max-cpu-available", Field::Number(cpus as i128));
}

fn member_fields(fields: &mut Fields, config: &Config, initialized: bool) {
    let member = &config.member;
    fields.push("member-initialized", Field::Bool(initialized));
    fields.text("name", &member.name);
    fields.text("data-dir", member.data_dir.display());
    fields.text("wal-dir", config.flags.text("wal-dir"));
    fields.text("wal-dir-dedicated", config.flags.text("wal-dir"));
    fields.text("member-dir", member.member_dir().display());
    fields.flag(config, "force-new-cluster", "force-new-cluster");
    fields.text("heartbeat-interval", GoDuration::from(config.timing.heartbeat));
    fields.text("election-timeout", GoDuration::from(config.timing.election_timeout()));
    for flag in [
        "initial-election-tick-advance",
        "snapshot-count",
        "max-wals",
        "max-snapshots",
        "snapshot-catchup-entries",
    ] {
        fields.flag(config, flag, flag);
    }
}

fn url_fields(fields: &mut Fields, config: &Config) {
    for (key, urls) in [
        ("initial-advertise-peer-urls", &config.advertise.peer_urls),
        ("listen-peer-urls", &config.listen.peer_urls),
        ("advertise-client-urls", &config.advertise.client_urls),
        ("listen-client-urls", &config.listen.client_urls),
        ("listen-metrics-urls", &config.listen.metrics_urls),
    ] {
        fields.push(key, Field::Texts(urls.iter().map(ToString::to_string).collect()));
    }
    fields.text("local-address", "");
    fields.push("cors", Field::Texts(config.http.cors.iter().cloned().collect()));
    fields.push("host-whitelist", Field::Texts(config.http.host_whitelist.iter().cloned().collect()));
}

fn cluster_fields(fields: &mut Fields, config: &Config, initial: Option<&InitialMembers>) {
    fields.text("initial-cluster", initial.map(ToString::to_string).unwrap_or_default());
    fields.text("initial-cluster-state", config.cluster.state.as_str());
    fields.text("initial-cluster-token", if initial.is_some() { &config.cluster.token } else { "" });
    let quota = match config.flags.int("quota-backend-bytes") {
        0 => QUOTA_BYTES_DEFAULT,
        given => given,
    };
    fields.push("quota-backend-bytes", Field::Number(quota.into()));
    for flag in ["max-request-bytes", "max-concurrent-streams", "pre-vote", "feature-gates"] {
        fields.flag(config, flag, flag);
    }
    fields.push("initial-corrupt-check", Field::Bool(false));
    fields.flag(config, "corrupt-check-time-interval", "corrupt-check-time");
    fields.flag(config, "compact-check-time-interval", "compact-hash-check-time");
}

fn compaction_fields(fields: &mut Fields, config: &Config) -> Result<(), String> {
    let retention = config.compaction.retention_duration()?;
    fields.flag(config, "auto-compaction-mode", "auto-compaction-mode");
    fields.text("auto-compaction-retention", retention);
    fields.text("auto-compaction-interval", retention);
    Ok(())
}

fn discovery_fields(fields: &mut Fields, config: &Config) {
    fields.flag(config, "discovery-token", "discovery-token");
    fields.text("discovery-endpoints", config.flags.texts("discovery-endpoints").join(","));
    for flag in [
        "discovery-dial-timeout",
        "discovery-request-timeout",
        "discovery-keepalive-time",
        "discovery-keepalive-timeout",
        "discovery-insecure-transport",
        "discovery-insecure-skip-tls-verify",
        "discovery-cert",
        "discovery-key",
        "discovery-cacert",
        "discovery-user",
    ] {
        fields.flag(config, flag, flag);
    }
}

#[derive(Debug, Default)]
struct Fields {
    pairs: Vec<(&'static str, Field)>,
}

#[derive(Debug)]
enum Field {
    Bool(bool),
    Number(i128),
    Text(String),
    Texts(Vec<String>),
}

impl Fields {
    fn push(&mut self, key: &'static str, field: Field) {
        self.pairs.push((key, field));
    }
    fn text(&mut self, key: &'static str, text: impl ToString) {
        self.push(key, Field::Text(text.to_string()));
    }
    /// The value of a flag, numbers and booleans bare.
    fn flag(&mut self, config: &Config, key: &'static str, flag: &str) {
        use crate::flags::Value;
        self.push(
            key,
            match config.flags.value(flag) {
                Value::Bool(value) => Field::Bool(*value),
                Value::Int(value) => Field::Number((*value).into()),
                Value::Uint(value) => Field::Number((*value).into()),
                Value::Duration(value) => Field::Text(value.to_string()),
                Value::Text(value) => Field::Text(value.clone()),
                Value::Texts(values) => Field::Texts(values.clone()),
                Value::Urls(urls) => Field::Texts(urls.iter().map(ToString::to_string).collect()),
                Value::Gates(gates) => Field::Text(gates.to_string()),
                Value::Ignored => Field::Text(String::new()),
            },
        );
    }
}

impl log::kv::Source for Fields {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn log::kv::VisitSource<'kvs>) -> Result<(), log::kv::Error> {
        use log::kv::{Key, Value};
        for (key, field) in &self.pairs {
            let value = match field {
                Field::Bool(value) => Value::from(*value),
                Field::Number(value) => Value::from(*value),
                Field::Text(text) => Value::from(text.as_str()),
                Field::Texts(texts) => Value::from_serde(texts),
            };
            visitor.visit_pair(Key::from_str(key), value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line of etcd 3.7.1 for the same flags, less the process's own fields.
    const ORACLE: &str = r#""member-initialized":false,"name":"default","data-dir":"x","wal-dir":"","wal-dir-dedicated":"","member-dir":"x/member","force-new-cluster":false,"heartbeat-interval":"100ms","election-timeout":"1s","initial-election-tick-advance":true,"snapshot-count":10000,"max-wals":5,"max-snapshots":5,"snapshot-catchup-entries":5000,"initial-advertise-peer-urls":["http://127.0.0.1:21201"],"listen-peer-urls":["http://127.0.0.1:21201"],"advertise-client-urls":["http://127.0.0.1:21200"],"listen-client-urls":["http://127.0.0.1:21200"],"listen-metrics-urls":[],"local-address":"","cors":["*"],"host-whitelist":["*"],"initial-cluster":"default=http://127.0.0.1:21201","initial-cluster-state":"new","initial-cluster-token":"etcd-cluster","quota-backend-bytes":2147483648,"max-request-bytes":1572864,"max-concurrent-streams":4294967295,"pre-vote":true,"feature-gates":"","initial-corrupt-check":false,"corrupt-check-time-interval":"0s","compact-check-time-interval":"1m0s","auto-compaction-mode":"periodic","auto-compaction-retention":"0s","auto-compaction-interval":"0s","discovery-token":"","discovery-endpoints":"","discovery-dial-timeout":"2s","discovery-request-timeout":"5s","discovery-keepalive-time":"2s","discovery-keepalive-timeout":"6s","discovery-insecure-transport":true,"discovery-insecure-skip-tls-verify":false,"discovery-cert":"","discovery-key":"","discovery-cacert":"","discovery-user":"","downgrade-check-interval":"5s","max-learners":1,"v2-deprecation":"write-only"}"#;

    #[test]
    fn the_fields_are_etcds_in_name_order_and_form() {
        let line = "--data-dir x --listen-client-urls http://127.0.0.1:21200 --advertise-client-urls \
                    http://127.0.0.1:21200 --listen-peer-urls http://127.0.0.1:21201 --initial-advertise-peer-urls \
                    http://127.0.0.1:21201 --initial-cluster default=http://127.0.0.1:21201";
        let config = crate::config::testing::config(line);
        let initial = config.cluster.initial_members().expect("valid");
        let fields = fields(&config, Some(&initial)).expect("valid");
        let text = crate::logging::fields_text(&fields);
        let (own, rest) = text.split_once("\"member-initialized\"").expect("the member follows the process");
        assert!(own.starts_with("{\"etcd-version\":\"3.7.1\",\"git-sha\":\""), "{own}");
        assert_eq!(format!("\"member-initialized\"{rest}"), ORACLE);
    }
}
