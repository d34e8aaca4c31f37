//! Script commands as requests.
//!
//! ```text
//! put KEY VALUE [lease=ID] [prev] [ignore-value] [ignore-lease]
//! del KEY [END] [prev]
//! get KEY [END] [rev=N] [limit=N] [sort=TARGET:ORDER] [keys] [count] [min-mod=N] [max-mod=N] [min-create=N] [max-create=N]
//! txn [FIELD(KEY[,END]) OP VALUE]... then { OP; OP } else { OP; OP }
//! ```
//!
//! `0` as END is one zero byte. Fields of compares: ver, create, mod, value, lease; operators: = != > <.

use bytes::Bytes;
use proto::etcdserverpb::{
    self as pb, Compare, RequestOp, TxnRequest,
    compare::{CompareResult, CompareTarget, TargetUnion},
    range_request::{SortOrder, SortTarget},
    request_op::Request,
};

/// Positional words and `name=value` or bare options.
pub struct Words<'a> {
    positional: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    pub fn new(text: &'a str, flags: &[&str]) -> Words<'a> {
        let (mut positional, mut options) = (Vec::new(), Vec::new());
        for word in text.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => options.push((name, value)),
                None if flags.contains(&word) => options.push((word, "")),
                None => positional.push(word),
            }
        }
        Words { positional, options }
    }

    pub fn word(&self, at: usize) -> &'a str {
        self.positional.get(at).copied().unwrap_or_default()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| *option == name)
    }

    pub fn number(&self, name: &str) -> i64 {
        let option = self.options.iter().find(|(option, _)| *option == name);
        option.map_or(0, |(_, value)| value.parse().unwrap())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }
}

fn key(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn end(text: &str) -> Bytes {
    if text == "0" { Bytes::from_static(&[0]) } else { key(text) }
}

pub fn put(text: &str) -> pb::PutRequest {
    let words = Words::new(text, &["prev", "ignore-value", "ignore-lease"]);
    pb::PutRequest {
        key: key(words.word(0)),
        value: key(words.word(1)),
        lease: words.number("lease"),
        prev_kv: words.flag("prev"),
        ignore_value: words.flag("ignore-value"),
        ignore_lease: words.flag("ignore-lease"),
    }
}

pub fn delete(text: &str) -> pb::DeleteRangeRequest {
    let words = Words::new(text, &["prev"]);
    pb::DeleteRangeRequest {
        key: key(words.word(0)),
        range_end: end(words.word(1)),
        prev_kv: words.flag("prev"),
    }
}

pub fn range(text: &str) -> pb::RangeRequest {
    let words = Words::new(text, &["keys", "count", "serializable"]);
    let (target, order) = words.text("sort").map_or(("KEY", "NONE"), |sort| sort.split_once(':').unwrap());
    pb::RangeRequest {
        key: key(words.word(0)),
        range_end: end(words.word(1)),
        limit: words.number("limit"),
        revision: words.number("rev"),
        sort_target: SortTarget::from_str_name(&target.to_uppercase()).unwrap() as i32,
        sort_order: SortOrder::from_str_name(&order.to_uppercase()).unwrap() as i32,
        serializable: words.flag("serializable"),
        keys_only: words.flag("keys"),
        count_only: words.flag("count"),
        min_mod_revision: words.number("min-mod"),
        max_mod_revision: words.number("max-mod"),
        min_create_revision: words.number("min-create"),
        max_create_revision: words.number("max-create"),
    }
}

pub fn txn(text: &str) -> TxnRequest {
    let mut rest = text;
    let request = read_txn(&mut rest);
    assert_eq!(rest.trim(), "", "unread text of a txn");
    request
}

fn read_txn(rest: &mut &str) -> TxnRequest {
    let mut request = TxnRequest::default();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("then") {
            *rest = after;
            request.success = read_ops(rest);
        } else if let Some(after) = rest.strip_prefix("else") {
            *rest = after;
            request.failure = read_ops(rest);
            return request;
        } else {
            request.compare.push(read_compare(rest));
        }
    }
}

fn word<'a>(rest: &mut &'a str) -> &'a str {
    let text = rest.trim_start();
    let (word, after) = text.split_at(text.find(' ').unwrap_or(text.len()));
    *rest = after;
    word
}

fn read_compare(rest: &mut &str) -> Compare {
    let (field, operator, given) = (word(rest), word(rest), word(rest));
    let (field, keys) = field.strip_suffix(')').unwrap().split_once('(').unwrap();
    let (from, to) = keys.split_once(',').unwrap_or((keys, ""));
    let number = || given.parse().unwrap();
    let (target, union) = match field {
        "ver" => (CompareTarget::Version, TargetUnion::Version(number())),
        "create" => (CompareTarget::Create, TargetUnion::CreateRevision(number())),
        "mod" => (CompareTarget::Mod, TargetUnion::ModRevision(number())),
        "value" => (CompareTarget::Value, TargetUnion::Value(key(given))),
        "lease" => (CompareTarget::Lease, TargetUnion::Lease(number())),
        other => panic!("field {other:?}"),
    };
    let result = match operator {
        "=" => CompareResult::Equal,
        "!=" => CompareResult::NotEqual,
        ">" => CompareResult::Greater,
        "<" => CompareResult::Less,
        other => panic!("operator {other:?}"),
    };
    Compare {
        result: result as i32,
        target: target as i32,
        key: key(from),
        range_end: end(to),
        target_union: Some(union),
    }
}

fn read_ops(rest: &mut &str) -> Vec<RequestOp> {
    *rest = rest.trim_start().strip_prefix('{').expect("operations in braces");
    let mut ops = Vec::new();
    loop {
        *rest = rest.trim_start_matches([' ', ';']);
        if let Some(after) = rest.strip_prefix('}') {
            *rest = after;
            return ops;
        }
        let request = if let Some(after) = rest.strip_prefix("txn") {
            *rest = after;
            Request::RequestTxn(read_txn(rest))
        } else {
            let (text, after) = rest.split_at(rest.find([';', '}']).unwrap());
            *rest = after;
            let (name, arguments) = text.split_once(' ').unwrap();
            match name {
                "put" => Request::RequestPut(put(arguments)),
                "del" => Request::RequestDeleteRange(delete(arguments)),
                "get" => Request::RequestRange(range(arguments)),
                other => panic!("operation {other:?}"),
            }
        };
        ops.push(RequestOp { request: Some(request) });
    }
}
