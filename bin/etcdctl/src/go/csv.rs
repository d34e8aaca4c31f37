//! One record of `encoding/csv`, as pflag reads list flags.

/// The fields of the first line. An empty text has none.
///
/// # Errors
/// A quote where none may be, with Go's text.
pub fn fields(text: &str) -> Result<Vec<String>, String> {
    let line = text.lines().find(|line| !line.is_empty()).unwrap_or("");
    if line.is_empty() {
        return if text.is_empty() { Ok(Vec::new()) } else { Err("EOF".to_owned()) };
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let column = line.len() - rest.len();
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted, column)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                if let Some(at) = rest[..end].find('"') {
                    return Err(format!(
                        "parse error on line 1, column {}: bare \" in non-quoted-field",
                        column + at + 1
                    ));
                }
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

fn quoted_field(mut rest: &str, column: usize) -> Result<(String, &str), String> {
    let start = rest.len();
    let mut field = String::new();
    loop {
        let position = |rest: &str| column + 1 + start - rest.len();
        let Some(end) = rest.find('"') else {
            let end = position("");
            return Err(format!(
                "record on line 1; parse error on line 1, column {}: extraneous or missing \" in quoted-field",
                end + 1
            ));
        };
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        if let Some(after) = rest.strip_prefix('"') {
            field.push('"');
            rest = after;
        } else if rest.is_empty() || rest.starts_with(',') {
            return Ok((field, rest));
        } else {
            return Err(format!(
                "parse error on line 1, column {}: extraneous or missing \" in quoted-field",
                position(rest)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn records() {
        assert_eq!(fields("a,b").unwrap(), ["a", "b"]);
        assert_eq!(fields("a, ,").unwrap(), ["a", " ", ""]);
        assert_eq!(fields("\"x,\"\"y\",z").unwrap(), ["x,\"y", "z"]);
        assert!(fields("").unwrap().is_empty());
        assert_eq!(
            fields("a\"b").unwrap_err(),
            "parse error on line 1, column 2: bare \" in non-quoted-field"
        );
        assert_eq!(
            fields("\"a\"b").unwrap_err(),
            "parse error on line 1, column 3: extraneous or missing \" in quoted-field"
        );
    }
}
