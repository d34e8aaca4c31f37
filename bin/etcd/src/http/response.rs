//! Responses in the forms Go's HTTP server gives them. Headers stand by name; length and connection headers are the
//! RPC server's business.

use ::rpc::{HttpRequest, HttpResponse};
use serde::Serialize;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
pub const NO_SNIFF: (&str, &str) = ("X-Content-Type-Options", "nosniff");

/// A body of some content type.
pub fn plain(status: u16, content_type: &str, body: String) -> HttpResponse {
    HttpResponse { status, headers: vec![("Content-Type", content_type.to_string())], body: body.into() }
}

/// Text that was not declared as text: what Go finds it to be.
pub fn sniffed_text(body: String) -> HttpResponse {
    plain(200, TEXT, body)
}

/// Text, declared as such.
pub fn declared_text(status: u16, body: String) -> HttpResponse {
    with_headers(plain(status, TEXT, body), vec![(NO_SNIFF.0, NO_SNIFF.1.to_string())])
}

/// An error: the message and a line end.
pub fn text_error(status: u16, message: &str) -> HttpResponse {
    declared_text(status, format!("{message}\n"))
}

pub fn not_found() -> HttpResponse {
    text_error(404, "404 page not found")
}

pub fn method_not_allowed(allowed: &str) -> HttpResponse {
    with_headers(text_error(405, "Method Not Allowed"), vec![("Allow", allowed.to_string())])
}

pub fn json(value: &impl Serialize) -> HttpResponse {
    plain(200, JSON, json_text(value))
}

/// JSON as Go writes it: characters that mean something in HTML are escaped. They occur only inside strings.
pub fn json_text(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).expect("plain structures are JSON");
    text.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// Sends the client to the clean path; the query comes along.
pub fn redirect(request: &HttpRequest, clean: &str) -> HttpResponse {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let location = format!("{clean}{query}");
    let mut headers = vec![("Location", location.clone())];
    let mut body = String::new();
    if matches!(request.method.as_str(), "GET" | "HEAD") {
        headers.push(("Content-Type", "text/html; charset=utf-8".to_string()));
    }
    if request.method == "GET" {
        let shown = location.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let shown = shown.replace('"', "&#34;").replace('\'', "&#39;");
        body = format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n");
    }
    with_headers(HttpResponse { status: 307, headers: Vec::new(), body: body.into() }, headers)
}

/// The response with further headers, all by name.
pub fn with_headers(mut response: HttpResponse, added: Vec<(&'static str, String)>) -> HttpResponse {
    response.headers.extend(added);
    response.headers.sort_by_key(|(name, _)| *name);
    response
}
