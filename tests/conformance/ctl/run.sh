#!/bin/bash
# Compares our etcdctl with Go's: runs every line of a table with each against fresh Go servers, and shows where
# standard output, standard error or exit code differ once what changes from run to run is masked.
#
#   run.sh <directory with Go's etcd and etcdctl> <our etcdctl> [first of ten free ports] [table ...]
#
# commands.txt runs on one server, cluster.txt on three, the first of which leads. Both runs use the same addresses,
# so that cluster and member IDs, revisions and (of one server) terms must be equal. QUORATE_CTL_SERVER names another
# server for the second run: with Go's etcdctl as ours, that compares servers.
set -u
oracle=${1:?directory of the Go binaries} ours=${2:?our etcdctl} port=${3:-21900}
shift $(($# < 3 ? $# : 3))
here=$(cd "$(dirname "$0")" && pwd)
[ $# -gt 0 ] || set -- "$here/commands.txt" "$here/cluster.txt"
work=$(mktemp -d)
servers=()
stop() {
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null; done
    for server in "${servers[@]}"; do wait "$server" 2>/dev/null; done
    servers=()
}
trap 'stop; rm -rf "$work"' EXIT

client() { echo "127.0.0.1:$((port + 2 * $1 - 2))"; }
peer() { echo "http://127.0.0.1:$((port + 2 * $1 - 1))"; }

# Waits until a command succeeds.
await() {
    local tries=200
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "in vain: $*"; tail -n 3 "$work"/*.log; exit 2; }
        sleep 0.1
    done
}

ask() { "$oracle/etcdctl" --endpoints="$1" "${@:2}"; }
# The member ID of an endpoint, in hexadecimal and decimal, and its leader's in decimal.
hex_of() { ask "$1" endpoint status -w fields --hex | sed -n 's/^"MemberID" : //p'; }
id_of() { ask "$1" endpoint status -w json | sed -E 's/.*"member_id":([0-9]+).*/\1/'; }
leader_of() { ask "$1" endpoint status -w json | sed -E 's/.*"leader":([0-9]+).*/\1/'; }
first_leads() { [ "$(leader_of "$(client 1)")" = "$(id_of "$(client 1)")" ]; }

# Starts servers infra1 to infra$2 of the program $1, and makes the first one leader.
start() {
    rm -rf "$work"/data* "$work/scratch" && mkdir "$work/scratch"
    local n initial=
    for n in $(seq "$2"); do initial+=,infra$n=$(peer "$n"); done
    for n in $(seq "$2"); do
        "$1" --name "infra$n" --data-dir "$work/data$n" --listen-client-urls "http://$(client "$n")" \
            --advertise-client-urls "http://$(client "$n")" --listen-peer-urls "$(peer "$n")" \
            --initial-advertise-peer-urls "$(peer "$n")" --initial-cluster "${initial#,}" >"$work/server$n.log" 2>&1 &
        servers+=($!)
    done
    for n in $(seq "$2"); do await ask "$(client "$n")" endpoint health; done
    [ "$2" -gt 1 ] || return
    if ! first_leads; then
        local eps=
        for n in $(seq "$2"); do eps+=,$(client "$n"); done
        ask "${eps#,}" move-leader "$(hex_of "$(client 1)")" >/dev/null
        await first_leads
    fi
    # Members count as connected after five seconds, and the cluster version needs a look at all of them.
    sleep 6
}

# What is known of the members before the table is run: their IDs, for the table and the mask.
learn() {
    local n
    : >"$work/names"
    for n in $(seq "$1"); do
        local hex
        hex=$(hex_of "$(client "$n")")
        export "ID$n=$hex"
        echo "s/$hex/@$n@/g;s/$(id_of "$(client "$n")")/@$n@/g" >>"$work/names"
    done
}

# Members that were added have IDs of their time; elections are as many as it takes; any of several may answer.
mask() {
    if [ "$members" = 1 ]; then "$here/mask.sh"; return; fi
    "$here/mask.sh" | sed -E -f "$work/names" | sed -E \
        -e 's/"raft_term":[0-9]+/"raft_term":<n>/g; s/"raftTerm":[0-9]+/"raftTerm":<n>/g' \
        -e 's/"RaftTerm" : [0-9]+/"RaftTerm" : <n>/; s/"member_id":"?@.@"?/"member_id":<id>/g; s/"MemberID" : @.@/"MemberID" : <id>/' \
        -e 's/, [0-9]+, [0-9]+, [0-9]+, (, |etcd)/, <n>, <n>, <n>, \1/; s/│ [0-9]+ │ [0-9]+ │ [0-9]+ │/│ <n> │ <n> │ <n> │/' \
        -e 's/(Member|"ID" :|"ID":|"id":|"member_id":|"MemberID" :|^|│) *"?([0-9a-f]{13,16}|[0-9]{17,20})"?\b/\1 <id>/g'
}

# Runs the table $2 with the etcdctl $1 and writes the masked outcome of each line to $3.
run_table() {
    export CTL=$1 EP EPS DEAD T=$work/scratch NEW
    EP=$(client 1) EPS=$(client 1),$(client 2),$(client 3)
    DEAD=127.0.0.1:$((port + (members == 1 ? 3 : 6))) NEW=http://127.0.0.1:$((port + 9))
    while IFS= read -r line; do
        case $line in '' | '#'*) continue ;; esac
        order() { cat; }
        if [ "${line#\~ }" != "$line" ]; then line=${line#\~ } && order() { tr '{,=' '\n\n\n' | tr -d '[]}"' | LC_ALL=C sort; }; fi
        (
            cd "$T" || exit
            etcdctl() { "$CTL" --endpoints="$EP" "$@"; }
            all() { "$CTL" --endpoints="$EPS" "$@"; }
            bare() { "$CTL" "$@"; }
            # The ID of the member that has not started.
            new() { "$CTL" --endpoints="$EP" member list | sed -n 's/, unstarted.*//p'; }
            export -f etcdctl all bare new
            timeout -k 1 20 bash -c "$line" >out 2>err </dev/null
            code=$?
            printf '$ %s\n' "$line"
            mask <out | order | sed 's/^/out| /'
            mask <err | sed 's/^/err| /'
            echo "exit $code"
        )
    done <"$2" >"$3"
}

status=0
for table; do
    members=1
    [ "$(basename "$table")" != cluster.txt ] || members=3
    start "$oracle/etcd" "$members" && learn "$members"
    run_table "$oracle/etcdctl" "$table" "$work/go"
    stop
    start "${QUORATE_CTL_SERVER:-$oracle/etcd}" "$members" && learn "$members"
    run_table "$ours" "$table" "$work/ours"
    stop
    lines=$(grep -c '^\$ ' "$work/go")
    if diff -U 6 --label go --label ours "$work/go" "$work/ours"; then
        echo "$(basename "$table"): $lines command lines, no difference"
    else
        status=1
    fi
done
exit $status
