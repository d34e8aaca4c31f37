#!/bin/bash
# Puts the oracles into target/oracle: Go etcd 3.7.1 with its tools and end-to-end test programs, and Debian's etcd
# 3.4.23 and 3.5.16. What is there already stays. Without Go the 3.7.1 part is skipped, with a message and exit 3.
#
#   target/oracle/{etcd,etcdctl,etcdutl}           built from the module cache, versions pinned by go.mod and go.sum
#   target/oracle/{common,e2e}.test                etcd's own end-to-end tests
#   target/oracle/{3.4,3.5}/{etcd,etcdctl[,etcdutl]} Debian bookworm, trixie
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${QUORATE_ORACLE:-${CARGO_TARGET_DIR:-$root/target}/oracle}
mkdir -p "$out"
out=$(cd "$out" && pwd)

say() { echo "oracles: $*"; }

# build NAME PACKAGE: a program of the pinned release.
build() {
    if [ -x "$out/$1" ]; then say "$1 is there"; return; fi
    (cd "$here" && CGO_ENABLED=0 go build -mod=mod -o "$out/$1.new" "$2")
    mv "$out/$1.new" "$out/$1"
    say "built $1 from $2"
}

# suite NAME PACKAGE: a test program of the pinned release.
suite() {
    if [ -x "$out/$1" ]; then say "$1 is there"; return; fi
    (cd "$here" && CGO_ENABLED=0 go test -mod=mod -c -tags e2e -o "$out/$1.new" "$2")
    mv "$out/$1.new" "$out/$1"
    say "built $1 from $2"
}

# debian RELEASE VERSION DIR: etcd-server and etcd-client of one Debian release, unpacked, never installed. A private
# apt directory keeps the release apart from the machine's own.
debian() {
    local release=$1 version=$2 dir=$out/$3
    if [ -x "$dir/etcd" ] && [ -x "$dir/etcdctl" ]; then say "Debian $version is there"; return; fi
    local apt=$out/apt-$release mirror
    mirror=$(apt-cache policy 2>/dev/null | grep -o 'https\?://[^ ]*/debian ' | head -1 | tr -d ' ')
    mirror=${mirror:-http://deb.debian.org/debian}
    mkdir -p "$apt"/{lists/partial,cache/archives/partial,etc/preferences.d,deb}
    : > "$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" > "$apt/etc/sources.list"
    local options=(-o "Dir::Etc::sourcelist=$apt/etc/sources.list" -o Dir::Etc::sourceparts=- -o Dir::Etc::preferences=-
        -o "Dir::Etc::preferencesparts=$apt/etc/preferences.d" -o "Dir::State::lists=$apt/lists"
        -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root
        -o APT::Update::Post-Invoke-Success::= -o Acquire::Languages=none)
    apt-get -q "${options[@]}" update
    (cd "$apt/deb" && apt-get -q "${options[@]}" download etcd-server etcd-client)
    rm -rf "$apt/root"
    for deb in "$apt"/deb/*.deb; do dpkg -x "$deb" "$apt/root"; done
    mkdir -p "$dir"
    cp "$apt"/root/usr/bin/etcd* "$dir/"
    "$dir/etcd" --version | grep -q "etcd Version: $version" || { say "Debian $release has not $version"; return 1; }
    rm -rf "$apt"
    say "Debian $version from $release: $(ls "$dir" | tr '\n' ' ')"
}

status=0
if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
    debian bookworm 3.4.23 3.4
    debian trixie 3.5.16 3.5
else
    say "SKIPPED Debian's 3.4.23 and 3.5.16: no apt-get here"
    status=3
fi
if command -v go >/dev/null; then
    build etcd go.etcd.io/etcd/server/v3
    build etcdctl go.etcd.io/etcd/etcdctl/v3
    build etcdutl go.etcd.io/etcd/etcdutl/v3
    suite common.test go.etcd.io/etcd/tests/v3/common
    suite e2e.test go.etcd.io/etcd/tests/v3/e2e
elif [ ! -x "$out/etcd" ]; then
    say "SKIPPED Go etcd 3.7.1: no Go here"
    status=3
fi
exit $status
