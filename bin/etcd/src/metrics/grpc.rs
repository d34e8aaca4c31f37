//! Calls by service, method, kind and status code. The methods are a fixed list, so every series exists from the
//! start and feeding one needs no look-up.

use super::{
    family::{head, label_text},
    value::{Counter, Histogram, Value},
};
use std::{sync::Arc, time::Duration};

/// Service and its methods, those that stream with their kind.
const SERVICES: &[(&str, &[(&str, &str)])] = &[
    (
        "etcdserverpb.Auth",
        &[
            ("AuthDisable", UNARY),
            ("AuthEnable", UNARY),
            ("AuthStatus", UNARY),
            ("Authenticate", UNARY),
            ("RoleAdd", UNARY),
            ("RoleDelete", UNARY),
            ("RoleGet", UNARY),
            ("RoleGrantPermission", UNARY),
            ("RoleList", UNARY),
            ("RoleRevokePermission", UNARY),
            ("UserAdd", UNARY),
            ("UserChangePassword", UNARY),
            ("UserDelete", UNARY),
            ("UserGet", UNARY),
            ("UserGrantRole", UNARY),
            ("UserList", UNARY),
            ("UserRevokeRole", UNARY),
        ],
    ),
    (
        "etcdserverpb.Cluster",
        &[
            ("MemberAdd", UNARY),
            ("MemberList", UNARY),
            ("MemberPromote", UNARY),
            ("MemberRemove", UNARY),
            ("MemberUpdate", UNARY),
        ],
    ),
    (
        "etcdserverpb.KV",
        &[
            ("Compact", UNARY),
            ("DeleteRange", UNARY),
            ("Put", UNARY),
            ("Range", UNARY),
            ("RangeStream", SERVER_STREAM),
            ("Txn", UNARY),
        ],
    ),
    (
        "etcdserverpb.Lease",
        &[
            ("LeaseGrant", UNARY),
            ("LeaseKeepAlive", BIDI_STREAM),
            ("LeaseLeases", UNARY),
            ("LeaseRevoke", UNARY),
            ("LeaseTimeToLive", UNARY),
        ],
    ),
    (
        "etcdserverpb.Maintenance",
        &[
            ("Alarm", UNARY),
            ("Defragment", UNARY),
            ("Downgrade", UNARY),
            ("Hash", UNARY),
            ("HashKV", UNARY),
            ("MoveLeader", UNARY),
            ("Snapshot", SERVER_STREAM),
            ("Status", UNARY),
        ],
    ),
    ("etcdserverpb.Watch", &[("Watch", BIDI_STREAM)]),
    ("grpc.health.v1.Health", &[("Check", UNARY), ("List", UNARY), ("Watch", SERVER_STREAM)]),
];
const UNARY: &str = "unary";
const SERVER_STREAM: &str = "server_stream";
const BIDI_STREAM: &str = "bidi_stream";

/// Status codes by number.
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
const UNKNOWN: usize = 2;
const LABELS: [&str; 3] = ["grpc_method", "grpc_service", "grpc_type"];
/// Upper bounds of handling times, seconds.
const HANDLING_BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// One method's figures. Kept by whoever serves the method.
#[derive(Debug)]
pub struct MethodMetrics {
    service: &'static str,
    method: &'static str,
    kind: &'static str,
    pub started: Counter,
    pub received: Counter,
    pub sent: Counter,
    handled: [Counter; CODES.len()],
    handling: Option<Histogram>,
}

impl MethodMetrics {
    /// A call ended with this status code after this time.
    pub fn finished(&self, code: u8, took: Duration) {
        self.handled.get(usize::from(code)).unwrap_or(&self.handled[UNKNOWN]).increment();
        if let Some(handling) = &self.handling {
            handling.observe_time(took);
        }
    }

    /// Whether [`MethodMetrics::finished`] makes use of the time.
    pub fn is_timed(&self) -> bool {
        self.handling.is_some()
    }

    /// Brings the calls ended, by status code, up to totals counted elsewhere.
    pub fn raise_handled(&self, totals: &[u64; CODES.len()]) {
        for (counter, total) in self.handled.iter().zip(totals) {
            counter.add(total.saturating_sub(counter.value()));
        }
    }

    fn labels(&self) -> String {
        label_text(&LABELS, &[self.method, self.service, self.kind])
    }
}

#[derive(Debug)]
pub struct GrpcMetrics {
    /// By method, service, kind: the order of series.
    methods: Vec<Arc<MethodMetrics>>,
}

impl GrpcMetrics {
    pub(super) fn new(extensive: bool) -> GrpcMetrics {
        let bounds: Arc<[f64]> = Arc::from(HANDLING_BOUNDS);
        let method = |service, (method, kind): &(&'static str, &'static str)| {
            Arc::new(MethodMetrics {
                service,
                method,
                kind,
                started: Counter::default(),
                received: Counter::default(),
                sent: Counter::default(),
                handled: std::array::from_fn(|_| Counter::default()),
                handling: extensive.then(|| Histogram::new(&bounds)),
            })
        };
        let mut methods: Vec<_> = SERVICES
            .iter()
            .flat_map(|(service, list)| list.iter().map(move |row| method(service, row)))
            .collect();
        methods.sort_unstable_by_key(|method| (method.method, method.service, method.kind));
        GrpcMetrics { methods }
    }

    /// The figures of the method at a path like `/etcdserverpb.KV/Put`; `None` for services that are not counted.
    pub fn method(&self, path: &str) -> Option<Arc<MethodMetrics>> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        self.methods.iter().find(|known| known.service == service && known.method == method).cloned()
    }

    pub(super) fn texts(&self) -> Vec<(&'static str, String)> {
        let mut texts = vec![
            self.counters("grpc_server_started_total", "Calls begun.", |method| &method.started),
            self.counters("grpc_server_msg_received_total", "Messages received.", |method| &method.received),
            self.counters("grpc_server_msg_sent_total", "Messages sent.", |method| &method.sent),
            self.handled(),
        ];
        texts.extend(self.handling());
        texts
    }

    fn counters(
        &self,
        name: &'static str,
        help: &str,
        pick: impl Fn(&MethodMetrics) -> &Counter,
    ) -> (&'static str, String) {
        let mut out = String::new();
        head(&mut out, name, help, Counter::KIND);
        for method in &self.methods {
            pick(method).write(name, &method.labels(), &mut out);
        }
        (name, out)
    }

    fn handled(&self) -> (&'static str, String) {
        const NAME: &str = "grpc_server_handled_total";
        let mut out = String::new();
        head(&mut out, NAME, "Calls ended, by status code.", Counter::KIND);
        let mut codes: Vec<(usize, &str)> = CODES.into_iter().enumerate().collect();
        codes.sort_unstable_by_key(|(_, name)| *name);
        for (code, code_name) in codes {
            for method in &self.methods {
                let labels = format!("{},{}", label_text(&["grpc_code"], &[code_name]), method.labels());
                method.handled[code].write(NAME, &labels, &mut out);
            }
        }
        (NAME, out)
    }

    fn handling(&self) -> Option<(&'static str, String)> {
        const NAME: &str = "grpc_server_handling_seconds";
        let mut out = String::new();
        for method in &self.methods {
            method.handling.as_ref()?.write(NAME, &method.labels(), &mut out);
        }
        let mut text = String::new();
        head(&mut text, NAME, "Time of a call.", Histogram::KIND);
        Some((NAME, text + &out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_method_and_code() {
        let grpc = GrpcMetrics::new(false);
        let put = grpc.method("/etcdserverpb.KV/Put").expect("counted");
        put.started.increment();
        put.finished(0, Duration::ZERO);
        put.finished(99, Duration::ZERO);
        assert!(!put.is_timed());
        assert!(grpc.method("/v3lockpb.Lock/Lock").is_none() && grpc.method("Put").is_none());
        let all: String = grpc.texts().into_iter().map(|(_, text)| text).collect();
        let labels = "grpc_method=\"Put\",grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"";
        for line in [
            format!("\ngrpc_server_started_total{{{labels}}} 1\n"),
            format!("\ngrpc_server_handled_total{{grpc_code=\"OK\",{labels}}} 1\n"),
            format!("\ngrpc_server_handled_total{{grpc_code=\"Unknown\",{labels}}} 1\n"),
            format!("\ngrpc_server_handled_total{{grpc_code=\"Internal\",{labels}}} 0\n"),
        ] {
            assert!(all.contains(&line), "{line}");
        }
        assert!(!all.contains("handling_seconds"));
    }

    #[test]
    fn extensive_metrics_time_every_call() {
        let grpc = GrpcMetrics::new(true);
        grpc.method("/etcdserverpb.KV/Range").expect("counted").finished(0, Duration::from_millis(7));
        let (_, text) = grpc.texts().pop().expect("the histogram is last");
        assert!(text.contains(
            "grpc_server_handling_seconds_bucket{grpc_method=\"Range\",grpc_service=\"etcdserverpb.KV\",\
             grpc_type=\"unary\",le=\"0.01\"} 1\n"
        ));
    }
}
