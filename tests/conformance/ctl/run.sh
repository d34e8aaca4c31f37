#!/bin/bash
# Compares our etcdctl with Go's: runs every line of commands.txt with each against a fresh Go server, and shows
# where standard output, standard error or exit code differ once what changes from run to run is masked.
#
#   run.sh <directory with Go's etcd and etcdctl> <our etcdctl> [first of four free ports] [commands file]
#
# Both runs use the same addresses, so that cluster and member IDs, revisions and terms must be equal.
set -u
oracle=${1:?directory of the Go binaries} ours=${2:?our etcdctl} port=${3:-21900}
here=$(cd "$(dirname "$0")" && pwd)
table=${4:-$here/commands.txt}
work=$(mktemp -d)
server=
stop() { [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; server=; }
trap 'stop; rm -rf "$work"' EXIT

start() {
    rm -rf "$work/data" "$work/scratch" && mkdir "$work/scratch"
    local client=http://127.0.0.1:$port peer=http://127.0.0.1:$((port + 1))
    "$oracle/etcd" --name infra1 --data-dir "$work/data" --listen-client-urls "$client" \
        --advertise-client-urls "$client" --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
        --initial-cluster "infra1=$peer" >"$work/server.log" 2>&1 &
    server=$!
    local tries=100
    until "$oracle/etcdctl" --endpoints="127.0.0.1:$port" endpoint health >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "the server does not start:"; tail -3 "$work/server.log"; exit 2; }
        sleep 0.1
    done
}

# Runs the table with the etcdctl $1 and writes the masked outcome of each line to $2.
run_table() {
    export CTL=$1 EP=127.0.0.1:$port DEAD=127.0.0.1:$((port + 3)) T=$work/scratch
    while IFS= read -r line; do
        case $line in '' | '#'*) continue ;; esac
        (
            cd "$T" || exit
            etcdctl() { "$CTL" --endpoints="$EP" "$@"; }
            bare() { "$CTL" "$@"; }
            export -f etcdctl bare
            timeout -k 1 20 bash -c "$line" >out 2>err </dev/null
            code=$?
            printf '$ %s\n' "$line"
            "$here/mask.sh" <out | sed 's/^/out| /'
            "$here/mask.sh" <err | sed 's/^/err| /'
            echo "exit $code"
        )
    done <"$table" >"$2"
}

for who in go ours; do
    start
    if [ $who = go ]; then run_table "$oracle/etcdctl" "$work/go"; else run_table "$ours" "$work/ours"; fi
    stop
done
lines=$(grep -c '^\$ ' "$work/go")
if diff -U 6 --label go --label ours "$work/go" "$work/ours"; then
    echo "$lines command lines, no difference"
else
    exit 1
fi
