//! The URLs of listeners and advertisements: `http`, `https`, `unix`, `unixs`, with the error texts of etcd and of
//! Go's URL parser, which its users see. Never resolves a name.
//!
//! Invariant: an `http` or `https` URL has `host:port` (either may be empty) and no path. The order of URLs is that
//! of their texts.

use crate::notation::quote;
use std::{cmp::Ordering, fmt, net::IpAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
    Unix,
    Unixs,
}

impl Scheme {
    pub fn is_unix(self) -> bool {
        matches!(self, Scheme::Unix | Scheme::Unixs)
    }
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Unixs)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    /// What the URL prints as.
    text: String,
    /// Authority without user: `host:port`, brackets kept; empty if there is none.
    authority: String,
    path: String,
}

impl Url {
    /// Parses one URL; blanks around it are dropped.
    pub fn parse(text: &str) -> Result<Url, String> {
        let text = text.trim();
        let parts = Parts::split(text)?;
        let scheme = match parts.scheme.as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "unix" => Scheme::Unix,
            "unixs" => Scheme::Unixs,
            _ => return Err(format!("URL scheme must be http, https, unix, or unixs: {text}")),
        };
        if !scheme.is_unix() {
            if split_host_port(&parts.host).is_none() {
                return Err(format!("URL address does not have the form \"host:port\": {text}"));
            }
            if !parts.path.is_empty() {
                return Err(format!("URL must not contain a path: {text}"));
            }
        }
        Ok(Url { scheme, text: parts.to_text(), authority: parts.host, path: parts.path })
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
    pub fn as_str(&self) -> &str {
        &self.text
    }
    /// `host:port` as written; empty for `unix:/path`.
    pub fn authority(&self) -> &str {
        &self.authority
    }
    /// Host without brackets or port; empty if absent.
    pub fn host(&self) -> &str {
        match split_host_port(&self.authority) {
            Some((host, _)) => host,
            None => self.authority.trim_start_matches('[').trim_end_matches(']'),
        }
    }
    /// Port as written; empty if absent.
    pub fn port(&self) -> &str {
        split_host_port(&self.authority).map_or("", |(_, port)| port)
    }
    /// Path of a `unix` URL; empty for others.
    pub fn path(&self) -> &str {
        &self.path
    }
    /// The same URL with another host; the port stays.
    pub fn with_host(&self, host: &str, port: &str) -> Url {
        let authority = format!("{host}:{port}");
        let scheme = self.text.split(':').next().unwrap_or_default();
        Url { scheme: self.scheme, text: format!("{scheme}://{authority}"), authority, path: String::new() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Url {
    fn cmp(&self, other: &Url) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl PartialOrd for Url {
    fn partial_cmp(&self, other: &Url) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl serde::Serialize for Url {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// A comma list of URLs, sorted; the same URL may stand in it twice.
pub fn parse_urls(text: &str) -> Result<Vec<Url>, String> {
    let mut urls = text.split(',').map(Url::parse).collect::<Result<Vec<Url>, String>>()?;
    urls.sort();
    Ok(urls)
}

/// `host:port` or `[v6]:port`, split; the host without brackets. `None` if the port's colon is missing or the host
/// holds colons without brackets.
pub fn split_host_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let clean = !bare.contains(['[', ']']) && !port.contains(['[', ']']);
    clean.then_some((bare, port))
}

/// A URL taken apart, its pieces still escaped as written.
struct Parts {
    /// Lower case.
    scheme: String,
    /// The part behind the colon, if it does not begin with a slash.
    opaque: Option<String>,
    user: Option<String>,
    /// There is a `//`.
    has_authority: bool,
    host: String,
    path: String,
    /// `?…` and `#…`, with their marks.
    tail: String,
}

impl Parts {
    fn split(text: &str) -> Result<Parts, String> {
        let fail = |reason: String| format!("parse {}: {reason}", quote(text));
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(fail("net/url: invalid control character in URL".to_string()));
        }
        let before_fragment = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = split_scheme(before_fragment).map_err(|e| fail(e.to_string()))?;
        let (rest, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let tail = format!("{query}{}", &text[before_fragment.len()..]);
        let mut parts = Parts {
            scheme,
            opaque: None,
            user: None,
            has_authority: false,
            host: String::new(),
            path: String::new(),
            tail,
        };
        if !rest.starts_with('/') {
            if !parts.scheme.is_empty() {
                parts.opaque = Some(rest.to_string());
                return Ok(parts);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err(fail("first path segment in URL cannot contain colon".to_string()));
            }
        }
        let mut path = rest;
        if let Some(after) = rest.strip_prefix("//").filter(|_| !parts.scheme.is_empty()) {
            let (authority, after) = after.split_at(after.find('/').unwrap_or(after.len()));
            parts.has_authority = true;
            let (user, host) = split_authority(authority).map_err(fail)?;
            (parts.user, parts.host, path) = (user, host, after);
        }
        check_escapes(path).map_err(fail)?;
        parts.path = escape(path, b"!$&'()*+,;=:@[]%/");
        Ok(parts)
    }

    fn to_text(&self) -> String {
        let mut text = format!("{}:", self.scheme);
        match &self.opaque {
            Some(opaque) => text.push_str(opaque),
            None => {
                if self.has_authority && !(self.host.is_empty() && self.path.is_empty()) {
                    text.push_str("//");
                }
                if let Some(user) = &self.user {
                    text.push_str(user);
                    text.push('@');
                }
                text.push_str(&self.host);
                text.push_str(&self.path);
            }
        }
        text + &self.tail
    }
}

/// The scheme in lower case (empty if there is none) and what follows its colon.
fn split_scheme(text: &str) -> Result<(String, &str), &'static str> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme"),
            ':' => return Ok((text[..at].to_ascii_lowercase(), &text[at + 1..])),
            _ => break,
        }
    }
    Ok((String::new(), text))
}

/// User and host of an authority, checked.
fn split_authority(authority: &str) -> Result<(Option<String>, String), String> {
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    check_host(host)?;
    if let Some(user) = user {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
        if !user.chars().all(allowed) {
            return Err("net/url: invalid userinfo".to_string());
        }
        check_escapes(user)?;
    }
    Ok((user.map(ToString::to_string), escape(host, b"!$&'()*+,;=:[]<>\"%")))
}

fn check_host(host: &str) -> Result<(), String> {
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, after)) = rest.rsplit_once(']') else {
            return Err("missing ']' in host".to_string());
        };
        check_port(after)?;
        let (address, zone) = address.split_once("%25").unwrap_or((address, ""));
        check_escapes(address).and_then(|()| check_escapes(zone))?;
        if address.parse::<IpAddr>().is_err() {
            return Err(format!("invalid host: ParseAddr({}): unable to parse IP", quote(address)));
        }
        return Ok(());
    }
    if let Some(colon) = host.find(':') {
        check_port(&host[colon..])?;
    }
    check_escapes(host)?;
    let refused =
        |c: &char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_.~!$&'()*+,;=:[]<>\"%".contains(*c);
    match host.chars().find(refused) {
        Some(c) => Err(format!("invalid character {} in host name", quote(&c.to_string()))),
        None => Ok(()),
    }
}

/// `text` is empty, or a colon and digits.
fn check_port(text: &str) -> Result<(), String> {
    let valid = match text.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()),
        None => text.is_empty(),
    };
    if valid { Ok(()) } else { Err(format!("invalid port {} after host", quote(text))) }
}

/// Every `%` is followed by two hexadecimal digits.
fn check_escapes(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let escape: String = text[at..].chars().take(3).collect();
        let hex = escape.len() == 3 && escape[1..].bytes().all(|b| b.is_ascii_hexdigit());
        if !hex {
            return Err(format!("invalid URL escape {}", quote(&escape)));
        }
    }
    Ok(())
}

/// Percent-encodes every byte that is neither unreserved nor in `kept`.
fn escape(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text is what etcd 3.7.1 answers to that value.
    #[test]
    fn refuses_what_etcd_refuses_with_its_words() {
        for (url, error) in [
            ("", "URL scheme must be http, https, unix, or unixs: "),
            ("x", "URL scheme must be http, https, unix, or unixs: x"),
            ("ftp://a:1", "URL scheme must be http, https, unix, or unixs: ftp://a:1"),
            ("a/b:c", "URL scheme must be http, https, unix, or unixs: a/b:c"),
            ("http://a", "URL address does not have the form \"host:port\": http://a"),
            ("http:a:1", "URL address does not have the form \"host:port\": http:a:1"),
            ("http://a:1/p", "URL must not contain a path: http://a:1/p"),
            ("http://a:1/", "URL must not contain a path: http://a:1/"),
            ("http://a:b", "parse \"http://a:b\": invalid port \":b\" after host"),
            ("http://a:1\\b", "parse \"http://a:1\\\\b\": invalid port \":1\\\\b\" after host"),
            ("http://[::1:2", "parse \"http://[::1:2\": missing ']' in host"),
            ("http://[::1]x:1", "parse \"http://[::1]x:1\": invalid port \"x:1\" after host"),
            ("http://[zz]:1", "parse \"http://[zz]:1\": invalid host: ParseAddr(\"zz\"): unable to parse IP"),
            ("http://::1:80", "parse \"http://::1:80\": invalid port \"::1:80\" after host"),
            ("http://a:80:80", "parse \"http://a:80:80\": invalid port \":80:80\" after host"),
            ("http://a b:1", "parse \"http://a b:1\": invalid character \" \" in host name"),
            ("unix://a b", "parse \"unix://a b\": invalid character \" \" in host name"),
            ("http://a^b:1", "parse \"http://a^b:1\": invalid character \"^\" in host name"),
            ("http://a%zz:1", "parse \"http://a%zz:1\": invalid URL escape \"%zz\""),
            ("http://u%zz@a:1", "parse \"http://u%zz@a:1\": invalid URL escape \"%zz\""),
            ("http://a:1/%zz", "parse \"http://a:1/%zz\": invalid URL escape \"%zz\""),
            ("http://[fe80::1%en0]:1", "parse \"http://[fe80::1%en0]:1\": invalid URL escape \"%en\""),
            (":1", "parse \":1\": missing protocol scheme"),
            ("1:2", "parse \"1:2\": first path segment in URL cannot contain colon"),
            ("127.0.0.1:80", "parse \"127.0.0.1:80\": first path segment in URL cannot contain colon"),
            ("a%b:c", "parse \"a%b:c\": first path segment in URL cannot contain colon"),
            ("http://a:1\x01", "parse \"http://a:1\\x01\": net/url: invalid control character in URL"),
        ] {
            assert_eq!(Url::parse(url), Err(error.to_string()), "{url}");
        }
    }

    #[test]
    fn takes_what_etcd_takes() {
        for (url, text, host, port, path) in [
            ("http://a:1", "http://a:1", "a", "1", ""),
            (" HTTP://a:1 ", "http://a:1", "a", "1", ""),
            ("http://:1", "http://:1", "", "1", ""),
            ("http://a:", "http://a:", "a", "", ""),
            ("https://[::1]:2", "https://[::1]:2", "::1", "2", ""),
            ("http://[fe80::1%25en0]:1", "http://[fe80::1%25en0]:1", "fe80::1%25en0", "1", ""),
            ("http://u:p@a:1", "http://u:p@a:1", "a", "1", ""),
            ("http://a:1?q=1", "http://a:1?q=1", "a", "1", ""),
            ("http://a:1#f", "http://a:1#f", "a", "1", ""),
            ("http://é:1", "http://%C3%A9:1", "%C3%A9", "1", ""),
            ("unix:foo", "unix:foo", "", "", ""),
            ("unix:/a/b", "unix:/a/b", "", "", "/a/b"),
            ("unix:///a/b", "unix:///a/b", "", "", "/a/b"),
            ("unixs://a/b c", "unixs://a/b%20c", "a", "", "/b%20c"),
            ("unix://name:1", "unix://name:1", "name", "1", ""),
        ] {
            let parsed = Url::parse(url).expect(url);
            assert_eq!(parsed.as_str(), text);
            assert_eq!((parsed.host(), parsed.port(), parsed.path()), (host, port, path), "{url}");
        }
    }

    #[test]
    fn lists_are_sorted_by_text() {
        let texts: Vec<String> = parse_urls("http://b:1, http://a:2,http://B:1")
            .expect("valid")
            .iter()
            .map(Url::to_string)
            .collect();
        assert_eq!(texts, ["http://B:1", "http://a:2", "http://b:1"]);
        let error = parse_urls("http://a:1, ").expect_err("an empty URL");
        assert_eq!(error, "URL scheme must be http, https, unix, or unixs: ");
    }

    #[test]
    fn hosts_and_ports_split() {
        for (text, split) in [
            ("a:1", Some(("a", "1"))),
            (":", Some(("", ""))),
            ("[::1]:2", Some(("::1", "2"))),
            ("a", None),
            ("::1:2", None),
            ("[::1]", None),
            ("[::1:2", None),
        ] {
            assert_eq!(split_host_port(text), split, "{text}");
        }
    }
}
