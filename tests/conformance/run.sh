#!/bin/bash
# Runs our programs beside Go etcd and under clients that others wrote. One step after the other, each with a bound on its
# time and a directory of its own, target/conformance/NAME (its output is `log`); a failed step does not keep the next
# from running. Exit code 1 if one failed.
#
#   QUORATE_ORACLE   where the Go programs are or go to (oracles.sh); target/oracle by default
#   QUORATE_PORT     the first of a hundred ports
#
# What a step needs and the machine has not (Go, Debian's packages, Python, protoc) is named, and that step alone skipped.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
oracle=${QUORATE_ORACLE:-$target/oracle}
port=${QUORATE_PORT:-21600}
logs=$target/conformance
bin=$target/release
failed=() skipped=()
child=

# The last lines of a failed step that are shown.
SHOWN_LINES=60

# A step that has ended already, or ends by the signal, is what is wanted.
stop() {
    if [ -n "$child" ] && kill "$child" 2>/dev/null; then
        wait "$child" || return 0
    fi
}
trap stop EXIT

have() { command -v "$1" >/dev/null; }
skip() { skipped+=("$1"); printf 'SKIPPED %-20s %s\n' "$1" "$2"; }

# step NAME SECONDS COMMAND...: `{}` in the command stands for the step's directory.
step() {
    local name=$1 limit=$2 begun=$SECONDS status=0
    local directory=$logs/$name
    shift 2
    rm -rf "$directory"
    mkdir -p "$directory"
    # In the background, so that an interrupt ends the step too: `timeout` hands the signal to all that it started.
    timeout -k 10 "$limit" "${@//\{\}/$directory}" >"$directory/log" 2>&1 </dev/null &
    child=$!
    wait "$child" || status=$?
    child=
    if [ $status = 0 ]; then
        printf 'ok      %-20s %4d s  %s\n' "$name" $((SECONDS - begun)) "$(awk 'NF { last = $0 } END { print last }' "$directory/log")"
        return
    fi
    failed+=("$name")
    [ $status != 124 ] || echo "not done after $limit s" >>"$directory/log"
    tail -n $SHOWN_LINES "$directory/log"
    printf 'FAILED  %-20s %4d s  exit code %d, all of it in %s\n' "$name" $((SECONDS - begun)) $status "$directory/log"
}

# exchange NAME FROM TO SCRIPT...: FROM writes a data directory, TO goes on with it, and back where a script says so.
# `hold` is a release whose version FROM passes for, if one is set.
exchange() {
    local name=$1 from=$2 to=$3
    shift 3
    if [ ! -x "$from" ] || [ ! -x "$to" ]; then skip "$name" "no $from or $to"; return; fi
    local etcdutl=$oracle/etcdutl
    # Data goes down to an older release through the older tool.
    if [ -x "$(dirname "$to")/etcdutl" ]; then etcdutl=$(dirname "$to")/etcdutl; fi
    local held=()
    if [ -n "${hold:-}" ]; then held=(--server-flag "--quorate-cluster-version-max=$hold"); fi
    step "$name" 300 "$bin/e2e" --server "$from" "${held[@]}" --other "$to" --etcdutl "$etcdutl" --port "$port" \
        --dir '{}' "${@/#/tests/e2e/exchange/}"
}

# client NAME SECONDS COMMAND...: a client's program against Go's server, which decides what is right, then ours.
# `{}` is a directory for it, the server is at 127.0.0.1:$port.
client() {
    local name=$1 limit=$2
    shift 2
    if [ -x "$oracle/etcd" ]; then
        step "$name-go" "$limit" "$here/serve.sh" "$oracle/etcd" "$port" '{}' "$@"
    else
        skip "$name-go" "no Go etcd"
    fi
    step "$name" "$limit" "$here/serve.sh" "$bin/etcd" "$port" '{}' "$@"
}

# install COMMAND PACKAGE: a command from Debian, where it is missing and may be had.
install() {
    if have "$1"; then return; fi
    have apt-get && [ "$(id -u)" = 0 ] || return 1
    { apt-get -q install -y "$2" || { apt-get -q update && apt-get -q install -y "$2"; }; } >"$logs/$2.log" 2>&1
}

mkdir -p "$logs"
cargo build --release --locked -p etcd -p etcdctl -p e2e
status=0
"$here/oracles.sh" || status=$?
case $status in
    0) ;;
    3) echo "conformance: some of the oracles are missing; what needs them is skipped" ;;
    *) echo "conformance: the oracles cannot be made" >&2; exit 1 ;;
esac

# Files.
if have go; then
    step bolt 900 cargo test --locked -p bolt --test it -- --ignored
else
    skip bolt "no Go"
fi

# Data directories.
from_older=(upgrade.txt upgrade-killed.txt)
same=("${from_older[@]}" segments.txt back-and-forth.txt restore.txt)
exchange 3.4-to-ours "$oracle/3.4/etcd" "$bin/etcd" "${from_older[@]}"
exchange 3.5-to-ours "$oracle/3.5/etcd" "$bin/etcd" "${from_older[@]}"
exchange 3.7-to-ours "$oracle/etcd" "$bin/etcd" "${same[@]}"
exchange ours-to-3.7 "$bin/etcd" "$oracle/etcd" "${same[@]}"
exchange refused-by-3.5 "$bin/etcd" "$oracle/3.5/etcd" refuse.txt restore-older.txt
hold=3.5 exchange ours-to-3.5 "$bin/etcd" "$oracle/3.5/etcd" rollback.txt
hold=3.4 exchange ours-to-3.4 "$bin/etcd" "$oracle/3.4/etcd" rollback.txt

# Kills.
if [ -x "$oracle/etcd" ]; then
    step crash 900 "$bin/crash" --server "$bin/etcd" --etcdutl "$oracle/etcdutl" --other "$oracle/etcd" --rounds 100 \
        --port "$port" --dir '{}'
else
    step crash 900 "$bin/crash" --server "$bin/etcd" --rounds 100 --port "$port" --dir '{}'
fi

# etcdctl: ours on Go's server, then Go's, ours and Debian's on both.
if [ -x "$oracle/etcdctl" ]; then
    step etcdctl 1200 "$here/ctl/run.sh" "$oracle" "$bin/etcdctl" "$port"
else
    skip etcdctl "no Go etcd"
fi
if [ -x "$oracle/etcdctl" ] && [ -x "$oracle/3.4/etcdctl" ] && have python3; then
    step sides 600 python3 "$here/sides/sides.py" --reference "$oracle/etcd" --server "$bin/etcd" \
        --etcdutl "$oracle/etcdutl" --client "go=$oracle/etcdctl" --client "ours=$bin/etcdctl" \
        --client "debian=$oracle/3.4/etcdctl" --port "$port" --dir '{}'
else
    skip sides "no Go etcd, no Debian etcdctl or no Python"
fi

# Clients in other languages.
if install protoc protobuf-compiler; then
    export CARGO_TARGET_DIR=$logs/rust-client-target
    rust=(--manifest-path "$here/rust-client/Cargo.toml")
    step rust-client-build 600 bash -c 'cargo fmt --check "$@" && cargo build --locked "$@"' - "${rust[@]}"
    client rust-client 120 "$CARGO_TARGET_DIR/debug/rust-client" "http://127.0.0.1:$port" '{}'
else
    skip rust-client "no protoc, which building etcd-client needs"
fi
if have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; then
    venv=$logs/venv
    step python-install 300 bash -c 'python3 -m venv "$0" && "$0/bin/pip" install --no-input -q -r "$1" && echo installed' \
        "$venv" "$here/python/requirements.txt"
    client python 120 "$venv/bin/python" "$here/python/client.py" "127.0.0.1:$port"
else
    skip python "no Python with venv"
fi

[ ${#skipped[@]} = 0 ] || echo "conformance: skipped: ${skipped[*]}"
if [ ${#failed[@]} != 0 ]; then
    echo "conformance: FAILED: ${failed[*]}" >&2
    exit 1
fi
echo "conformance: all steps passed"
