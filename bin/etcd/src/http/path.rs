//! Paths and queries as Go's HTTP library reads them.

/// The path without empty, `.` and `..` elements. A slash at the end stays.
pub fn clean(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => _ = elements.pop(),
            _ => elements.push(element),
        }
    }
    let mut clean = format!("/{}", elements.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    clean
}

/// The values of a query's key, in order. Pairs with a bad escape or a semicolon do not count.
pub fn query_values(query: &str, key: &str) -> Vec<String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'))
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((unescape(name)?, unescape(value)?))
        })
        .filter(|(name, _)| name == key)
        .map(|(_, value)| value)
        .collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let digits =
                    std::str::from_utf8(digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = after;
            }
            byte => bytes.push(*byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned() {
        for (path, cleaned) in [
            ("", "/"),
            ("/", "/"),
            ("/health", "/health"),
            ("//health", "/health"),
            ("/a/./b/../health", "/a/health"),
            ("/../health/", "/health/"),
            ("/..", "/"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn queries_are_read_pair_by_pair() {
        let values = |query| query_values(query, "exclude");
        assert_eq!(values("exclude=a&x=1&exclude=b+c%2Fd&exclude"), ["a", "b c/d", ""]);
        assert_eq!(values("e%78clude=a&exclude=%zz&exclude=a;b&&"), ["a"]);
        assert_eq!(values("exclude=%2"), Vec::<String>::new());
    }
}
