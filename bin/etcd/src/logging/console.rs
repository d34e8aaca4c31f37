//! The console form of a line: columns parted by tabs, the fields as spaced JSON, a stack on lines of its own.

use super::{Line, json::Object};

/// Appends the line and its newline.
pub fn encode(line: &Line<'_>, timestamp: &str, out: &mut Vec<u8>) {
    let columns = [timestamp, line.level.as_str()].into_iter().chain(line.logger);
    for column in columns.chain([line.caller.as_str()]) {
        out.extend_from_slice(column.as_bytes());
        out.push(b'\t');
    }
    out.extend_from_slice(line.message.as_bytes());
    if line.fields.count() > 0 {
        out.push(b'\t');
        let mut object = Object::new(out, true);
        object.fields(line.fields);
        object.close();
    }
    if let Some(stack) = &line.stack {
        out.push(b'\n');
        out.extend_from_slice(stack.as_bytes());
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::{super::Level, *};
    use log::kv::Value;

    #[test]
    fn columns_as_zap_prints_them() {
        let args = ["etcd", "--log-format=console"];
        let fields: [(&str, Value<'_>); 1] = [("args", Value::from_serde(&args))];
        let mut line = Line {
            level: Level::Info,
            logger: None,
            caller: "src/lib.rs:63".to_string(),
            message: "Running: ".to_string(),
            fields: &fields,
            stack: None,
        };
        let text = |line: &Line<'_>| {
            let mut out = Vec::new();
            encode(line, "2026-01-02T03:04:05.678901Z", &mut out);
            String::from_utf8(out).expect("text stays text")
        };
        assert_eq!(
            text(&line),
            "2026-01-02T03:04:05.678901Z\tinfo\tsrc/lib.rs:63\tRunning: \t\
             {\"args\": [\"etcd\", \"--log-format=console\"]}\n"
        );
        (line.level, line.logger, line.fields) = (Level::Error, Some("raft"), &[] as &[(&str, Value<'_>); 0]);
        line.stack = Some("etcd\n\tsrc/lib.rs:63".to_string());
        assert_eq!(
            text(&line),
            "2026-01-02T03:04:05.678901Z\terror\traft\tsrc/lib.rs:63\tRunning: \netcd\n\tsrc/lib.rs:63\n"
        );
    }
}
