#!/bin/bash
# Runs a command beside a fresh server of one member: serve.sh ETCD PORT DIRECTORY COMMAND... Its exit code is the
# command's. PORT serves clients, the next one peers; the server's log and data are in DIRECTORY.
set -euo pipefail
etcd=$1 port=$2 directory=$3
shift 3
client=http://127.0.0.1:$port peer=http://127.0.0.1:$((port + 1))
rm -rf "$directory/data"
mkdir -p "$directory"
"$etcd" --name one --data-dir "$directory/data" --listen-client-urls "$client" --advertise-client-urls "$client" \
    --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "one=$peer" \
    >"$directory/server.log" 2>&1 &
server=$!
# A server that has ended already, or ends by the signal, is what is wanted.
stop() {
    if kill "$server" 2>/dev/null; then
        wait "$server" || return 0
    fi
}
trap stop EXIT

# Bash's own TCP: no other tool is needed to ask for /health.
healthy() {
    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET /health HTTP/1.0\r\n\r\n' >&3
    grep -q '"health":"true"' <&3
}
for ((tries = 600; tries > 0; tries--)); do
    if (healthy) 2>/dev/null; then break; fi
    kill -0 "$server" 2>/dev/null || { echo "serve: $etcd ended, see $directory/server.log" >&2; exit 2; }
    sleep 0.05
done
if ((tries == 0)); then echo "serve: $etcd does not become healthy, see $directory/server.log" >&2; exit 2; fi
"$@"
