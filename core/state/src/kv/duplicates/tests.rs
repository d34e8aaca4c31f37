//! Lists written in one line, and a property against the rule told slowly.

use super::*;
use proptest::prelude::*;
use proto::etcdserverpb::{PutRequest, RangeRequest, TxnRequest};

fn op(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

/// Reads lists like `p:a d:a-c d:b r:x t(p:a|p:b)`: put, delete of a range or a key, range, nested transaction with
/// its two branches.
fn ops(text: &str) -> Vec<RequestOp> {
    let mut chars = text.chars().peekable();
    let list = list(&mut chars);
    assert!(chars.next().is_none(), "unread text in {text:?}");
    list
}

fn list(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<RequestOp> {
    let mut ops = Vec::new();
    loop {
        match chars.peek() {
            None | Some('|' | ')') => return ops,
            Some(' ') => drop(chars.next()),
            Some('t') => {
                chars.nth(1);
                let success = list(chars);
                chars.next();
                let failure = list(chars);
                chars.next();
                ops.push(op(Request::RequestTxn(TxnRequest { compare: vec![], success, failure })));
            }
            Some(_) => {
                let mut word = String::new();
                while let Some(c) = chars.next_if(|c| !matches!(c, ' ' | '|' | ')')) {
                    word.push(c);
                }
                ops.push(simple(&word));
            }
        }
    }
}

fn simple(word: &str) -> RequestOp {
    let (kind, keys) = word.split_once(':').unwrap();
    let (key, end) = keys.split_once('-').unwrap_or((keys, ""));
    let key = Bytes::from(key.to_owned());
    let range_end = Bytes::from(end.replace('0', "\0"));
    op(match kind {
        "p" => Request::RequestPut(PutRequest { key, ..PutRequest::default() }),
        "d" => Request::RequestDeleteRange(DeleteRangeRequest { key, range_end, prev_kv: false }),
        "r" => Request::RequestRange(RangeRequest { key, range_end, ..RangeRequest::default() }),
        other => panic!("operation {other:?}"),
    })
}

#[test]
fn which_lists_write_a_key_twice() {
    let good = [
        "",
        "p:a p:b",
        "d:a d:a",
        "d:a-c d:b-d",
        "r:a p:a r:a",
        "d:a-c p:c",
        "p:a d:b-a",
        // An open-ended delete conflicts with nothing.
        "d:a-0 p:b",
        "p:b d:a-0",
        // Branches of one transaction exclude each other.
        "t(p:a|p:a)",
        "t(p:a|d:a)",
        "t(p:a|p:b) p:c",
        // Puts of an earlier nested transaction against deletes of a later one.
        "t(p:a|) t(d:a|)",
        "t(t(p:a|p:b)|p:a)",
    ];
    for text in good {
        assert_eq!(check(&ops(text)), Ok(()), "{text:?}");
    }
    let bad = [
        "p:a p:a",
        "p:a d:a",
        "d:a p:a",
        "d:a-c p:b",
        "p:b d:a-c",
        "d:a-b d:b-c d:c-d p:c",
        "t(p:a|) p:a",
        "t(|p:a) p:a",
        "d:a t(p:a|)",
        "t(p:a|) d:a",
        "t(p:a|) t(p:a|)",
        "t(p:a|p:b) t(p:c|p:b)",
        "t(d:a|) t(p:a|)",
        "t(d:a|) p:a",
        "t(p:a p:a|)",
        "t(|p:a d:a)",
        "t(t(p:a|)|) p:a",
    ];
    for text in bad {
        assert_eq!(check(&ops(text)), Err(Invalid::DuplicateKey), "{text:?}");
    }
}

/// Key and range end.
type Deletes = Vec<(Bytes, Bytes)>;

/// The rule, told the slow way: lists of puts and deletes, compared pairwise.
fn naive(ops: &[RequestOp]) -> Option<(Vec<Bytes>, Deletes)> {
    let covers = |deletes: &Deletes, key: &Bytes| {
        deletes.iter().any(|(begin, end)| match &end[..] {
            [] => begin == key,
            [0] => false,
            _ => begin <= key && key < end,
        })
    };
    let (mut puts, mut deletes): (Vec<Bytes>, Deletes) = (vec![], vec![]);
    for op in ops {
        if let Some(Request::RequestDeleteRange(delete)) = &op.request {
            deletes.push((delete.key.clone(), delete.range_end.clone()));
        }
    }
    for op in ops {
        let Some(Request::RequestTxn(txn)) = &op.request else { continue };
        let (then_puts, then_deletes) = naive(&txn.success)?;
        let (else_puts, else_deletes) = naive(&txn.failure)?;
        let before = puts.clone();
        for key in then_puts.iter().chain(&else_puts) {
            if before.contains(key) || covers(&deletes, key) {
                return None;
            }
            puts.push(key.clone());
        }
        deletes.extend(then_deletes);
        deletes.extend(else_deletes);
    }
    for op in ops {
        let Some(Request::RequestPut(put)) = &op.request else { continue };
        if puts.contains(&put.key) || covers(&deletes, &put.key) {
            return None;
        }
        puts.push(put.key.clone());
    }
    Some((puts, deletes))
}

fn any_ops() -> impl Strategy<Value = Vec<RequestOp>> {
    let key = "[a-e]{1,2}";
    let leaf = prop_oneof![
        4 => key.prop_map(|key| simple(&format!("p:{key}"))),
        1 => key.prop_map(|key| simple(&format!("d:{key}"))),
        1 => (key, "[a-e]{1,2}|0").prop_map(|(key, end)| simple(&format!("d:{key}-{end}"))),
    ];
    let leaf = prop::collection::vec(leaf, 0..4);
    leaf.prop_recursive(3, 12, 3, |inner| {
        (prop::collection::vec((inner.clone(), inner.clone()), 0..3), inner).prop_map(|(nested, mut ops)| {
            for (success, failure) in nested {
                let txn = TxnRequest { compare: vec![], success, failure };
                ops.insert(ops.len() / 2, op(Request::RequestTxn(txn)));
            }
            ops
        })
    })
}

proptest! {
    #[test]
    fn agrees_with_the_rule_told_slowly(ops in any_ops()) {
        prop_assert_eq!(check(&ops).is_ok(), naive(&ops).is_some());
    }
}
