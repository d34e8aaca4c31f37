//! What surrounds the client port: the check of the host name, and the headers that let browsers share resources.

use super::response::text_error;
use crate::config::Http;
use ::rpc::{HttpRequest, HttpResponse};

pub type Headers = Vec<(&'static str, String)>;

#[derive(Debug)]
pub enum Verdict {
    Refused(HttpResponse),
    /// Answered with these headers alone.
    Options(Headers),
    /// To be routed; these headers belong on the response.
    Passed(Headers),
}

/// Applies the rules to a request on a plain-text connection.
pub fn check(request: &HttpRequest, rules: &Http) -> Verdict {
    let host = host_of(request);
    if !is_host_allowed(rules, &host) {
        log::warn!(host:%; "rejecting HTTP request to prevent DNS rebinding attacks");
        return Verdict::Refused(text_error(421, &refusal(&host)));
    }
    let headers = sharing_headers(rules, header(request, "origin").as_deref());
    if request.method == "OPTIONS" { Verdict::Options(headers) } else { Verdict::Passed(headers) }
}

fn is_host_allowed(rules: &Http, host: &str) -> bool {
    let list = &rules.host_whitelist;
    list.is_empty() || list.contains("*") || list.contains(host)
}

fn refusal(host: &str) -> String {
    format!(
        "\netcd received your request, but the Host header was unrecognized.\n\n\
         Either use TLS, where any host is taken, or add the name to the list of hosts:\n  \
         etcd --host-whitelist \"{host}\"\n\n\
         This protects against DNS rebinding (CVE-2018-5702).\n"
    )
}

/// The host that was asked for, without its port; as it is if it does not split.
fn host_of(request: &HttpRequest) -> String {
    let host = header(request, "host").unwrap_or_default();
    match crate::url::split_host_port(&host) {
        Some((bare, _)) => bare.to_string(),
        None => host,
    }
}

fn sharing_headers(rules: &Http, origin: Option<&str>) -> Headers {
    let list = &rules.cors;
    let allowed = if list.is_empty() || list.contains("*") {
        "*"
    } else {
        match origin.filter(|origin| list.contains(*origin)) {
            Some(origin) => origin,
            None => return Headers::new(),
        }
    };
    vec![
        ("Access-Control-Allow-Headers", "accept, content-type, authorization".to_string()),
        ("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE".to_string()),
        ("Access-Control-Allow-Origin", allowed.to_string()),
    ]
}

fn header(request: &HttpRequest, name: &str) -> Option<String> {
    let found = request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}
