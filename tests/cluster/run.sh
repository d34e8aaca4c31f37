#!/bin/bash
# Real clusters, as CI runs them: the run-book, a corrupt member, 50 faults, Go's members and ours mixed. About 12 minutes on two cores.
# Needs root; on Debian it installs what is missing of iproute2, nftables and util-linux. Exit 3: something was skipped.
#
#   run.sh [directory with Go's etcds, as tests/conformance/oracles.sh makes it]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
go=${1:-${QUORATE_ORACLE:-$target/oracle}}

say() { echo "cluster: $*"; }

if [ "$(id -u)" != 0 ]; then
    say "SKIPPED: members in networks of their own need root"
    exit 3
fi
missing=()
for pair in ip:iproute2 tc:iproute2 nft:nftables unshare:util-linux setpriv:util-linux; do
    command -v "${pair%:*}" >/dev/null || missing+=("${pair#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        say "SKIPPED: no ${missing[*]} here"
        exit 3
    fi
    say "installing ${missing[*]}"
    apt-get -q update
    apt-get -q install -y --no-install-recommends "${missing[@]}"
fi

cd "$root"
cargo build --release --locked -p cluster -p etcd -p etcdctl
bin=$target/release
status=0
# A plan that is skipped does not end the run; one that fails does.
plan() {
    say "== $*"
    local code=0
    "$bin/cluster" "$@" || code=$?
    case $code in 0) ;; 3) status=3 ;; *) exit "$code" ;; esac
}
plan runbook --server "$bin/etcd" --etcdctl "$bin/etcdctl"
plan corruption --server "$bin/etcd"
plan faults --server "$bin/etcd" --rounds 50
if [ -x "$go/etcd" ] && [ -x "$go/3.4/etcd" ] && [ -x "$go/3.5/etcd" ]; then
    plan mixed --ours "$bin/etcd" --go "$go"
else
    say "SKIPPED mixed clusters: no Go etcds in $go"
    status=3
fi
exit $status
