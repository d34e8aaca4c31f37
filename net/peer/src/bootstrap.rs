//! What a member asks the others before it starts: who they are, and which versions they run. It blocks.
//!
//! It never decides whether to join: it fetches and parses. Every request has a timeout of its own, as in etcd.

use crate::{
    blocking::{connect, read_answer, words},
    endpoint::Endpoint,
    http::{Answer, Framing, put_request},
};
use bytes::BytesMut;
use serde::{Deserialize, Deserializer};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Largest response, in bytes. A cluster's members take a few hundred bytes each.
const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// A member as another one lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Member {
    #[serde(default)]
    pub id: u64,
    #[serde(default)]
    pub name: String,
    #[serde(default, rename = "peerURLs", deserialize_with = "null_is_empty")]
    pub peer_urls: Vec<String>,
    #[serde(default, rename = "clientURLs", deserialize_with = "null_is_empty")]
    pub client_urls: Vec<String>,
    #[serde(default, rename = "isLearner")]
    pub is_learner: bool,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A running cluster as one of its members tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub id: u64,
    /// In the order in which they came; at least one.
    pub members: Vec<Member>,
}

/// `/version`. Empty where the member does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Versions {
    #[serde(default, rename = "etcdserver")]
    pub server: String,
    /// `not_decided` until the cluster has one.
    #[serde(default, rename = "etcdcluster")]
    pub cluster: String,
    /// Since 3.6.
    #[serde(default)]
    pub storage: String,
}

/// Asks each URL in turn for the members; the first usable answer counts. Failures are logged if `loud`.
///
/// # Errors
/// etcd's words when none answers, or the answer names nobody.
pub fn members(urls: &[String], timeout: Duration, loud: bool) -> Result<Cluster, String> {
    for url in urls {
        match get_members(url, timeout) {
            Ok(cluster) if cluster.members.is_empty() => {
                return Err("failed to get raft cluster member(s) from the given URLs".into());
            }
            Ok(cluster) => return Ok(cluster),
            Err(Failure { stage, error }) if loud => {
                let message = match stage {
                    Stage::Fetch => "failed to get cluster response",
                    Stage::Parse => "failed to unmarshal cluster response",
                    Stage::ClusterId => "failed to parse cluster ID",
                };
                log::warn!(address:% = format!("{url}/members"), error:% = error; "{message}");
            }
            Err(_) => {}
        }
    }
    Err("could not retrieve cluster information from the given URLs".into())
}

enum Stage {
    Fetch,
    Parse,
    ClusterId,
}

struct Failure {
    stage: Stage,
    error: String,
}

fn get_members(url: &str, timeout: Duration) -> Result<Cluster, Failure> {
    let failed = |stage| move |error| Failure { stage, error };
    let answer = get(url, "/members", timeout).map_err(failed(Stage::Fetch))?;
    // `null` is Go's empty list.
    let members: Option<Vec<Member>> = serde_json::from_slice(&answer.body)
        .map_err(|error| Failure { stage: Stage::Parse, error: error.to_string() })?;
    let id = answer.header("X-Etcd-Cluster-ID").unwrap_or_default();
    let id = u64::from_str_radix(id, 16).map_err(|error| Failure {
        stage: Stage::ClusterId,
        error: format!("strconv.ParseUint: parsing \"{id}\": {error}"),
    })?;
    Ok(Cluster { id, members: members.unwrap_or_default() })
}

/// The versions a member runs, by one of its peer URLs.
///
/// # Errors
/// In words: it cannot be reached, or its answer is none.
pub fn version(url: &str, timeout: Duration) -> Result<Versions, String> {
    let answer = get(url, "/version", timeout)?;
    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
}

/// Whether the cluster is being downgraded, by one of a member's peer URLs. etcd 3.4 does not know the question.
///
/// # Errors
/// In words: it cannot be reached, or its answer is neither yes nor no.
pub fn downgrade_enabled(url: &str, timeout: Duration) -> Result<bool, String> {
    let answer = get(url, "/downgrade/enabled", timeout)?;
    match &answer.body[..] {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(false),
        other => Err(format!(
            "strconv.ParseBool: parsing {:?}: invalid syntax",
            String::from_utf8_lossy(other).as_ref()
        )),
    }
}

/// What a member's keys hash to; fields that are zero are left out of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HashKv {
    #[serde(default)]
    pub header: HashHeader,
    #[serde(default)]
    pub hash: u32,
    #[serde(default)]
    pub compact_revision: i64,
    #[serde(default)]
    pub hash_revision: i64,
}

/// The member's revision when it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HashHeader {
    #[serde(default)]
    pub revision: i64,
}

/// A member's hash at a revision, by one of its peer URLs.
///
/// # Errors
/// In words: it cannot be reached, or it has no hash at that revision and says why.
pub fn hash_kv(url: &str, cluster_id: u64, revision: i64, timeout: Duration) -> Result<HashKv, String> {
    let header = format!("X-Etcd-Cluster-ID: {cluster_id:x}\r\n");
    let body = format!("{{\"revision\":{revision}}}");
    let answer = ask(url, "/members/hashkv", &[&header], body.as_bytes(), timeout)?;
    if answer.status != 200 {
        return Err(String::from_utf8_lossy(&answer.body).trim_end().to_owned());
    }
    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
}

fn get(url: &str, path: &str, timeout: Duration) -> Result<Answer, String> {
    ask(url, path, &[], &[], timeout)
}

fn ask(url: &str, path: &str, headers: &[&str], body: &[u8], timeout: Duration) -> Result<Answer, String> {
    let deadline = Instant::now() + timeout;
    let exchange = || -> Result<Answer, String> {
        let endpoint = Endpoint::parse(url)?;
        let mut stream = connect(&endpoint, timeout)?;
        let mut request = BytesMut::new();
        put_request(
            &mut request,
            "GET",
            path,
            endpoint.authority(),
            &[headers, &["Connection: close\r\n"]].concat(),
            Framing::Length(body.len() as u64),
        );
        request.extend_from_slice(body);
        stream
            .set_write_timeout(Some(timeout))
            .and_then(|()| stream.write_all(&request))
            .map_err(|e| words(&e))?;
        read_answer(&mut stream, deadline, RESPONSE_BYTES_MAX)
    };
    exchange().map_err(|error| format!("Get \"{url}{path}\": {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read, net::TcpListener, thread};

    /// A server that gives one answer to one request, and the request's first line.
    fn serve(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut byte) = (Vec::new(), [0]);
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap().lines().next().unwrap().to_owned()
        });
        (url, thread)
    }

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn members_come_from_the_first_that_answers_well() {
        let (wrong, first) = serve("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nno!\n");
        let (right, second) = serve(
            "HTTP/1.1 200 OK\r\nX-Etcd-Cluster-Id: cdf818194e3a8c32\r\nConnection: close\r\n\r\n\
             [{\"id\":9,\"peerURLs\":[\"http://a:1\"],\"name\":\"m\",\"clientURLs\":null},\
             {\"id\":10,\"peerURLs\":null,\"isLearner\":true,\"more\":1}]\n",
        );
        let refused = "http://127.0.0.1:1".to_owned();
        let cluster = members(&[refused, wrong, right], TIMEOUT, true).unwrap();
        assert_eq!(cluster.id, 0xcdf8_1819_4e3a_8c32);
        assert_eq!(cluster.members[0].peer_urls, ["http://a:1"]);
        assert_eq!((cluster.members[0].name.as_str(), cluster.members[1].id), ("m", 10));
        assert!(cluster.members[1].is_learner && !cluster.members[0].is_learner);
        for thread in [first, second] {
            assert_eq!(thread.join().unwrap(), "GET /members HTTP/1.1");
        }
    }

    #[test]
    fn answers_that_name_nobody_are_errors() {
        let (empty, thread) =
            serve("HTTP/1.1 200 OK\r\nX-Etcd-Cluster-Id: 1\r\nContent-Length: 3\r\n\r\n[]\n");
        assert_eq!(
            members(&[empty], TIMEOUT, false).unwrap_err(),
            "failed to get raft cluster member(s) from the given URLs"
        );
        thread.join().unwrap();
        assert_eq!(
            members(&[], TIMEOUT, false).unwrap_err(),
            "could not retrieve cluster information from the given URLs"
        );
    }

    #[test]
    fn versions_and_downgrades() {
        let (url, thread) = serve(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             1d\r\n{\"etcdserver\":\"3.5.16\",\"etcdc\r\n10\r\nluster\":\"3.5.0\"}\r\n0\r\n\r\n",
        );
        let versions = version(&url, TIMEOUT).unwrap();
        assert_eq!((versions.server.as_str(), versions.cluster.as_str()), ("3.5.16", "3.5.0"));
        assert_eq!(versions.storage, "");
        assert_eq!(thread.join().unwrap(), "GET /version HTTP/1.1");
        for (body, expected) in [("true", Some(true)), ("false", Some(false)), ("nope!", None)] {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let (url, thread) = serve(answer.leak());
            assert_eq!(downgrade_enabled(&url, TIMEOUT).ok(), expected);
            assert_eq!(thread.join().unwrap(), "GET /downgrade/enabled HTTP/1.1");
        }
    }

    #[test]
    fn hashes_and_why_there_is_none() {
        let (url, thread) = serve(
            "HTTP/1.1 200 OK\r\nContent-Length: 54\r\n\r\n{\"header\":{\"revision\":9},\"hash\":77,\"hash_revision\":8}\n",
        );
        let hash = hash_kv(&url, 1, 8, TIMEOUT).unwrap();
        assert_eq!(
            (hash.hash, hash.hash_revision, hash.compact_revision, hash.header.revision),
            (77, 8, 0, 9)
        );
        assert_eq!(thread.join().unwrap(), "GET /members/hashkv HTTP/1.1");
        let (url, thread) = serve(
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 48\r\n\r\nmvcc: required revision is a future revision\n   \n",
        );
        let refused = hash_kv(&url, 1, 8, TIMEOUT).unwrap_err();
        assert_eq!(refused, "mvcc: required revision is a future revision");
        thread.join().unwrap();
    }
}
