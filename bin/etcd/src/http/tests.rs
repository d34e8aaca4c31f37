//! Responses against those of etcd 3.7.1 (`curl -i`, less `Date`, length and transfer headers).

use super::*;
use crate::flags::gates::Gates;
use bytes::Bytes;
use proto::etcdserverpb::AlarmType;

/// What a test may vary.
struct World {
    rules: config::Http,
    alarms: Vec<AlarmMember>,
    members: Vec<Member>,
    arguments: Vec<String>,
    has_leader: bool,
    is_learner: bool,
    decided: bool,
    outcomes: Outcomes,
    metrics: Metrics,
}

impl World {
    fn new() -> World {
        World {
            rules: config::Http { cors: set("*"), host_whitelist: set("*") },
            alarms: Vec::new(),
            members: Vec::new(),
            arguments: vec!["etcd".to_string(), "--name=<a>".to_string()],
            has_leader: true,
            is_learner: false,
            decided: true,
            outcomes: Outcomes { serializable: Ok(()), linearizable: Ok(()) },
            metrics: Metrics::new(1, &Gates::default(), false),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            server_version: "3.7.1",
            cluster_id: 0xff7f546aa0e362ae,
            cluster_version: self.decided.then_some("3.7.0"),
            storage_version: self.decided.then_some("3.7.0"),
            alarms: &self.alarms,
            has_leader: self.has_leader,
            is_learner: self.is_learner,
            members: &self.members,
            raft: RaftStatus {
                id: 10,
                term: 2,
                vote: 10,
                commit: 4,
                lead: 10,
                state: "StateLeader",
                applied: 4,
                progress: vec![Progress { id: 10, matched: 4, next: 5, state: "StateReplicate" }],
                lead_transferee: 0,
            },
            arguments: &self.arguments,
        }
    }

    fn alarm(mut self, alarm: AlarmType) -> World {
        self.alarms.push(AlarmMember { member_id: 7, alarm: alarm.into() });
        self
    }

    /// Status, headers one a line, an empty line, body.
    fn ask(&self, port: Port, request: &HttpRequest) -> String {
        let response = match handle(port, request, &self.facts(), &self.rules, &self.metrics) {
            Handled::Response(response) => response,
            Handled::Plan(plan) => plan.answer(&self.outcomes, &self.facts(), &self.metrics),
            Handled::Ask(ask) => return format!("{ask:?}"),
        };
        let headers: String =
            response.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{}\n{headers}\n{}", response.status, String::from_utf8_lossy(&response.body))
    }

    /// As `ask`, on the metrics port, which adds no headers, and without the usual ones of text.
    fn get(&self, target: &str) -> String {
        let text = "Content-Type: text/plain; charset=utf-8\n";
        let answer = self.ask(Port::Metrics, &request("GET", target, &[]));
        answer.replace(text, "").replace("X-Content-Type-Options: nosniff\n", "")
    }
}

fn set(item: &str) -> std::collections::BTreeSet<String> {
    item.split(',').map(ToString::to_string).collect()
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |(name, value): &(&str, &str)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes()));
    HttpRequest {
        method: method.to_string(),
        path: path.to_string(),
        query: query.to_string(),
        headers: headers.iter().map(header).collect(),
        body: Bytes::new(),
    }
}

const CORS: &str = "Access-Control-Allow-Headers: accept, content-type, authorization\n\
                    Access-Control-Allow-Methods: POST, GET, OPTIONS, PUT, DELETE\n\
                    Access-Control-Allow-Origin: *\n";
const TEXT: &str = "Content-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n";

#[test]
fn the_client_port_answers_as_etcds_does() {
    let world = World::new();
    for (method, target, answer) in [
        (
            "GET",
            "/version",
            format!(
                "200\n{CORS}Content-Type: application/json\n\n\
                 {{\"etcdserver\":\"3.7.1\",\"etcdcluster\":\"3.7.0\",\"storage\":\"3.7.0\"}}"
            ),
        ),
        (
            "GET",
            "/health",
            format!(
                "200\n{CORS}Content-Type: text/plain; charset=utf-8\n\n{{\"health\":\"true\",\"reason\":\"\"}}"
            ),
        ),
        ("GET", "/livez", format!("200\n{CORS}{TEXT}\nok\n")),
        ("GET", "/nope", format!("404\n{CORS}{TEXT}\n404 page not found\n")),
        ("GET", "/", format!("404\n{CORS}{TEXT}\n404 page not found\n")),
        ("GET", "/health/", format!("404\n{CORS}{TEXT}\n404 page not found\n")),
        ("GET", "/members", format!("404\n{CORS}{TEXT}\n404 page not found\n")),
        (
            "GET",
            "//health?a=1&b",
            format!(
                "307\n{CORS}Content-Type: text/html; charset=utf-8\nLocation: /health?a=1&b\n\n\
                 <a href=\"/health?a=1&amp;b\">Temporary Redirect</a>.\n\n"
            ),
        ),
        ("POST", "//health", format!("307\n{CORS}Location: /health\n\n")),
        ("OPTIONS", "/nope", format!("200\n{CORS}\n")),
    ] {
        assert_eq!(world.ask(Port::Client, &request(method, target, &[])), answer, "{method} {target}");
    }
    for (method, target) in [
        ("POST", "/health"),
        ("HEAD", "/version"),
        ("DELETE", "/debug/vars"),
        ("POST", "/livez"),
        ("POST", "/readyz/non_learner"),
    ] {
        let refused = format!("405\n{CORS}Allow: GET\n{TEXT}\nMethod Not Allowed\n");
        assert_eq!(world.ask(Port::Client, &request(method, target, &[])), refused, "{method} {target}");
    }
}

#[test]
fn versions_may_be_undecided() {
    let world = World { decided: false, ..World::new() };
    let body = "{\"etcdserver\":\"3.7.1\",\"etcdcluster\":\"not_decided\",\"storage\":\"unknown\"}";
    let answer = world.ask(Port::Peer, &request("GET", "/version", &[]));
    assert_eq!(answer, format!("200\nContent-Type: application/json\n\n{body}"));
}

#[test]
fn hosts_and_origins_are_checked() {
    let world = World {
        rules: config::Http { cors: set("http://x:1,http://y:2"), host_whitelist: set("a,::1") },
        ..World::new()
    };
    let ask = |method, host: &str, origin: &str| {
        world.ask(Port::Client, &request(method, "/nope", &[("Host", host), ("origin", origin)]))
    };
    let shared = CORS.replace('*', "http://y:2");
    assert_eq!(ask("GET", "a:99", "http://y:2"), format!("404\n{shared}{TEXT}\n404 page not found\n"));
    assert_eq!(ask("OPTIONS", "[::1]:99", "http://y:2"), format!("200\n{shared}\n"));
    assert_eq!(ask("GET", "a", "http://z:2"), format!("404\n{TEXT}\n404 page not found\n"));
    let refused = ask("OPTIONS", "127.0.0.1:2379", "http://y:2");
    let begin = "\netcd received your request, but the Host header was unrecognized.\n";
    assert!(refused.starts_with(&format!("421\n{TEXT}\n{begin}")), "{refused}");
    assert!(refused.contains("etcd --host-whitelist \"127.0.0.1\"") && refused.contains("CVE-2018-5702"));
    let anywhere = request("GET", "/livez", &[("Host", "elsewhere")]);
    assert_eq!(world.ask(Port::Metrics, &anywhere), format!("200\n{TEXT}\nok\n"));
}

#[test]
fn health_fails_by_alarm_leader_or_read() {
    let failed = |reason: &str| format!("503\n\n{{\"health\":\"false\",\"reason\":\"{reason}\"}}\n");
    let good = "200\n\n{\"health\":\"true\",\"reason\":\"\"}";
    let world = World::new().alarm(AlarmType::Nospace).alarm(AlarmType::Corrupt);
    assert_eq!(world.get("/health"), failed("ALARM NOSPACE"));
    assert_eq!(world.get("/health?exclude=NOSPACE"), failed("ALARM CORRUPT"));
    assert_eq!(world.get("/health?exclude=NOSPACE,CORRUPT"), failed("ALARM NOSPACE"));
    assert_eq!(world.get("/health?exclude=NOSPACE&exclude=&exclude=CORRUPT"), good);
    assert_eq!(world.metrics.health_failures.value(), 3);
    assert_eq!(world.metrics.health_success.value(), 1);

    let world = World { has_leader: false, ..World::new() };
    assert_eq!(world.get("/health"), failed("RAFT NO LEADER"));
    assert_eq!(world.get("/health?serializable=true"), good);
    assert_eq!(world.get("/health?serializable=1"), failed("RAFT NO LEADER"));

    let mut world = World::new();
    world.outcomes.linearizable = Err("etcdserver: <timed> out".to_string());
    assert_eq!(world.get("/health"), failed("RANGE ERROR:etcdserver: \\u003ctimed\\u003e out"));
    assert_eq!(world.get("/health?serializable=true"), good);
}

#[test]
fn checks_tell_which_of_them_failed() {
    let world = World::new();
    let all =
        "[+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n[+]non_learner ok\nok\n";
    assert_eq!(world.get("/readyz?verbose"), format!("200\n\n{all}"));
    assert_eq!(world.get("/readyz?verbose=0&exclude=nope"), format!("200\n\n{all}"));
    assert_eq!(world.get("/livez?verbose"), "200\n\n[+]serializable_read ok\nok\n");
    assert_eq!(world.get("/readyz/non_learner?verbose"), "200\n\n[+]non_learner ok\nok\n");
    assert_eq!(world.get("/readyz/nope"), "404\n\n404 page not found\n");
    assert_eq!(world.get("/livez/linearizable_read"), "404\n\n404 page not found\n");

    let mut world =
        World { is_learner: true, ..World::new() }.alarm(AlarmType::Nospace).alarm(AlarmType::Corrupt);
    world.outcomes.linearizable = Err("etcdserver: leader changed".to_string());
    assert_eq!(
        world.get("/readyz"),
        "503\n\n[-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n\
         [-]linearizable_read failed: etcdserver: leader changed\n[-]non_learner failed: not supported for learner\n\n"
    );
    let excluding = "exclude=data_corruption&exclude=linearizable_read&exclude=non_learner";
    assert_eq!(world.get(&format!("/readyz?{excluding}")), "200\n\nok\n");
    assert_eq!(world.get(&format!("/readyz?{excluding}&exclude=serializable_read&verbose")), "200\n\nok\n");
    assert_eq!(world.get("/readyz/serializable_read?exclude=serializable_read"), "200\n\nok\n");
    assert_eq!(world.metrics.healthcheck.with(["non_learner", "readyz"]).value(), 0);
    assert_eq!(world.metrics.healthchecks.with(["serializable_read", "success", "readyz"]).value(), 3);
}

#[test]
fn plans_say_which_read_they_need() {
    let world = World::new();
    for (target, linearizable) in [
        ("/health", Some(true)),
        ("/health?serializable=true", Some(false)),
        ("/livez", Some(false)),
        ("/readyz", Some(true)),
        ("/readyz?exclude=linearizable_read", Some(false)),
        ("/readyz/linearizable_read", Some(true)),
        ("/readyz/non_learner", None),
    ] {
        let request = request("GET", target, &[]);
        let handled = handle(Port::Client, &request, &world.facts(), &world.rules, &world.metrics);
        let found = match handled {
            Handled::Plan(plan) => Some(plan.needs_linearizable()),
            Handled::Response(_) | Handled::Ask(_) => None,
        };
        assert_eq!(found, linearizable, "{target}");
    }
}

#[test]
fn members_are_listed_for_peers() {
    let mut world = World::new();
    let member = |id, name: &str, client_ur_ls: &[&str], is_learner| Member {
        id,
        name: name.to_string(),
        peer_ur_ls: vec!["http://127.0.0.1:21211".to_string()],
        client_ur_ls: client_ur_ls.iter().map(ToString::to_string).collect(),
        is_learner,
    };
    world.members =
        vec![member(u64::MAX, "", &[], true), member(7, "m&1", &["http://127.0.0.1:21210"], false)];
    assert_eq!(
        world.ask(Port::Peer, &request("GET", "/members", &[])),
        "200\nContent-Type: application/json\nX-Etcd-Cluster-ID: ff7f546aa0e362ae\n\n\
         [{\"id\":7,\"peerURLs\":[\"http://127.0.0.1:21211\"],\"name\":\"m\\u00261\",\
         \"clientURLs\":[\"http://127.0.0.1:21210\"]},\
         {\"id\":18446744073709551615,\"peerURLs\":[\"http://127.0.0.1:21211\"],\"isLearner\":true}]\n"
    );
    let missing = format!("404\n{TEXT}\n404 page not found\n");
    for target in ["/health", "/metrics", "/livez", "/debug/vars"] {
        assert_eq!(world.ask(Port::Peer, &request("GET", target, &[])), missing, "{target}");
    }
}

#[test]
fn variables_are_json_by_name() {
    let answer = World::new().ask(Port::Client, &request("GET", "/debug/vars", &[]));
    let body = answer.split_once("\n\n").expect("a body").1;
    let value: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["cmdline", "file_descriptor_limit", "memstats", "raft.status"]);
    assert!(
        body.starts_with(
            "{\n\"cmdline\": [\"etcd\",\"--name=\\u003ca\\u003e\"],\n\"file_descriptor_limit\": "
        )
    );
    let status = "\"raft.status\": {\"id\":\"a\",\"term\":2,\"vote\":\"a\",\"commit\":4,\"lead\":\"a\",\
                  \"raftState\":\"StateLeader\",\"applied\":4,\"progress\":{\"a\":{\"match\":4,\"next\":5,\
                  \"state\":\"StateReplicate\"}},\"leadtransferee\":\"0\"}\n}\n";
    assert!(body.ends_with(status), "{body}");
}

#[test]
fn metrics_are_served_whatever_the_method() {
    let answer = World::new().ask(Port::Metrics, &request("PUT", "/metrics", &[]));
    let head = "200\nContent-Type: text/plain; version=0.0.4; charset=utf-8; escaping=underscores\n\n# HELP ";
    assert!(answer.starts_with(head), "{}", &answer[..200]);
}

/// What the member itself must answer, and what is answered without it, in etcd's words.
#[test]
fn other_members_requests_are_read_as_etcd_reads_them() {
    let world = World::new();
    let keep_alive = b"\x08\x07".as_slice();
    let time_to_live = b"\x0a\x04\x08\x07\x10\x01".as_slice();
    let cluster = "X-Etcd-Cluster-ID: ff7f546aa0e362ae\n";
    let error = |status: u16, headers: &str, text: &str| format!("{status}\n{headers}{TEXT}\n{text}\n");
    let method = |allowed: &str| error(405, &format!("Allow: {allowed}\n"), "Method Not Allowed");
    let lost = "member x not found in cluster";
    for (method, target, body, answer) in [
        ("POST", "/members/promote/18446744073709551615", b"".as_slice(), {
            "Promote { id: 18446744073709551615, token: Some(\"T\") }".to_owned()
        }),
        ("POST", "/members/promote/x", b"", format!("404\n{TEXT}{cluster}\n{lost}\n")),
        ("POST", "/members/promote/+1", b"", {
            format!("404\n{TEXT}{cluster}\n{}\n", lost.replace('x', "+1"))
        }),
        ("GET", "/members/promote/1", b"", method("POST")),
        ("POST", "/members", b"", method("GET")),
        ("POST", "/leases", keep_alive, "Renew { lease: 7 }".to_owned()),
        ("POST", "/leases", b"", "Renew { lease: 0 }".to_owned()),
        ("POST", "/leases", b"\x08", error(400, "", "error unmarshalling request")),
        ("POST", "/leases", &[0; 65_537], error(413, "", "request body too large")),
        ("GET", "/leases", b"", error(405, "", "Method Not Allowed")),
        ("POST", "/leases/internal", time_to_live, {
            "TimeToLive(LeaseTimeToLiveRequest { id: 7, keys: true })".to_owned()
        }),
        ("POST", "/leases/other", b"", error(404, "", "404 page not found")),
        ("GET", "/members/hashkv", b"{\"REVISION\":3,\"x\":1}", "HashKv { revision: 3 }".to_owned()),
        ("GET", "/members/hashkv", b"null", "HashKv { revision: 0 }".to_owned()),
        ("GET", "/members/hashkv", b"{\"revision\":3.0}", error(400, "", "error unmarshalling request")),
        ("GET", "/members/hashkv", b"", error(400, "", "error unmarshalling request")),
        ("POST", "/members/hashkv", b"{}", method("GET")),
        ("GET", "/downgrade/enabled", b"", "DowngradeEnabled".to_owned()),
        ("POST", "/downgrade/enabled", b"", method("GET")),
    ] {
        let head = request(method, target, &[("authorization", "T")]);
        let asked = HttpRequest { body: Bytes::copy_from_slice(body), ..head };
        assert_eq!(world.ask(Port::Peer, &asked), answer, "{method} {target}");
    }
    let stranger =
        HttpRequest { body: "{}".into(), ..request("GET", "/members/hashkv", &[("X-Etcd-Cluster-ID", "1")]) };
    assert_eq!(world.ask(Port::Peer, &stranger), error(412, "", "cluster ID mismatch"));
}

/// Bodies as etcd 3.7.1 gave them.
#[test]
fn what_other_members_are_told() {
    let show =
        |response: HttpResponse| (response.status, String::from_utf8_lossy(&response.body).into_owned());
    let hash = mvcc::HashKv { hash: 5, hash_revision: 4, compact_revision: 0, current_revision: 4 };
    assert_eq!(
        show(peer::hash_kv(hash, 1)),
        (200, "{\"header\":{\"revision\":4},\"hash\":5,\"hash_revision\":4}".to_owned())
    );
    assert_eq!(peer::hash_refusal(state::Reject::Compacted), "mvcc: required revision has been compacted");
    assert_eq!(show(peer::downgrade_enabled(Ok(true), 1)), (200, "true".to_owned()));
    assert_eq!(
        show(peer::downgrade_enabled(Err("etcdserver: request timed out"), 1)),
        (500, "failed linearized read: etcdserver: request timed out\n".to_owned())
    );
    for (error, told) in [
        ("etcdserver: member not found", (404, "membership: ID not found\n")),
        (
            "etcdserver: can only promote a learner member",
            (412, "membership: can only promote a learner member\n"),
        ),
        ("etcdserver: unhealthy cluster", (500, "{\"message\":\"Internal Server Error\"}")),
    ] {
        assert_eq!(show(peer::not_promoted(error, 1)), (told.0, told.1.to_owned()));
    }
}
