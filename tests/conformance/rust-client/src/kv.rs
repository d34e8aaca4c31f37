//! Puts, gets with every option, deletes and transactions.

use crate::{done, pair, revision};
use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, GetOptions, GetResponse, PutOptions, SortOrder, SortTarget,
    Txn, TxnOp, TxnOpResponse,
};

fn keys(response: &GetResponse) -> Vec<&str> {
    response.kvs().iter().map(|kv| kv.key_str().expect("UTF-8")).collect()
}

pub async fn puts_and_gets(client: &mut Client) {
    let before = revision(client).await;
    let put = done(client.put("kv/a", "one", None)).await;
    assert_eq!(put.header().expect("a header").revision(), before + 1);
    assert!(put.prev_key().is_none());
    let put = done(client.put("kv/a", "two", Some(PutOptions::new().with_prev_key()))).await;
    assert_eq!(put.prev_key().map(pair), Some(("kv/a", "one")));

    let got = done(client.get("kv/a", None)).await;
    let kv = &got.kvs()[0];
    assert_eq!((got.count(), got.more(), pair(kv)), (1, false, ("kv/a", "two")));
    assert_eq!(
        (kv.create_revision(), kv.mod_revision(), kv.version(), kv.lease()),
        (before + 1, before + 2, 2, 0)
    );
    let old = done(client.get("kv/a", Some(GetOptions::new().with_revision(before + 1)))).await;
    assert_eq!(pair(&old.kvs()[0]), ("kv/a", "one"));

    let binary = [0, 255, 128, 10];
    done(client.put(binary, binary, None)).await;
    assert_eq!(done(client.get(binary, None)).await.kvs()[0].value(), binary);

    let deleted = done(client.delete("kv/a", Some(DeleteOptions::new().with_prev_key()))).await;
    assert_eq!((deleted.deleted(), pair(&deleted.prev_kvs()[0])), (1, ("kv/a", "two")));
    assert_eq!(done(client.delete("kv/a", None)).await.deleted(), 0);
    assert_eq!(revision(client).await, before + 4);
    assert_eq!(done(client.get("kv/a", None)).await.count(), 0);
}

pub async fn range_options(client: &mut Client) {
    let first = revision(client).await + 1;
    for (key, value) in [("r/b", "1"), ("r/a", "3"), ("r/c", "2"), ("r/a", "0")] {
        done(client.put(key, value, None)).await;
    }
    let prefix = || GetOptions::new().with_prefix();
    let all = done(client.get("r/", Some(prefix()))).await;
    assert_eq!(keys(&all), ["r/a", "r/b", "r/c"]);
    let limited = done(client.get("r/", Some(prefix().with_limit(2)))).await;
    assert_eq!((keys(&limited), limited.more(), limited.count()), (vec!["r/a", "r/b"], true, 3));
    let range = done(client.get("r/a", Some(GetOptions::new().with_range("r/c")))).await;
    assert_eq!(keys(&range), ["r/a", "r/b"]);
    let from = done(client.get("r/b", Some(GetOptions::new().with_from_key()))).await;
    assert_eq!(&keys(&from)[..2], ["r/b", "r/c"]);
    let counted = done(client.get("r/", Some(prefix().with_count_only()))).await;
    assert_eq!((counted.count(), counted.kvs().len()), (3, 0));
    let bare = done(client.get("r/", Some(prefix().with_keys_only()))).await;
    assert_eq!(bare.kvs().iter().map(pair).collect::<Vec<_>>(), [("r/a", ""), ("r/b", ""), ("r/c", "")]);
    let serializable = done(client.get("r/", Some(prefix().with_serializable()))).await;
    assert_eq!(keys(&serializable), keys(&all));

    let orders = [
        (SortTarget::Key, SortOrder::Descend, ["r/c", "r/b", "r/a"]),
        (SortTarget::Value, SortOrder::Ascend, ["r/a", "r/b", "r/c"]),
        (SortTarget::Value, SortOrder::Descend, ["r/c", "r/b", "r/a"]),
        (SortTarget::Create, SortOrder::Ascend, ["r/b", "r/a", "r/c"]),
        (SortTarget::Mod, SortOrder::Descend, ["r/a", "r/c", "r/b"]),
        (SortTarget::Version, SortOrder::Descend, ["r/a", "r/b", "r/c"]),
    ];
    for (target, order, expected) in orders {
        let sorted = done(client.get("r/", Some(prefix().with_sort(target, order)))).await;
        assert_eq!(keys(&sorted), expected, "{target:?} {order:?}");
    }
    let bounds = [
        (prefix().with_min_mod_revision(first + 2), vec!["r/a", "r/c"]),
        (prefix().with_max_mod_revision(first), vec!["r/b"]),
        (prefix().with_min_create_revision(first + 1), vec!["r/a", "r/c"]),
        (prefix().with_max_create_revision(first + 1), vec!["r/a", "r/b"]),
        (prefix().with_revision(first + 1), vec!["r/a", "r/b"]),
    ];
    for (options, expected) in bounds {
        assert_eq!(keys(&done(client.get("r/", Some(options.clone()))).await), expected, "{options:?}");
    }
}

/// The range in pieces that etcd 3.7 brought: header, count and `more` come with the last one.
pub async fn range_stream(client: &mut Client) {
    let mut stream = done(client.kv_client().get_stream("r/", Some(GetOptions::new().with_prefix()))).await;
    let (mut found, mut count) = (Vec::new(), 0);
    while let Some(piece) = done(stream.message()).await {
        found.extend(keys(&piece).into_iter().map(str::to_owned));
        count = piece.count();
    }
    assert_eq!((found.as_slice(), count), (["r/a", "r/b", "r/c"].map(str::to_owned).as_slice(), 3));
}

pub async fn transactions(client: &mut Client) {
    let before = revision(client).await;
    let create = || {
        Txn::new()
            .when([Compare::create_revision("t/a", CompareOp::Equal, 0)])
            .and_then([TxnOp::put("t/a", "new", None), TxnOp::put("t/b", "new", None)])
            .or_else([TxnOp::get("t/a", None), TxnOp::delete("t/b", None)])
    };
    let first = done(client.txn(create())).await;
    assert!(first.succeeded());
    assert_eq!(first.header().expect("a header").revision(), before + 1);
    assert!(matches!(first.op_responses().as_slice(), [TxnOpResponse::Put(_), TxnOpResponse::Put(_)]));
    let second = done(client.txn(create())).await;
    assert!(!second.succeeded());
    match second.op_responses().as_slice() {
        [TxnOpResponse::Get(got), TxnOpResponse::Delete(deleted)] => {
            assert_eq!((pair(&got.kvs()[0]), deleted.deleted()), (("t/a", "new"), 1));
        }
        other => panic!("{other:?}"),
    }

    let compares = [
        (Compare::value("t/a", CompareOp::Equal, "new"), true),
        (Compare::value("t/a", CompareOp::Less, "new"), false),
        (Compare::version("t/a", CompareOp::Greater, 0), true),
        (Compare::mod_revision("t/a", CompareOp::NotEqual, before + 1), false),
        (Compare::lease("t/a", CompareOp::Equal, 0), true),
        (Compare::version("t/absent", CompareOp::Equal, 0), true),
        (Compare::value("t/absent", CompareOp::Equal, ""), false),
        (Compare::value("r/", CompareOp::Less, "9").with_prefix(), true),
        (Compare::value("r/", CompareOp::Less, "2").with_prefix(), false),
    ];
    for (compare, expected) in compares {
        let answer = done(client.txn(Txn::new().when([compare.clone()]))).await;
        assert_eq!(answer.succeeded(), expected, "{compare:?}");
    }

    let inner = Txn::new()
        .when([Compare::value("t/a", CompareOp::Equal, "newer")])
        .and_then([TxnOp::put("t/c", "inner", None)]);
    let nested = Txn::new().and_then([TxnOp::put("t/a", "newer", None), TxnOp::txn(inner)]);
    let answer = done(client.txn(nested)).await;
    match answer.op_responses().as_slice() {
        // All compares are made before the first change.
        [TxnOpResponse::Put(_), TxnOpResponse::Txn(inner)] => assert!(!inner.succeeded()),
        other => panic!("{other:?}"),
    }
    assert_eq!(done(client.get("t/c", None)).await.count(), 0);
}
