#!/bin/bash
# live.sh VERSION ETCD ETCDCTL PORT: golden/live-VERSION from a short life of a Go etcd, ended by SIGKILL.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
client=http://127.0.0.1:$4 peer=http://127.0.0.1:$(($4 + 1))
"$2" --name m1 --data-dir "$scratch" --snapshot-count 20 \
  --listen-client-urls "$client" --advertise-client-urls "$client" \
  --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "m1=$peer" 2>"$scratch/log" &
pid=$!
run() { "$ETCDCTL" --endpoints "$client" "$@" >/dev/null; }
ETCDCTL=$3
for _ in $(seq 100); do run endpoint health 2>/dev/null && break; sleep 0.2; done
for i in $(seq 30); do run put "key$i" "value$i"; done
run del key3
run lease grant 100
printf 'value("key1") = "value1"\n\nput key1 x\n\nget key1\n\n' | run txn
run put empty ""
kill -9 $pid
wait $pid 2>/dev/null || true
out=$here/live-$1
rm -rf "$out"
mkdir -p "$out/wal" "$out/snap"
cp "$scratch"/member/snap/*.snap "$out/snap"
for segment in "$scratch"/member/wal/*.wal; do
  # Without the zero tail: up to the last byte that is not zero, and the padding of its frame.
  used=$(python3 -c 'import sys; n = len(open(sys.argv[1], "rb").read().rstrip(b"\0")); print((n + 7) // 8 * 8)' "$segment")
  head -c "$used" "$segment" >"$out/wal/$(basename "$segment")"
done
