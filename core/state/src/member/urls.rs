//! The peer URLs a member-add request may name.

/// etcd's text is the same whatever is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("etcdserver: given member URLs are invalid")]
pub struct BadUrls;

/// Checks URLs and brings them into etcd's form: trimmed, lower-case scheme, sorted. Schemes http and https want
/// `host:port` and no path; unix and unixs name a socket.
pub fn peer_urls(urls: &[String]) -> Result<Vec<String>, BadUrls> {
    if urls.is_empty() {
        return Err(BadUrls);
    }
    let mut good = urls.iter().map(|url| peer_url(url.trim())).collect::<Result<Vec<_>, _>>()?;
    good.sort_unstable();
    Ok(good)
}

fn peer_url(url: &str) -> Result<String, BadUrls> {
    let (scheme, rest) = url.split_once("://").ok_or(BadUrls)?;
    let scheme = scheme.to_ascii_lowercase();
    let plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    if rest.is_empty() || !rest.chars().all(plain) {
        return Err(BadUrls);
    }
    match scheme.as_str() {
        "http" | "https" => host_port(rest)?,
        "unix" | "unixs" => {}
        _ => return Err(BadUrls),
    }
    Ok(format!("{scheme}://{rest}"))
}

/// `host:port`, where host may be empty and an IPv6 address stands in brackets.
fn host_port(text: &str) -> Result<(), BadUrls> {
    let (host, port) = text.rsplit_once(':').ok_or(BadUrls)?;
    let bare = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or(BadUrls)?,
        None if host.contains(':') => return Err(BadUrls),
        None => host,
    };
    if bare.contains(['/', '?', '#', '[', ']', '@']) || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadUrls);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_urls_are_taken() {
        let check = |urls: &[&str]| peer_urls(&urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>());
        let good = check(&[" http://b:2380", "HTTPS://a:1", "http://[::1]:2380", "unix://sock:1"]).unwrap();
        assert_eq!(good, ["http://[::1]:2380", "http://b:2380", "https://a:1", "unix://sock:1"]);
        for bad in [
            "",
            "a:1",
            "http://a",
            "http://a:1/",
            "http://a:1/x",
            "ftp://a:1",
            "http://a:b",
            "http://::1:1",
            "http://a:1?x",
            "http://",
            "http://a b:1",
        ] {
            assert_eq!(check(&[bad]), Err(BadUrls), "{bad:?}");
        }
        assert_eq!(check(&[]), Err(BadUrls));
    }
}
