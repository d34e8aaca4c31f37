#!/usr/bin/env python3
"""The Python client that most use, PyPI's `etcd3`, against a fresh server of one member: client.py HOST:PORT.

It knows nothing of the server but its address. What it expects is what Go etcd 3.7.1 answers; the first wrong answer
ends it with a traceback, and exit code 1.
"""

import io
import queue
import sys

import etcd3
import grpc
from etcd3 import exceptions
from etcd3.etcdrpc import rpc_pb2

# Bound of one request, and of the wait for one message of a watch.
WAIT_SECONDS_MAX = 20
LOCK_SECONDS = 60
SNAPSHOT_CHECKSUM_BYTES = 32
BOLT_MAGIC = bytes.fromhex("edda0ced")


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r}, not {expected!r}")


def fails(expected, call, *arguments, **named):
    """The exception of `etcd3`, or the gRPC code and message, that `call` ends with."""
    try:
        outcome = call(*arguments, **named)
    except exceptions.Etcd3Exception as error:
        cause = error.__context__
        equal((type(error), cause.details() if isinstance(cause, grpc.RpcError) else None), expected)
    except grpc.RpcError as error:
        equal((error.code(), error.details()), expected)
    else:
        raise AssertionError(f"wanted {expected}, not {outcome!r}")


def revision(client):
    return client.get_response("no such key").header.revision


def puts_and_gets(client):
    before = revision(client)
    client.put("kv/a", "one")
    equal(client.put("kv/a", "two", prev_kv=True).prev_kv.value, b"one")
    value, meta = client.get("kv/a", serializable=True)
    equal(value, b"two")
    equal((meta.key, meta.create_revision, meta.mod_revision, meta.version, meta.lease_id),
          (b"kv/a", before + 1, before + 2, 2, 0))
    equal(client.get("kv/absent"), (None, None))
    client.put(b"\x00\xff", b"\xff\x00")
    equal(client.get(b"\x00\xff")[0], b"\xff\x00")
    equal(client.delete("kv/a"), True)
    equal(client.delete("kv/a"), False)
    answer = client.delete(b"\x00\xff", prev_kv=True, return_response=True)
    equal((answer.deleted, answer.prev_kvs[0].value), (1, b"\xff\x00"))
    equal(revision(client), before + 5)


def ranges(client):
    for key, value in (("r/b", "1"), ("r/a", "3"), ("r/c", "2"), ("r/a", "0")):
        client.put(key, value)
    equal([(meta.key, value) for value, meta in client.get_prefix("r/")],
          [(b"r/a", b"0"), (b"r/b", b"1"), (b"r/c", b"2")])
    equal([meta.key for _, meta in client.get_range("r/a", "r/c")], [b"r/a", b"r/b"])
    equal([(meta.key, value) for value, meta in client.get_prefix("r/", keys_only=True)],
          [(b"r/a", b""), (b"r/b", b""), (b"r/c", b"")])
    for target, order, expected in (("key", "descend", b"cba"), ("value", "ascend", b"abc"),
                                    ("create", "ascend", b"bac"), ("mod", "descend", b"acb"),
                                    ("version", "descend", b"abc")):
        sorted_keys = client.get_prefix("r/", sort_target=target, sort_order=order)
        equal(b"".join(meta.key[-1:] for _, meta in sorted_keys), expected)
    equal([meta.key for _, meta in client.get_all()], [b"r/a", b"r/b", b"r/c"])
    equal(client.delete_prefix("r/").deleted, 3)


def transactions(client):
    t = client.transactions
    equal((client.put_if_not_exists("t/a", "1"), client.put_if_not_exists("t/a", "2")), (True, False))
    equal((client.replace("t/a", "1", "2"), client.replace("t/a", "1", "3")), (True, False))
    succeeded, answers = client.transaction(
        compare=[t.value("t/a") == "2", t.version("t/a") > 1, t.create("t/b") == 0, t.mod("t/a") != 1],
        success=[t.put("t/b", "x"), t.get("t/a"), t.delete("t/a"), t.txn([t.version("t/a") == 2], [], [])],
        failure=[t.put("t/b", "wrong")])
    equal(succeeded, True)
    equal(answers[1][0][0], b"2")
    equal((answers[2].response_delete_range.deleted, answers[3].response_txn.succeeded), (1, True))
    succeeded, answers = client.transaction(
        compare=[t.version("t/b") < 1], success=[], failure=[t.get("t/", range_end="t0")])
    equal((succeeded, [value for value, _ in answers[0]]), (False, [b"x"]))


class Watch:
    """Messages of one watch, which the library calls back with."""

    def __init__(self, client, key, **named):
        self.client, self.messages = client, queue.Queue()
        self.id = client.add_watch_callback(key, self.messages.put, **named)

    def next(self):
        return self.messages.get(timeout=WAIT_SECONDS_MAX)

    def events(self, count):
        """The next `count` events; they may come in one message or in several."""
        found = []
        while len(found) < count:
            found += [(type(event).__name__, event.key, event.value) for event in self.next().events]
        return found

    def cancel(self):
        self.client.cancel_watch(self.id)


def watches(client):
    start = revision(client) + 1
    client.put("w/a", "1")
    client.put("w/b", "1")
    client.delete("w/a")
    history = Watch(client, "w/", range_end="w0", start_revision=start)
    equal(history.events(3), [("PutEvent", b"w/a", b"1"), ("PutEvent", b"w/b", b"1"), ("DeleteEvent", b"w/a", b"")])
    client.put("w/c", "old")
    live = Watch(client, "w/c", prev_kv=True)
    client.delete("w/c")
    event = live.next().events[0]
    equal((type(event).__name__, event.key, event.prev_value), ("DeleteEvent", b"w/c", b"old"))
    equal(history.events(2), [("PutEvent", b"w/c", b"old"), ("DeleteEvent", b"w/c", b"")])
    history.cancel()
    client.put("w/c", "after the cancel")
    # A later watch on the same stream answers after the cancel was done.
    later = Watch(client, "w/c", start_revision=revision(client))
    equal(later.events(1), [("PutEvent", b"w/c", b"after the cancel")])
    equal(history.messages.qsize(), 0)
    later.cancel()
    live.cancel()


def leases(client):
    lease = client.lease(600, lease_id=77)
    equal((lease.id, lease.ttl), (77, 600))
    client.put("l/a", "x", lease=lease)
    equal((lease.granted_ttl, list(lease.keys)), (600, [b"l/a"]))
    equal(client.get("l/a")[1].lease_id, 77)
    equal([(answer.ID, answer.TTL) for answer in lease.refresh()], [(77, 600)])
    lease.revoke()
    equal((client.get("l/a"), lease.remaining_ttl), ((None, None), -1))
    equal([answer.TTL for answer in lease.refresh()], [0])
    short = client.lease(1)
    client.put("l/short", "x", lease=short)
    gone = Watch(client, "l/short", start_revision=revision(client) + 1)
    equal(gone.events(1), [("DeleteEvent", b"l/short", b"")])
    gone.cancel()


def locks(client):
    with client.lock("guarded", ttl=LOCK_SECONDS) as lock:
        equal(lock.is_acquired(), True)
        equal(client.lock("guarded", ttl=LOCK_SECONDS).acquire(timeout=0), False)
    equal(lock.is_acquired(), False)
    other = client.lock("guarded", ttl=LOCK_SECONDS)
    equal((other.acquire(timeout=0), other.release()), (True, True))


def maintenance(client):
    [member] = client.members
    equal((len(member.peer_urls), len(member.client_urls)), (1, 1))
    status = client.status()
    equal((status.version, status.leader.id), ("3.7.1", member.id))
    equal((status.db_size > 0, status.raft_index > 1, status.raft_term > 1), (True, True, True))
    equal(client.hash() != 0, True)
    equal(list(client.list_alarms()), [])
    [alarm] = client.create_alarm()
    equal((alarm.alarm_type, alarm.member_id), (rpc_pb2.NOSPACE, 0))
    fails((grpc.StatusCode.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"), client.put, "m", "x")
    equal(len(list(client.list_alarms())), 1)
    client.disarm_alarm()
    client.put("m", "x")
    file = io.BytesIO()
    client.snapshot(file)
    content = file.getvalue()
    equal((len(content) % 512, content[16:20]), (SNAPSHOT_CHECKSUM_BYTES, BOLT_MAGIC))
    client.defragment()
    equal(client.get("m")[0], b"x")


def refusals(client):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    fails((invalid, "etcdserver: key is not provided"), client.put, "", "x")
    fails((grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found"), client.put, "e", "x", lease=99)
    fails((grpc.StatusCode.NOT_FOUND, "etcdserver: requested lease not found"), client.revoke_lease, 99)
    fails((invalid, "etcdserver: request is too large"), client.put, "e", "x" * (1600 * 1024))
    t = client.transactions
    fails((invalid, "etcdserver: duplicate key given in txn request"),
          client.transaction, [], [t.put("e", "1"), t.put("e", "2")], [])
    client.lease(600, lease_id=78)
    fails((exceptions.PreconditionFailedError, "etcdserver: lease already exists"), client.lease, 600, lease_id=78)
    client.revoke_lease(78)
    now = revision(client)
    future = (grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision")
    fails(future, client.compact, now + 10)
    client.compact(now, physical=True)
    fails((grpc.StatusCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted"),
          client.compact, now)
    compacted = Watch(client, "w/a", start_revision=1)
    error = compacted.next()
    equal((type(error), error.compacted_revision), (exceptions.RevisionCompactedError, now))


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    # Never closed: the thread that reads its watches would complain.
    client = etcd3.client(host=host, port=int(port), timeout=WAIT_SECONDS_MAX)
    for part in (puts_and_gets, ranges, transactions, watches, leases, locks, maintenance, refusals):
        part(client)
        print(f"python: {part.__name__} as expected", flush=True)


main()
