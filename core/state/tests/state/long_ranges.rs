//! Ranges longer than a turn, and streams of chunks.

use crate::{parse, world::World};
use bytes::Bytes;
use proto::etcdserverpb as pb;
use state::{
    Failure, Options, RangeAnswer, RangeReply, RangeStep, Reject,
    kv::{FETCH_INLINE_MAX, KEYS_PER_TURN_MAX, StreamStep},
};

/// More than two turns, and more than is fetched inline.
const KEYS: usize = 2 * KEYS_PER_TURN_MAX + 300;

/// Keys `k00000` on, the first half committed.
fn filled(keys: usize) -> World {
    let mut world = World::new(Options::default());
    for i in 0..keys {
        put(&mut world, &format!("k{i:05} {i}"));
        if i == keys / 2 {
            world.commit();
        }
    }
    world
}

fn put(world: &mut World, text: &str) {
    let request = pb::InternalRaftRequest { put: Some(parse::put(text)), ..Default::default() };
    assert!(world.apply(request).unwrap().result.is_ok());
}

fn compact(world: &mut World, revision: i64) {
    let compaction = Some(pb::CompactionRequest { revision, physical: false });
    world.apply(pb::InternalRaftRequest { compaction, ..Default::default() }).unwrap();
}

fn steps(world: &mut World, text: &str) -> (usize, bool, RangeReply) {
    let RangeAnswer::Task(mut task) = world.state.range(parse::range(text)).unwrap() else {
        panic!("{text:?} was answered at once")
    };
    for turn in 1.. {
        match world.state.step_range(&mut task).unwrap() {
            RangeStep::Again => {}
            RangeStep::Reply(reply) => return (turn, false, reply),
            RangeStep::Fetch(fetch) => {
                assert!(fetch.len() > FETCH_INLINE_MAX);
                return (turn, true, fetch.run().unwrap());
            }
        }
    }
    unreachable!()
}

#[test]
fn a_long_range_takes_turns_and_its_values_a_reader() {
    let mut world = filled(KEYS);
    let (turns, fetched, reply) = steps(&mut world, "k 0");
    assert_eq!((turns, fetched, reply.kvs.len(), reply.count), (2, true, KEYS, KEYS as i64));
    let (_, fetched, short) = steps(&mut world, "k 0 limit=5");
    assert_eq!((fetched, short.more, short.count), (false, true, KEYS as i64));
    assert_eq!(short.kvs, reply.kvs[..5]);
    let (_, fetched, keys) = steps(&mut world, "k 0 keys");
    assert_eq!((fetched, keys.kvs.len()), (false, KEYS), "the index alone answers");
    let (_, fetched, count) = steps(&mut world, "k 0 count");
    assert_eq!((fetched, count.kvs.len(), count.count), (false, 0, KEYS as i64));
}

#[test]
fn a_range_sees_one_state() {
    let mut world = filled(KEYS);
    let revision = world.state.revision();
    let RangeAnswer::Task(mut task) = world.state.range(parse::range("k 0")).unwrap() else {
        panic!("answered at once")
    };
    // Writes, and a compaction that the open range has to survive, between its turns.
    for i in 0..KEYS {
        put(&mut world, &format!("k{i:05} new"));
    }
    let now = world.state.revision();
    compact(&mut world, now);
    let fetch = loop {
        match world.state.step_range(&mut task).unwrap() {
            RangeStep::Again => {
                // Physical removal must not overtake it.
                world.state.compaction_step().unwrap();
                world.commit();
            }
            RangeStep::Fetch(fetch) => break fetch,
            RangeStep::Reply(_) => panic!("few values"),
        }
    };
    // The view outlives whatever is removed now.
    for _ in 0..100 {
        world.state.compaction_step().unwrap();
        world.commit();
    }
    let reply = fetch.run().unwrap();
    assert_eq!((reply.revision, reply.kvs.len()), (revision, KEYS));
    let last: proto::mvccpb::KeyValue = proto::Message::decode(reply.kvs[KEYS - 1].clone()).unwrap();
    assert_eq!(last.value, (KEYS - 1).to_string());
}

#[test]
fn a_task_that_is_given_up_pins_nothing() {
    let mut world = filled(KEYS);
    let RangeAnswer::Task(mut task) = world.state.range(parse::range("k 0")).unwrap() else {
        panic!("answered at once")
    };
    world.state.end_range(&mut task);
    let now = world.state.revision();
    compact(&mut world, now);
    let mut finished = false;
    for _ in 0..100 {
        finished |= matches!(world.state.compaction_step().unwrap(), mvcc::CompactionStep::Finished { .. });
        world.commit();
    }
    assert!(finished);
}

#[test]
fn compaction_pauses_after_a_batch() {
    for (batch, pauses) in [(0, 0), (10, 3)] {
        let mut world = World::new(Options { compaction_batch_rows: batch, ..Options::default() });
        for i in 0..36 {
            put(&mut world, &format!("k {i}"));
        }
        let now = world.state.revision();
        compact(&mut world, now);
        let mut steps = Vec::new();
        while !matches!(steps.last(), Some(mvcc::CompactionStep::Finished { .. })) {
            assert!(steps.len() < 100, "{steps:?}");
            steps.push(world.state.compaction_step().unwrap());
            world.commit();
        }
        let paused = steps.iter().filter(|step| **step == mvcc::CompactionStep::Pause).count();
        assert_eq!(paused, pauses, "{steps:?}");
    }
}

/// All messages of a stream; `bytes` is what each is said to have been encoded to.
fn stream(world: &mut World, text: &str, bytes: usize) -> Result<Vec<RangeReply>, Failure> {
    let mut stream = world.state.begin_stream(parse::range(text), 1000)?;
    let mut messages = Vec::new();
    loop {
        let (reply, last) = match world.state.step_stream(&mut stream)? {
            StreamStep::Again => continue,
            StreamStep::Chunk { reply, last } => (reply, last),
            StreamStep::Fetch { fetch, last } => (fetch.run().unwrap(), last),
        };
        messages.push(reply);
        if last {
            return Ok(messages);
        }
        stream.sent_bytes(bytes);
    }
}

#[test]
fn chunks_add_up_to_the_range() {
    let mut world = filled(500);
    for text in [
        "k 0",
        "k 0 limit=1",
        "k 0 limit=10",
        "k 0 limit=11",
        "k 0 limit=99",
        "k 0 limit=500",
        "k 0 limit=-1",
        "k 0 rev=100",
        "k 0 keys limit=30",
        "k 0 count",
        "k00007",
        "k00100 k00150",
        "x z",
        "nothing",
    ] {
        let whole = world.range(parse::range(text)).unwrap();
        let messages = stream(&mut world, text, 100).unwrap();
        let (last, others) = messages.split_last().unwrap();
        assert!(others.iter().all(|m| !m.more && m.count == 0 && !m.kvs.is_empty()), "{text}");
        let kvs: Vec<Bytes> = messages.iter().flat_map(|m| m.kvs.clone()).collect();
        assert_eq!(
            (last.revision, last.more, last.count, &kvs),
            (whole.revision, whole.more, whole.count, &whole.kvs),
            "{text}"
        );
    }
}

#[test]
fn chunks_are_steered_by_their_size() {
    let mut world = filled(100);
    let sizes = |messages: Vec<RangeReply>| messages.iter().map(|m| m.kvs.len()).collect::<Vec<_>>();
    assert_eq!(sizes(stream(&mut world, "k 0", 499).unwrap()), [10, 20, 40, 30]);
    assert_eq!(sizes(stream(&mut world, "k 0", 500).unwrap()), [10; 10]);
    assert_eq!(sizes(stream(&mut world, "k 0 limit=20", 2001).unwrap()), [10, 5, 2, 1, 1, 1]);
    assert_eq!(sizes(stream(&mut world, "k 0 limit=-7", 500).unwrap()), [100]);
}

#[test]
fn a_compaction_cuts_a_stream() {
    let mut world = filled(100);
    let revision = world.state.revision();
    let mut stream = world.state.begin_stream(parse::range("k 0"), 1000).unwrap();
    assert!(matches!(world.state.step_stream(&mut stream), Ok(StreamStep::Chunk { last: false, .. })));
    put(&mut world, "k00099 new");
    let StreamStep::Chunk { reply, .. } = world.state.step_stream(&mut stream).unwrap() else {
        panic!("no chunk")
    };
    assert_eq!(reply.kvs.len(), 10);
    compact(&mut world, revision + 1);
    let refused = world.state.step_stream(&mut stream);
    assert!(matches!(refused, Err(Failure::Reject(Reject::Compacted))));
    world.state.end_stream(&mut stream);
    let future = world.state.begin_stream(parse::range("k 0 rev=1000"), 1000);
    assert!(matches!(future, Err(Failure::Reject(Reject::FutureRevision))));
}
