#!/usr/bin/env python3
"""Makes the golden files of this directory with a Go etcd 3.7.1: a random history, and what the Go member said of it.

    make.py DIRECTORY_OF_GO_BINARIES OUTPUT_DIRECTORY PORT [SEED [OPERATIONS]]

before.db    the backend file before the last compaction, as a snapshot streams it (without the trailing checksum)
after.db     the same after it; nothing else happened in between
hashes.tsv   revision, HashKV hash, compact revision, hash revision; as answered by the running member after it
ranges.tsv   revision, key, create revision, mod revision, version, lease, value (hex), for every readable revision
status.tsv   name and number: Maintenance.Hash of the member, `snapshot status` hash, revision, compacted revision
"""
import atexit, base64, http.client, json, os, random, shutil, subprocess, sys, tempfile, time

binaries, out, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
operations = int(sys.argv[5]) if len(sys.argv) > 5 else 120
random.seed(seed)
data = tempfile.mkdtemp()
client = f"http://127.0.0.1:{port}"
peer = f"http://127.0.0.1:{port + 1}"


def start():
    process = subprocess.Popen(
        [f"{binaries}/etcd", "--data-dir", f"{data}/d", "--listen-client-urls", client, "--advertise-client-urls", client,
         "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
         "--log-level", "panic"])
    atexit.register(process.kill)
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/health")
            if json.loads(connection.getresponse().read()).get("health") == "true":
                return process, connection
        except OSError:
            pass
        time.sleep(0.05)
    raise SystemExit("the member does not start")


def b64(text):
    return base64.b64encode(text.encode()).decode()


def call(path, body):
    connection.request("POST", path, json.dumps(body))
    return json.loads(connection.getresponse().read())


KEYS = [f"k{n:02}" for n in range(12)] + ["/registry/pods/default/a-name-too-long-to-be-kept-inline", "z" * 60]


def put(key, leases):
    body = {"key": b64(key), "value": b64("v" * random.choice([0, 1, 7, 300]) + str(random.random()))}
    if leases and random.random() < 0.3:
        body["lease"] = random.choice(leases)
    return body


def delete():
    key = random.choice(KEYS)
    body = {"key": b64(key)}
    if random.random() < 0.2:
        body["range_end"] = b64(key[:2] + "~")
    return body


def transaction(leases):
    """Puts and a delete of distinct keys, so that one revision has several changes."""
    keys = random.sample(KEYS, random.randint(1, 4))
    operations = [{"requestPut": put(key, leases)} for key in keys[1:]]
    return {"success": operations + [{"requestDeleteRange": {"key": b64(keys[0])}}]}


process, connection = start()
leases = [call("/v3/lease/grant", {"TTL": 100000, "ID": n})["ID"] for n in (7, 1 << 60)]
revision, compacted = 1, 0
answer = call("/v3/kv/range", {"key": b64("\0")})
for n in range(operations):
    dice = random.random()
    if dice < 0.6:
        answer = call("/v3/kv/put", put(random.choice(KEYS), leases))
    elif dice < 0.75:
        answer = call("/v3/kv/deleterange", delete())
    elif dice < 0.9:
        answer = call("/v3/kv/txn", transaction(leases))
    elif revision > compacted + 5:
        compacted = random.randint(compacted + 1, compacted + 5)
        answer = call("/v3/kv/compaction", {"revision": compacted, "physical": True})
    revision = int(answer["header"]["revision"])
    if n == operations // 2:
        # The rest runs on an index that was restored.
        process.terminate()
        process.wait()
        process, connection = start()



def snapshot(name):
    environment = dict(os.environ, ETCDCTL_ENDPOINTS=client)
    subprocess.run([f"{binaries}/etcdctl", "snapshot", "save", f"{data}/s"], env=environment, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = json.loads(subprocess.check_output([f"{binaries}/etcdutl", "snapshot", "status", f"{data}/s", "-w", "json"]))
    with open(f"{data}/s", "rb") as source, open(f"{out}/{name}", "wb") as target:
        target.write(source.read()[:-32])
    return status


os.makedirs(out, exist_ok=True)
snapshot("before.db")
compacted = (compacted + revision) // 2
call("/v3/kv/compaction", {"revision": compacted, "physical": True})
with open(f"{out}/hashes.tsv", "w") as file:
    for at in range(1, revision + 1):
        answer = call("/v3/maintenance/hashkv", {"revision": at})
        if "hash" in answer:
            print(at, answer["hash"], answer.get("compact_revision", 0), answer["hash_revision"], sep="\t", file=file)
with open(f"{out}/ranges.tsv", "w") as file:
    for at in range(max(compacted, 1), revision + 1):
        answer = call("/v3/kv/range", {"key": b64("\0"), "range_end": b64("\0"), "revision": at})
        for kv in answer.get("kvs", []):
            key = base64.b64decode(kv["key"]).decode()
            value = base64.b64decode(kv.get("value", "")).hex()
            print(at, key, kv["create_revision"], kv["mod_revision"], kv["version"], kv.get("lease", 0), value,
                  sep="\t", file=file)
whole = call("/v3/maintenance/hash", {})["hash"]
status = snapshot("after.db")
process.terminate()
process.wait()
with open(f"{out}/status.tsv", "w") as file:
    for name, number in [("hash", whole), ("status_hash", status["hash"]), ("revision", revision), ("compacted", compacted)]:
        print(name, number, sep="\t", file=file)
shutil.rmtree(data)
