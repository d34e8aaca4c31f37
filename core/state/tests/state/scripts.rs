//! Golden scripts (`scripts/*.txt`): commands, `----`, what they print, an empty line. `UPDATE_SCRIPTS=1` writes what
//! is printed into the scripts.

use crate::{
    parse::{self, Words},
    print,
    world::World,
};
use backend::Bucket;
use proto::{
    Message,
    etcdserverpb::{self as pb, AlarmType, alarm_request::AlarmAction},
    membershippb, raftpb,
    raftpb::ConfChangeType,
};
use state::{Options, Version, kv::check, member};
use std::fmt::Write;

/// etcd's default.
const TXN_OPS_MAX: usize = 128;

#[test]
fn scripts() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut failed = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let output = run(&text);
        if std::env::var_os("UPDATE_SCRIPTS").is_some() {
            std::fs::write(&path, &output).unwrap();
        } else if output != text {
            let line = output.lines().zip(text.lines()).position(|(a, b)| a != b).unwrap_or(0);
            let found = output.lines().nth(line).unwrap_or_default();
            failed.push(format!("{}:{}: found {found:?}", path.display(), line + 1));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// The script with what it really prints.
fn run(text: &str) -> String {
    let mut world = World::new(Options::default());
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(out, "{line}").unwrap();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut printed = vec![command(&mut world, line)];
        while let Some(line) = lines.next_if(|line| *line != "----") {
            writeln!(out, "{line}").unwrap();
            printed.push(command(&mut world, line));
        }
        assert_eq!(lines.next(), Some("----"), "after {line:?}");
        while lines.next_if(|line| !line.is_empty()).is_some() {}
        printed.retain(|text| !text.is_empty());
        writeln!(out, "----\n{}", printed.join("\n")).unwrap();
    }
    out
}

fn command(world: &mut World, line: &str) -> String {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut request = pb::InternalRaftRequest {
        header: Some(pb::RequestHeader { id: world.request_id(), ..Default::default() }),
        ..Default::default()
    };
    match name {
        "put" => {
            let put = parse::put(rest);
            if let Err(invalid) = check::put(&put) {
                return format!("invalid: {invalid:?}");
            }
            request.put = Some(put);
        }
        "del" => {
            let delete = parse::delete(rest);
            if let Err(invalid) = check::delete_range(&delete) {
                return format!("invalid: {invalid:?}");
            }
            request.delete_range = Some(delete);
        }
        "txn" => {
            let txn = parse::txn(rest);
            if let Err(invalid) = check::txn(&txn, TXN_OPS_MAX) {
                return format!("invalid: {invalid:?}");
            }
            request.txn = Some(txn);
        }
        "compact" => {
            let words = Words::new(rest, &["physical"]);
            let revision = words.word(0).parse().unwrap();
            request.compaction = Some(pb::CompactionRequest { revision, physical: words.flag("physical") });
        }
        "grant" | "revoke" | "checkpoint" => lease(&mut request, name, rest),
        "alarm" => request.alarm = Some(alarm(rest)),
        "auth" => request.auth_enable = Some(pb::AuthEnableRequest::default()),
        "version" => {
            request.cluster_version_set = Some(membershippb::ClusterVersionSetRequest { ver: rest.into() })
        }
        "attributes" => request.cluster_member_attr_set = Some(attributes(rest)),
        "downgrade" => {
            let enabled = rest != "off";
            let ver = rest.to_owned();
            request.downgrade_info_set = Some(membershippb::DowngradeInfoSetRequest { enabled, ver });
        }
        "member" => return member_change(world, rest),
        _ => return local(world, name, rest),
    }
    let id = request.header.as_ref().unwrap().id;
    match world.apply(request) {
        Ok(applied) => {
            assert_eq!(applied.request_id, id);
            assert_eq!(applied.revision, world.state.revision());
            print::applied(&applied)
        }
        Err(fault) => format!("fault: {fault}"),
    }
}

/// Commands that do not go through the log.
fn local(world: &mut World, name: &str, rest: &str) -> String {
    match name {
        "get" => {
            let range = parse::range(rest);
            if let Err(invalid) = check::range(&range) {
                return format!("invalid: {invalid:?}");
            }
            match world.range(range) {
                Ok(reply) => print::range_reply(&reply),
                Err(failure) => format!("refused: {failure}"),
            }
        }
        "read" => match world.state.txn_read(parse::txn(rest)) {
            Ok(response) => print::txn(&response),
            Err(failure) => format!("refused: {failure}"),
        },
        "quota" => {
            let mut numbers = rest.split(' ').map(|number| number.parse().unwrap());
            world.context.backend_bytes = numbers.next().unwrap();
            world.context.quota_bytes = numbers.next();
            String::new()
        }
        "noop" => {
            let applied = world.apply_data(raftpb::EntryType::EntryNormal, Default::default()).unwrap();
            print::applied(&applied)
        }
        "commit" => {
            world.commit();
            String::new()
        }
        "crash" => {
            world.crash();
            String::new()
        }
        "migrate" => {
            let target = world.state.storage_target().map(|version| version.to_string());
            let done = world.state.migrate_storage(Version::parse(rest).unwrap(), None);
            format!("target {target:?}: {done:?}")
        }
        "rows" => rows(world, rest),
        "leases" => {
            let mut out = Vec::new();
            for lease in world.state.leases().iter() {
                let keys: Vec<_> = lease.keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
                out.push(format!("{} ttl {} [{}]", lease.id, lease.ttl, keys.join(" ")));
            }
            out.join("\n")
        }
        "status" => {
            let state = &world.state;
            format!(
                "revision {} compacted {} index {} term {} applied term {} storage {:?} cluster {:?}",
                state.revision(),
                state.mvcc().compact_revision(),
                state.consistent_index(),
                state.consistent_term(),
                state.applied_term(),
                state.storage_version().map(|version| version.to_string()),
                state.members().version().map(|version| version.to_string()),
            )
        }
        other => panic!("command {other:?}"),
    }
}

fn rows(world: &World, name: &str) -> String {
    let bucket = Bucket::ALL.into_iter().find(|bucket| bucket.name() == name.as_bytes()).unwrap();
    let mut out = Vec::new();
    for (key, value) in world.rows(bucket) {
        out.push(format!("{} = {}", key.escape_ascii(), value.escape_ascii()));
    }
    out.join("\n")
}

fn lease(request: &mut pb::InternalRaftRequest, name: &str, rest: &str) {
    let numbers: Vec<i64> = rest.split(' ').map(|number| number.parse().unwrap()).collect();
    let id = numbers[0];
    match name {
        "grant" => request.lease_grant = Some(pb::LeaseGrantRequest { ttl: numbers[1], id }),
        "revoke" => request.lease_revoke = Some(pb::LeaseRevokeRequest { id }),
        _ => {
            let checkpoints = vec![pb::LeaseCheckpoint { id, remaining_ttl: numbers[1] }];
            request.lease_checkpoint = Some(pb::LeaseCheckpointRequest { checkpoints });
        }
    }
}

/// `ACTION [TYPE] [MEMBER]`
fn alarm(rest: &str) -> pb::AlarmRequest {
    let words = Words::new(rest, &[]);
    let action = match words.word(0) {
        "get" => AlarmAction::Get as i32,
        "on" => AlarmAction::Activate as i32,
        "off" => AlarmAction::Deactivate as i32,
        number => number.parse().unwrap(),
    };
    let alarm = AlarmType::from_str_name(words.word(1)).unwrap_or(AlarmType::None) as i32;
    pb::AlarmRequest { action, member_id: words.word(2).parse().unwrap_or(0), alarm }
}

/// `ID NAME URL`
fn attributes(rest: &str) -> membershippb::ClusterMemberAttrSetRequest {
    let words = Words::new(rest, &[]);
    membershippb::ClusterMemberAttrSetRequest {
        member_id: words.word(0).parse().unwrap(),
        member_attributes: Some(membershippb::Attributes {
            name: words.word(1).into(),
            client_urls: vec![words.word(2).into()],
        }),
    }
}

/// `add|learner|promote|remove|update ID [URL]`
fn member_change(world: &mut World, rest: &str) -> String {
    let words = Words::new(rest, &[]);
    let id: u64 = words.word(1).parse().unwrap();
    let peer_urls = vec![words.word(2).to_owned()];
    let is_learner = words.word(0) == "learner";
    let (kind, context) = match words.word(0) {
        "add" | "learner" => {
            let member = member::Member { id, peer_urls, is_learner, ..member::Member::default() };
            let kind = if is_learner {
                ConfChangeType::ConfChangeAddLearnerNode
            } else {
                ConfChangeType::ConfChangeAddNode
            };
            (kind, Some(member::add_context(&member)))
        }
        "promote" => (ConfChangeType::ConfChangeAddNode, Some(member::promote_context(id))),
        "update" => (ConfChangeType::ConfChangeUpdateNode, Some(member::update_context(id, peer_urls))),
        "remove" => (ConfChangeType::ConfChangeRemoveNode, None),
        other => panic!("change {other:?}"),
    };
    let request_id = world.request_id();
    let change =
        raftpb::ConfChange { id: Some(request_id), r#type: Some(kind as i32), node_id: Some(id), context };
    match world.apply_data(raftpb::EntryType::EntryConfChange, change.encode_to_vec().into()) {
        Ok(applied) => {
            assert_eq!(applied.request_id, request_id);
            print::applied(&applied)
        }
        Err(fault) => format!("fault: {fault}"),
    }
}
