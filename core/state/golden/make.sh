#!/bin/sh
# Makes the files beside this script with Go's etcd: a member's log, the database it led to, and the HashKV of that
# (printed; the tests know it). Usage: make.sh ETCD ETCDCTL NAME. Member and lease IDs differ with every run.
# For 3.4.23: --snapshot-count 10, and only the commands that release has; the v2 store is the data of its .snap file.
set -e
etcd=$1 ctl="$2 --endpoints 127.0.0.1:21500" name=$3
$etcd --data-dir "$name.etcd" --name default --listen-client-urls http://127.0.0.1:21500 \
  --advertise-client-urls http://127.0.0.1:21500 --listen-peer-urls http://127.0.0.1:21501 \
  --initial-advertise-peer-urls http://localhost:2380 --initial-cluster default=http://localhost:2380 &
pid=$!
sleep 3
added() { $ctl member list | grep unstarted | cut -d, -f1; }
alarm() { curl -s http://127.0.0.1:21500/v3/maintenance/alarm -d "$1"; }
$ctl member add l1 --learner --peer-urls http://127.0.0.1:1
$ctl member update "$(added)" --peer-urls http://127.0.0.1:3
$ctl member remove "$(added)"
$ctl member add l2 --learner --peer-urls http://127.0.0.1:2
$ctl member add l3 --learner --peer-urls http://127.0.0.1:4 || true
$ctl put a 1; $ctl put b 2; $ctl put a 3 --prev-kv
lease=$($ctl lease grant 1000 | awk '{print $2}') kept=$($ctl lease grant 500 | awk '{print $2}')
for k in z y x; do $ctl put lk-$k $k --lease="$lease"; done
$ctl put keep v --lease="$kept"; $ctl put keep w --ignore-lease; $ctl put a --ignore-value
$ctl put nokey --ignore-value || true
printf 'version("a") > "0"\nvalue("b") = "2"\n\nput t1 one\nget a\ndel b\nput t2 two\n\nput t3 three\n\n' | $ctl txn
printf 'mod("nope") > "0"\n\nput n1 x\n\nput n2 y\ndel --prefix t\n\n' | $ctl txn
$ctl lease revoke "$lease"; $ctl del --prefix nothing
$ctl put big "$(head -c 3000 /dev/zero | tr '\0' x)"; $ctl put empty ''
$ctl del a --prev-kv; $ctl put a again; $ctl compact 8; $ctl put after compact
$ctl downgrade enable 3.6; sleep 6; $ctl downgrade cancel; sleep 5
alarm '{"action":"ACTIVATE","memberID":"77","alarm":"NOSPACE"}'; $ctl put refused x || true; $ctl del empty
alarm '{"action":"ACTIVATE","memberID":"78","alarm":"CORRUPT"}'; $ctl del keep || true
alarm '{"action":"DEACTIVATE","memberID":"78","alarm":"CORRUPT"}'
sleep 1
$ctl endpoint hashkv -w json
# The image without its trailing SHA-256.
$ctl snapshot save "$name.image" && head -c -32 "$name.image" >"$name.db"
kill $pid
wait $pid || true
# $name.log: the entries of member/wal, each behind its length as a varint.
