//! Runs a script's steps against a server and gives the answers as text. It compares nothing.

use crate::mask::{Kept, Known, mask, mask_text};
use crate::schema::{Method, Schema};
use crate::script::Script;
use crate::server::Server;
use crate::transport::{ANSWER_TIMEOUT, Failure, Item, Raw, Requests, client, path, pump, request, unary};
use bytes::Bytes;
use nix::sys::signal::Signal;
use prost_reflect::text_format::FormatOptions;
use prost_reflect::{DynamicMessage, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// The server must answer its first request within this time.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests and answers buffered for a stream.
const STREAM_BUFFER: usize = 64;
/// Steps without any answer after which a script is given up: each may have taken [`ANSWER_TIMEOUT`].
const FAILURES_MAX: usize = 20;
/// Messages of a server stream that are printed; a longer stream is an error.
const STREAM_MESSAGES_MAX: usize = 10_000;
/// Wider answers are spread over lines.
const LINE_WIDTH: usize = 110;

const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

struct Stream {
    method: Method,
    /// None: the client's side is closed.
    requests: Option<mpsc::Sender<Bytes>>,
    items: mpsc::Receiver<Item>,
    task: tokio::task::JoinHandle<()>,
}

/// What a script runs on.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub binary: &'a Path,
    /// Takes the data over at each second `switch`; else the same binary does.
    pub other: Option<&'a Path>,
    /// For `restore`.
    pub etcdutl: Option<&'a Path>,
    pub data: &'a Path,
    /// Client port; the peer port is the next one.
    pub port: u16,
    /// Flags of `binary` alone, besides the script's.
    pub flags: &'a [String],
}

impl Place<'_> {
    /// The flags of a binary: the first one, or the other.
    fn flags_of(&self, other: bool, script: &Script) -> Vec<String> {
        let own = if other && self.other.is_some() { &[] } else { self.flags };
        script.flags.iter().chain(own).cloned().collect()
    }
}

struct Session<'a> {
    schema: &'a Schema,
    script: &'a Script,
    place: &'a Place<'a>,
    /// The other binary runs.
    switched: bool,
    server: Server,
    channel: Channel,
    known: Known,
    streams: BTreeMap<String, Stream>,
}

/// A call as a script writes it.
struct Call {
    method: Method,
    metadata: Vec<(String, String)>,
    body: Bytes,
}

/// Runs all steps on a fresh server; one text for each.
pub async fn run(script: &Script, schema: &Schema, place: &Place<'_>) -> Result<Vec<String>, Failure> {
    let flags = place.flags_of(false, script);
    let mut server =
        Server::start(place.binary, &flags, place.data, place.port).map_err(|e| e.to_string())?;
    let channel = ready(&mut server).await?;
    let texts = vec![(server.client_url(), "CLIENT_URL"), (server.peer_url(), "PEER_URL")];
    let known = Known { texts, kept: BTreeMap::new() };
    let streams = BTreeMap::new();
    let mut session = Session { schema, script, place, server, channel, known, streams, switched: false };
    let mut answers = Vec::with_capacity(script.steps.len());
    let mut failures = 0;
    for step in &script.steps {
        let answer = session.step(&step.command).await.or_else(|text| {
            failures += 1;
            let text = format!("FAILED: {text}\n");
            if failures < FAILURES_MAX { Ok(text) } else { Err(format!("line {}: {text}", step.line)) }
        });
        answers.push(answer?);
    }
    Ok(answers)
}

/// Waits until the server answers.
pub async fn ready(server: &mut Server) -> Result<Channel, Failure> {
    let begun = Instant::now();
    let endpoint = Endpoint::from_shared(server.client_url()).map_err(|e| e.to_string())?;
    loop {
        let answer = match endpoint.connect().await {
            // A linearizable range of one absent key. With authentication on, a refusal is an answer too.
            Ok(channel) => {
                match unary(&channel, "/etcdserverpb.KV/Range", &[], Bytes::from_static(&[0x0a, 1, 0])).await
                {
                    Ok(_) => Ok(channel),
                    Err(status) if status.code() == tonic::Code::InvalidArgument => Ok(channel),
                    Err(status) => Err(status.to_string()),
                }
            }
            Err(e) => Err(e.to_string()),
        };
        match answer {
            Ok(channel) => return Ok(channel),
            Err(text) if begun.elapsed() > READY_TIMEOUT => return Err(text),
            Err(_) => {}
        }
        if let Some(status) = server.ended().map_err(|e| e.to_string())? {
            return Err(format!(
                "the server ended ({status}), its log is beside {}",
                server.data().display()
            ));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl<'a> Session<'a> {
    async fn step(&mut self, command: &str) -> Result<String, Failure> {
        let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
        match word {
            "quiet" => {
                let call = self.call(rest)?;
                let answer = unary(&self.channel, &call.method.path, &call.metadata, call.body.clone()).await;
                answer.map(|_| String::new()).map_err(|status| status.to_string())
            }
            "times" => self.times(rest).await,
            "until" => self.until(rest).await,
            "let" => self.keep(rest).await,
            "pick" => self.pick(rest).await,
            "raw" => self.raw(rest).await,
            "open" => self.open(rest),
            "send" => self.send(rest).await,
            "recv" => self.receive(rest).await,
            "events" => self.events(rest).await,
            "finish" => self.finish(rest).await,
            "drop" => {
                let stream = self.streams.remove(rest).ok_or("no such stream")?;
                stream.task.abort();
                Ok(String::new())
            }
            "restart" => self.restart(Signal::SIGTERM, None).await,
            "kill" => self.restart(Signal::SIGKILL, None).await,
            "switch" => {
                let signal = if rest == "kill" { Signal::SIGKILL } else { Signal::SIGTERM };
                let next = self.next_binary();
                self.restart(signal, Some(next)).await
            }
            "restore" => self.restore().await,
            "refused" => self.refused().await,
            _ => {
                let call = self.call(command)?;
                self.answer(&call).await
            }
        }
    }

    fn call(&self, text: &str) -> Result<Call, Failure> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let method = self.schema.method(name).ok_or_else(|| format!("no method {name}"))?.clone();
        let mut metadata = Vec::new();
        let rest = self.known.insert_kept(rest);
        let mut rest = rest.as_str();
        while let Some(pair) = rest.strip_prefix('@') {
            let (pair, after) = pair.split_once(' ').unwrap_or((pair, ""));
            let (name, value) = pair.split_once('=').ok_or("metadata is @NAME=VALUE")?;
            metadata.push((name.to_owned(), value.to_owned()));
            rest = after;
        }
        let body = self.encode(&method, rest)?;
        Ok(Call { method, metadata, body })
    }

    fn encode(&self, method: &Method, text: &str) -> Result<Bytes, Failure> {
        let mut text = text.to_owned();
        while let Some(at) = text.find("$pad{") {
            let end = at + text[at..].find('}').ok_or("$pad without an end")?;
            let count: usize = text[at + 5..end].parse().map_err(|_| "$pad{N} wants a number")?;
            text.replace_range(at..=end, &"x".repeat(count));
        }
        let message =
            DynamicMessage::parse_text_format(method.request.clone(), &text).map_err(|e| e.to_string())?;
        Ok(prost_reflect::prost::Message::encode_to_vec(&message).into())
    }

    /// The answer of a call: its message, its messages, or its error.
    async fn answer(&self, call: &Call) -> Result<String, Failure> {
        if call.method.server_stream {
            return self.server_stream(call).await;
        }
        match unary(&self.channel, &call.method.path, &call.metadata, call.body.clone()).await {
            Ok(body) => self.show(&call.method, &body),
            Err(status) => Ok(self.error(&status)),
        }
    }

    async fn server_stream(&self, call: &Call) -> Result<String, Failure> {
        let (bodies, end) = self.collect(call).await?;
        if call.method.path.ends_with("/Snapshot") {
            return Ok(snapshot(&call.method, &bodies)? + &end);
        }
        let mut text = String::new();
        for body in &bodies {
            text.push_str(&self.show(&call.method, body)?);
        }
        Ok(text + &end)
    }

    /// All messages of a server stream, and its error, if it ended with one.
    async fn collect(&self, call: &Call) -> Result<(Vec<Bytes>, String), Failure> {
        let mut grpc = client(&self.channel).await?;
        let request = request(&call.metadata, call.body.clone())?;
        let path = path(&call.method.path)?;
        let mut bodies = Vec::new();
        let mut messages = match grpc.server_streaming(request, path, Raw).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Ok((bodies, self.error(&status))),
        };
        loop {
            match tokio::time::timeout(ANSWER_TIMEOUT, messages.message()).await.map_err(|_| "no answer")? {
                Ok(Some(body)) if bodies.len() < STREAM_MESSAGES_MAX => bodies.push(body),
                Ok(Some(_)) => return Err("the stream does not end".into()),
                Ok(None) => return Ok((bodies, String::new())),
                Err(status) => return Ok((bodies, self.error(&status))),
            }
        }
    }

    async fn times(&mut self, rest: &str) -> Result<String, Failure> {
        let (count, text) = rest.split_once(' ').ok_or("times N CALL")?;
        let count: usize = count.parse().map_err(|_| "times N CALL")?;
        let mut last = String::new();
        for number in 0..count {
            let text = text.replace("%d", &number.to_string());
            last = self.answer(&self.call(&text)?).await?;
        }
        Ok(last)
    }

    async fn keep(&mut self, rest: &str) -> Result<String, Failure> {
        let [name, field, text] = rest.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return Err("let NAME PATH CALL".into());
        };
        let (method, body, value) = self.field(field, text).await?;
        let kept = match value {
            Value::I64(number) => Kept::Number(number.into()),
            Value::U64(number) => Kept::Number(number.into()),
            Value::String(text) => Kept::Text(text),
            _ => return Err("only texts and 64-bit numbers are kept".into()),
        };
        self.known.kept.insert(name.to_owned(), kept);
        self.show(&method, &body)
    }

    async fn pick(&self, rest: &str) -> Result<String, Failure> {
        let (field, text) = rest.split_once(' ').ok_or("pick PATH CALL")?;
        let (_, _, value) = self.field(field, text).await?;
        Ok(format!("{value}\n"))
    }

    /// Calls, and takes a field from the answer.
    async fn field(&self, field: &str, text: &str) -> Result<(Method, Bytes, Value), Failure> {
        let call = self.call(text)?;
        let body = unary(&self.channel, &call.method.path, &call.metadata, call.body.clone())
            .await
            .map_err(|status| status.to_string())?;
        let mut value = Value::Message(
            DynamicMessage::decode(call.method.response.clone(), body.clone()).map_err(|e| e.to_string())?,
        );
        for part in field.split('.') {
            let message = value.as_message().ok_or("the path leads into no message")?;
            value = message.get_field_by_name(part).ok_or_else(|| format!("no field {part}"))?.into_owned();
        }
        Ok((call.method, body, value))
    }

    async fn until(&mut self, rest: &str) -> Result<String, Failure> {
        let [field, wanted, text] = rest.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return Err("until PATH NUMBER CALL".into());
        };
        let wanted: i64 = wanted.parse().map_err(|_| "until PATH NUMBER CALL")?;
        let begun = Instant::now();
        while self.field(field, text).await?.2 != Value::I64(wanted) {
            if begun.elapsed() > ANSWER_TIMEOUT {
                return Err(format!("{field} does not become {wanted}"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(String::new())
    }

    async fn raw(&self, rest: &str) -> Result<String, Failure> {
        let (path, hex) = rest.split_once(' ').unwrap_or((rest, ""));
        let digits: Vec<u8> = hex.bytes().filter(|c| *c != b' ').collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let body: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>().ok_or("raw PATH HEX")?;
        match unary(&self.channel, path, &[], body.into()).await {
            Ok(_) => Ok("an answer\n".into()),
            Err(status) => Ok(self.error(&status)),
        }
    }

    fn open(&mut self, rest: &str) -> Result<String, Failure> {
        let (name, text) = rest.split_once(' ').ok_or("open NAME CALL")?;
        let call = self.call(text)?;
        let (requests, receiver) = mpsc::channel(STREAM_BUFFER);
        let (items, received) = mpsc::channel(STREAM_BUFFER);
        let first = (!call.method.client_stream).then(|| call.body.clone());
        let request = request(&call.metadata, Requests { first, rest: receiver })?;
        let task = tokio::spawn(pump(self.channel.clone(), path(&call.method.path)?, request, items));
        let requests = call.method.client_stream.then_some(requests);
        let stream = Stream { method: call.method, requests, items: received, task };
        if self.streams.insert(name.to_owned(), stream).is_some() {
            return Err("a stream of this name is open".into());
        }
        Ok(String::new())
    }

    async fn send(&mut self, rest: &str) -> Result<String, Failure> {
        let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let stream = self.streams.get(name).ok_or("no such stream")?;
        let body = self.encode(&stream.method, &self.known.insert_kept(text))?;
        let requests = stream.requests.as_ref().ok_or("its requests are finished")?;
        requests.send(body).await.map_err(|_| "the stream has ended")?;
        Ok(String::new())
    }

    async fn next(&mut self, name: &str) -> Result<Item, Failure> {
        let stream = self.streams.get_mut(name).ok_or("no such stream")?;
        match tokio::time::timeout(ANSWER_TIMEOUT, stream.items.recv()).await {
            Ok(Some(item)) => Ok(item),
            Ok(None) => Err("the stream ended before".into()),
            Err(_) => Err("nothing came".into()),
        }
    }

    async fn receive(&mut self, rest: &str) -> Result<String, Failure> {
        let (name, count) = rest.split_once(' ').unwrap_or((rest, "1"));
        let count: usize = count.parse().map_err(|_| "recv NAME [N]")?;
        let mut text = String::new();
        for _ in 0..count {
            match self.next(name).await? {
                Ok(body) => text += &self.show(&self.streams[name].method, &body)?,
                Err(status) => text += &self.error(&status),
            }
        }
        Ok(text)
    }

    async fn events(&mut self, rest: &str) -> Result<String, Failure> {
        let (name, count) = rest.split_once(' ').ok_or("events NAME N")?;
        let count: usize = count.parse().map_err(|_| "events NAME N")?;
        let (mut text, mut got) = (String::new(), 0);
        while got < count {
            let body = self.next(name).await?.map_err(|status| status.to_string())?;
            let descriptor = self.streams[name].method.response.clone();
            let message = DynamicMessage::decode(descriptor, body).map_err(|e| e.to_string())?;
            let events = message.get_field_by_name("events").ok_or("no watch stream")?;
            for event in events.as_list().ok_or("no watch stream")? {
                let mut event = event.as_message().ok_or("an event is a message")?.clone();
                mask(&mut event, &self.known);
                text += &format(&event);
                got += 1;
            }
        }
        if got > count { Err(format!("{got} events came:\n{text}")) } else { Ok(text) }
    }

    async fn finish(&mut self, name: &str) -> Result<String, Failure> {
        self.streams.get_mut(name).ok_or("no such stream")?.requests = None;
        let mut text = String::new();
        loop {
            match self.next(name).await? {
                Ok(body) => text += &self.show(&self.streams[name].method, &body)?,
                Err(status) => {
                    self.streams.remove(name);
                    return Ok(text + &self.error(&status));
                }
            }
        }
    }

    async fn restart(&mut self, signal: Signal, binary: Option<&Path>) -> Result<String, Failure> {
        self.streams.clear();
        self.server.restart(signal, binary).map_err(|e| e.to_string())?;
        self.channel = ready(&mut self.server).await?;
        Ok(String::new())
    }

    /// Which binary `switch` starts; the server has its flags from now on.
    fn next_binary(&mut self) -> &'a Path {
        self.switched = !self.switched;
        self.server.set_flags(self.place.flags_of(self.switched, self.script));
        if self.switched { self.place.other.unwrap_or(self.place.binary) } else { self.place.binary }
    }

    /// The other binary must end by itself, in failure, when it is started on the data; then the first goes on.
    async fn refused(&mut self) -> Result<String, Failure> {
        self.streams.clear();
        let other = self.place.other.ok_or("refused needs --other")?;
        self.server.set_flags(self.place.flags_of(true, self.script));
        self.server.restart(Signal::SIGTERM, Some(other)).map_err(|e| e.to_string())?;
        let begun = Instant::now();
        let ended = loop {
            match self.server.ended().map_err(|e| e.to_string())? {
                Some(status) => break status,
                None if begun.elapsed() > READY_TIMEOUT => return Err("the other binary goes on".into()),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        self.server.set_flags(self.place.flags_of(false, self.script));
        self.restart(Signal::SIGTERM, Some(self.place.binary)).await?;
        if ended.success() {
            Err("the other binary ended without failure".into())
        } else {
            Ok("refused\n".into())
        }
    }

    /// Saves a snapshot, restores it with etcdutl into a new directory, and goes on there with the next binary.
    async fn restore(&mut self) -> Result<String, Failure> {
        let etcdutl = self.place.etcdutl.ok_or("restore needs --etcdutl")?;
        let call = self.call("Maintenance/Snapshot")?;
        let (file, restored) =
            (self.place.data.with_extension("saved"), self.place.data.with_extension("restored"));
        let mut whole = Vec::new();
        for body in self.collect(&call).await?.0 {
            let message =
                DynamicMessage::decode(call.method.response.clone(), body).map_err(|e| e.to_string())?;
            let blob = message.get_field_by_name("blob").ok_or("no blob")?;
            whole.extend_from_slice(blob.as_bytes().ok_or("no blob")?);
        }
        std::fs::write(&file, whole).map_err(|e| e.to_string())?;
        // It may be absent.
        let _ = std::fs::remove_dir_all(&restored);
        let peer = self.server.peer_url();
        let done = std::process::Command::new(etcdutl)
            .args(["snapshot", "restore"])
            .arg(&file)
            .arg("--data-dir")
            .arg(&restored)
            .args(["--name", "e2e", "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("e2e={peer}")])
            .output()
            .map_err(|e| e.to_string())?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        self.streams.clear();
        let next = self.next_binary();
        self.server.move_to(&restored, next).map_err(|e| e.to_string())?;
        self.channel = ready(&mut self.server).await?;
        Ok(String::new())
    }

    fn show(&self, method: &Method, body: &Bytes) -> Result<String, Failure> {
        let decoded = DynamicMessage::decode(method.response.clone(), body.clone());
        let mut message =
            decoded.map_err(|e| format!("the answer is no {}: {e}", method.response.full_name()))?;
        mask(&mut message, &self.known);
        Ok(format(&message))
    }

    fn error(&self, status: &Status) -> String {
        let code = CODES[usize::try_from(i32::from(status.code())).expect("codes are 0 to 16")];
        // Go's protobuf library puts a no-break space into its texts in some builds.
        let text = status.message().replace('\u{a0}', " ");
        format!("{code}: {}\n", mask_text(&text, &self.known))
    }
}

/// A snapshot's frame: file size and content differ, the way it is cut and its digest do not.
fn snapshot(method: &Method, bodies: &[Bytes]) -> Result<String, Failure> {
    let mut messages = Vec::new();
    for body in bodies {
        let decoded =
            DynamicMessage::decode(method.response.clone(), body.clone()).map_err(|e| e.to_string())?;
        let field = |name: &str| decoded.get_field_by_name(name).expect("a field of it").into_owned();
        let blob = field("blob").as_bytes().expect("bytes").clone();
        let version = field("version").as_str().expect("a text").to_owned();
        messages.push((blob, field("remaining_bytes").as_u64().expect("a number"), version));
    }
    let Some(((digest, last_remaining, _), parts)) = messages.split_last() else {
        return Ok("empty\n".into());
    };
    let whole: Vec<u8> = parts.iter().flat_map(|(blob, ..)| blob.to_vec()).collect();
    let mut left = whole.len() as u64;
    let mut counts_down = true;
    for (blob, remaining, _) in parts {
        left -= blob.len() as u64;
        counts_down &= *remaining == left;
    }
    let mut text = String::new();
    let full = parts.iter().rev().skip(1).all(|(blob, ..)| blob.len() == 32_768);
    let digest_right = digest[..] == Sha256::digest(&whole)[..];
    let versions: std::collections::BTreeSet<_> = messages.iter().map(|(.., version)| version).collect();
    let _ = writeln!(text, "full chunks: {full}, last part short or full: {}", {
        parts.last().is_some_and(|(blob, ..)| (1..=32_768).contains(&blob.len()))
    });
    let _ = writeln!(text, "remaining bytes count down: {counts_down}, end at {last_remaining}");
    let _ = writeln!(text, "digest right: {digest_right}, whole pages: {}", whole.len().is_multiple_of(4096));
    let _ = writeln!(text, "versions: {versions:?}");
    Ok(text)
}

fn format(message: &DynamicMessage) -> String {
    let line = message.to_text_format_with_options(&FormatOptions::new().skip_unknown_fields(false));
    if line.len() <= LINE_WIDTH {
        return if line.is_empty() { "{}\n".into() } else { line + "\n" };
    }
    let options = FormatOptions::new().skip_unknown_fields(false).pretty(true);
    message.to_text_format_with_options(&options).trim_end().to_owned() + "\n"
}
